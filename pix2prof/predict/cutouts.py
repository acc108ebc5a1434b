"""From an item to what the network or the classical method reads: planes, cut-outs, bands."""

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from astropy.coordinates import SkyCoord

from ..images.fits import ImageError, image_shape, opened, usable
from ..images.image import Image, check_pixels, read_image
from ..images.inputs import file_name, printable
from ..names import band_of_name
from ..sdss import PIXSCALE
from .bands import in_bands

REACH = 1.5
MAX_IMAGES = 1024
FRAMES = 4
"""Frames that are kept, since catalogues go from band to band of one place."""


@dataclass(frozen=True)
class Cutout:
    """An image of one galaxy in one band, with what names it in the results.

    Parameters
    ----------
    key : str
        The item it belongs to.
    image : pix2prof.images.image.Image or None
        The pixels; None if there is an `error`.
    name : str
        The galaxy's: the catalogue's, else the file's without extension and band.
    file : str
        What a file of its own is called, see `pix2prof.images.inputs.file_name`.
    hdu, plane : int, str or None
        Where in the file, if not the first image.
    ra, dec : float or None
        The place asked for [deg].
    error : Exception or None
        Why there is no image.
    """

    key: str
    image: Image | None = field(default=None, repr=False)
    name: str = ""
    file: str = ""
    hdu: int | str | None = None
    plane: int | None = None
    ra: float | None = None
    dec: float | None = None
    error: Exception | None = None


def read_item(item, size, **options):
    """Read the images of one item.

    Parameters
    ----------
    item : pix2prof.images.inputs.Item
        What to read.
    size : int
        Side of the network's images [pixel of 0.396 arcsec]; `REACH` times that is cut about
        a place on a frame.
    **options
        ``hdu, pixscale, zeropoint, band, centre`` as in `pix2prof.images.image.read_image`; the
        item's own go before them, and its place before the centre. ``hdu="all"`` reads every
        image of the file, and every plane of its cubes; without `hdu` the planes of a cube are
        read where there is no image of two dimensions.

    Returns
    -------
    cutouts : list of Cutout
        One or more; an image that cannot be used has its ``error`` set.
    """
    options = {**options, **dict(item.options)}
    hdu = options.pop("hdu", None)
    if isinstance(hdu, str) and hdu.isdigit():
        hdu = int(hdu)
    base = Cutout(
        item.key, name=item.name, file=file_name(item), hdu=hdu, ra=item.ra, dec=item.dec
    )
    try:
        if item.ra is not None:
            return [_cut(item, base, size, options)]
        if hdu == "all":
            return _each(item, base, list_images(item.path), options)
        try:
            return [_named(base, read_image(item.path, hdu=hdu, **options), item)]
        except ImageError as error:
            cubes = list_images(item.path, hdu) if "dimension" in error.found else []
            if not cubes:
                raise
            return _each(item, base, cubes, options)
    except Exception as error:  # whatever a file does, it is that file's failure
        return [replace(base, error=error)]


def read_galaxy(galaxy, size, bands, **options):
    """Read the images of a galaxy.

    Parameters
    ----------
    galaxy : pix2prof.predict.bands.Galaxy
    size, **options
        As of `read_item`.
    bands : sequence of str
        Bands that are wanted.

    Returns
    -------
    cutouts : list of Cutout
        One for each of `bands`, in that order; or those that cannot be used and, where a band is
        missing, one that says so, all with their ``error`` set. Images in other bands are left
        out, with a flag in the others.
    """
    read = [one for part in galaxy.parts for one in read_item(part, size, **options)]
    read = [replace(one, key=galaxy.key, file=file_name(galaxy)) for one in read]
    bad = [one for one in read if one.error is not None]
    if bad:
        return bad
    try:
        chosen = in_bands([one.image for one in read], bands, galaxy.key)
    except ImageError as error:
        return [replace(read[0], image=None, error=error)]
    return [replace(read[k], image=image) for k, image in chosen.items()]


