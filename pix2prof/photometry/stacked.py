"""Profiles side by side in arrays, to derive numbers from all of them at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pix2prof.photometry.propagation import Deviation, Rows, growth_deviations
from pix2prof.profiles import TO_TRUTH
from pix2prof.sdss import mu_to_intensity

MAX_MU_ERR = 0.3
ELLIPTICITY_ERR = 0.01
"""Of an ellipticity that comes without one: what the network's are off the truth of mock galaxies,
as an error like those of rows, see `pix2prof.profiles.TO_TRUTH`."""
MAG = 2.5 / np.log(10)
NAMES = ("sma", "mu", "mu_err", "ellipticity", "ellipticity_err", "growth")


@dataclass(frozen=True)
class Profiles:
    """B profiles of up to T rows.

    Attributes
    ----------
    sma, mu, mu_err, ellipticity, ellipticity_err, growth : numpy.ndarray, shape (B, T)
        [arcsec, mag arcsec^-2, nanomaggies]. Behind a profile's end its last row is repeated.
    n : numpy.ndarray of int, shape (B,)
        Rows of each, at least two.
    errors : bool
        Whether any of them has errors; else nothing follows errors, and all `Deviation` are empty.
    """

    sma: np.ndarray
    mu: np.ndarray
    mu_err: np.ndarray
    ellipticity: np.ndarray
    ellipticity_err: np.ndarray
    growth: np.ndarray
    n: np.ndarray
    errors: bool = True

    @cached_property
    def rows(self):
        """Their places: a `pix2prof.photometry.propagation.Rows`."""
        return Rows(self.sma)

    @cached_property
    def there(self):
        """True on rows of a profile, False behind its end, shape (B, T)."""
        return np.arange(self.sma.shape[1]) < self.n[:, None]

    @cached_property
    def off(self):
        """Standard errors of mu against the truth, shape (B, T); 0 behind the end."""
        return np.where(self.there, TO_TRUTH * self.mu_err, 0.0)

    @cached_property
    def intensity(self):
        """Shape (B, T) [nanomaggies arcsec^-2]."""
        return mu_to_intensity(self.mu)

    @cached_property
    def _rings(self):
        """Area of the ring within each row, and the mean intensity on it."""
        area = np.pi * self.sma**2 * (1 - self.ellipticity)
        mean = self.intensity.copy()
        mean[:, 1:] = 0.5 * (self.intensity[:, 1:] + self.intensity[:, :-1])
        return np.diff(area, prepend=0.0), mean

    def summed(self):
        """Flux within ellipses by the trapezium rule, shape (B, T).

        As `pix2prof.isophotes.extraction.curve_of_growth` has it.
        """
        ring, mean = self._rings
        return np.cumsum(ring * mean, axis=1)

    @cached_property
    def _growth_errors(self):
        by_mu = -self.intensity / MAG * self.off
        squeeze = np.where(self.there, TO_TRUTH * self.ellipticity_err, 0.0)
        return growth_deviations(np.pi * self.sma**2, *self._rings, by_mu, squeeze)

    @cached_property
    def steps(self):
        """Flux that one more arcsec takes in, shape (B, T) [nanomaggies arcsec^-1]."""
        step, rise = np.diff(self.sma, axis=1), np.diff(self.growth, axis=1)
        rate = rise / step
        out = np.empty_like(self.growth)
        out[:, 0] = rate[:, 0]
        inner, outer = step[:, :-1], step[:, 1:]
        out[:, 1:-1] = (outer * rate[:, :-1] + inner * rate[:, 1:]) / (inner + outer)
        every = np.arange(len(self.n))
        out[every, self.n - 1] = rate[every, self.n - 2]
        return out

    def place(self, radius):
        """Row at which a radius (B,) [arcsec] lies, fractional, none beyond the ends."""
        k = np.clip((self.there & (self.sma < radius[:, None])).sum(1), 1, self.n - 1)
        below, above = pick(self.sma, k - 1), pick(self.sma, k)
        return k - 1 + np.clip((radius - below) / (above - below), 0, 1)

    def at(self, values, place):
        """Values (B, T) at fractional rows (B,)."""
        whole = np.clip(np.nan_to_num(place).astype(int), 0, self.n - 2)
        below = pick(values, whole)
        return below + (place - whole) * (pick(values, whole + 1) - below)

    def mu_deviation(self, place):
        """`Deviation` of mu at fractional rows (B,)."""
        if not self.errors:
            return Deviation()
        far = np.abs(np.arange(self.sma.shape[1]) - place[:, None])
        return Deviation(mu=np.clip(1 - far, 0, 1) * self.off)

    def growth_deviation(self, place):
        """`Deviation` of the flux within fractional rows (B,)."""
        if not self.errors:
            return Deviation()
        share = np.clip(place[:, None] + 1 - np.arange(self.sma.shape[1]), 0, 1)
        within, beyond = self._growth_errors
        off = Deviation({source: share * weights for source, weights in within.items()})
        for source, weights in beyond.items():
            off[source][:, :-1] += share[:, 1:] * weights
        return off


def pick(values, index):
    """One of each row: `values` (B, T) at `index` (B,)."""
    return values[np.arange(len(values)), index]


def stack(tables, least):
    """Put profiles side by side, each up to its cut.

    Parameters
    ----------
    tables : sequence of astropy.table.QTable
        See `pix2prof.photometry.parameters.structural_parameters`.
    least : int
        Profiles of fewer rows are left out.

    Returns
    -------
    profiles : Profiles or None
        None if there are none.
    kept : list of int
        Which of the tables they are.
    n : list of int
        Rows of every table up to its cut.
    """
    usable = [_usable(table) for table in tables]
    n = [len(columns["sma"]) for columns in usable]
    kept = [k for k, count in enumerate(n) if count >= least]
    if not kept:
        return None, kept, n
    stacked = {name: _padded([usable[k][name] for k in kept]) for name in NAMES}
    errors = any("mu_err" in tables[k].colnames for k in kept)
    profiles = Profiles(**stacked, n=np.array([n[k] for k in kept]), errors=errors)
    unsummed = np.array(["growth" not in tables[k].colnames for k in kept])
    if unsummed.any():
        profiles.growth[unsummed] = profiles.summed()[unsummed]
    return profiles, kept, n


def _padded(columns):
    """Arrays of any length one below the other, the last value of each repeated."""
    out = np.empty((len(columns), max(map(len, columns))))
    for row, values in zip(out, columns, strict=True):
        row[: len(values)], row[len(values) :] = values, values[-1]
    return out


def _usable(table):
    """Plain arrays of the rows up to the cut."""
    columns = {
        name: np.asarray(getattr(table[name], "value", table[name]), dtype=float)
        for name in NAMES
        if name in table.colnames
    }
    if "ellipticity" in columns and "ellipticity_err" not in columns:
        columns["ellipticity_err"] = np.full(len(table), ELLIPTICITY_ERR)
    good = np.isfinite(columns["mu"])
    if "mu_err" in columns:
        good &= np.isfinite(columns["mu_err"])
    end = 0 if table.meta.get("sn_sma") == 0 else table.meta.get("nvalid")
    if end is None:
        poor = ~(good & (columns["mu_err"] < MAX_MU_ERR)) if "mu_err" in columns else ~good
        end = int(poor.argmax()) if poor.any() else len(table)
    rows = np.flatnonzero(good[:end])
    zero = np.zeros(len(rows))
    return {
        name: np.nan_to_num(columns[name][rows]) if name in columns else zero for name in NAMES
    }
