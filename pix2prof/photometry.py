"""Structural parameters of a galaxy, read off its profile: sizes, magnitudes, disc, Sersic."""

import astropy.units as u
import numpy as np
from astropy.table import QTable
from scipy.optimize import curve_fit
from scipy.special import gammaincinv

from pix2prof.profiles import MU_UNIT
from pix2prof.sdss import ZEROPOINT, flux_to_mag

ISOPHOTES = (23.5, 25.0)
MAX_MU_ERR = 0.3
MIN_ROWS = 8
DISC_FROM = 0.35
SERSIC_FROM = 2.0
MU_FLOOR = 0.02
MAG = 2.5 / np.log(10)


def structural_parameters(table):
    """Structural parameters from one profile.

    The profile is used up to its signal-to-noise cut (``nvalid`` in the metadata), else to the
    first row whose error exceeds 0.3 mag.

    Parameters
    ----------
    table : astropy.table.QTable
        A profile with sma, mu, mu_err, ellipticity and growth.

    Returns
    -------
    parameters : astropy.table.QTable
        Columns name, value, error, unit and reason, one row each for R_23.5 and R_25 (first
        isophote as faint), R_50 and R_90 (of the total flux), C_28 = 5 log10(R_80 / R_20), m_23.5,
        m_25 (within those isophotes), m_tot (extrapolated along the disc), h and mu_0 (of
        the exponential disc, not corrected for inclination), and n, R_e, mu_e (one Sersic
        function). Where a parameter cannot be had, value and error are NaN and `reason` says why.

    Raises
    ------
    ValueError
        If the table lacks one of those columns.
    """
    missing = [
        n for n in ("sma", "mu", "mu_err", "ellipticity", "growth") if n not in table.colnames
    ]
    if missing:
        raise ValueError(f"structural parameters need the columns {missing}, which are missing")
    profile = _usable(table)
    rows = []
    disc = _attempt(disc_fit, profile)
    total = _attempt(total_flux, profile, disc)
    for level in ISOPHOTES:
        radius = _attempt(isophotal_radius, profile, level)
        rows.append((f"R_{level:g}", u.arcsec, radius))
        rows.append((f"m_{level:g}", u.mag, _attempt(isophotal_magnitude, profile, radius)))
    for share in (50, 90):
        found = _attempt(flux_radius, profile, total, share / 100)
        rows.append((f"R_{share}", u.arcsec, found))
    rows.append(("C_28", u.dimensionless_unscaled, _attempt(concentration, profile, total)))
    rows.append(("m_tot", u.mag, _attempt(total_magnitude, total)))
    for k, (name, unit) in enumerate((("h", u.arcsec), ("mu_0", MU_UNIT))):
        rows.append((name, unit, _pick(disc, k)))
    sersic = _attempt(sersic_fit, profile)
    names = (("n", u.dimensionless_unscaled), ("R_e", u.arcsec), ("mu_e", MU_UNIT))
    for k, (name, unit) in enumerate(names):
        rows.append((name, unit, _pick(sersic, k)))
    out = QTable()
    out["name"] = [name for name, _, _ in rows]
    nothing = (np.nan, np.nan)
    out["value"] = [(nothing if isinstance(v, str) else v)[0] for _, _, v in rows]
    out["error"] = [(nothing if isinstance(v, str) else v)[1] for _, _, v in rows]
    out["unit"] = [unit.to_string() for _, unit, _ in rows]
    out["reason"] = [v if isinstance(v, str) else "" for _, _, v in rows]
    out.meta.update({k: table.meta[k] for k in ("object", "band", "version") if k in table.meta})
    return out


class NotMeasured(ValueError):
    """A parameter that the profile does not hold; the message is the reason."""


