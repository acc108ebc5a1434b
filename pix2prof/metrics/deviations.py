"""How far predicted profiles lie from measured ones: section 2.3 of the paper, as tables.

Profiles come as arrays `(P, T)` of surface brightness [mag arcsec^-2], one row a galaxy and
band, NaN beyond a profile's end; column ``k`` lies at ``step * (k + 1)`` arcsec along the
semi-major axis. What is known about the rows comes as a table of P rows, `pairs`.
"""

import astropy.units as u
import numpy as np
from astropy.table import QTable

from pix2prof.dataset.properties import profile_length
from pix2prof.profiles import MU_UNIT, SMA_STEP
from pix2prof.sdss import BANDS, LIMITING_MU


def deviation(reference, prediction):
    r"""Absolute deviation per step, :math:`\eta = |y - p|` (eq. 2.3).

    Parameters
    ----------
    reference, prediction : array_like, shape (P, T)
        Surface brightness [mag arcsec^-2], NaN beyond each profile's end.

    Returns
    -------
    eta : numpy.ndarray, shape (P, T)
        Deviation [mag arcsec^-2], NaN where either profile is missing.

    Raises
    ------
    ValueError
        If the two are not matrices of one shape.
    """
    reference, prediction = np.asarray(reference, float), np.asarray(prediction, float)
    if reference.ndim != 2 or reference.shape != prediction.shape:
        raise ValueError(
            "reference and prediction must be profiles of one shape (P, T); "
            f"found {reference.shape} and {prediction.shape}"
        )
    return np.abs(reference - prediction)


def deviations(reference, prediction, pairs, *, step=SMA_STEP, limit=LIMITING_MU):
    """Sum each pair of profiles up by its median deviation and its length.

    Parameters
    ----------
    reference, prediction : array_like, shape (P, T)
        Surface brightness [mag arcsec^-2], NaN beyond each profile's end.
    pairs : astropy.table.Table, P rows
        What is known about each pair; its columns are kept. The rest of this module looks
        for `band`, `kpc_per_arcsec`, `ellipticity` (of the last isophote), `r_235` and `snr`.
    step : float
        Spacing of the profile grid [arcsec].
    limit : float
        Surface brightness above which the bright part lies [mag arcsec^-2].

    Returns
    -------
    table : astropy.table.QTable, P rows
        `pairs`, and `deviation` (median over the radii where both profiles exist),
        `deviation_bright` (the same where the reference is brighter than `limit`), `length`,
        `length_predicted`, `length_error` (predicted less measured) and `length_fraction`
        (that over the measured length). A median over no radii is NaN.

    Raises
    ------
    ValueError
        If the shapes do not agree, or `pairs` has another number of rows.
    """
    eta = deviation(reference, prediction)
    if len(pairs) != len(eta):
        raise ValueError(f"pairs has {len(pairs)} rows for {len(eta)} profiles; give one each")
    length, predicted = profile_length(reference, step), profile_length(prediction, step)
    bright = np.where(np.asarray(reference, float) < limit, eta, np.nan)
    table = QTable(pairs, copy=True)
    table["deviation"] = quantile(eta, 0.5, axis=1) * MU_UNIT
    table["deviation_bright"] = quantile(bright, 0.5, axis=1) * MU_UNIT
    table["length"] = length * u.arcsec
    table["length_predicted"] = predicted * u.arcsec
    table["length_error"] = (predicted - length) * u.arcsec
    table["length_fraction"] = np.divide(
        predicted - length, length, out=np.full(len(length), np.nan), where=length > 0
    )
    return table


def summary(values, threshold=0.5):
    """Sum up a set of deviations, one a profile.

    Parameters
    ----------
    values : array_like, shape (P,)
        Median deviations [mag arcsec^-2]; those that are not finite are counted apart.
    threshold : float
        Deviation above which a profile counts as bad [mag arcsec^-2].

    Returns
    -------
    numbers : dict
        `n`, `n_undefined`, `median`, `mean`, `std`, `q25`, `q75`, `iqr`, `p90`, `p99`, `max`,
        `min` and `fraction_bad` (over `threshold`); only the first two of an empty set.
    """
    values = np.asarray(values, float)
    finite = values[np.isfinite(values)]
    counts = {"n": len(finite), "n_undefined": len(values) - len(finite)}
    if not len(finite):
        return counts
    q25, median, q75, p90, p99 = np.quantile(finite, [0.25, 0.5, 0.75, 0.9, 0.99])
    return counts | {
        "median": median,
        "mean": finite.mean(),
        "std": finite.std(),
        "q25": q25,
        "q75": q75,
        "iqr": q75 - q25,
        "p90": p90,
        "p99": p99,
        "max": finite.max(),
        "min": finite.min(),
        "fraction_bad": np.mean(finite > threshold),
    }


