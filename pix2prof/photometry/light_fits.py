"""An exponential disc and a Sersic function fitted to many profiles at once, with errors."""

import numpy as np
from scipy.special import gammaincinv

from pix2prof.photometry.propagation import Deviation, Rows
from pix2prof.photometry.quantities import Quantities
from pix2prof.photometry.stacked import MAG, pick

MIN_ROWS = 8
DISC_FROM = 0.35
SERSIC_FROM = 2.0
SERSIC_ROWS = 120
MU_FLOOR = 0.02
MISFIT = 0.1
INDICES = (0.2, 10.0)
WITHIN = (0.21, 9.9)
SMALLEST_RADIUS = 0.1
EFFECTIVE_MU = (10.0, 35.0)
STARTS = 24
ROUNDS = 60
EXACT = 1e-11


def disc_fit(profiles):
    """Exponential discs: h [arcsec] and mu_0 [mag arcsec^-2].

    A straight line is fitted to mu between `DISC_FROM` of the last radius and the last radius,
    weighed by the errors, with two rounds of clipping at three standard deviations.

    Parameters
    ----------
    profiles : pix2prof.photometry.stacked.Profiles

    Returns
    -------
    h, mu_0 : pix2prof.photometry.quantities.Quantities
    """
    sma, mu, there = profiles.sma, profiles.mu, profiles.there
    weight = 1 / (profiles.mu_err**2 + MISFIT**2)
    use = outer = there & (sma >= DISC_FROM * sma[:, -1:])
    reasons = np.full(len(sma), "", object)
    for _ in range(3):
        few = use.sum(1)
        for k in np.flatnonzero((few < MIN_ROWS) & (reasons == "")):
            reasons[k] = f"only {few[k]} rows in the outer profile"
        here = np.where(use, weight, 0.0)
        total = here.sum(1)
        middle = _dot(here, sma) / total
        off = here * (sma - middle[:, None])
        spread = _dot(off, sma)
        slope = _dot(off, mu) / spread
        zero = _dot(here, mu) / total - slope * middle
        residual = mu - zero[:, None] - slope[:, None] * sma
        scatter = _scatter(residual, use)
        used, near = use, np.abs(residual) < 3 * np.maximum(scatter, MU_FLOOR)[:, None]
        use = outer & near
    of_slope = off / spread[:, None]
    of_zero = here / total[:, None] - middle[:, None] * of_slope
    variance = _dot(here, residual**2) / (used.sum(1) - 2) / spread
    flat = ~(slope > 3 * np.sqrt(variance))
    reasons[flat & (reasons == "")] = "the outer profile does not fall off"
    of_slope, of_zero = (
        Deviation(mu=weights * profiles.off, misfit=weights * scatter[:, None])
        if profiles.errors
        else Deviation()
        for weights in (of_slope, of_zero)
    )
    h = Quantities(MAG / slope, of_slope * (-MAG / slope**2), profiles.rows, reasons)
    return h, Quantities(zero, of_zero, profiles.rows, reasons)


def sersic_fit(profiles):
    """One Sersic function: n, R_e [arcsec], mu_e, beyond the PSF.

    For a given n, mu is linear in sma^(1/n): what is searched for is 1/n alone, where that power
    and mu are most closely correlated.

    Parameters
    ----------
    profiles : pix2prof.photometry.stacked.Profiles

    Returns
    -------
    n, R_e, mu_e : pix2prof.photometry.quantities.Quantities
    """
    rows, use = _sersic_rows(profiles)
    sma, mu, error, off = (
        np.take_along_axis(values, rows, 1)
        for values in (profiles.sma, profiles.mu, profiles.mu_err, profiles.off)
    )
    root = np.where(use, 1 / np.sqrt(error**2 + MISFIT**2), 0.0)
    fitted, falls = _sersic_values(sma, mu, root)
    n, radius, mu_e = (value[:, None] for value in fitted)
    places, reasons = Rows(sma), _sersic_reasons(profiles, falls, *fitted)
    if not profiles.errors:
        return tuple(Quantities(value, Deviation(), places, reasons) for value in fitted)
    scatter = _scatter(mu - sersic(sma, n, radius, mu_e), use)[:, None]
    jacobian = sersic_slopes(sma, n, radius) * root[:, :, None]
    jacobian[~np.isfinite(jacobian)] = 0.0
    weights = np.linalg.pinv(jacobian) * root[:, None]
    return tuple(
        Quantities(value, Deviation(mu=along * off, misfit=along * scatter), places, reasons)
        for value, along in zip(fitted, weights.transpose(1, 0, 2), strict=True)
    )


def sersic(sma, n, radius, mu_e):
    """Surface brightness of a Sersic profile at `sma`; `radius` holds half of the light."""
    b = gammaincinv(2 * n, 0.5)
    return mu_e + MAG * b * ((sma / radius) ** (1 / n) - 1)


def sersic_slopes(sma, n, radius):
    """Derivatives of `sersic` by n, radius and mu_e, along a new last axis."""
    b, step = gammaincinv(2 * n, 0.5), 1e-4 * n
    of_b = (gammaincinv(2 * (n + step), 0.5) - gammaincinv(2 * (n - step), 0.5)) / (2 * step)
    ratio = sma / radius
    power = ratio ** (1 / n)
    of_n = MAG * (of_b * (power - 1) - b * power * np.log(ratio) / n**2)
    of_radius = -MAG * b * power / (n * radius)
    return np.stack((of_n, of_radius, np.ones_like(power)), -1)


