"""Galaxy images from FITS files: flux in nanomaggies, band, pixel scale, zero point, WCS."""

import re
from dataclasses import dataclass

import numpy as np
from astropy.io.fits import VerifyError
from astropy.io.fits.card import Undefined
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from ..names import band_of_name, stem
from ..sdss import ZEROPOINT, mag_to_flux
from .fits import ImageError, open_image

MIN_SIDE = 32
PIXSCALE_RANGE = (0.01, 60.0)
MAX_FLUX = 1e12


@dataclass(frozen=True)
class Image:
    """An image in nanomaggies, on the pixels of its file.

    Parameters
    ----------
    name : str
        The file's name without its extensions.
    path : str
        The file.
    data : (H, W) numpy.ndarray
        Flux [nanomaggies per pixel], NaN where there is none.
    pixscale : float
        Pixel scale [arcsec].
    zeropoint : float
        Magnitude of one unit of the file's own values [AB mag].
    band : str
        Band, ``"unknown"`` if nobody says.
    object : str
        What ``OBJECT`` says, or the name.
    centre : (x, y) tuple of float, or None
        The galaxy's position [pixel, 0-based] as the user gave it; None = the middle.
    wcs : astropy.wcs.WCS or None
        The celestial WCS of the image.
    flags : tuple of str
        Everything odd, in words.
    corner : (x, y) tuple of int
        Where the first pixel lies in the file [pixel, 0-based]: not (0, 0) of a cut-out.
    """

    name: str
    path: str
    data: np.ndarray
    pixscale: float
    zeropoint: float = ZEROPOINT
    band: str = "unknown"
    object: str = ""
    centre: tuple[float, float] | None = None
    wcs: WCS | None = None
    flags: tuple[str, ...] = ()
    corner: tuple[int, int] = (0, 0)

    @property
    def place(self):
        """Where the galaxy is said to be (x, y) [pixel, 0-based]: the middle, if nobody says."""
        height, width = self.data.shape
        return self.centre or (0.5 * (width - 1), 0.5 * (height - 1))

    def in_file(self, x, y):
        """Turn a place on the image to one in the file (x, y) [pixel, 0-based]."""
        return self.corner[0] + float(x), self.corner[1] + float(y)


def read_image(
    path, *, hdu=None, plane=None, pixscale=None, zeropoint=None, band=None, centre=None
):
    """Read a galaxy's image from a FITS file.

    Integer, scaled (``BSCALE``, ``BZERO``), big-endian and compressed (gzip, bzip2, fpack)
    images are read; of several HDUs the first with two dimensions, or three of which the
    first is one plane.

    Parameters
    ----------
    path : str or Path
        The file.
    hdu : int or str, optional
        The HDU's number or name.
    plane : int, optional
        The plane, if that HDU is a cube.
    pixscale : float, optional
        Pixel scale [arcsec]; else that of the WCS, else the keyword ``PIXSCALE``.
    zeropoint : float, optional
        Magnitude of one unit [AB mag]; else the keyword ``ZEROPT``, else 22.5.
    band : str, optional
        Band; else the keyword ``BAND``, else ``FILTER``, else what the file's name tells, see
        `pix2prof.names.band_of_name`; that is flagged.
    centre : (x, y), optional
        The galaxy's position [pixel, 0-based]; else the middle of the image.

    Returns
    -------
    image : Image
        Data of shape (H, W) in nanomaggies per pixel.

    Raises
    ------
    ImageError
        If there is no such file, it is not FITS or is truncated, holds no image that can
        be used, or says no pixel scale.
    """
    data, headers, wcs, flags = open_image(path, hdu, plane)
    if min(data.shape) < MIN_SIDE:
        raise ImageError(
            path,
            f"the image is {data.shape[1]} x {data.shape[0]} px, under {MIN_SIDE} px",
            "give a larger cut-out of the galaxy",
        )
    scale, scale_flags = _pixel_scale(path, headers, wcs, pixscale)
    magnitude, zero_flags = _zero_point(path, headers, zeropoint)
    name, band_flags = _band(path, headers, band)
    return Image(
        name=stem(path),
        path=str(path),
        data=_to_nanomaggies(path, data, magnitude),
        pixscale=scale,
        zeropoint=magnitude,
        band=name,
        object=str(_keyword(headers, "OBJECT") or stem(path)),
        centre=_check_centre(path, data.shape, centre),
        wcs=wcs,
        flags=(*flags, *scale_flags, *zero_flags, *band_flags),
    )


def read_mask(path, shape):
    """Read a mask (True or not 0 = excluded) of a given shape from a FITS file.

    Parameters
    ----------
    path : str or Path
        The file; the HDU named ``MASK`` is read if there is one, else the first image.
    shape : (H, W)
        The shape it must have.

    Returns
    -------
    mask : (H, W) numpy.ndarray of bool
        NaN counts as excluded.

    Raises
    ------
    ImageError
        If the file cannot be read or the shape differs.
    """
    try:
        data = open_image(path, "MASK")[0]
    except ImageError:
        data = open_image(path)[0]
    if data.shape != tuple(shape):
        raise ImageError(
            path,
            f"the mask is {data.shape[1]} x {data.shape[0]} px, the image {shape[1]} x {shape[0]}",
            "give a mask on the image's own pixels",
        )
    return ~(data == 0)


