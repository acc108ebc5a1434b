"""Errors of what is derived from a profile, when those of its rows hang together."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

CORRELATION = 0.25
COMMON = 0.4
N_DRAWS = 64
SEED = 5
TO_TRUTH = 1.4
"""Errors of rows are those against an expert, who sees the same galaxy through the same noise:
against the truth of mock galaxies they hold 50 per cent, and 68 when taken this much larger."""
SMALLEST = 1e-2


class Measured(NamedTuple):
    """A derived number.

    Attributes
    ----------
    value : float
    draws : numpy.ndarray, shape (N_DRAWS,)
        Deviations from it, one for each draw of the profile's errors.
    own : float
        Standard error that comes on top, of a fit.
    """

    value: float
    draws: np.ndarray
    own: float = 0.0

    @property
    def error(self):
        """Standard error."""
        return float(np.hypot(np.std(self.draws), self.own))

    def of(self, value, slope):
        """Give a function of this number: its value, and its derivative here."""
        return Measured(float(value), slope * self.draws, abs(slope) * self.own)


@lru_cache(maxsize=64)
def _draws(sma, length, common, seed):
    """Unit Gaussian draws of shape (N_DRAWS, T); see `correlated_draws`."""
    place = np.log(np.maximum(np.frombuffer(sma), SMALLEST)) * (2 / length)
    time = np.exp(place - place[0])
    steps = np.sqrt(np.diff(time, prepend=0.0))
    generator = np.random.default_rng([SEED, seed])
    noise = generator.standard_normal((N_DRAWS, 1 + len(time)))
    own = np.cumsum(steps * noise[:, 1:], axis=1) / np.sqrt(time)
    return np.sqrt(common) * noise[:, :1] + np.sqrt(1 - common) * own


def correlated_draws(sma, length=CORRELATION, common=COMMON, seed=0):
    """Unit Gaussian draws along a profile, correlated as c + (1 - c) exp(-|d ln sma| / length).

    Neighbouring rows share pixels, and other sources' light; all rows share centre, sky and mask.
    Both numbers are those of the deviations from the truth of mock galaxies, of the network and
    of the classical method alike.

    Parameters
    ----------
    sma : array_like, shape (T,)
        Rising [arcsec].
    length : float
        Of the correlation, in ln sma.
    common : float
        The share c of the variance that is one and the same along the profile.
    seed : int
        Another gives other draws; the same always gives the same.

    Returns
    -------
    numpy.ndarray, shape (N_DRAWS, T)
    """
    return _draws(np.ascontiguousarray(sma, dtype=float).tobytes(), length, common, seed)