def _sersic_rows(profiles):
    """Rows (B, `SERSIC_ROWS`) spread evenly over those to fit, and which of them to use."""
    first = (profiles.there & (profiles.sma < SERSIC_FROM)).sum(1)[:, None]
    count, number = profiles.n[:, None] - first, np.arange(SERSIC_ROWS)
    spread = np.round(np.linspace(0, count - 1, SERSIC_ROWS, axis=1)[:, :, 0]).astype(int)
    rows = np.where(count > SERSIC_ROWS, spread, number)
    use = number < count
    return np.minimum(first + rows, profiles.n[:, None] - 1), use


def _sersic_values(sma, mu, root):
    """The best n, R_e and mu_e, each (B,), and whether the profile falls off."""
    last = sma[:, -1]
    place = np.log(sma / last[:, None])
    weight = root**2 / (root**2).sum(1, keepdims=True)
    n, falls = _best_index(place, mu, weight)
    power = np.exp(place / n[:, None])
    above = weight * (power - _dot(weight, power)[:, None])
    rise = _dot(above, mu) / _dot(above, power)
    b = gammaincinv(2 * n, 0.5)
    mu_e = _dot(weight, mu) - rise * _dot(weight, power) + MAG * b
    return (n, last * (MAG * b / rise) ** n, mu_e), falls


def _best_index(place, mu, weight):
    """n at which mu is most closely correlated with exp(place / n), and whether it rises.

    From the best of `STARTS` by Newton's steps, kept between its neighbours by bisection.
    """
    weighted = weight * (mu - _dot(weight, mu)[:, None])
    starts = np.geomspace(1 / INDICES[1], 1 / INDICES[0], STARTS)
    powers = np.exp(starts[:, None] * place[:, None])
    mean = np.einsum("bst,bt->bs", powers, weight)
    square = np.einsum("bst,bst,bt->bs", powers, powers, weight) - mean**2
    closeness = np.einsum("bst,bt->bs", powers, weighted) / np.sqrt(square)
    best = np.nan_to_num(closeness, nan=-np.inf).argmax(1)
    falls = pick(closeness, best) > 0
    low, high = starts[np.maximum(best - 1, 0)], starts[np.minimum(best + 1, STARTS - 1)]
    inverse, moving = starts[best], np.ones(len(best), bool)
    for _ in range(ROUNDS):
        slope, curvature = _closeness_slopes(inverse, place, weight, weighted)
        low, high = np.where(slope > 0, inverse, low), np.where(slope > 0, high, inverse)
        step = inverse - slope / curvature
        inside = (curvature < 0) & (step >= low) & (step <= high)
        step = np.where(inside, step, 0.5 * (low + high))
        moved = np.where(moving, step, inverse)
        moving &= np.abs(moved - inverse) > EXACT * inverse
        inverse = moved
        if not moving.any():
            break
    return 1 / inverse, falls


def _closeness_slopes(inverse, place, weight, weighted):
    """First and second derivative of the logarithm of the correlation, by 1/n."""
    power = np.exp(inverse[:, None] * place)
    basis = np.stack((power, power * place, power * place**2), 1)
    basis -= np.einsum("bkt,bt->bk", basis, weight)[:, :, None]
    along = np.einsum("bkt,bt->bk", basis, weighted)
    pairs = np.einsum("bkt,bt,blt->bkl", basis[:, :2], weight, basis)
    once, twice = along[:, 1] / along[:, 0], along[:, 2] / along[:, 0]
    mixed = pairs[:, 0, 1] / pairs[:, 0, 0]
    squares = (pairs[:, 0, 2] + pairs[:, 1, 1]) / pairs[:, 0, 0]
    return once - mixed, twice - once**2 - squares + 2 * mixed**2


def _sersic_reasons(profiles, falls, n, radius, mu_e):
    """Why there is no Sersic function, each in words, empty where there is one."""
    count = (profiles.there & (profiles.sma >= SERSIC_FROM)).sum(1)
    last, limit = profiles.sma[:, -1], "the Sersic fit ran to its limit"
    found = (
        Quantities(n, Deviation(), profiles.rows, np.full(len(n), "", object))
        .unless(count < MIN_ROWS, lambda k: f"only {count[k]} rows beyond {SERSIC_FROM:g} arcsec")
        .unless(~falls, "the Sersic fit failed: the profile does not fall off")
        .unless(~_between(n, *WITHIN), lambda k: f"{limit} (n = {n[k]:.2f})")
        .unless(
            ~_between(radius, SMALLEST_RADIUS, 10 * last),
            lambda k: f"{limit} (R_e = {radius[k]:.3g} arcsec)",
        )
        .unless(~_between(mu_e, *EFFECTIVE_MU), lambda k: f"{limit} (mu_e = {mu_e[k]:.2f})")
    )
    return found.reasons


def _between(value, low, high):
    return (value >= low) & (value <= high)


def _dot(one, other):
    return np.einsum("bt,bt->b", one, other)


def _scatter(residual, use):
    """Standard deviation of the rows in use, from their median deviation; shape (B,)."""
    size = np.sort(np.where(use, np.abs(residual), np.inf), axis=1)
    count = use.sum(1)
    return 1.4826 * 0.5 * (pick(size, (count - 1) // 2) + pick(size, count // 2))