def list_images(path, hdu=None):
    """List the images in a FITS file.

    Parameters
    ----------
    path : str or Path
        The file.
    hdu : int or str, optional
        Look at that HDU alone.

    Returns
    -------
    images : list of (int, int or None, str or None)
        The HDU's number, the plane of a cube, and its band where ``BANDS``, or ``BAND1``,
        ``BAND2``, ... (from 0 or 1) tell it.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    found = []
    with opened(path) as (hdus, _):
        for number, one in enumerate(hdus):
            shape = image_shape(one)
            if hdu is not None and number != hdus.index_of(hdu):
                continue
            if usable(shape):
                found.append((number, None, None))
            elif len(shape) == 3:
                bands = _plane_bands(one.header, min(shape[0], MAX_IMAGES + 1))
                found += [(number, plane, bands[plane]) for plane in range(len(bands))]
            if len(found) > MAX_IMAGES:
                raise ImageError(
                    path, f"it holds more than {MAX_IMAGES} images", "split it into files"
                )
    return found


def _plane_bands(header, n):
    together = str(header.get("BANDS", "")).strip()
    if len(together) == n:
        return list(together)
    first = 0 if "BAND0" in header or "FILTER0" in header else 1
    names = [header.get(f"BAND{k + first}", header.get(f"FILTER{k + first}")) for k in range(n)]
    return [str(name).strip() if name is not None else None for name in names]


def _each(item, base, images, options):
    if not images:
        raise ImageError(item.path, "it holds no image", "give a file with an image")
    out = []
    for number, plane, band in images:
        one = replace(base, hdu=number, plane=plane)
        given = {**options, "band": options.get("band") or band}
        try:
            image = read_image(item.path, hdu=number, plane=plane, **given)
            out.append(_named(one, image, item))
        except Exception as error:
            out.append(replace(one, error=error))
    return out


def _named(cutout, image, item):
    band, galaxy = band_of_name(item.path)
    name = galaxy if band == image.band else image.name
    return replace(cutout, image=image, name=printable(cutout.name or name))


@lru_cache(maxsize=FRAMES)
def _frame(path, options):
    return read_image(path, **dict(options))


def _cut(item, base, size, options):
    if not (np.isfinite(item.ra) and abs(item.dec) <= 90):
        raise ImageError(
            item.path,
            f"the catalogue says RA {item.ra}, Dec {item.dec}",
            "give both in degrees, Dec between -90 and 90",
        )
    options = {**options, "hdu": base.hdu, "centre": None}
    frame = _frame(item.path, tuple(sorted(options.items())))
    if frame.wcs is None:
        raise ImageError(item.path, "it has no celestial WCS", "give cut-outs, or solve it first")
    place = SkyCoord(item.ra, item.dec, unit="deg")
    x, y = (float(value) for value in frame.wcs.world_to_pixel(place))
    height, width = frame.data.shape
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        raise ImageError(
            item.path,
            f"RA {item.ra:.6f}, Dec {item.dec:.6f} is at x={x:.0f}, y={y:.0f}, outside its "
            f"{width} x {height} px",
            "name the frame that the place is on",
        )
    reach = int(np.ceil(REACH * size / 2 * PIXSCALE / frame.pixscale))
    left, top = max(0, round(x) - reach), max(0, round(y) - reach)
    box = slice(top, round(y) + reach + 1), slice(left, round(x) + reach + 1)
    data = np.array(frame.data[box])
    check_pixels(item.path, data)
    image = replace(
        frame,
        data=data,
        centre=(x - left, y - top),
        wcs=frame.wcs[box],
        corner=(left, top),
        object=item.name or frame.object,
    )
    name = item.name or f"{frame.name}_{item.ra:.6f}{item.dec:+.6f}"
    return _named(replace(base, name=name), image, item)
