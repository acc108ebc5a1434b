"""Exponential discs: their profiles, what is known about them, and images of them."""

import astropy.units as u
import numpy as np
from astropy.table import QTable

from pix2prof.profiles import sma_grid
from pix2prof.sdss import PIXSCALE, mu_to_intensity

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


class Discs:
    """Images of 56 px, with exact profiles down to 26 mag arcsec^-2, as training takes them.

    They are round unless `inclined`. Indices in `broken` raise what stands there.
    """

    def __init__(self, n, seed, inclined=False):
        rng = np.random.default_rng(seed)
        self.centre, self.length = rng.uniform(19.0, 22.0, n), rng.uniform(1.0, 2.5, n)
        self.noise = rng.normal(0.0, 0.005, (n, 56, 56))
        self.ellipticity, self.pa = rng.uniform(0, 0.7, n) * inclined, rng.uniform(0, 180, n)
        self.broken = {}

    def __len__(self):
        return len(self.centre)

    def images(self, indices):
        for i in self.broken.keys() & set(indices.tolist()):
            raise self.broken[i]
        y, x = np.mgrid[:56, :56] - 27.5
        turn = np.radians(self.pa[indices, None, None])
        along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        across = across / (1 - self.ellipticity[indices, None, None])
        radius = np.hypot(along, across) * PIXSCALE
        mu = self.centre[indices, None, None] + 1.0857 * radius / self.length[indices, None, None]
        return (mu_to_intensity(mu) * PIXSCALE**2 + self.noise[indices]).astype(np.float32)

    def mu(self, indices):
        mu = self.centre[indices, None] + 1.0857 * sma_grid() / self.length[indices, None]
        return np.where(mu > 26, np.nan, mu).astype(np.float32)

    def ellipses(self, indices):
        shape = len(indices), len(sma_grid())
        values = (np.broadcast_to(x[indices, None], shape) for x in (self.ellipticity, self.pa))
        return tuple(x.astype(np.float32) for x in values)
