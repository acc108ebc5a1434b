"""Structural parameters of one profile at a time, by scipy and numpy: slow, to hold others to."""

import numpy as np
from scipy.optimize import curve_fit

from pix2prof.photometry.light_fits import (
    DISC_FROM,
    MIN_ROWS,
    MISFIT,
    MU_FLOOR,
    SERSIC_FROM,
    SERSIC_ROWS,
    sersic,
)
from pix2prof.photometry.stacked import MAG, MAX_MU_ERR
from pix2prof.sdss import ZEROPOINT, mu_to_intensity


def values(table):
    """Name -> value of what is to be had of a profile; of a fit only if it has converged."""
    rows, profile = usable(table)
    if rows < MIN_ROWS:
        return {}
    found = {}
    sma, mu, growth = profile["sma"], profile["mu"], profile["growth"]
    for level in (23.5, 25.0):
        k = int(np.argmax(mu >= level))
        if k == 0:
            continue
        near = slice(max(0, k - 5), k + 6)
        if np.polyfit(sma[near], mu[near], 1)[0] > 0:
            radius = np.interp(level, mu[k - 1 : k + 1], sma[k - 1 : k + 1])
            found[f"R_{level:g}"] = radius
            found[f"m_{level:g}"] = _magnitude(np.interp(radius, sma, growth))
    disc = disc_fit(profile)
    if disc is not None:
        found["h"], found["mu_0"] = disc
        found |= of_the_total(profile, disc[0])
    fit = sersic_fit(profile)
    if fit is not None:
        found["n"], found["R_e"], found["mu_e"] = fit
    return found


def usable(table):
    """How many rows there are up to the cut, and these as arrays."""
    names = ("sma", "mu", "mu_err", "ellipticity", "growth")
    profile = {name: np.zeros(len(table)) for name in names}
    for name in set(names) & set(table.colnames):
        profile[name] = np.asarray(getattr(table[name], "value", table[name]), dtype=float)
    good = np.isfinite(profile["mu"]) & np.isfinite(profile["mu_err"])
    end = table.meta.get("nvalid")
    if end is None:
        poor = np.flatnonzero(~(good & (profile["mu_err"] < MAX_MU_ERR)))
        end = int(poor[0]) if len(poor) else len(table)
    rows = np.flatnonzero(good[:end])
    profile = {name: column[rows] for name, column in profile.items()}
    if "growth" not in table.colnames:
        intensity = mu_to_intensity(profile["mu"])
        ring = np.diff(np.pi * profile["sma"] ** 2 * (1 - profile["ellipticity"]), prepend=0.0)
        inner = np.concatenate((intensity[:1], intensity[:-1]))
        profile["growth"] = np.cumsum(0.5 * (intensity + inner) * ring)
    return len(rows), profile


def disc_fit(profile):
    sma, mu, error = profile["sma"], profile["mu"], np.hypot(profile["mu_err"], MISFIT)
    use = outer = sma >= DISC_FROM * sma[-1]
    for _ in range(3):
        if use.sum() < MIN_ROWS:
            return None
        (slope, zero), covariance = np.polyfit(sma[use], mu[use], 1, w=1 / error[use], cov=True)
        residual = mu - (zero + slope * sma)
        scatter = max(1.4826 * np.median(np.abs(residual[use])), MU_FLOOR)
        use = outer & (np.abs(residual) < 3 * scatter)
    return None if slope <= 3 * np.sqrt(covariance[0, 0]) else (MAG / slope, zero)


def sersic_fit(profile):
    sma, mu = profile["sma"], profile["mu"]
    use = np.flatnonzero(sma >= SERSIC_FROM)
    if len(use) < MIN_ROWS:
        return None
    use = use[np.unique(np.linspace(0, len(use) - 1, SERSIC_ROWS).round().astype(int))]
    error = np.hypot(profile["mu_err"], MISFIT)
    middle = np.interp(0.5 * profile["growth"][-1], profile["growth"], sma)
    guess = (1.5, max(middle, 0.5), np.interp(middle, sma, mu))
    low, high = (0.2, 0.1, 10.0), (10.0, 10 * sma[-1], 35.0)
    exact = dict.fromkeys(("ftol", "xtol", "gtol"), 1e-12)
    best, _ = curve_fit(
        sersic, sma[use], mu[use], guess, error[use], bounds=(low, high), max_nfev=5000, **exact
    )
    room = 1e-3 * np.subtract(high, low)
    at_a_limit = (best < low + room).any() or (best > high - room).any()
    return None if at_a_limit or not 0.21 < best[0] < 9.9 else best


def of_the_total(profile, h):
    sma, growth = profile["sma"], profile["growth"]
    intensity = 10 ** (0.4 * (ZEROPOINT - profile["mu"][-1]))
    beyond = 2 * np.pi * (1 - profile["ellipticity"][-1]) * intensity * h * (sma[-1] + h)
    if growth[-1] <= 0 or beyond > growth[-1]:
        return {}
    total = growth[-1] + beyond
    growth = np.maximum.accumulate(growth)
    inner, outer = np.concatenate(([0.0], growth)), np.concatenate(([0.0], sma))
    rising = np.concatenate(([True], np.diff(inner) > 0))
    found, radius = {"m_tot": _magnitude(total)}, {}
    for percent in (20, 50, 80, 90):
        if percent / 100 * total <= growth[-1]:
            radius[percent] = np.interp(percent / 100 * total, inner[rising], outer[rising])
    found |= {f"R_{percent}": radius[percent] for percent in (50, 90) if percent in radius}
    if 80 in radius and radius[20] >= sma[0]:
        found["C_28"] = 5 * np.log10(radius[80] / radius[20])
    return found


def _magnitude(flux):
    return ZEROPOINT - 2.5 * np.log10(flux)
