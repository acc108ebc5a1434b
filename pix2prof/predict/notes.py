"""What the tables of predicted and measured profiles both say of their image."""

from ..images.angles import sky_angles, sky_axes, sky_place
from ..profiles import COLUMNS, PA_SKY, SMA_STEP


def note_sky(table, image, x, y):
    """Turn a table's position angles to the sky's, and note where the galaxy is said to be.

    Parameters
    ----------
    table : astropy.table.QTable
        Changed in place: ``pa``, where there is one, north through east in place of
        counter-clockwise from +x, with ``paconv`` and, for the way back, ``paxaxis`` and
        ``payaxis`` [deg], where +x and +y point on the sky; ``ra`` and ``dec`` [deg] in ``meta``.
    image : pix2prof.images.image.Image
        Without a WCS nothing is changed.
    x, y : float
        Where on it the directions of the sky are taken [pixel, 0-based].
    """
    if image.wcs is None:
        return
    if "pa" in table.colnames:
        table["pa"] = sky_angles(image.wcs, x, y, table["pa"])
        table["pa"].info.description = COLUMNS["pa"][1]
        table.meta["paconv"] = PA_SKY
        table.meta["paxaxis"], table.meta["payaxis"] = sky_axes(image.wcs, x, y)
    table.meta["ra"], table.meta["dec"] = sky_place(image.wcs, *image.place)


def note_measured(table, n):
    """Note how far the image's S/N carries, ``sn_sma`` [arcsec] in ``meta``.

    Parameters
    ----------
    table : astropy.table.QTable
        Changed in place.
    n : int
        Rows up to there; 0 where nothing is measured.
    """
    table.meta["sn_sma"] = float(SMA_STEP * n)
