"""The celestial WCS of an image, from its header."""

import re
from itertools import chain
from numbers import Real

from astropy.wcs import WCS, WcsError

PLAIN = ("RA---TAN", "DEC--TAN")
SYSTEMS = ("", "ICRS", "FK5")
KNOWN = {
    "WCSAXES", "LONPOLE", "LATPOLE", "RADESYS", "EQUINOX",
    *(f"{name}{axis}" for name in ("CTYPE", "CRVAL", "CRPIX", "CDELT", "CUNIT") for axis in "12"),
    *(f"{name}{i}_{j}" for name in ("CD", "PC") for i in "12" for j in "12"),
}  # fmt: skip
SPECIAL = re.compile(
    r"WCS|CTYP|CRVAL|CRPIX|CDELT|CUNIT|CROTA|CNAME|CD\d|PC\d|PV\d|PS\d|PROJP|LONP|LATP|LONGP|RADE|"
    r"EQUI|EPOCH|[AB]P?_|D2IM|AXISCORR|C[PQ]DIS|C[PQ]ERR|DP\d|DQ\d|DVERR|WAT\d"
)


def celestial_wcs(header):
    """Give the celestial WCS of an image.

    A tangential projection without distortion, which most images have, is put together from its
    keywords; astropy's way through the text of the header takes a hundred times as long.

    Parameters
    ----------
    header : astropy.io.fits.Header
        The image's own.

    Returns
    -------
    wcs : astropy.wcs.WCS or None
        Of two axes, right ascension and declination; None if the header has none, or a broken
        one. Of a plain one, dates and names of the header are left out.
    """
    if "CTYPE1" not in header:
        return None
    try:
        wcs = _plain(header) or WCS(header)
        if wcs.naxis == 2 and (wcs.wcs.lng, wcs.wcs.lat) == (0, 1):
            return wcs
        return wcs.celestial if wcs.has_celestial else None
    except Exception:  # a broken WCS is no WCS: the pixel scale may still be given
        return None


def _plain(header):
    """The WCS of a header with nothing special; None if it has, or lacks a keyword."""
    keys = set(header)
    if any(SPECIAL.match(key) for key in keys - KNOWN):
        return None
    has = {key: header[key] for key in keys & KNOWN}
    pairs = {name: [has.get(f"{name}{axis}") for axis in "12"] for name in ("CRVAL", "CRPIX")}
    turned = any(key.startswith("CD") and "_" in key for key in has)
    scaled = any(key.startswith(("CDELT", "PC")) for key in has)
    if scaled:
        pairs["CDELT"] = [has.get(f"CDELT{axis}") for axis in "12"]
    poles = {name: has[name] for name in ("LONPOLE", "LATPOLE", "EQUINOX") if name in has}
    identity = {"11": 1.0, "12": 0.0, "21": 0.0, "22": 1.0}
    name, rest = ("CD", dict.fromkeys(identity, 0.0)) if turned else ("PC", identity)
    matrix = [[has.get(f"{name}{i}_{j}", rest[i + j]) for j in "12"] for i in "12"]
    numbers = [*matrix[0], *matrix[1], *poles.values(), *chain(*pairs.values())]
    if (
        turned == scaled
        or (has.get("CTYPE1"), has.get("CTYPE2")) != PLAIN
        or {has.get(f"CUNIT{axis}", "deg") for axis in "12"} != {"deg"}
        or has.get("RADESYS", "") not in SYSTEMS
        or not header["NAXIS"] == has.get("WCSAXES", 2) == 2
        or not all(isinstance(one, Real) and not isinstance(one, bool) for one in numbers)
    ):
        return None
    wcs = WCS(naxis=2, fix=False)
    wcs.wcs.ctype = PLAIN
    wcs.wcs.radesys = has.get("RADESYS", "")
    try:
        for key, values in [*pairs.items(), *poles.items(), (name, matrix)]:
            setattr(wcs.wcs, key.lower(), values)
        wcs.wcs.set()
    except (WcsError, ValueError, OverflowError):
        return None
    wcs.pixel_shape = header["NAXIS1"], header["NAXIS2"]
    return wcs
