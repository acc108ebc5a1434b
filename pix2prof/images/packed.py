"""Whether an fpack image says the same of itself in all places, before its decoder believes it."""

import math
import struct

from astropy.io import fits

SLACK = 2**20
HCOMPRESS = 0xDD99


def packed_lie(stream, number):
    """Look for contradictions in a tile-compressed image.

    The decoders behind astropy allocate, and write, what the header claims: a tile of 10^9 pixels,
    or an HCOMPRESS stream of other sides than its tile, ends the process.

    Parameters
    ----------
    stream : binary file
        The FITS file.
    number : int
        The HDU's.

    Returns
    -------
    lie : str or None
        What is wrong, in words; None if nothing is.
    """
    stream.seek(0)
    with fits.open(stream, memmap=False, disable_image_compression=True) as hdus:
        table = hdus[number]
        header = table.header
        axes = range(1, int(header["ZNAXIS"]) + 1)
        sides = [int(header[f"ZNAXIS{k}"]) for k in axes]
        tiles = [int(header.get(f"ZTILE{k}", sides[0] if k == 1 else 1)) for k in axes]
        if min(*sides, *tiles) < 1 or math.prod(tiles) > max(math.prod(sides), SLACK):
            return f"it claims tiles of {tiles} in an image of {sides} pixels"
        expected = math.prod(-(-s // t) for s, t in zip(sides, tiles, strict=True))
        rows, width, heap = (int(header[key]) for key in ("NAXIS2", "NAXIS1", "PCOUNT"))
        if rows != expected:
            return f"it has {rows} tiles, its sides ask for {expected}"
        start = table.fileinfo()["datLoc"]
        if min(width, heap) < 0 or start + rows * width + heap > _size(stream, hdus):
            return "the file is shorter than it claims"
        if str(header.get("ZCMPTYPE", "")).startswith("HCOMPRESS"):
            return _streams(table, sides, tiles)
    return None


def _size(stream, hdus):
    """Bytes of the file, after gzip or bzip2 if it is in one."""
    inside = hdus._file if hdus._file is not None else stream
    place = inside.tell()
    inside.seek(0, 2)
    size = inside.tell()
    inside.seek(place)
    return size


def _streams(table, sides, tiles):
    for row, stored in enumerate(table.data["COMPRESSED_DATA"]):
        content = bytes(stored[:10].astype("u1"))
        if not content:
            continue
        place, tile = row, []
        for side, width in zip(sides, tiles, strict=True):
            count = -(-side // width)
            tile.append(min(width, side - place % count * width))
            place //= count
        try:
            magic, slow, fast = struct.unpack(">Hii", content)
        except struct.error:
            return f"tile {row} is cut"
        if magic != HCOMPRESS or slow * fast != math.prod(tile) or min(slow, fast) < 1:
            return f"tile {row} is {slow} x {fast} by its own words, {tile} by the header's"
    return None
