"""The classical method on users' own files: FITS images in, profile tables out."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..images.fits import ImageError
from ..images.image import read_image, read_mask
from ..isophotes.measured import flag_words
from ..isophotes.method import measure
from ..photometry.parameters import note_parameters
from .notes import note_measured, note_sky


def measure_file(
    path,
    *,
    mask=None,
    forced_on=(),
    hdu=None,
    pixscale=None,
    zeropoint=None,
    band=None,
    centre=None,
):
    """Measure the profile of the galaxy on a FITS image, and on others with its ellipses.

    Parameters
    ----------
    path : str or Path
        The image.
    mask : str or Path, optional
        FITS image on the same pixels, not 0 where excluded; else other sources are found.
    forced_on : sequence of str or Path
        Images on the same pixels, e.g. other bands, measured along the ellipses found on `path`.
    hdu, pixscale, zeropoint, band, centre : optional
        As in `pix2prof.images.image.read_image`; `band` is that of `path` alone.

    Returns
    -------
    tables : list of astropy.table.QTable
        That of `path`, then those of `forced_on`. Position angles are north through east where
        the image has a WCS, else counter-clockwise from +x; ``meta["paconv"]`` says which.
        ``meta["xcen"]`` and ``meta["ycen"]``: centre of the ellipses in the file [pixel, 0-based].
        Structural parameters in ``meta``, see `pix2prof.photometry.parameters.note_parameters`.

    Raises
    ------
    ImageError
        If one of the files cannot be used.
    """
    image = read_image(
        path, hdu=hdu, pixscale=pixscale, zeropoint=zeropoint, band=band, centre=centre
    )
    excluded = None if mask is None else read_mask(mask, image.data.shape)
    isophotes = _measure(image, image.centre, excluded)
    tables = [_table(image, isophotes)]
    for other in forced_on:
        forced = read_image(other, hdu=hdu, pixscale=pixscale, zeropoint=zeropoint)
        if (
            forced.data.shape != image.data.shape
            or abs(forced.pixscale / image.pixscale - 1) > 0.01
        ):
            shapes = [" x ".join(map(str, i.data.shape[::-1])) for i in (forced, image)]
            raise ImageError(
                other,
                f"it has {shapes[0]} px of {forced.pixscale:.4g} arcsec, {image.path} {shapes[1]} "
                f"px of {image.pixscale:.4g} arcsec",
                "bring both images to the same pixels first (e.g. with reproject)",
            )
        result = _measure(forced, None, excluded, geometry=isophotes)
        forced = replace(forced, centre=image.centre)
        tables.append(_table(forced, result, forced=Path(image.path).name))
    return tables


def measure_image(image):
    """Measure the profile of the galaxy on an image that was read already.

    Parameters
    ----------
    image : pix2prof.images.image.Image
        As `pix2prof.images.image.read_image` gives it.

    Returns
    -------
    table : astropy.table.QTable
        As `measure_file` gives it.

    Raises
    ------
    ImageError
        If it cannot be measured.
    """
    return _table(image, _measure(image, image.centre, None))


def _measure(image, centre, mask, geometry=None):
    try:
        return measure(
            image.data,
            centre=centre,
            mask=mask,
            pixscale=image.pixscale if geometry is None else geometry.pixscale,
            geometry=geometry,
        )
    except ValueError as error:
        raise ImageError(
            image.path, f"it cannot be measured ({error})", "look at the image"
        ) from error


def _table(image, isophotes, **meta):
    words = flag_words(isophotes.flags)
    table = isophotes.table(
        0,
        object=image.object,
        band=image.band,
        file=Path(image.path).name,
        filezp=image.zeropoint,
        filescal=image.pixscale,
        flags=[*image.flags, *words],
        **meta,
    )
    centre = table.meta["xcen"], table.meta["ycen"]
    note_sky(table, image, *centre)
    table.meta["xcen"], table.meta["ycen"] = image.in_file(*centre)
    note_measured(table, table.meta["nvalid"])
    if not np.isfinite(table["mu"].value).any():
        raise ImageError(
            image.path,
            f"no signal was found ({', '.join(words) or 'no positive intensity'})",
            "check the centre (--centre) and the mask",
        )
    note_parameters([table])
    return table
