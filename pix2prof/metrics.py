"""How far predicted profiles lie from measured ones: section 2.3 of the paper, as tables.

Profiles come as arrays `(P, T)` of surface brightness [mag arcsec^-2], one row a galaxy and
band, NaN beyond a profile's end; column ``k`` lies at ``step * (k + 1)`` arcsec along the
semi-major axis. What is known about the rows comes as a table of P rows, `pairs`.
"""

import astropy.units as u
import numpy as np
from astropy.table import QTable
from scipy.stats import linregress

from pix2prof.profiles import MU_UNIT, SMA_STEP
from pix2prof.properties import profile_length
from pix2prof.sdss import BANDS, LIMITING_MU

REGRESSORS = {"ellipticity": u.dimensionless_unscaled, "r_235": u.arcsec}


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
    table["deviation"] = _quantile(eta, 0.5, axis=1) * MU_UNIT
    table["deviation_bright"] = _quantile(bright, 0.5, axis=1) * MU_UNIT
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
    scale = _values(pairs["kpc_per_arcsec"], u.kpc / u.arcsec)
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
        curve[name] = _quantile(eta, q, axis=0) * MU_UNIT
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
    sets = {"all": np.ones(len(bands), bool)} | {b: bands == b for b in _bands(pairs)}
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


def regression(x, y):
    """Fit a line to a set of points by least squares (Fig. 2.6).

    Parameters
    ----------
    x, y : array_like, shape (P,)
        Points that are not finite are left out.

    Returns
    -------
    numbers : dict
        `n`, `slope`, `intercept`, `stderr` (of the slope), `r` and `p`, the probability of
        such a slope if there were none; `n` alone for fewer than three points or one abscissa.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    good = np.isfinite(x) & np.isfinite(y)
    if good.sum() < 3 or np.ptp(x[good]) == 0:
        return {"n": int(good.sum())}
    fit = linregress(x[good], y[good])
    return {
        "n": int(good.sum()),
        "slope": fit.slope,
        "intercept": fit.intercept,
        "stderr": fit.stderr,
        "r": fit.rvalue,
        "p": fit.pvalue,
    }


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


def energy(seconds, watts, kg_per_kwh):
    """Estimate what a training took, as the paper's statement on carbon does.

    The estimate is power times time, after Lacoste et al. (2019): `watts` is the mean draw of
    the machine (for CPU cores their share of its thermal design power; neither cooling nor
    manufacture), and `kg_per_kwh` the carbon intensity of its supply. The paper's own 20 kWh
    and 5.54 kg are 0.277 kg per kWh.

    Parameters
    ----------
    seconds : float
        Duration of the training [s].
    watts : float
        Mean power [W].
    kg_per_kwh : float
        Carbon intensity [kg CO2e per kWh].

    Returns
    -------
    numbers : dict
        `seconds`, `watts`, `kg_per_kwh`, `kwh` and `kg_co2e`.

    Raises
    ------
    ValueError
        If any of them is negative or not finite.
    """
    given = {"seconds": seconds, "watts": watts, "kg_per_kwh": kg_per_kwh}
    for name, value in given.items():
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be a number of at least 0; found {value}")
    kwh = seconds * watts / 3.6e6
    return given | {"kwh": kwh, "kg_co2e": kwh * kg_per_kwh}


def assemble(table, *, baseline=None, truth=None, expert=None, speed=None, training=None):
    """Gather everything that is reported, for `results/metrics.json`.

    Parameters
    ----------
    table : astropy.table.QTable
        `deviations` of the predictions against the expert profiles.
    baseline : astropy.table.QTable, optional
        `deviations` of the mean training profile against the expert profiles.
    truth, expert : astropy.table.QTable, optional
        `deviations` of the predictions, and of the expert profiles, against the truth.
    speed, training : dict, optional
        Numbers, nested at will, taken over as they are.

    Returns
    -------
    numbers : dict
        Nested: `test`, `test_bright`, `by_band.<band>` (the same summary, its `bright` and
        `snr`), `regression.ellipticity`, `regression.r_235`, `length`, and where given
        `baseline`, `truth`, `expert` (each `test` and `test_bright`), `speed`, `training`.
        Plain ints and floats of six significant digits; what is undefined is absent.

    Raises
    ------
    TypeError
        If `speed` or `training` holds anything but numbers.
    """
    eta = _values(table["deviation"], MU_UNIT)
    bands = np.asarray(table["band"])
    report = _both(table) | {"by_band": {}, "regression": {}, "length": _length(table)}
    for band in _bands(table):
        rows = table[bands == band]
        both = _both(rows)
        report["by_band"][band] = both["test"] | {"bright": both["test_bright"]}
        if "snr" in table.colnames:
            report["by_band"][band]["snr"] = _quantile(_values(rows["snr"], u.one), 0.5, axis=0)
    for name, unit in REGRESSORS.items():
        if name in table.colnames:
            report["regression"][name] = regression(_values(table[name], unit), eta)
    peers = {"baseline": baseline, "truth": truth, "expert": expert}
    report |= {name: _both(peer) for name, peer in peers.items() if peer is not None}
    given = {"speed": speed, "training": training}
    report |= {name: numbers for name, numbers in given.items() if numbers is not None}
    return _plain(report)


def _both(table):
    return {
        "test": summary(_values(table["deviation"], MU_UNIT)),
        "test_bright": summary(_values(table["deviation_bright"], MU_UNIT)),
    }


def _length(table):
    error = _values(table["length_error"], u.arcsec)
    fraction = _values(table["length_fraction"], u.one)
    return {
        "median_error_arcsec": _quantile(error, 0.5, axis=0),
        "median_absolute_error_arcsec": _quantile(np.abs(error), 0.5, axis=0),
        "median_fraction": _quantile(fraction, 0.5, axis=0),
        "median_absolute_fraction": _quantile(np.abs(fraction), 0.5, axis=0),
        "p90_absolute_fraction": _quantile(np.abs(fraction), 0.9, axis=0),
    }


def _bands(table):
    found = set(np.asarray(table["band"]).tolist())
    return [b for b in BANDS if b in found] + sorted(found - set(BANDS))


def _values(column, unit):
    return u.Quantity(column, unit, dtype=float).value


def _quantile(values, q, axis):
    """Quantile of the finite values along an axis, NaN where there are none."""
    values = np.moveaxis(np.asarray(values, float), axis, -1)
    empty = ~np.isfinite(values).any(axis=-1)
    filled = np.where(empty[..., None], 0.0, values)
    return np.where(empty, np.nan, np.nanquantile(filled, q, axis=-1))[()]


def _plain(value, path="metrics"):
    """Nested dicts of numbers as plain ints and floats, without what is not finite."""
    if isinstance(value, dict):
        plain = {str(k): _plain(v, f"{path}.{k}") for k, v in value.items()}
        return {k: v for k, v in plain.items() if v is not None}
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{path} must be a number; found {value!r}")
    if isinstance(value, (int, np.integer)):
        return int(value)
    return float(f"{value:.6g}") if np.isfinite(value) else None