def _keyword(headers, key):
    for header in headers:
        try:
            value = header.get(key)
        except VerifyError:
            value = "unreadable"
        if value is not None and not isinstance(value, Undefined):
            value = value.strip() if isinstance(value, str) else value
            if value != "":
                return value
    return None


def _number(path, name, value, remedy):
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if isinstance(value, bool) or not np.isfinite(number):
        raise ImageError(path, f"{name} is {value!r}, not a number", remedy)
    return number


def _pixel_scale(path, headers, wcs, given):
    """Return the pixel scale [arcsec] by option, WCS or PIXSCALE, and flags."""
    low, high = PIXSCALE_RANGE
    remedy = "give the pixel scale in arcsec with --pixscale"
    candidates = []
    if given is not None:
        candidates.append(("--pixscale", _number(path, "--pixscale", given, remedy)))
    else:
        if wcs is not None:
            scales = 3600 * proj_plane_pixel_scales(wcs)
            if np.isfinite(scales).all() and scales.max() > 1.01 * scales.min() > 0:
                raise ImageError(
                    path,
                    f"its pixels are {scales[0]:.4g} x {scales[1]:.4g} arcsec, not square",
                    "resample it to square pixels first (e.g. with reproject)",
                )
            candidates.append(("the WCS", float(np.sqrt(scales[0] * scales[1]))))
        value = _keyword(headers, "PIXSCALE")
        if value is not None:
            candidates.append(("PIXSCALE", _number(path, "PIXSCALE", value, remedy)))
    if not candidates:
        raise ImageError(path, "no pixel scale (neither WCS nor PIXSCALE)", remedy)
    good = [(name, scale) for name, scale in candidates if low <= scale <= high]
    if not good:
        name, scale = candidates[0]
        raise ImageError(
            path, f"{name} says {scale:.4g} arcsec a pixel, outside {low} to {high}", remedy
        )
    name, scale = good[0]
    flags = [
        f"pixel scale: {name} says {scale:.4g} arcsec and was used, {other} {value:.4g}"
        for other, value in candidates
        if abs(value / scale - 1) > 0.01
    ]
    return scale, flags


def _zero_point(path, headers, given):
    remedy = "give the AB magnitude of one unit with --zeropoint"
    name, value = "--zeropoint", given
    if given is None:
        name, value = "ZEROPT", _keyword(headers, "ZEROPT")
    if value is None:
        unit = str(_keyword(headers, "BUNIT") or "").lower()
        known = unit.startswith(("nanomagg", "nmgy", "nanomaggy"))
        return ZEROPOINT, () if known else (f"no zero point given: {ZEROPOINT} assumed",)
    number = _number(path, name, value, remedy)
    if abs(number) > 60:
        raise ImageError(path, f"{name} is {number:.4g}, no AB zero point", remedy)
    return number, ()


def _band(path, headers, given):
    text = given or _keyword(headers, "BAND") or _keyword(headers, "FILTER")
    if text is None:
        band = band_of_name(path)[0]
        if band is None:
            return "unknown", ("no band given",)
        return band, (f"band {band}: from the file's name",)
    text = str(text).strip()
    match = re.match(r"(?:sdss|decam|ps1|hsc)?[\s_.-]*([ugrizy])(?:['\s_.].*)?$", text.lower())
    return match.group(1) if match else text, ()


def _to_nanomaggies(path, data, zeropoint):
    if zeropoint != ZEROPOINT:
        with np.errstate(over="ignore"):
            data = data * np.asarray(mag_to_flux(zeropoint), dtype=data.dtype)
    with np.errstate(invalid="ignore"):
        if not -MAX_FLUX < data.min() <= data.max() < MAX_FLUX:  # nor NaN
            data[~(np.abs(data) < MAX_FLUX)] = np.nan
    check_pixels(path, data)
    return data


def check_pixels(path, data):
    """Refuse an image that shows nothing.

    Parameters
    ----------
    path : str or Path
        Its file.
    data : (H, W) numpy.ndarray
        Flux [nanomaggies per pixel].

    Raises
    ------
    ImageError
        If more than half of the pixels are NaN or infinite, or all are the same.
    """
    finite = np.isfinite(data)
    finite = data if finite.all() else data[finite]
    if finite.size < data.size / 2:
        raise ImageError(
            path,
            f"{1 - finite.size / data.size:.0%} of its pixels are NaN or infinite",
            "give an image with most of its pixels",
        )
    if finite.min() == finite.max():
        raise ImageError(
            path,
            f"the image is constant (every pixel is {finite.flat[0]:.4g} nanomaggies)",
            "give an image with a galaxy on it",
        )


def _check_centre(path, shape, centre):
    if centre is None:
        return None
    x, y = (_number(path, "--centre", value, "give two numbers") for value in centre)
    if not (-0.5 <= x < shape[1] - 0.5 and -0.5 <= y < shape[0] - 0.5):
        raise ImageError(
            path,
            f"the centre ({x:g}, {y:g}) is outside its {shape[1]} x {shape[0]} pixels",
            "give x (column) and y (row), counted from 0, with --centre",
        )
    return x, y
