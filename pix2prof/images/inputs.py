"""What there is to do: the images of a folder, a list or a catalogue, one item after another."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..names import safe_name, stem

FITS_NAME = re.compile(r"\.(fits?|fts)(\.(gz|bz2|fz|xz|Z))?$", re.IGNORECASE)
LISTS = (".txt", ".list", ".lst")
CATALOGUES = (".ecsv", ".csv", ".vot", ".votable")
FRAME = ("frame", "image", "file", "filename", "path")
RA = ("ra", "raj2000", "_raj2000", "alpha_j2000", "ra_deg")
DEC = ("dec", "dej2000", "_dej2000", "delta_j2000", "dec_deg", "decl")
NAME = ("name", "id", "object", "objid", "galaxy")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do: a file, or a place on a large frame.

    Parameters
    ----------
    key : str
        What it is called in the results, the same whenever the same inputs are given; no two
        items share one.
    path : str
        The FITS file.
    name : str
        The galaxy's name if the catalogue has one, else empty.
    ra, dec : float or None
        Its place (ICRS) [deg]; None where the file is a cut-out.
    options : tuple of (str, object)
        The catalogue's own ``band``, ``hdu``, ``pixscale`` and ``zeropoint``.
    """

    key: str
    path: str
    name: str = ""
    ra: float | None = None
    dec: float | None = None
    options: tuple = ()


SUFFIXES = "*.fits, *.fit or *.fts, plain or with .gz, .bz2, .fz, .xz or .Z"
"""What `FITS_NAME` takes, in words."""


def is_collection(path):
    """Whether a source names any number of images: a folder, a list or a catalogue."""
    path = Path(path)
    return path.is_dir() or path.suffix.lower() in LISTS + CATALOGUES


def gives_places(source):
    """Whether a source is a catalogue with places on frames, ``ra`` and ``dec``.

    Raises
    ------
    FileNotFoundError, ValueError
        As `find_items`.
    """
    if not str(source).lower().endswith(CATALOGUES) or Path(source).is_dir():
        return False
    return _open_catalogue(os.fspath(source))[2]["ra"] is not None


def find_items(sources, besides=None):
    """List what there is to do, without reading an image.

    Parameters
    ----------
    sources : sequence of str or Path
        FITS files; folders, searched with those below them, names in sorted order; lists
        (``.txt``, ``.list``, ``.lst``), one file a line; catalogues (``.ecsv``, ``.csv``,
        ``.vot``), one galaxy a row, with a column of files (``frame``, ``image``, ``file``)
        and, for places on large frames, ``ra`` and ``dec`` [deg]; also ``name``, ``band``,
        ``hdu``, ``pixscale``, ``zeropoint``. Files are taken from the list's or the catalogue's
        own folder.
    besides : str or Path, optional
        A folder whose files are no inputs: the results'.

    Yields
    ------
    item : Item
        Each once, whatever number of times it is named.

    Raises
    ------
    FileNotFoundError
        If a list or a catalogue is missing.
    ValueError
        If a catalogue cannot be read or lacks a column.
    """
    sources = [os.path.abspath(source) for source in sources]
    homes = [path if os.path.isdir(path) else os.path.dirname(path) for path in sources]
    root = os.path.commonpath(homes) if homes else ""
    skip = None if besides is None else os.path.realpath(besides)
    seen = None if len(sources) == 1 and os.path.isdir(sources[0]) else set()
    for source in sources:
        for item in _items(source, root, skip):
            if seen is not None:
                if fingerprint(item.key) in seen:
                    continue
                seen.add(fingerprint(item.key))
            yield item


def fingerprint(key):
    """Return 16 bytes for an item's key, of which millions can be kept."""
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def file_name(item):
    """Name of an item's own file, without folder and extension.

    Parameters
    ----------
    item : Item
        Several can have the same.

    Returns
    -------
    name : str
        The catalogue's name and band; else that of the image, folders become part of it.
    """
    if item.name:
        return safe_name("-".join([item.name, *(str(v) for k, v in item.options if k == "band")]))
    path, _, place = item.key.partition("#")
    folder = "".join(f"{part}_" for part in Path(path).parts[:-1] if part != "..")
    return safe_name("-".join(filter(None, (folder + stem(path), place))))