def isophotal_radius(profile, level):
    """Semi-major axis and error [arcsec] of the first isophote as faint as `level`."""
    sma, mu, mu_err = profile["sma"], profile["mu"], profile["mu_err"]
    faint = mu >= level
    if not faint.any():
        raise NotMeasured(f"the profile ends at {mu[-1]:.2f}, brighter than {level:g}")
    k = int(np.argmax(faint))
    if k == 0:
        raise NotMeasured(f"the centre, {mu[0]:.2f}, is fainter than {level:g}")
    radius = float(np.interp(level, mu[k - 1 : k + 1], sma[k - 1 : k + 1]))
    near = slice(max(0, k - 5), k + 6)
    slope = np.polyfit(sma[near], mu[near], 1)[0] if k + 1 < len(mu) or k > 2 else np.nan
    if not slope > 0:
        raise NotMeasured(f"the profile is flat where it crosses {level:g}")
    return radius, float(np.hypot(mu_err[k] / slope, 0.5 * (sma[k] - sma[k - 1])))


def isophotal_magnitude(profile, radius):
    """Magnitude within a radius given as (value, error) [arcsec], and its error."""
    if isinstance(radius, str):
        raise NotMeasured(radius)
    flux = np.interp(radius[0], profile["sma"], profile["growth"])
    steps = [
        np.interp(radius[0] + s * radius[1], profile["sma"], profile["growth"]) for s in (-1, 1)
    ]
    if flux <= 0:
        raise NotMeasured("the flux within the isophote is not positive")
    error = np.interp(radius[0], profile["sma"], profile["growth_err"])
    error = np.hypot(error, 0.5 * (steps[1] - steps[0]))
    return float(flux_to_mag(flux)), float(MAG * error / flux)


def disc_fit(profile):
    """Exponential disc: ((h, error) [arcsec], (mu_0, error) [mag arcsec^-2]).

    A straight line is fitted to mu between `DISC_FROM` of the last radius and the last radius,
    weighed by the errors, with two rounds of clipping at three standard deviations.
    """
    sma, mu, error = profile["sma"], profile["mu"], np.hypot(profile["mu_err"], MU_FLOOR)
    use = sma >= DISC_FROM * sma[-1]
    for _ in range(3):
        if use.sum() < MIN_ROWS:
            raise NotMeasured(f"only {use.sum()} rows in the outer profile")
        (slope, zero), covariance = np.polyfit(sma[use], mu[use], 1, w=1 / error[use], cov=True)
        residual = mu - (zero + slope * sma)
        scatter = max(1.4826 * np.median(np.abs(residual[use])), MU_FLOOR)
        use = (sma >= DISC_FROM * sma[-1]) & (np.abs(residual) < 3 * scatter)
    slope_err, zero_err = np.sqrt(np.diag(covariance))
    if slope <= 3 * slope_err:
        raise NotMeasured("the outer profile does not fall off")
    h = MAG / slope
    return (float(h), float(h * slope_err / slope)), (float(zero), float(zero_err))


def total_flux(profile, disc):
    """Flux to infinity and its error [nanomaggies], the disc carried on beyond the last row."""
    last = profile["sma"][-1]
    flux, error = profile["growth"][-1], profile["growth_err"][-1]
    if flux <= 0:
        raise NotMeasured("the flux within the last isophote is not positive")
    if isinstance(disc, str):
        raise NotMeasured(f"no extrapolation: {disc}")
    (h, h_err), _ = disc
    intensity = 10 ** (0.4 * (ZEROPOINT - profile["mu"][-1]))
    beyond = 2 * np.pi * (1 - profile["ellipticity"][-1]) * intensity * h * (last + h)
    if beyond > flux:
        raise NotMeasured("more than half of the flux would be extrapolation")
    uncertain = beyond * np.hypot(0.3, h_err / h)
    return float(flux + beyond), float(np.hypot(error, uncertain))


def total_magnitude(total):
    """Total magnitude and error from `total_flux`."""
    if isinstance(total, str):
        raise NotMeasured(total)
    return float(flux_to_mag(total[0])), MAG * total[1] / total[0]


