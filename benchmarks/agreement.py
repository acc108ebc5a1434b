"""How far a profile is from AutoProf's: one measure for every benchmark on real galaxies."""

import numpy as np

LIMIT = 25.0


def deviation(sma, mu, reference):
    """Median |difference| [mag arcsec^-2] at the radii of `reference` brighter than `LIMIT`.

    At its own radii, not on an even grid, where the outskirts count more.

    Parameters
    ----------
    sma, mu : numpy.ndarray, shape (T,)
        [arcsec, mag arcsec^-2]
    reference : astropy.table.QTable
        With ``sma`` and ``mu``.

    Returns
    -------
    float
        NaN where the two have no radius in common.
    """
    bright = reference["mu"].value < LIMIT
    there = np.interp(reference["sma"].value[bright], sma, mu, right=np.nan)
    off = np.abs(there - reference["mu"].value[bright])
    return np.nanmedian(off) if np.isfinite(off).any() else np.nan
