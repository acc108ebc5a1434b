"""The commonest FITS file, one plain image, read without the general reader's many questions."""

import os
import re

import numpy as np

BLOCK, CARD = 2880, 80
MOST_BLOCKS = 32
TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
FIRST = ["SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2"]
COMMENTARY = ("COMMENT ", "HISTORY ", " " * 8)
UNUSUAL = {
    "BSCALE", "BZERO", "BLANK", "GROUPS", "PCOUNT", "GCOUNT", "XTENSION", "CONTINUE", "HIERARCH",
    "END",
}  # fmt: skip
CARD_TEXT = re.compile(
    r"([A-Z0-9_-]+) *= +(?:'((?:(?!: )[^'])*)' *(?:/[^']*)?|"
    r"(?:([TF])|([+-]?\d+)|([+-]?(?:\d+\.?\d*|\.\d+)(?:[DE][+-]?\d+)?)) *(?:/.*)?)"
)
"""Keyword, then a string without quotes or what could be a record, a truth value, or a number."""


def read_plain(path, largest):
    """Read the first image of a file in which nothing is out of the ordinary.

    Its header has each keyword once, with a string, a truth value or a number in the standard's
    own form; its pixels are not scaled, and all there. What comes of it is what astropy makes of
    the same file, in a fraction of the time.

    Parameters
    ----------
    path : str or Path
        A regular file.
    largest : int
        Images of more pixels are left alone.

    Returns
    -------
    data : (H, W) numpy.ndarray
        As stored.
    header : dict
        Keyword -> value, without comments.

    Notes
    -----
    Returns None where anything is out of the ordinary, or the file cannot be read: whether it is
    to be refused, and in what words, is for the general reader to say.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            text, start = _header_text(stream)
            header = None if text is None else _cards(text)
            if header is None or not _ordinary(header):
                return None
            shape = header["NAXIS2"], header["NAXIS1"]
            kind = np.dtype(TYPES[header["BITPIX"]])
            count = shape[0] * shape[1]
            end = start + -(-count * kind.itemsize // BLOCK) * BLOCK
            size = os.fstat(stream.fileno()).st_size
            alone = "EXTEND" not in header and size == end
            if count > largest or not (alone or (header.get("EXTEND") is True and size >= end)):
                return None
            data = np.empty(count * kind.itemsize, np.uint8)
            if stream.readinto(data) != data.size:
                return None
    except (OSError, ValueError):
        return None
    return data.view(kind).reshape(shape), header


def _header_text(stream):
    """The cards before END, and where the data begin; None and 0 if that is not soon."""
    text = ""
    for number in range(1, MOST_BLOCKS + 1):
        block = stream.read(BLOCK)
        if len(block) < BLOCK or not block.isascii():
            break
        text += block.decode("ascii")
        if not text.startswith("SIMPLE  = ") or not text.isprintable():
            break
        last = text.rstrip(" ")
        if last.endswith("END") and len(last) % CARD == 3:
            return last[:-3], number * BLOCK
    return None, 0


def _cards(text):
    """Keyword -> value of a header's cards; None unless every one of them is plain."""
    found = {}
    for place in range(0, len(text), CARD):
        card = text[place : place + CARD]
        if card.startswith(COMMENTARY):
            continue
        match = CARD_TEXT.fullmatch(card)
        if match is None or card[8:10] != "= " or match[1] in found:
            return None
        key, string, truth, whole, number = match.groups()
        if string is not None:
            found[key] = string.rstrip()
        elif truth is not None:
            found[key] = truth == "T"
        else:
            found[key] = int(whole) if whole is not None else float(number.replace("D", "E"))
    return found


def _ordinary(header):
    keys = list(header)
    return (
        keys[:5] == FIRST
        and UNUSUAL.isdisjoint(keys)
        and not any(key.startswith("NAXIS") for key in keys[5:])
        and header["SIMPLE"] is True
        and all(type(header[key]) is int for key in FIRST[1:])
        and header["BITPIX"] in TYPES
        and header["NAXIS"] == 2
        and min(header["NAXIS1"], header["NAXIS2"]) > 0
    )
