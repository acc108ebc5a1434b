"""The survey's point-spread function: two Gaussians and a power law."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from pix2prof.sdss import (
    PIXSCALE,
    PSF_FWHM,
    PSF_SCATTER,
    PSF_SECOND,
    PSF_SIGMA_RATIO,
    PSF_WING,
    PSF_WING_BETA,
    PSF_WING_SIGMA,
)


@dataclass(frozen=True)
class Psf:
    r"""Circular effective PSF (pixel included) of unit flux.

    .. math:: P(r) \propto e^{-r^2/2\sigma_1^2} + b\,e^{-r^2/2\sigma_2^2}
              + p_0\,(1 + r^2 / \beta\sigma_P^2)^{-\beta/2}

    the form of the survey's own reductions (Stoughton et al. 2002).

    Attributes
    ----------
    sigmas : tuple of two floats
        Of the Gaussians [pixels].
    weights : tuple of two floats
        Fluxes of the Gaussians; the wings hold the rest of the unit flux.
    wing_sigma, wing_beta : float
        :math:`\sigma_P` [pixels] and :math:`\beta` of the power law; :math:`\beta > 2`.
    """

    sigmas: tuple
    weights: tuple
    wing_sigma: float
    wing_beta: float

    @classmethod
    def of_fwhm(cls, fwhm, ratio, second, wing, wing_sigma, wing_beta):
        """PSF of a given full width at half maximum.

        Parameters
        ----------
        fwhm : float
            Of the whole profile [pixels].
        ratio, second : float
            Width and central amplitude of the second Gaussian, in units of the first's.
        wing, wing_sigma, wing_beta : float
            Central amplitude, width (in units of the first Gaussian's) and exponent of the
            power law.
        """

        def profile(r):
            tail = (1.0 + r**2 / (wing_beta * wing_sigma**2)) ** (-wing_beta / 2)
            return np.exp(-(r**2) / 2) + second * np.exp(-((r / ratio) ** 2) / 2) + wing * tail

        half = brentq(lambda r: profile(r) - 0.5 * profile(0.0), 0.1, 5.0)
        tail = 2 * np.pi * wing * wing_beta * wing_sigma**2 / (wing_beta - 2)
        fluxes = np.array([2 * np.pi, 2 * np.pi * second * ratio**2, tail])
        first, two, _ = (fluxes / fluxes.sum()).tolist()
        sigma = float(fwhm / 2 / half)
        return cls((sigma, ratio * sigma), (first, two), wing_sigma * sigma, wing_beta)

    @property
    def wing_weight(self):
        """Flux of the power law, to infinity."""
        return 1.0 - sum(self.weights)

    def gaussians(self, r2):
        """The Gaussian part at squared radii `r2` [pixels^2]; flux per pixel, same shape."""
        return sum(
            w / (2 * np.pi * s**2) * np.exp(r2 * (-0.5 / s**2))
            for w, s in zip(self.weights, self.sigmas, strict=True)
        )

    def wings(self, r2):
        """The power-law part at squared radii `r2` [pixels^2]; flux per pixel, same shape."""
        scale = self.wing_beta * self.wing_sigma**2
        peak = self.wing_weight * (self.wing_beta - 2) / (2 * np.pi * scale)
        return peak * np.exp(np.log1p(r2 / scale) * (-self.wing_beta / 2))

    def __call__(self, r2):
        """Flux per pixel at squared radii `r2` [pixels^2]; same shape."""
        return self.gaussians(r2) + self.wings(r2)

    def gaussians_hat(self, f2):
        """Fourier transform of the Gaussian part at squared frequencies `f2` [pixel^-2]."""
        return sum(
            w * np.exp(f2 * (-2 * np.pi**2 * s**2))
            for w, s in zip(self.weights, self.sigmas, strict=True)
        )

    def fwhm(self):
        """Full width at half maximum [pixels]."""
        half = 0.5 * self(0.0)
        return 2 * brentq(lambda r: self(r**2) - half, 0.0, 10 * self.sigmas[1])


def draw_psfs(rng):
    """Draw the PSFs of one field in g, r and i.

    The seeing is common to the three bands but for a small scatter of each; the second Gaussian
    and the wings vary by a fifth.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    psfs : tuple of three Psf
    fwhm : numpy.ndarray
        Full widths at half maximum [arcsec], shape (3,).
    """
    seeing = rng.normal(0.0, PSF_SCATTER[0])
    fwhm = np.array(PSF_FWHM) * 10 ** (seeing + rng.normal(0.0, PSF_SCATTER[1], 3))
    second, wing = rng.lognormal(0.0, 0.2, 2).tolist()
    return tuple(survey_psf(f, k, second, wing) for k, f in enumerate(fwhm)), fwhm


def survey_psf(fwhm, band, second=1.0, wing=1.0):
    """The survey's mean PSF of one band at a given width.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum [arcsec].
    band : int
        In `pix2prof.sdss.BANDS`.
    second, wing : float
        Amplitudes of the second Gaussian and of the wings relative to the mean PSF's.

    Returns
    -------
    Psf
    """
    return Psf.of_fwhm(
        fwhm / PIXSCALE,
        PSF_SIGMA_RATIO[band],
        PSF_SECOND[band] * second,
        PSF_WING[band] * wing,
        PSF_WING_SIGMA[band],
        PSF_WING_BETA[band],
    )