def flux_radius(profile, total, share):
    """Semi-major axis and error [arcsec] of the ellipse that holds a share of the total flux."""
    if isinstance(total, str):
        raise NotMeasured(total)
    growth = np.maximum.accumulate(profile["growth"])
    if share * total[0] > growth[-1]:
        raise NotMeasured(f"{100 * share:g} per cent of the flux lies beyond the last row")
    sma = np.concatenate(([0.0], profile["sma"]))
    growth = np.concatenate(([0.0], growth))
    rising = np.concatenate(([True], np.diff(growth) > 0))
    radii = [
        np.interp(share * (total[0] + s * total[1]), growth[rising], sma[rising])
        for s in (0, -1, 1)
    ]
    return float(radii[0]), float(0.5 * (radii[2] - radii[1]))


def concentration(profile, total):
    """C_28 = 5 log10(R_80 / R_20) and its error."""
    inner, outer = (flux_radius(profile, total, share) for share in (0.2, 0.8))
    if inner[0] < profile["sma"][0]:
        raise NotMeasured("R_20 is within the first row")
    error = 5 / np.log(10) * np.hypot(outer[1] / outer[0], inner[1] / inner[0])
    return float(5 * np.log10(outer[0] / inner[0])), float(error)


def sersic_fit(profile):
    """One Sersic function: (n, error), (R_e, error) [arcsec], (mu_e, error), beyond the PSF."""
    sma, mu = profile["sma"], profile["mu"]
    use = sma >= SERSIC_FROM
    if use.sum() < MIN_ROWS:
        raise NotMeasured(f"only {use.sum()} rows beyond {SERSIC_FROM:g} arcsec")
    error = np.hypot(profile["mu_err"], 5 * MU_FLOOR)
    middle = float(np.interp(0.5 * profile["growth"][-1], profile["growth"], sma))
    guess = (1.5, max(middle, 0.5), float(np.interp(middle, sma, mu)))
    bounds = ((0.2, 0.1, 10.0), (10.0, 10 * sma[-1], 35.0))
    try:
        best, covariance = curve_fit(
            sersic, sma[use], mu[use], guess, error[use], bounds=bounds, max_nfev=2000
        )
    except (RuntimeError, ValueError) as failure:
        raise NotMeasured(f"the Sersic fit failed: {failure}") from failure
    errors = np.sqrt(np.diag(covariance))
    if not np.isfinite(errors).all() or best[0] < 0.21 or best[0] > 9.9:
        raise NotMeasured(f"the Sersic fit ran to its limit (n = {best[0]:.2f})")
    return tuple((float(v), float(e)) for v, e in zip(best, errors, strict=True))


def sersic(sma, n, radius, mu_e):
    """Surface brightness of a Sersic profile at `sma`; `radius` holds half of the light."""
    b = gammaincinv(2 * n, 0.5)
    return mu_e + MAG * b * ((sma / radius) ** (1 / n) - 1)


def _usable(table):
    """Plain arrays of the rows up to the cut."""
    names = ("sma", "mu", "mu_err", "ellipticity", "growth", "growth_err")
    profile = {}
    for name in names:
        values = table[name] if name in table.colnames else np.zeros(len(table))
        profile[name] = np.asarray(getattr(values, "value", values), dtype=float)
    good = np.isfinite(profile["mu"]) & np.isfinite(profile["mu_err"])
    end = table.meta.get("nvalid")
    if end is None:
        poor = np.flatnonzero(~(good & (profile["mu_err"] < MAX_MU_ERR)))
        end = int(poor[0]) if len(poor) else len(table)
    rows = np.flatnonzero(good[:end])
    return {name: values[rows] for name, values in profile.items()}


def _attempt(function, profile, *arguments):
    if isinstance(profile, dict) and len(profile["sma"]) < MIN_ROWS:
        return f"only {len(profile['sma'])} rows above the signal-to-noise cut"
    try:
        return function(profile, *arguments)
    except NotMeasured as reason:
        return str(reason)


def _pick(fitted, k):
    return fitted if isinstance(fitted, str) else fitted[k]
