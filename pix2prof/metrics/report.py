"""What is reported of an evaluation, as nested plain numbers: ``results/metrics.json``."""

import astropy.units as u
import numpy as np
from scipy.stats import linregress

from pix2prof.metrics.deviations import bands_of, bare, quantile, summary
from pix2prof.profiles import MU_UNIT

REGRESSORS = {"ellipticity": u.dimensionless_unscaled, "r_235": u.arcsec}


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
        `pix2prof.metrics.deviations.deviations` of the predictions against the expert profiles.
    baseline : astropy.table.QTable, optional
        `pix2prof.metrics.deviations.deviations` of the mean training profile against the expert
        profiles.
    truth, expert : astropy.table.QTable, optional
        The same of the predictions, and of the expert profiles, against the truth.
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
    eta = bare(table["deviation"], MU_UNIT)
    bands = np.asarray(table["band"])
    report = _both(table) | {"by_band": {}, "regression": {}, "length": _length(table)}
    for band in bands_of(table):
        rows = table[bands == band]
        both = _both(rows)
        report["by_band"][band] = both["test"] | {"bright": both["test_bright"]}
        if "snr" in table.colnames:
            report["by_band"][band]["snr"] = quantile(bare(rows["snr"], u.one), 0.5, axis=0)
    for name, unit in REGRESSORS.items():
        if name in table.colnames:
            report["regression"][name] = regression(bare(table[name], unit), eta)
    peers = {"baseline": baseline, "truth": truth, "expert": expert}
    report |= {name: _both(peer) for name, peer in peers.items() if peer is not None}
    given = {"speed": speed, "training": training}
    report |= {name: numbers for name, numbers in given.items() if numbers is not None}
    return _plain(report)


def _both(table):
    return {
        "test": summary(bare(table["deviation"], MU_UNIT)),
        "test_bright": summary(bare(table["deviation_bright"], MU_UNIT)),
    }


def _length(table):
    error = bare(table["length_error"], u.arcsec)
    fraction = bare(table["length_fraction"], u.one)
    return {
        "median_error_arcsec": quantile(error, 0.5, axis=0),
        "median_absolute_error_arcsec": quantile(np.abs(error), 0.5, axis=0),
        "median_fraction": quantile(fraction, 0.5, axis=0),
        "median_absolute_fraction": quantile(np.abs(fraction), 0.5, axis=0),
        "p90_absolute_fraction": quantile(np.abs(fraction), 0.9, axis=0),
    }


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
