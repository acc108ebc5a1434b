"""Structural parameters of a galaxy, read off its profile: sizes, magnitudes, disc, Sersic."""

import astropy.units as u
import numpy as np
from astropy.table import QTable

from pix2prof.light_fits import MAG, MIN_ROWS, NotMeasured, disc_fit, sersic_fit
from pix2prof.profiles import MU_UNIT
from pix2prof.propagation import TO_TRUTH, Measured, correlated_draws
from pix2prof.sdss import ZEROPOINT, flux_to_mag, mu_to_intensity

ISOPHOTES = (23.5, 25.0)
MAX_MU_ERR = 0.3
BEYOND = 0.3
ARCSEC, MAGNITUDE, NO_UNIT = u.arcsec, u.mag, u.dimensionless_unscaled
PARAMETERS = {
    "R_23.5": ARCSEC, "m_23.5": MAGNITUDE, "R_25": ARCSEC, "m_25": MAGNITUDE, "R_50": ARCSEC,
    "R_90": ARCSEC, "C_28": NO_UNIT, "m_tot": MAGNITUDE, "h": ARCSEC, "mu_0": MU_UNIT,
    "n": NO_UNIT, "R_e": ARCSEC, "mu_e": MU_UNIT,
}  # fmt: skip
"""Name -> unit, in the order they are given; see `structural_parameters`."""


def structural_parameters(table):
    """Structural parameters from one profile.

    The profile is used up to its signal-to-noise cut (``nvalid`` in the metadata), else to the
    first row whose error exceeds 0.3 mag. Its errors are carried through by draws in which those
    of neighbouring rows hang together, see `pix2prof.propagation.correlated_draws`.

    Parameters
    ----------
    table : astropy.table.QTable
        A profile with sma and mu, and what there is of mu_err, ellipticity, ellipticity_err and
        growth. Without mu_err there are values and no errors; without ellipticity the magnitudes
        are left open, and the rest is as for one and the same ellipticity at all radii.

    Returns
    -------
    parameters : astropy.table.QTable
        Columns name, value, error, unit and reason, one row each for R_23.5 and R_25 (first
        isophote as faint), R_50 and R_90 (of the total flux), C_28 = 5 log10(R_80 / R_20), m_23.5,
        m_25 (within those isophotes), m_tot (extrapolated along the disc), h and mu_0 (of
        the exponential disc, not corrected for inclination), and n, R_e, mu_e (one Sersic
        function). Where a parameter cannot be had, value and error are NaN and `reason` says why.
        ``meta["rows"]``: how many rows of the profile were used.

    Raises
    ------
    ValueError
        If the table lacks one of the first two columns.
    """
    missing = [name for name in ("sma", "mu") if name not in table.colnames]
    if missing:
        raise ValueError(f"structural parameters need the columns {missing}, which are missing")
    profile = _usable(table)
    with np.errstate(all="ignore"):
        found = _parameters(profile)
    if "ellipticity" not in table.colnames:
        found |= {n: "no ellipticities" for n in PARAMETERS if n.startswith("m_")}
    if "mu_err" not in table.colnames:
        found = {
            n: v if isinstance(v, str) else Measured(v.value, [np.nan]) for n, v in found.items()
        }
    ordered = [found[name] for name in PARAMETERS]
    out = QTable()
    out["name"] = list(PARAMETERS)
    out["value"] = [np.nan if isinstance(v, str) else v.value for v in ordered]
    out["error"] = [np.nan if isinstance(v, str) else v.error for v in ordered]
    out["unit"] = [unit.to_string() for unit in PARAMETERS.values()]
    out["reason"] = [v if isinstance(v, str) else "" for v in ordered]
    out.meta.update({k: table.meta[k] for k in ("object", "band", "version") if k in table.meta})
    out.meta["rows"] = len(profile["sma"])
    return out


