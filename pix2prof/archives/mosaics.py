"""Images of one piece of sky brought onto one grid of pixels, with their flux conserved."""

from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from scipy import ndimage

from ..images.resampling import fill_missing

WHOLE = 0.15
COARSER = 1.1
AROUND = 12


@dataclass(frozen=True)
class Grid:
    """The pixels of a mosaic.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial.
    shape : (int, int)
        Rows and columns.
    """

    wcs: WCS
    shape: tuple[int, int]


def native_grid(images, ra, dec, size):
    """Find the pixels of the image that has most sky around a place.

    The mosaic on them has that image's pixels as observed.

    Parameters
    ----------
    images : sequence of pix2prof.images.image.Image
        With a WCS.
    ra, dec : float
        The place [deg].
    size : int
        Side of the grid [px]; the place comes to its middle within half a pixel.

    Returns
    -------
    grid : Grid

    Raises
    ------
    ValueError
        If the place is on none of the images.
    """
    room = [_room(image, ra, dec) for image in images]
    if not room or max(room) < 0:
        names = ", ".join(image.name for image in images) or "no image"
        raise ValueError(f"RA {ra:.6f}, Dec {dec:.6f} is not on {names}")
    image = images[int(np.argmax(room))]
    x, y = image.wcs.world_to_pixel_values(ra, dec)
    wcs = image.wcs.deepcopy()
    wcs.wcs.crpix -= np.round(np.array([x, y]) - (size - 1) / 2)
    wcs.array_shape = (size, size)
    return Grid(wcs, (size, size))


def mosaic(images, grid):
    """Put images onto a grid, one after the other where those before have no pixel.

    Nothing is averaged, so the noise is everywhere that of one exposure, and each image's sky
    is left as it is. An image whose pixels lie on the grid's within 0.15 px throughout (the
    frames of one drift scan) is copied; of others the surface brightness is interpolated with
    a quintic spline and multiplied by the area of a grid pixel.

    Parameters
    ----------
    images : sequence of pix2prof.images.image.Image
        With a WCS, the best first.
    grid : Grid
        Its pixels at most 1.1 times as large as theirs.

    Returns
    -------
    data : (H, W) numpy.ndarray
        Flux per grid pixel, float32, NaN where no image reaches.
    used : list of pix2prof.images.image.Image
        Those with pixels in it.

    Raises
    ------
    ValueError
        If the grid is coarser than the images.
    """
    data, used = np.full(grid.shape, np.nan, np.float32), []
    for image in images:
        missing = np.isnan(data)
        if not missing.any():
            break
        layer = _onto(image, grid)
        new = missing & np.isfinite(layer)
        if new.any():
            data[new] = layer[new]
            used.append(image)
    return data, used


def nearest_first(images, ra, dec):
    """Sort images by how far a place lies inside them, the furthest first."""
    return sorted(images, key=lambda image: -_room(image, ra, dec))


def _room(image, ra, dec):
    """Distance of a place from the nearest edge of an image [px], negative outside."""
    with np.errstate(invalid="ignore"):
        x, y = image.wcs.world_to_pixel_values(ra, dec)
    height, width = image.data.shape
    room = min(x + 0.5, y + 0.5, width - 0.5 - x, height - 0.5 - y)
    return float(room) if np.isfinite(room) else -np.inf


def _onto(image, grid):
    """An image's flux on the pixels of a grid, NaN where it does not reach."""
    coarser = np.prod(proj_plane_pixel_scales(grid.wcs)) / np.prod(
        proj_plane_pixel_scales(image.wcs)
    )
    if coarser > COARSER**2:
        raise ValueError(
            f"the grid's pixels are {np.sqrt(coarser):.2f} times as large as those of "
            f"{image.name}; mosaic on its own pixels, then use pix2prof.images.resampling.resample"
        )
    rows, columns = np.indices(grid.shape, dtype=float)
    x, y = image.wcs.world_to_pixel_values(*grid.wcs.pixel_to_world_values(columns, rows))
    height, width = image.data.shape
    with np.errstate(invalid="ignore"):
        inside = (np.abs(x - (width - 1) / 2) < width / 2) & (
            np.abs(y - (height - 1) / 2) < height / 2
        )
    out = np.full(grid.shape, np.nan, np.float32)
    if not inside.any():
        return out
    shifts = np.array([(x - columns)[inside], (y - rows)[inside]])
    whole = np.round(np.median(shifts, axis=1))
    if np.abs(shifts - whole[:, None]).max() < WHOLE:
        near_x, near_y = np.round(columns + whole[0]), np.round(rows + whole[1])
        inside = (near_x >= 0) & (near_x < width) & (near_y >= 0) & (near_y < height)
        out[inside] = image.data[near_y[inside].astype(int), near_x[inside].astype(int)]
        return out
    area = np.abs(
        np.gradient(x, axis=0) * np.gradient(y, axis=1)
        - np.gradient(x, axis=1) * np.gradient(y, axis=0)
    )
    out[inside] = _interpolated(image.data, x[inside], y[inside]) * area[inside]
    return out


def _interpolated(data, x, y):
    """Values of an image (H, W) at places (n,); NaN where the nearest pixel is missing."""
    left, top = max(0, int(x.min()) - AROUND), max(0, int(y.min()) - AROUND)
    data = data[top : int(y.max()) + AROUND + 2, left : int(x.max()) + AROUND + 2]
    places = np.array([y - top, x - left])
    values = ndimage.map_coordinates(
        fill_missing(data).astype(float), places, order=5, mode="mirror"
    )
    last = np.array(data.shape)[:, None] - 1
    nearest = tuple(np.round(places).astype(int).clip(0, last))
    return np.where(np.isfinite(data[nearest]), values, np.nan)