def _items(source, root, skip):
    if os.path.isdir(source):
        for path in _walk(source, skip):
            yield Item(_key(path, root), path)
    elif source.lower().endswith(LISTS):
        home = os.path.dirname(source)
        with open(source, encoding="utf-8", errors="surrogateescape") as lines:
            for line in map(str.strip, lines):
                if line and not line.startswith("#"):
                    path = os.path.abspath(os.path.join(home, os.path.expanduser(line)))
                    yield Item(_key(path, root), path)
    elif source.lower().endswith(CATALOGUES):
        yield from _catalogue(source, root)
    else:
        yield Item(_key(source, root), source)


def _walk(folder, skip):
    """FITS files below a folder in sorted order; hidden ones and the results' are left out.

    A folder that cannot be listed comes as an item itself, so that its failure is recorded.
    """
    try:
        with os.scandir(folder) as listing:
            entries = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in listing)
    except OSError:
        yield folder
        return
    for name, inside in entries:
        path = os.path.join(folder, name)
        if name.startswith(".") or os.path.realpath(path) == skip:
            continue
        if inside:
            yield from _walk(path, skip)
        elif FITS_NAME.search(name):
            yield path


def _key(path, root):
    text = os.path.relpath(path, root) if root else path
    return printable(text)


def printable(text):
    """Text that any encoding takes: bytes of a name that are no UTF-8 come as ``\\xNN``."""
    return os.fsencode(text).decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _open_catalogue(source):
    """The table, its columns by their names in small letters, and by what they are for."""
    from astropy.table import Table

    suffix = Path(source).suffix.lower()
    format = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}.get(suffix, "votable")
    if not os.path.isfile(source):
        raise FileNotFoundError(f"{source}: there is no such catalogue; check the name")
    try:
        table = Table.read(source, format=format)
    except Exception as error:  # astropy's readers raise almost anything
        words = " ".join(str(error).split())[:160]
        raise ValueError(f"{source}: not a readable {format} catalogue ({words})") from error
    names = {name.lower(): name for name in table.colnames}
    found = {
        "frame": _pick(names, FRAME), "ra": _pick(names, RA), "dec": _pick(names, DEC),
        "name": _pick(names, NAME),
    }  # fmt: skip
    if found["frame"] is None:
        raise ValueError(
            f"{source}: found the columns {', '.join(table.colnames)}; one of files is missing "
            f"({', '.join(FRAME)})"
        )
    if (found["ra"] is None) != (found["dec"] is None):
        raise ValueError(f"{source}: found one of RA and Dec; give both, or neither")
    return table, names, found


def _catalogue(source, root):
    table, names, found = _open_catalogue(source)
    frames = [_text(value) for value in table[found["frame"]]]
    order = sorted(range(len(table)), key=frames.__getitem__)
    for row in order:
        yield _row(source, root, table[row], names, found, frames[row])


def _text(value):
    """A cell as text; empty where it is masked."""
    value = _cell(value)
    return "" if value is None else str(value)


def _row(source, root, row, names, found, frame):
    path = os.path.abspath(os.path.join(os.path.dirname(source), frame))
    options = tuple(
        (key, value)
        for key in ("band", "hdu", "pixscale", "zeropoint")
        if key in names and (value := _cell(row[names[key]])) not in (None, "")
    )
    place = {}
    if found["ra"]:
        place = {key: _degrees(row[found[key]]) for key in ("ra", "dec")}
    name = "" if found["name"] is None else _text(row[found["name"]])
    key = _key(path, root)
    parts = [printable(name)] if name else []
    parts += [f"{place[k]:.7f}" for k in place] + [f"{k}={v}" for k, v in options]
    key = f"{key}#{' '.join(parts)}" if parts else key
    return Item(key, path, name, options=options, **place)


def _pick(names, wanted):
    return next((names[name] for name in wanted if name in names), None)


def _cell(value):
    """A plain Python value; None where the cell is masked."""
    if getattr(value, "mask", False) is True or str(value) == "--":
        return None
    value = value.item() if hasattr(value, "item") else value
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _degrees(value):
    value = _cell(getattr(value, "value", value))
    try:
        return float("nan" if value is None else value)
    except (TypeError, ValueError):
        return float("nan")