def note_parameters(table):
    """Write the structural parameters of a profile into its metadata.

    Parameters
    ----------
    table : astropy.table.QTable
        See `structural_parameters`; gets ``meta["R_235"]`` and so on, the names without a point,
        in their units there; ``meta["R_235_e"]`` and so on, their standard errors; and
        ``meta["absent"]``, a list of what could not be had, each with the reason.
    """
    found = structural_parameters(table)
    absent = []
    for row in found:
        name = row["name"].replace(".", "")
        if row["reason"]:
            absent.append(f"{row['name']}: {row['reason']}")
            continue
        for key, value in ((name, row["value"]), (f"{name}_e", row["error"])):
            if np.isfinite(value):
                table.meta[key] = float(value)
    table.meta["absent"] = absent


def _parameters(profile):
    """Name -> `Measured`, or the reason why not."""
    found = {}
    disc = _attempt(disc_fit, profile)
    total = _attempt(total_flux, profile, disc)
    for level in ISOPHOTES:
        radius = _attempt(isophotal_radius, profile, level)
        found[f"R_{level:g}"] = radius
        found[f"m_{level:g}"] = _attempt(isophotal_magnitude, profile, radius)
    for share in (50, 90):
        found[f"R_{share}"] = _attempt(flux_radius, profile, total, share / 100)
    found["C_28"] = _attempt(concentration, profile, total)
    found["m_tot"] = _attempt(magnitude, profile, total)
    found["h"], found["mu_0"] = _parts(disc, 2)
    found["n"], found["R_e"], found["mu_e"] = _parts(_attempt(sersic_fit, profile), 3)
    return found


def isophotal_radius(profile, level):
    """Semi-major axis [arcsec] of the first isophote as faint as `level`."""
    sma, mu = profile["sma"], profile["mu"]
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
    return Measured(radius, -_at(radius, sma, profile["d_mu"]) / slope)


def isophotal_magnitude(profile, radius):
    """Magnitude within a radius [arcsec] that was measured."""
    if isinstance(radius, str):
        raise NotMeasured(radius)
    flux = np.interp(radius.value, profile["sma"], profile["growth"])
    within = _at(radius.value, profile["sma"], profile["d_growth"])
    slope = _slope(radius.value, profile)
    return magnitude(profile, Measured(float(flux), within + slope * radius.draws))


def total_flux(profile, disc):
    """Flux to infinity [nanomaggies], the disc carried on beyond the last row.

    What is carried on is taken to be uncertain by `BEYOND` of itself, beside the disc's errors.
    """
    last, flux = profile["sma"][-1], profile["growth"][-1]
    if flux <= 0:
        raise NotMeasured("the flux within the last isophote is not positive")
    if isinstance(disc, str):
        raise NotMeasured(f"no extrapolation: {disc}")
    h, _ = disc
    intensity = 10 ** (0.4 * (ZEROPOINT - profile["mu"][-1]))
    beyond = 2 * np.pi * (1 - profile["ellipticity"][-1]) * intensity * h.value * (last + h.value)
    if beyond > flux:
        raise NotMeasured("more than half of the flux would be extrapolation")
    rising = (last + 2 * h.value) / (last + h.value) / h.value
    off = beyond * (rising * h.draws - profile["d_mu"][:, -1] / MAG)
    return Measured(float(flux + beyond), profile["d_growth"][:, -1] + off, BEYOND * float(beyond))


def magnitude(profile, flux):
    """Magnitude of a flux [nanomaggies] that was measured."""
    if isinstance(flux, str):
        raise NotMeasured(flux)
    if flux.value <= 0:
        raise NotMeasured("the flux is not positive")
    return flux.of(flux_to_mag(flux.value), -MAG / flux.value)


def flux_radius(profile, total, share):
    """Semi-major axis [arcsec] of the ellipse that holds a share of the total flux."""
    if isinstance(total, str):
        raise NotMeasured(total)
    growth = np.maximum.accumulate(profile["growth"])
    if share * total.value > growth[-1]:
        raise NotMeasured(f"{100 * share:g} per cent of the flux lies beyond the last row")
    sma = np.concatenate(([0.0], profile["sma"]))
    growth = np.concatenate(([0.0], growth))
    rising = np.concatenate(([True], np.diff(growth) > 0))
    radius = float(np.interp(share * total.value, growth[rising], sma[rising]))
    slope = _slope(radius, profile)
    if not slope > 0:
        raise NotMeasured(f"the flux does not rise where it reaches {100 * share:g} per cent")
    within = _at(radius, profile["sma"], profile["d_growth"])
    return Measured(radius, (share * total.draws - within) / slope, share * total.own / slope)


