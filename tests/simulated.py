"""Profiles of bulges and discs, off the truth as the errors of rows are said to be."""

from functools import cache

import numpy as np
from scipy.special import gamma, gammaincinv

from pix2prof.photometry.light_fits import sersic
from pix2prof.photometry.propagation import SOURCES
from pix2prof.photometry.stacked import ELLIPTICITY_ERR, MAG, MAX_MU_ERR
from pix2prof.profiles import TO_TRUTH, profile_table, sma_grid
from pix2prof.sdss import flux_to_mag, mu_to_intensity

SMA = sma_grid(1024)


def correlated(rng, source):
    """Unit Gaussian deviations along a profile, of a source of `SOURCES`."""
    length, common = SOURCES[source]
    own = _factor(length) @ rng.normal(size=len(SMA))
    return np.sqrt(common) * rng.normal() + np.sqrt(1 - common) * own


@cache
def _factor(length):
    place = np.log(SMA)
    covariance = np.exp(-np.abs(place[:, None] - place) / length)
    return np.linalg.cholesky(covariance + 1e-9 * np.eye(len(place)))


def galaxy(rng):
    """A disc with a bulge, or one in four times a spheroid alone.

    Returns
    -------
    mu : numpy.ndarray, shape (1024,)
        Without errors.
    ellipticity : float
    total : float
        Magnitude, out to infinity.
    """
    h, mu_0, ellipticity = rng.uniform(2, 14), rng.normal(20.8, 0.5), rng.uniform(0.05, 0.7)
    parts = [(1.0, 1.67835 * h, mu_0 + 1.82224)]
    parts.append((rng.uniform(1, 3), h * rng.uniform(0.15, 0.5), mu_0 + rng.uniform(0, 3)))
    if rng.uniform() < 0.25:
        radius = rng.uniform(3, 10)
        parts = [(rng.uniform(2, 5), radius, 20 + 1.5 * np.log10(radius) + rng.normal(0, 0.4))]
    light = sum(mu_to_intensity(sersic(SMA, *part)) for part in parts)
    flux = 0.0
    for n, radius, mu_e in parts:
        b = gammaincinv(2 * n, 0.5)
        shape = 2 * np.pi * n * np.exp(b) * b ** (-2 * n) * gamma(2 * n)
        flux += shape * radius**2 * (1 - ellipticity) * mu_to_intensity(mu_e)
    return flux_to_mag(light), ellipticity, float(flux_to_mag(flux))


def observed(rng, mu, ellipticity, noise=25.5, floor=0.015):
    """A profile as it is measured: of errors that grow outwards, and as far as they allow.

    Parameters
    ----------
    noise : float
        Surface brightness at which the error reaches a third of a magnitude.
    floor : float
        The error at the centre.
    """
    error = np.hypot(floor, 0.33 * 10 ** (0.4 * (mu - noise)))
    n = int(np.argmax(np.append(error, np.inf) >= MAX_MU_ERR))
    off = TO_TRUTH * error[:n] * correlated(rng, "mu")[:n]
    squeeze = TO_TRUTH * ELLIPTICITY_ERR * correlated(rng, "ellipticity")[:n]
    columns = {"sma": SMA[:n], "mu": mu[:n] + off, "mu_err": error[:n]}
    return profile_table(columns | {"ellipticity": ellipticity + squeeze}, object="simulated")


def wavy(rng, mu):
    """Arms, rings and breaks: what no smooth function has."""
    phase = rng.uniform(0, 2 * np.pi, 3)
    waves = sum(np.sin(f * np.log(SMA) + p) for f, p in zip((3, 7, 13), phase, strict=True))
    bend = np.maximum(SMA - rng.uniform(10, 60), 0) * rng.choice((0.0, 0.03, -0.01)) / MAG
    return mu + rng.uniform(0, 0.12) * waves + bend
