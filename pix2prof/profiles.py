"""The profile table: its grid, columns, flags of rows, units and provenance."""

from enum import IntFlag

import astropy.units as u
import numpy as np
from astropy.table import QTable

from . import __version__
from .sdss import PIXSCALE, ZEROPOINT

SMA_STEP = 0.2
MAX_STEPS = 1024

MU_UNIT = u.mag / u.arcsec**2
INTENSITY_UNIT = u.nmgy / u.arcsec**2


class RowFlag(IntFlag):
    """What is to be known of one row, a sum; `ROW_FLAGS` has it in words."""

    EXTENDED = 1
    INTERPOLATED = 2
    PARTIAL = 4
    MASKED = 8
    BELOW_CUT = 16


ROW_FLAGS = {
    RowFlag.EXTENDED: "the ellipse is that of the last good isophote",
    RowFlag.INTERPOLATED: "interpolated between good isophotes",
    RowFlag.PARTIAL: "part of the ellipse lies off the image",
    RowFlag.MASKED: "over 30 per cent of it is masked",
    RowFlag.BELOW_CUT: "beyond the reach of the image's S/N",
}

TO_TRUTH = 1.4
"""Errors of rows are those against an expert, who sees the same galaxy through the same noise:
against the truth of mock galaxies they hold 50 per cent, and 68 when taken this much larger."""
ERRORS_OF = (
    f"of rows: against an expert on the same image, {TO_TRUTH:g} times that against the truth, "
    "but beyond sn_sma against the truth; of growth and structural parameters: against the truth"
)
"""What the errors of a predicted profile are of, as its ``meta`` has it."""

COLUMNS = {
    "sma": (u.arcsec, "semi-major axis"),
    "mu": (MU_UNIT, "surface brightness, AB"),
    "mu_err": (
        MU_UNIT,
        f"standard error against an expert on the same image; {TO_TRUTH:g} times that against the "
        "truth",
    ),
    "mu_err_95": (MU_UNIT, "half-width of the interval that holds 95 per cent of an expert's mu"),
    "ellipticity": (None, "1 - b/a"),
    "ellipticity_err": (None, "its standard error"),
    "pa": (u.deg, "position angle of the major axis, see the table's paconv"),
    "pa_err": (u.deg, "its standard error"),
    "intensity": (INTENSITY_UNIT, "intensity along the ellipse"),
    "intensity_err": (INTENSITY_UNIT, "its standard error, that of mu_err"),
    "growth": (u.nmgy, "flux within the ellipse"),
    "growth_err": (u.nmgy, "its standard error against the truth, as of the magnitudes in meta"),
    "n_used": (None, "pixels of the image behind the row"),
    "n_masked": (None, "pixels excluded from the row"),
    "flag": (None, "sum of " + "; ".join(f"{bit:d}, {words}" for bit, words in ROW_FLAGS.items())),
}
"""Column name -> (unit, description), in the order they are written."""

PARAMETERS = {
    "R_23.5": u.arcsec, "m_23.5": u.mag, "R_25": u.arcsec, "m_25": u.mag, "R_50": u.arcsec,
    "R_90": u.arcsec, "C_28": u.dimensionless_unscaled, "m_tot": u.mag, "h": u.arcsec,
    "mu_0": MU_UNIT, "n": u.dimensionless_unscaled, "R_e": u.arcsec, "mu_e": MU_UNIT,
}  # fmt: skip
"""Structural parameter -> unit, in the order they are given, see
`pix2prof.photometry.parameters`; in a table's ``meta`` the names have no point."""

PA_ARRAY = "counter-clockwise from the +x axis of the array"
PA_SKY = "north through east"


def sma_grid(n=MAX_STEPS, step=SMA_STEP):
    """Semi-major axes of a profile's rows, ``step * (k + 1)``.

    Parameters
    ----------
    n : int
        Number of rows.
    step : float
        Spacing [arcsec].

    Returns
    -------
    sma : numpy.ndarray
        Shape (n,), float64 [arcsec].
    """
    return step * np.arange(1, n + 1)


def isophotal_radius(mu, level=23.5, step=SMA_STEP):
    """Semi-major axes where profiles first become as faint as a level, between their rows.

    Section 2.3 uses 23.5 mag arcsec^-2 as the measure of a galaxy's size.

    Parameters
    ----------
    mu : array_like, shape (P, T)
        Surface brightness [mag arcsec^-2], NaN beyond each profile's end.
    level : float
        Surface brightness of the isophote [mag arcsec^-2].
    step : float
        Spacing of the profile grid [arcsec].

    Returns
    -------
    radius : numpy.ndarray, shape (P,)
        [arcsec]; NaN for a profile that never gets as faint, or begins so.
    """
    mu = np.asarray(mu, float)
    faint = mu >= level
    first = faint.argmax(1)
    each, before = np.arange(len(mu)), np.maximum(first, 1) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (level - mu[each, before]) / (mu[each, first] - mu[each, before])
    return np.where(faint.any(1) & (first > 0), step * (before + 1 + share), np.nan)


def profile_table(columns, **meta):
    """Gather columns into a table with units, descriptions and provenance.

    Parameters
    ----------
    columns : mapping of str to array_like
        Names from `COLUMNS`; bare arrays are taken to be in the column's unit, quantities
        are converted to it. At least ``sma`` and ``mu``.
    **meta
        Written to the table's ``meta``, over the defaults (``version``, ``zeropt``, ``pixscale``,
        ``paconv``).

    Returns
    -------
    table : astropy.table.QTable

    Raises
    ------
    ValueError
        If a column is unknown, ``sma`` or ``mu`` is missing, or lengths differ.
    """
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        raise ValueError(f"unknown profile columns {unknown}; known are {list(COLUMNS)}")
    missing = [name for name in ("sma", "mu") if name not in columns]
    if missing:
        raise ValueError(f"a profile needs the columns sma and mu; missing: {missing}")
    lengths = {name: np.shape(value) for name, value in columns.items()}
    if len(set(lengths.values())) != 1 or len(lengths["sma"]) != 1:
        raise ValueError(
            f"profile columns must be one-dimensional and equally long, got {lengths}"
        )
    table = QTable()
    for name, (unit, description) in COLUMNS.items():
        if name not in columns:
            continue
        value = columns[name]
        if unit is not None:
            value = u.Quantity(value, unit)
        table[name] = value
        table[name].info.description = description
    table.meta.update(
        version=f"pix2prof {__version__}", zeropt=ZEROPOINT, pixscale=PIXSCALE, paconv=PA_ARRAY
    )
    table.meta.update(meta)
    return table