def concentration(profile, total):
    """C_28 = 5 log10(R_80 / R_20)."""
    inner, outer = (flux_radius(profile, total, share) for share in (0.2, 0.8))
    if inner.value < profile["sma"][0]:
        raise NotMeasured("R_20 is within the first row")
    unit = 5 / np.log(10)
    draws = unit * (outer.draws / outer.value - inner.draws / inner.value)
    own = unit * abs(outer.own / outer.value - inner.own / inner.value)
    return Measured(float(5 * np.log10(outer.value / inner.value)), draws, own)


def _usable(table):
    """Plain arrays of the rows up to the cut, and draws of their errors (N_DRAWS, T)."""
    names = ("sma", "mu", "mu_err", "ellipticity", "ellipticity_err", "growth")
    there = [name for name in names if name in table.colnames]
    profile = {name: np.zeros(len(table)) for name in names}
    for name in there:
        profile[name] = np.asarray(getattr(table[name], "value", table[name]), dtype=float)
    good = np.isfinite(profile["mu"]) & np.isfinite(profile["mu_err"])
    end = table.meta.get("nvalid")
    if end is None:
        poor = np.flatnonzero(~(good & (profile["mu_err"] < MAX_MU_ERR)))
        end = int(poor[0]) if len(poor) else len(table)
    rows = np.flatnonzero(good[:end])
    profile = {name: np.nan_to_num(values[rows]) for name, values in profile.items()}
    if len(rows) == 0:
        return profile
    sma, intensity = profile["sma"], mu_to_intensity(profile["mu"])
    profile["d_mu"] = TO_TRUTH * profile["mu_err"] * correlated_draws(sma)
    off = TO_TRUTH * profile["ellipticity_err"] * correlated_draws(sma, seed=1)
    light = -intensity * profile["d_mu"] / MAG
    profile["d_growth"] = _growth(sma, light, profile["ellipticity"]) - _growth(
        sma, intensity, off, flat=0.0
    )
    if "growth" not in there:
        profile["growth"] = _growth(sma, intensity, profile["ellipticity"])
    return profile


def _growth(sma, intensity, ellipticity, flat=1.0):
    """Flux within ellipses of axis ratio `flat` - ellipticity, by the trapezium rule.

    As `pix2prof.extraction.curve_of_growth` has it; of any leading shape.
    """
    area = np.pi * sma**2 * (flat - ellipticity)
    ring = np.diff(area, prepend=0.0)
    inner = np.concatenate((intensity[..., :1], intensity[..., :-1]), -1)
    return np.cumsum(0.5 * (intensity + inner) * ring, -1)


def _at(radius, sma, draws):
    """Draws (N_DRAWS, T) at a radius."""
    k = int(np.clip(np.searchsorted(sma, radius), 1, len(sma) - 1))
    share = np.clip((radius - sma[k - 1]) / (sma[k] - sma[k - 1]), 0, 1)
    return draws[:, k - 1] + share * (draws[:, k] - draws[:, k - 1])


def _slope(radius, profile):
    """Flux that one more arcsec of radius takes in [nanomaggies arcsec^-1]."""
    steps = np.gradient(profile["growth"], profile["sma"])
    return float(np.interp(radius, profile["sma"], steps))


def _attempt(function, profile, *arguments):
    if len(profile["sma"]) < MIN_ROWS:
        return f"only {len(profile['sma'])} rows above the signal-to-noise cut"
    try:
        return function(profile, *arguments)
    except NotMeasured as reason:
        return str(reason)


def _parts(fitted, n):
    return (fitted,) * n if isinstance(fitted, str) else fitted
