"""Malformed files by the ways in which they are."""

import bz2
import gzip
import io

import numpy as np
from astropy.io import fits
from tiny import galaxy

KEYS = {"PIXSCALE": 0.396, "ZEROPT": 22.5, "BAND": "r"}
WCS = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1.0, "CRVAL2": 2.0, "CRPIX1": 20.0,
    "CRPIX2": 20.0, "CD1_1": -1.1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1.1e-4,
}  # fmt: skip


def write(*hdus):
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream, output_verify="silentfix+ignore")
    return stream.getvalue()


def image(data=None, **keys):
    data = galaxy(40).astype("f4") if data is None else data
    return write(fits.PrimaryHDU(data, fits.Header({**KEYS, **keys})))


def card(content, key, value, instead=None):
    """Put a raw value into a card, as a liar or a broken writer would."""
    start = content.index(f"{instead or key:8}".encode())
    return content[:start] + f"{key:8}= {value:>20}".encode().ljust(80) + content[start + 80 :]


def flip(content, rng, start, stop, n):
    content = bytearray(content)
    for k in rng.integers(start, min(stop, len(content)), n):
        content[k] = rng.integers(256)
    return bytes(content)


def packed(**options):
    hdu = fits.CompImageHDU(galaxy(40).astype("f4"), fits.Header(KEYS), **options)
    return write(fits.PrimaryHDU(), hdu)


def integers(rng):
    kind = rng.choice(["u1", "i2", "u2", "i4", "u4", "i8", ">i2", ">i4"])
    return image(rng.integers(0, 250, (40, 40)).astype(kind))


def sprinkled(rng, value):
    data = galaxy(40).astype("f4")
    data[rng.random(data.shape) < rng.random()] = value
    return image(data)


def axes(rng):
    n = rng.integers(0, 5)
    return image(rng.random(tuple(rng.integers(1, 40, n))).astype("f4") if n else None)


def table(rng):
    column = fits.Column("image", "100E", array=rng.random((10, 100)))
    return write(fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column]))


PACKED = [
    packed(compression_type=kind, quantize_level=level)
    for kind, level in (("RICE_1", 16), ("GZIP_1", 0), ("GZIP_2", 16), ("HCOMPRESS_1", 16))
]
HUGE = ["2000000000", "99999999999999", "-5", "0", "'40'", "4.5", "T", "1e9"]
LIES = ["0", "-0.4", "'abc'", "1e9", "1e-9", "T", "'nan'", "1E400", "''", "(1,2)"]
WAYS = {
    "truncated": lambda rng: image()[: rng.integers(0, 2880 + 6400)],
    "header bytes": lambda rng: flip(image(), rng, 0, 800, rng.integers(1, 9)),
    "data bytes": lambda rng: flip(image(), rng, 2880, 9280, 200),
    "garbage": lambda rng: rng.bytes(rng.integers(0, 5000)),
    "magic and garbage": lambda rng: b"SIMPLE  =                    T".ljust(80) + rng.bytes(4000),
    "text": lambda rng: b"# a table\n1 2 3\n" * rng.integers(0, 99),
    "NaN": lambda rng: sprinkled(rng, np.nan),
    "inf": lambda rng: sprinkled(rng, rng.choice([np.inf, -np.inf])),
    "huge values": lambda rng: sprinkled(rng, 10.0 ** rng.integers(5, 39)),
    "constant": lambda rng: image(np.full((40, 40), rng.choice([0, 1, -7, 1e30]), "f4")),
    "doubles": lambda rng: image(galaxy(40) * 10.0 ** rng.integers(-300, 300)),
    "integers": integers,
    "noise": lambda rng: image(rng.normal(0, 10.0 ** rng.integers(-9, 9), (40, 40))),
    "negative": lambda rng: image(-galaxy(40, seed=rng.integers(99)) * 10),
    "claimed size": lambda rng: card(image(), rng.choice(["NAXIS1", "NAXIS2"]), rng.choice(HUGE)),
    "claimed axes": lambda rng: card(image(), "NAXIS", rng.choice(["0", "1", "3", "999", "-1"])),
    "BITPIX": lambda rng: card(image(), "BITPIX", rng.choice(["8", "16", "64", "-64", "7", "T"])),
    "scaling": lambda rng: card(
        card(image(np.eye(40, dtype="i2")), "BSCALE", rng.choice(LIES), "BAND"),
        "BZERO", rng.choice(LIES), "ZEROPT",
    ),
    "byte order": lambda rng: write(
        fits.PrimaryHDU(galaxy(40).astype("f4").view("i4").byteswap().view("f4"),
                        fits.Header(KEYS))
    ),
    "not square": lambda rng: image(rng.random(tuple(rng.integers(1, 99, 2))).astype("f4")),
    "0-D to 4-D": axes,
    "empty HDUs": lambda rng: write(
        fits.PrimaryHDU(), *(fits.ImageHDU() for _ in range(rng.integers(4)))
    ),
    "table": table,
    "gzip": lambda rng: flip(gzip.compress(image()), rng, rng.integers(12), 9000, 3),
    "gzip cut": lambda rng: gzip.compress(image())[: rng.integers(3, 4000)],
    "bzip2": lambda rng: flip(bz2.compress(image()), rng, rng.integers(12), 9000, 3),
    "fpack": lambda rng: flip(
        PACKED[rng.integers(4)], rng, *((2880, 8640), (8640, 99999))[rng.integers(2)], 20
    ),
    "fpack size": lambda rng: card(
        PACKED[rng.integers(4)], rng.choice(["ZNAXIS1", "ZTILE1", "PCOUNT"]), rng.choice(HUGE)
    ),
    "pixel scale": lambda rng: card(image(), "PIXSCALE", rng.choice(LIES)),
    "zero point": lambda rng: card(image(), "ZEROPT", rng.choice(LIES)),
    "WCS": lambda rng: card(image(**WCS), rng.choice(list(WCS)), rng.choice(LIES)),
    "no END": lambda rng: image().replace(b"END ", rng.choice([b"ENB ", b"\xff\xfe\0 "]), 1),
}  # fmt: skip
