"""FITS files: the image in one, with its headers and WCS; mock galaxies into one."""

import contextlib
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from ..sdss import BANDS, PIXSCALE, ZEROPOINT
from .celestial import celestial_wcs
from .packed import packed_lie

MAX_PIXELS = 2**28
COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7z")


class ImageError(ValueError):
    """An image that cannot be used.

    Parameters
    ----------
    path : str
        The file.
    found : str
        What is wrong with it.
    remedy : str
        What to do about it.
    """

    def __init__(self, path, found, remedy):
        super().__init__(str(path), found, remedy)
        self.path, self.found, self.remedy = str(path), found, remedy

    def __str__(self):
        return f"{self.path}: {self.found}; {self.remedy}"


def open_image(path, hdu=None, plane=None):
    """Read the pixels, headers and celestial WCS of one image.

    Parameters
    ----------
    path : str or Path
        The file.
    hdu : int or str, optional
        The HDU's number or name; else the first with two dimensions, or three of which the
        first is one plane.
    plane : int, optional
        The plane of a cube [0-based, along its first axis]; `hdu` is then the cube's.

    Returns
    -------
    data : (H, W) numpy.ndarray
        Physical values (``BSCALE`` and ``BZERO`` applied), float32 where that is exact, else
        float64.
    headers : list of astropy.io.fits.Header
        The image's own, then the primary one if that is another.
    wcs : astropy.wcs.WCS or None
        Celestial WCS.
    flags : tuple of str
        Images of more dimensions that were passed over.

    Raises
    ------
    ImageError
        If there is no such file, it is not FITS, is corrupt or truncated, or holds no such
        image.
    """
    path = Path(path)
    with opened(path) as (hdus, caught):
        number, flags = (hdu, ()) if plane is not None else _choose(path, hdus, hdu)
        headers = [hdus[number].header, *([hdus[0].header] if number else [])]
        data = _plane(path, number, hdus[number], plane)
        if any("truncated" in str(w.message) for w in caught):
            flags = (*flags, "the file is shorter than its headers say, but the image is whole")
        wcs = celestial_wcs(headers[0])
    return data, headers, wcs, flags


