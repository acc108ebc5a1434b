"""An exponential disc and a Sersic function fitted to a profile, with errors."""

import numpy as np
from scipy.optimize import curve_fit
from scipy.special import gammaincinv

from pix2prof.propagation import Measured, correlated_draws

MIN_ROWS = 8
DISC_FROM = 0.35
SERSIC_FROM = 2.0
SERSIC_ROWS = 120
MU_FLOOR = 0.02
MISFIT = 0.1
MISFIT_LENGTH = 0.5
MAG = 2.5 / np.log(10)


class NotMeasured(ValueError):
    """A parameter that the profile does not hold; the message is the reason."""


def disc_fit(profile):
    """Exponential disc: h [arcsec] and mu_0 [mag arcsec^-2].

    A straight line is fitted to mu between `DISC_FROM` of the last radius and the last radius,
    weighed by the errors, with two rounds of clipping at three standard deviations.
    """
    sma, mu, error = profile["sma"], profile["mu"], np.hypot(profile["mu_err"], MISFIT)
    use = outer = sma >= DISC_FROM * sma[-1]
    for _ in range(3):
        if use.sum() < MIN_ROWS:
            raise NotMeasured(f"only {use.sum()} rows in the outer profile")
        (slope, zero), covariance = np.polyfit(sma[use], mu[use], 1, w=1 / error[use], cov=True)
        residual = mu - (zero + slope * sma)
        scatter = max(1.4826 * np.median(np.abs(residual[use])), MU_FLOOR)
        used, use = use, outer & (np.abs(residual) < 3 * scatter)
    if slope <= 3 * np.sqrt(covariance[0, 0]):
        raise NotMeasured("the outer profile does not fall off")
    design = np.stack((sma[used], np.ones(used.sum())), 1)
    of_slope, of_zero = _carried(design, error, residual, np.flatnonzero(used), profile)
    h = Measured(MAG / slope, -MAG / slope**2 * of_slope)
    return h, Measured(float(zero), of_zero)


def sersic_fit(profile):
    """One Sersic function: n, R_e [arcsec], mu_e, beyond the PSF."""
    sma, mu = profile["sma"], profile["mu"]
    use = np.flatnonzero(sma >= SERSIC_FROM)
    if len(use) < MIN_ROWS:
        raise NotMeasured(f"only {len(use)} rows beyond {SERSIC_FROM:g} arcsec")
    use = use[np.unique(np.linspace(0, len(use) - 1, SERSIC_ROWS).round().astype(int))]
    error = np.hypot(profile["mu_err"], MISFIT)
    middle = float(np.interp(0.5 * profile["growth"][-1], profile["growth"], sma))
    guess = (1.5, max(middle, 0.5), float(np.interp(middle, sma, mu)))
    bounds = ((0.2, 0.1, 10.0), (10.0, 10 * sma[-1], 35.0))
    try:
        best, covariance = curve_fit(
            sersic, sma[use], mu[use], guess, error[use], bounds=bounds, max_nfev=2000
        )
    except (RuntimeError, ValueError) as failure:
        raise NotMeasured(f"the Sersic fit failed: {failure}") from failure
    if not np.isfinite(covariance).all() or best[0] < 0.21 or best[0] > 9.9:
        raise NotMeasured(f"the Sersic fit ran to its limit (n = {best[0]:.2f})")
    steps = 1e-4 * np.diag(best)
    jacobian = np.stack(
        [(sersic(sma[use], *(best + step)) - sersic(sma[use], *(best - step))) / (2 * step.sum())
         for step in steps], 1,
    )  # fmt: skip
    off = _carried(jacobian, error, mu - sersic(sma, *best), use, profile)
    return tuple(Measured(float(value), draws) for value, draws in zip(best, off, strict=True))


def sersic(sma, n, radius, mu_e):
    """Surface brightness of a Sersic profile at `sma`; `radius` holds half of the light."""
    b = gammaincinv(2 * n, 0.5)
    return mu_e + MAG * b * ((sma / radius) ** (1 / n) - 1)


def _carried(jacobian, error, residual, rows, profile):
    """Draws of a fit's parameters: of the errors of its rows, and of how it misses them.

    Both hang together along the profile, so that more rows do not make the fit much surer.
    """
    scatter = 1.4826 * np.median(np.abs(residual[rows]))
    off = profile["d_mu"] + scatter * correlated_draws(profile["sma"], MISFIT_LENGTH, 0.0, seed=2)
    return np.linalg.pinv(jacobian / error[rows, None]) @ (off / error)[:, rows].T
