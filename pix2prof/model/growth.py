"""From a profile and its isophotes' shapes to the light: intensity, and the curve of growth."""

import math

import torch

from ..isophotes.extraction import curve_of_growth
from ..photometry.stacked import ELLIPTICITY_ERR
from ..profiles import sma_grid
from ..sdss import ZEROPOINT


def light(mu, mu_err, ellipticity):
    """Intensity and curve of growth of profiles, with the errors that follow from `mu_err`.

    That of the curve of growth takes the ellipticity to be off by `ELLIPTICITY_ERR`, as
    structural parameters do; see `pix2prof.isophotes.extraction.curve_of_growth`.

    Parameters
    ----------
    mu, mu_err : torch.Tensor, shape (B, T)
        On ``0.2 (k + 1)`` arcsec [mag arcsec^-2], NaN from the end on.
    ellipticity : torch.Tensor, shape (B, T)
        NaN counts as round.

    Returns
    -------
    dict of torch.Tensor, shape (B, T)
        By the names of the profile table's columns: ``intensity``, ``intensity_err``
        [nanomaggies arcsec^-2], ``growth``, ``growth_err`` [nanomaggies], NaN where `mu` is.
    """
    intensity = 10 ** (0.4 * (ZEROPOINT - mu))
    error = intensity * mu_err * 0.4 * math.log(10)
    sma = torch.as_tensor(sma_grid(mu.shape[1])).to(mu)
    shape = torch.nan_to_num(ellipticity), ELLIPTICITY_ERR
    growth, growth_err = curve_of_growth(intensity, error, sma, *shape)
    beyond = torch.isnan(mu)
    return {
        "intensity": intensity,
        "intensity_err": error,
        "growth": growth.masked_fill(beyond, math.nan),
        "growth_err": growth_err.masked_fill(beyond, math.nan),
    }
