"""Errors of what is derived from profiles, when those of their rows hang together."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

CORRELATION = 0.25
COMMON = 0.4
ELLIPTICITY_CORRELATION = 0.6
MISFIT_CORRELATION = 0.5
SMALLEST = 1e-2
SOURCES = {
    "mu": (CORRELATION, COMMON),
    "ellipticity": (ELLIPTICITY_CORRELATION, 0.0),
    "misfit": (MISFIT_CORRELATION, 0.0),
}
"""What is uncertain along a profile -> length [ln sma] and common share c of its correlation,
c + (1 - c) exp(-|d ln sma| / length). Neighbouring rows share pixels, and other sources' light;
all rows share centre, sky and mask. These are the deviations from the truth of mock galaxies, of
the network and of the classical method alike; of a misfit, those from the fitted function."""


class Deviation(dict):
    """How numbers derived from B profiles follow the errors of their rows: a linear form.

    Source -> weights: of `SOURCES`, shape (B, T), what one standard error of each row does to the
    number; of any other name, shape (B, 1), something of its own that is uncertain too.
    Deviations of the same profiles add up, and are multiplied by one number for each, shape (B,).
    """

    def __add__(self, other):
        """Sum: the errors of a sum."""
        return Deviation({k: _sum(self.get(k), other.get(k)) for k in {**self, **other}})

    def __mul__(self, factor):
        """Multiply by a number, or one for each profile."""
        if not self:
            return Deviation()
        factor = np.broadcast_to(factor, len(next(iter(self.values()))))[:, None]
        return Deviation({source: weights * factor for source, weights in self.items()})

    def __sub__(self, other):
        """Difference: what both share cancels."""
        return self + other * -1.0


def _sum(one, other):
    return other if one is None else one if other is None else one + other


@dataclass(frozen=True)
class Rows:
    """Where the rows of B profiles are.

    Attributes
    ----------
    sma : numpy.ndarray or torch.Tensor, shape (B, T)
        Rising [arcsec]; rows that are not there have no weight, wherever they are. If it is the
        same for all, (1, T) will do.
    """

    sma: np.ndarray

    @cached_property
    def _scales(self):
        place = self.sma.clip(SMALLEST)
        place = place / place[:, -1:]
        return {length: place ** (1 / length) for length, _ in SOURCES.values()}

    def error(self, deviation):
        """Standard error of what deviates so.

        The sum over pairs of rows of w_i w_k exp(-|ln sma_i - ln sma_k| / length) is had from
        running sums, since the exponential is a ratio of powers of sma.

        Parameters
        ----------
        deviation : Deviation

        Returns
        -------
        numpy.ndarray, shape (B,)
        """
        variance = 0.0
        for source, weights in deviation.items():
            squares = np.einsum("bt,bt->b", weights, weights)
            if source not in SOURCES:
                variance = variance + squares
                continue
            length, common = SOURCES[source]
            scale = self._scales[length]
            within = np.cumsum(weights * scale, axis=1)
            pairs = 2 * np.einsum("bt,bt->b", weights / scale, within) - squares
            variance = variance + common * weights.sum(1) ** 2 + (1 - common) * pairs
        return np.sqrt(np.maximum(variance, 0.0))

    def running_error(self, within, beyond):
        """Standard error of what is summed up to each row, as `error` has it of one sum.

        Parameters
        ----------
        within : Deviation
            Weights of each row up to itself, shape (B, T).
        beyond : Deviation
            What is added to them when the sum goes on to the next row, shape (B, T - 1).

        Returns
        -------
        numpy.ndarray or torch.Tensor, as the weights are, shape (B, T)
        """
        variance = 0.0
        for source, end in within.items():
            length, common = SOURCES[source]
            inner, outer = self._scales[length][:, :-1], self._scales[length][:, 1:]
            last, whole = end[:, 1:], end[:, :-1] + beyond[source]
            near = 2 * (whole * inner).cumsum(1)
            pairs = (whole * (near / inner - whole)).cumsum(1)
            pairs = pairs + last * (near / outer + last)
            square = end * end
            square[:, 1:] = common * (whole.cumsum(1) + last) ** 2 + (1 - common) * pairs
            variance = variance + square
        return variance.clip(0.0) ** 0.5


def growth_deviations(area, ring, mean, by_mu, squeeze):
    """What one standard error of each row does to the flux within ellipses, by the trapezium rule.

    Parameters
    ----------
    area, ring : numpy.ndarray or torch.Tensor, shape (B, T)
        Of each ellipse, were it round, and of the ring within it [arcsec^2].
    mean : as they are, shape (B, T)
        Intensity on that ring, the mean of its edges.
    by_mu, squeeze : as they are, shape (B, T)
        What one standard error of mu does to the intensity, and the standard error of the
        ellipticity.

    Returns
    -------
    within, beyond : Deviation
        Through the ring within each row, (B, T), and through that beyond, (B, T - 1).
    """
    half = 0.5 * ring
    half[:, 0] = ring[:, 0]
    squeeze = -area * squeeze
    return (
        Deviation(mu=by_mu * half, ellipticity=squeeze * mean),
        Deviation(mu=by_mu[:, :-1] * half[:, 1:], ellipticity=-squeeze[:, :-1] * mean[:, 1:]),
    )