def per_kpc(reference, prediction, pairs, *, bin_kpc=0.25, ended=0.9, step=SMA_STEP):
    """Median deviation and its interquartile range against radius in kpc (Figs 2.4 and 2.5).

    Each profile's deviation is interpolated linearly on a common grid; the grid ends where
    the share `ended` of the reference profiles have ended.

    Parameters
    ----------
    reference, prediction : array_like, shape (P, T)
        Surface brightness [mag arcsec^-2], NaN beyond each profile's end.
    pairs : astropy.table.Table, P rows
        Needs `kpc_per_arcsec`.
    bin_kpc : float
        Spacing of the grid [kpc], which starts at one spacing.
    ended : float
        Share of the profiles, of 1.
    step : float
        Spacing of the profile grid [arcsec].

    Returns
    -------
    curve : astropy.table.QTable
        `radius` [kpc], `median`, `q25`, `q75` [mag arcsec^-2] and `n`, the number of profiles
        at that radius. Radii at which no profile has a deviation are left out.
    """
    eta = deviation(reference, prediction)
    scale = bare(pairs["kpc_per_arcsec"], u.kpc / u.arcsec)
    extent = profile_length(reference, step) * scale
    n_bins = int(np.quantile(extent, ended) / bin_kpc + 1e-9)
    grid = bin_kpc * np.arange(1, n_bins + 1)
    sma = step * np.arange(1, eta.shape[1] + 1)
    on_grid = [
        np.interp(grid, sma * s, row, left=np.nan, right=np.nan)
        for s, row in zip(scale, eta, strict=True)
    ]
    eta = np.stack(on_grid)
    n = np.isfinite(eta).sum(axis=0)
    curve = QTable({"radius": grid * u.kpc})
    for name, q in (("median", 0.5), ("q25", 0.25), ("q75", 0.75)):
        curve[name] = quantile(eta, q, axis=0) * MU_UNIT
    curve["n"] = n
    return curve[n > 0]


def curves(reference, prediction, pairs, **options):
    """Collect the per-kpc curves of all pairs and of each band in one long table.

    Takes what `per_kpc` takes.

    Returns
    -------
    table : astropy.table.QTable
        The columns of `per_kpc`, and `set`: ``all`` or the band.
    """
    bands = np.asarray(pairs["band"])
    sets = {"all": np.ones(len(bands), bool)} | {b: bands == b for b in bands_of(pairs)}
    parts = []
    for name, rows in sets.items():
        part = per_kpc(
            np.asarray(reference)[rows], np.asarray(prediction)[rows], pairs[rows], **options
        )
        part.add_column([name] * len(part), name="set", index=0)
        parts += [part] if len(part) else []
    if not parts:
        raise ValueError("no profile has a deviation at any radius; are the predictions empty?")
    return QTable({c: np.concatenate([p[c] for p in parts]) for c in parts[0].colnames})


def mean_profile(mu):
    """Average the training profiles: the guess of someone who has not seen the image.

    At each step it is the mean over those that reach as far, so it goes on to the end of the
    longest, and a test profile is compared with it over all its radii; it predicts no length.

    Parameters
    ----------
    mu : array_like, shape (P, T)
        Surface brightness of the training profiles [mag arcsec^-2], NaN beyond their ends.

    Returns
    -------
    mean : numpy.ndarray, shape (T,)
        NaN beyond the longest profile's end. `numpy.broadcast_to` makes it a prediction.
    """
    mu = np.asarray(mu, float)
    n = np.isfinite(mu).sum(axis=0)
    return np.divide(np.nansum(mu, axis=0), n, out=np.full(mu.shape[1], np.nan), where=n > 0)


def bands_of(table):
    """List the bands of a table: those of SDSS in their order, then the others."""
    found = set(np.asarray(table["band"]).tolist())
    return [b for b in BANDS if b in found] + sorted(found - set(BANDS))


def bare(column, unit):
    """Give a column as a bare array in a unit."""
    return u.Quantity(column, unit, dtype=float).value


def quantile(values, q, axis):
    """Quantile of the finite values along an axis, NaN where there are none."""
    values = np.moveaxis(np.asarray(values, float), axis, -1)
    empty = ~np.isfinite(values).any(axis=-1)
    filled = np.where(empty[..., None], 0.0, values)
    return np.where(empty, np.nan, np.nanquantile(filled, q, axis=-1))[()]
