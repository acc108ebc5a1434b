"""Profiles of exponential discs, and what is known about them."""

import astropy.units as u
import numpy as np
from astropy.table import QTable

STEP = 0.2
T = 120


def profiles(lengths, seed=0):
    """Exponential discs of given lengths [steps], shape (P, T)."""
    rng = np.random.default_rng(seed)
    mu = rng.uniform(19, 21, len(lengths))[:, None] + 0.06 * np.arange(T)
    return np.where(np.arange(T) < np.asarray(lengths)[:, None], mu, np.nan)


def pair_table(n, kpc_per_arcsec=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return QTable(
        {
            "name": [f"J{k // 3:06d}" for k in range(n)],
            "band": np.array(["g", "r", "i"])[np.arange(n) % 3],
            "kpc_per_arcsec": np.full(n, kpc_per_arcsec) * u.kpc / u.arcsec,
            "ellipticity": rng.uniform(0, 0.8, n),
            "r_235": rng.uniform(3, 30, n) * u.arcsec,
            "snr": np.tile([40.0, 30.0, 20.0], n)[:n],
        }
    )
