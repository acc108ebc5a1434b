"""Isophotal and flux radii, magnitudes and concentration of many profiles at once."""

import numpy as np
from scipy.special import gammaincc, gammaincinv, gammaln

from pix2prof.photometry.propagation import Deviation
from pix2prof.photometry.quantities import Quantities
from pix2prof.photometry.stacked import MAG, pick
from pix2prof.sdss import flux_to_mag

BEYOND = 0.3
SLOPE_ROWS = 5
STEEPEST = 500.0


def isophotal_radius(profiles, level):
    """Semi-major axis [arcsec] of the first isophote as faint as `level`: `Quantities`."""
    mu, n, last = profiles.mu, profiles.n, profiles.mu[:, -1]
    faint = profiles.there & (mu >= level)
    first = faint.argmax(1)
    k = np.maximum(first, 1)
    place = k - 1 + (level - pick(mu, k - 1)) / (pick(mu, k) - pick(mu, k - 1))
    number = first[:, None] + np.arange(-SLOPE_ROWS, SLOPE_ROWS + 1)
    near = (number >= 0) & (number < n[:, None])
    sma, around = (
        np.take_along_axis(values, np.clip(number, 0, n[:, None] - 1), 1)
        for values in (profiles.sma, mu)
    )
    off = near * (sma - (near * sma).sum(1, keepdims=True) / near.sum(1, keepdims=True))
    slope = (off * around).sum(1) / (off * sma).sum(1)
    radius = Quantities(
        profiles.at(profiles.sma, place),
        profiles.mu_deviation(place) * (-1 / slope),
        profiles.rows,
        np.full(len(n), "", object),
    )
    return (
        radius.unless(
            ~faint.any(1), lambda k: f"the profile ends at {last[k]:.2f}, brighter than {level:g}"
        )
        .unless(first == 0, lambda k: f"the centre, {mu[k, 0]:.2f}, is fainter than {level:g}")
        .unless(~(slope > 0), f"the profile is flat where it crosses {level:g}")
    )


def isophotal_magnitude(profiles, radius):
    """Magnitude within radii [arcsec] that were measured: `Quantities`."""
    place = profiles.place(radius.value)
    within = profiles.growth_deviation(place)
    slope = profiles.at(profiles.steps, place)
    flux = profiles.at(profiles.growth, place)
    off = within + radius.off * slope
    return magnitude(Quantities(flux, off, profiles.rows, radius.reasons))


def total_flux(profiles, disc, sersic):
    """Flux to infinity [nanomaggies], the disc carried on beyond the last row.

    What is carried on is uncertain by `BEYOND` of itself, and by how much more or less it would be
    along the Sersic function, beside the disc's errors.

    Parameters
    ----------
    profiles : pix2prof.photometry.stacked.Profiles
    disc, sersic : tuple of Quantities
        As `pix2prof.photometry.light_fits.disc_fit` and
        `pix2prof.photometry.light_fits.sersic_fit` give them.

    Returns
    -------
    Quantities
    """
    last, flux, h = profiles.sma[:, -1], profiles.growth[:, -1], disc[0]
    around = 2 * np.pi * (1 - profiles.ellipticity[:, -1]) * profiles.intensity[:, -1]
    beyond = around * h.value * (last + h.value)
    end = profiles.n - 1.0
    rising = (last + 2 * h.value) / (last + h.value) / h.value
    carried_on = h.off * rising - profiles.mu_deviation(end) * (1 / MAG)
    other = np.where(
        sersic[0].reasons == "", around * _sersic_beyond(last, *sersic[:2]) - beyond, 0.0
    )
    own = Deviation(beyond=np.hypot(BEYOND * beyond, other)[:, None])
    off = profiles.growth_deviation(end) + carried_on * beyond + own
    return (
        Quantities(flux + beyond, off, profiles.rows, np.full(len(flux), "", object))
        .unless(~(flux > 0), "the flux within the last isophote is not positive")
        .unless(h.reasons != "", lambda k: f"no extrapolation: {h.reasons[k]}")
        .unless(beyond > flux, "more than half of the flux would be extrapolation")
    )


def _sersic_beyond(last, n, radius):
    """Integral of sma beyond the last row along a Sersic function that is 1 there."""
    n, radius = n.value, radius.value
    b = gammaincinv(2 * n, 0.5)
    fall = np.minimum(b * (last / radius) ** (1 / n), STEEPEST)
    share = np.exp(fall + gammaln(2 * n) - 2 * n * np.log(b)) * gammaincc(2 * n, fall)
    return n * radius**2 * share


def magnitude(flux):
    """Magnitude of fluxes [nanomaggies] that were measured: `Quantities`."""
    off = flux.off * (-MAG / flux.value)
    found = Quantities(flux_to_mag(flux.value), off, flux.rows, flux.reasons)
    return found.unless(~(flux.value > 0), "the flux is not positive")


def flux_radius(profiles, total, share):
    """Semi-major axis [arcsec] of the ellipse that holds a share of the total flux."""
    wanted = share * total.value
    growth = np.maximum.accumulate(np.maximum(profiles.growth, 0.0), axis=1)
    outer = np.minimum((growth < wanted[:, None]).sum(1), profiles.n - 1)
    below = np.where(outer > 0, pick(growth, np.maximum(outer - 1, 0)), 0.0)
    inner = (growth < below[:, None]).sum(1)
    start = np.where(below > 0, pick(profiles.sma, inner), 0.0)
    part = (wanted - below) / (pick(growth, outer) - below)
    value = start + part * (pick(profiles.sma, outer) - start)
    place = profiles.place(value)
    slope = profiles.at(profiles.steps, place)
    off = (total.off * share - profiles.growth_deviation(place)) * (1 / slope)
    percent = f"{100 * share:g} per cent"
    return (
        Quantities(value, off, profiles.rows, total.reasons)
        .unless(wanted > growth[:, -1], f"{percent} of the flux lies beyond the last row")
        .unless(~(slope > 0), f"the flux does not rise where it reaches {percent}")
    )


def concentration(profiles, total):
    """C_28 = 5 log10(R_80 / R_20): `Quantities`."""
    inner, outer = (flux_radius(profiles, total, share) for share in (0.2, 0.8))
    unit = 5 / np.log(10)
    off = (outer.off * (1 / outer.value) - inner.off * (1 / inner.value)) * unit
    value = 5 * np.log10(outer.value / inner.value)
    return (
        Quantities(value, off, profiles.rows, inner.reasons)
        .unless(outer.reasons != "", lambda k: outer.reasons[k])
        .unless(inner.value < profiles.sma[:, 0], "R_20 is within the first row")
    )