@contextlib.contextmanager
def opened(path):
    """Open a FITS file, with every way in which that fails turned into words.

    Parameters
    ----------
    path : str or Path
        The file.

    Yields
    ------
    hdus : astropy.io.fits.HDUList
    caught : list of warnings.WarningMessage
        What astropy warned of so far.

    Raises
    ------
    ImageError
        If it cannot be opened, or the block meets an error in it.
    """
    path = Path(path)
    _require_file(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with path.open("rb") as stream, fits.open(stream, memmap=False) as hdus:
                yield hdus, caught
        except ImageError:
            raise
        except Exception as error:  # a corrupt file makes astropy raise almost anything
            cut = any("truncated" in str(w.message) for w in caught)
            raise _unreadable(path, error, cut) from error


def _require_file(path):
    if path.is_file():
        return
    if path.is_dir():
        raise ImageError(path, "this is a folder", "name the FITS files in it")
    if not path.exists():
        raise ImageError(path, "there is no such file", "check the name")
    raise ImageError(path, "this is not a regular file", "give a FITS file")


def _unreadable(path, error, truncated):
    words = " ".join(str(error).split())[:160] or type(error).__name__
    if truncated or isinstance(error, EOFError) or "buffer is" in words:
        return ImageError(path, "the file is truncated", "copy or download it again")
    if isinstance(error, PermissionError):
        return ImageError(path, "the file may not be read", "check its permissions")
    if path.stat().st_size == 0:
        return ImageError(path, "the file is empty", "copy or download it again")
    if "SIMPLE" in words or "Empty or corrupt" in words:
        with path.open("rb") as stream:
            packed = stream.read(3).startswith(COMPRESSED)
        if packed:
            return ImageError(
                path, "the compressed file is truncated or no FITS file", "download it again"
            )
        return ImageError(path, "this is not a FITS file", "convert the image to FITS")
    return ImageError(
        path, f"the FITS file is corrupt ({words})", "check it with fitsverify, or write it anew"
    )


def image_shape(hdu):
    """Shape of an HDU's image, ``()`` where it has none or a side of zero."""
    shape = tuple(getattr(hdu, "shape", ())) if getattr(hdu, "is_image", False) else ()
    return shape if all(side > 0 for side in shape) else ()


def usable(shape):
    """Whether an image of this shape is one plane."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)


def _describe(number, hdu):
    shape = image_shape(hdu)
    if shape:
        return f"HDU {number} has {len(shape)} dimension(s) of {' x '.join(map(str, shape))}"
    if hasattr(hdu, "columns"):
        return f"HDU {number} is a table"
    return f"HDU {number} holds no data"


def _choose(path, hdus, wanted):
    """Find the HDU to read: its number, and a flag if images of other shapes come before."""
    if wanted is not None:
        try:
            number = hdus.index_of(wanted)
            found = hdus[number]
        except (KeyError, IndexError) as error:
            names = ", ".join(f"{i} {h.name}".strip() for i, h in enumerate(hdus))
            raise ImageError(
                path, f"there is no HDU {wanted!r}", f"choose one of: {names}"
            ) from error
        if not usable(image_shape(found)):
            raise ImageError(
                path, _describe(number, found), "choose an HDU with a 2-D image (--hdu)"
            )
        return number, ()
    passed = []
    for number, found in enumerate(hdus):
        if usable(image_shape(found)):
            flags = [f"{text} and was passed over" for shape, text in passed if len(shape) > 2]
            return number, tuple(flags)
        passed.append((image_shape(found), _describe(number, found)))
    raise ImageError(
        path,
        "no 2-D image: " + ", ".join(text for _, text in passed),
        "give a file with one 2-D image; --format parquet does every plane of a cube",
    )


def _plane(path, number, hdu, plane):
    shape = image_shape(hdu) if plane is None else image_shape(hdu)[1:]
    if np.prod(shape, dtype=float) > MAX_PIXELS:
        raise ImageError(
            path,
            f"HDU {number} claims {' x '.join(map(str, shape))} pixels",
            f"cut the galaxy out first (at most {MAX_PIXELS:.2g} pixels)",
        )
    if isinstance(hdu, fits.CompImageHDU):
        with path.open("rb") as stream:
            lie = packed_lie(stream, number)
        if lie:
            raise ImageError(path, f"the fpack image is corrupt: {lie}", "download it again")
    data = hdu.data if plane is None else hdu.section[plane]
    if data is None or tuple(data.shape) != shape:
        raise ImageError(path, "the file is truncated", "copy or download it again")
    if data.dtype.kind not in "fiu":
        raise ImageError(
            path, f"HDU {number} holds {data.dtype} values", "give an image of real numbers"
        )
    data = data[0] if data.ndim == 3 else data
    exact = data.dtype.itemsize <= (4 if data.dtype.kind == "f" else 2)
    return np.array(data, dtype=np.float32 if exact else np.float64)


def mock_hdus(galaxy, number):
    """Put one band of a mock galaxy into FITS HDUs.

    Parameters
    ----------
    galaxy : pix2prof.mock.simulation.MockGalaxy
        The galaxy.
    number : int
        The band's place in `pix2prof.sdss.BANDS`.

    Returns
    -------
    hdus : astropy.io.fits.HDUList
        The observed image [nanomaggies per pixel] with band, pixel scale, zero point and a
        WCS, then ``TRUTH`` (noise-free, galaxy only) and ``MASK`` (1 where other sources are).
    """
    x, y = galaxy.centre
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [galaxy.parameters["ra"], galaxy.parameters["dec"]]
    wcs.wcs.crpix = [x + 1, y + 1]
    wcs.wcs.cdelt = [-PIXSCALE / 3600, PIXSCALE / 3600]
    header = wcs.to_header()
    header["OBJECT"] = galaxy.name
    header["BAND"] = BANDS[number]
    header["PIXSCALE"] = (PIXSCALE, "arcsec per pixel")
    header["ZEROPT"] = (ZEROPOINT, "AB magnitude of 1")
    header["BUNIT"] = "nanomaggy"
    header["XCEN"] = (x, "column of the galaxy, from 0")
    header["YCEN"] = (y, "row of the galaxy, from 0")
    header["PSFFWHM"] = (float(galaxy.psf_fwhm[number]), "arcsec")
    header["REDSHIFT"] = galaxy.parameters["redshift"]
    header["ORIGIN"] = ("pix2prof mock", "no real galaxy")
    return fits.HDUList(
        [
            fits.PrimaryHDU(galaxy.images[number], header),
            fits.ImageHDU(galaxy.truth[number], header, name="TRUTH"),
            fits.ImageHDU(galaxy.mask.astype("u1"), wcs.to_header(), name="MASK"),
        ]
    )
