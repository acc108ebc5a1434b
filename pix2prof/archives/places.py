"""Images of a place on the sky from public archives: SDSS frames, DESI Legacy cut-outs."""

import urllib.parse
from functools import partial

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from ..images.fits import open_image
from ..images.image import read_image
from ..sdss import ZEROPOINT
from .downloads import OutOfFootprint
from .mosaics import Grid, mosaic, native_grid, nearest_first
from .sdss_fields import RELEASE, fetch_frame, find_fields

LAYER = "ls-dr10"
LEGACY_BANDS = ("g", "r", "i", "z")
LEGACY_PIXSCALE = 0.262
LEGACY_SIDE = 512
BLANK = 0.3


def sdss_image(fetcher, ra, dec, band, size=512, *, fields=None, grid=None, release=RELEASE):
    """Cut a place out of SDSS frames, over the edges of frames where need be.

    Frames are fetched one after the other until the cut-out is full. It is on the pixels of the
    frame with the most sky around the place, which are as observed; see
    `pix2prof.archives.mosaics.mosaic` for the others. The sky is as the archive left it:
    subtracted.

    Parameters
    ----------
    fetcher : pix2prof.archives.fetching.Fetcher
        Fetches and keeps.
    ra, dec : float
        The place [deg].
    band : {"u", "g", "r", "i", "z"}
        The band.
    size : int
        Side of the cut-out [px of 0.396 arcsec].
    fields : sequence of pix2prof.archives.sdss_fields.Field, optional
        Those to use, the preferred first; else `pix2prof.archives.sdss_fields.find_fields` finds
        them.
    grid : pix2prof.archives.mosaics.Grid, optional
        Other pixels, such as another band's; `size` is then not used.
    release : int
        SDSS data release.

    Returns
    -------
    hdu : astropy.io.fits.PrimaryHDU
        Nanomaggies per pixel, NaN where no frame reaches, as `pix2prof.images.image.read_image`
        takes it. In its header, ``COVERED`` is the share of its pixels that have a value,
        ``SOURCE`` the archive's address and ``FRAMEnn`` the frames.

    Raises
    ------
    ValueError
        If the place is on none of the fields.
    ArchiveError
        If a frame cannot be had.
    """
    images = []
    for field in fields if fields is not None else find_fields(ra, dec, size, release):
        path = fetch_frame(fetcher, field, band, release)
        images = nearest_first([*images, read_image(path)], ra, dec)
        try:
            chosen = grid or native_grid(images, ra, dec, size)
        except ValueError:
            continue
        data, used = mosaic(images, chosen)
        if np.isfinite(data).all():
            break
    chosen = grid or native_grid(images, ra, dec, size)
    if not (images and used):
        raise ValueError(f"no frame reaches the grid asked for at RA {ra:.6f}, Dec {dec:.6f}")
    header = {"ORIGIN": f"SDSS DR{release}", "SOURCE": fetcher.addresses.sdss}
    header |= {f"FRAME{k:02d}": image.name for k, image in enumerate(used, 1)}
    return _hdu(data, chosen, band, ra, dec, header)


def legacy_image(
    fetcher, ra, dec, band, size=LEGACY_SIDE, *, pixscale=LEGACY_PIXSCALE, layer=LAYER
):
    """Fetch a cut-out of the DESI Legacy Imaging Surveys.

    Parameters
    ----------
    fetcher : pix2prof.archives.fetching.Fetcher
        Fetches and keeps.
    ra, dec : float
        Its middle [deg].
    band : {"g", "r", "i", "z"}
        The band; i in the south alone.
    size : int
        Its side [px], at most 512.
    pixscale : float
        Its pixel scale [arcsec]; the server resamples to any but its own 0.262.
    layer : str
        The survey's data release, as the server calls it.

    Returns
    -------
    hdu : astropy.io.fits.PrimaryHDU
        Nanomaggies per pixel, NaN where the survey has none; as `sdss_image` gives it.

    Raises
    ------
    ValueError
        For another band, or a side of over 512 px.
    OutOfFootprint
        If over 30 per cent of it are blank.
    ArchiveError
        If it cannot be had.
    """
    if band not in LEGACY_BANDS:
        raise ValueError(f"found the band {band!r}; the Legacy Surveys have g, r, i and z")
    if not 0 < size <= LEGACY_SIDE:
        raise ValueError(
            f"a side of {size} px was asked for; it is at most {LEGACY_SIDE}, for more sky give a "
            "larger pixscale"
        )
    place = f"{ra:.6f}{dec:+.6f}"
    query = {"ra": f"{ra:.6f}", "dec": f"{dec:.6f}", "layer": layer, "pixscale": pixscale}
    query |= {"bands": band, "size": size}
    url = f"{fetcher.addresses.legacy.rstrip('/')}/fits-cutout?{urllib.parse.urlencode(query)}"
    name = f"legacy/{urllib.parse.quote(layer, safe='')}/{place}-{band}-{size}-{pixscale}.fits"
    path = fetcher.get(url, name, check=partial(_check_cutout, band=band, size=size))
    data, _, wcs, _ = open_image(path)
    data[~np.isfinite(data) | (data == 0)] = np.nan
    blank = float(np.isnan(data).mean())
    if blank > BLANK:
        raise OutOfFootprint(
            f"RA {ra:.6f}, Dec {dec:.6f}: {blank:.0%} of the {band} cut-out of {layer} are blank; "
            "the place is outside its footprint, or at the edge"
        )
    header = {"ORIGIN": f"Legacy Surveys {layer}", "SOURCE": fetcher.addresses.legacy}
    return _hdu(data, Grid(wcs, data.shape), band, ra, dec, header)


def grid_of(hdu):
    """Give the pixels of an image of this module, for the same ones in another band.

    Parameters
    ----------
    hdu : astropy.io.fits.PrimaryHDU
        As `sdss_image` gives it.

    Returns
    -------
    grid : pix2prof.archives.mosaics.Grid
    """
    return Grid(WCS(hdu.header), hdu.data.shape)


def _hdu(data, grid, band, ra, dec, origin):
    header = grid.wcs.to_header()
    header["OBJECT"] = f"J{ra:.5f}{dec:+.5f}"
    header["BAND"] = band
    header["PIXSCALE"] = (
        float(np.sqrt(np.prod(proj_plane_pixel_scales(grid.wcs)))) * 3600,
        "arcsec per pixel",
    )
    header["ZEROPT"] = (ZEROPOINT, "AB magnitude of 1")
    header["BUNIT"] = "nanomaggy"
    header["RA"], header["DEC"] = (ra, "asked for [deg]"), (dec, "asked for [deg]")
    header["COVERED"] = (float(np.isfinite(data).mean()), "share of pixels with a value")
    header.update(origin)
    return fits.PrimaryHDU(np.asarray(data, np.float32), header)


def _check_cutout(path, band, size):
    data, headers, wcs, _ = open_image(path)
    if data.shape != (size, size):
        raise ValueError(f"it is {data.shape[1]} x {data.shape[0]} px, not {size} x {size}")
    found = str(headers[0].get("BANDS", band)).strip()
    if found != band:
        raise ValueError(f"it is of the band {found!r}, not {band}")
    if wcs is None:
        raise ValueError("it has no celestial WCS")
