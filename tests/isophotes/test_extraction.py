"""Errors of the curve of growth, against draws of sky and noise."""

import numpy as np
import pytest
import torch

from pix2prof.isophotes.extraction import curve_of_growth, half_band
from pix2prof.profiles import TO_TRUTH, sma_grid

ROWS, H, ELLIPTICITY = 300, 8.0, 0.4
SMA = torch.as_tensor(sma_grid(ROWS))


def band_means(rng, draws):
    """White noise of unit error, averaged over the rows that the classical method averages."""
    half = half_band(ROWS).numpy()
    last = np.minimum(np.arange(ROWS) + half + 1, ROWS)
    first = np.maximum(np.arange(ROWS) - half, 0)
    sums = np.pad(rng.normal(size=(draws, ROWS)).cumsum(1), ((0, 0), (1, 0)))
    return (sums[:, last] - sums[:, first]) / np.sqrt(last - first)


def pulls(sky, noise, draws=400):
    """Deviations of the growth in units of its error, at some rows: shape (draws, 3)."""
    rng, rows = np.random.default_rng(5), noise * H / SMA.numpy()
    light = torch.exp(-SMA / H).expand(draws, ROWS)
    off = sky * rng.normal(size=(draws, 1)) + rows * band_means(rng, draws)
    error = torch.as_tensor(np.hypot(sky, rows)).expand(draws, ROWS)
    shape = torch.full_like(light, ELLIPTICITY), 0.0
    said, said_err = curve_of_growth(light + torch.as_tensor(off), error, SMA, *shape)
    true, _ = curve_of_growth(light, error, SMA, *shape)
    return ((said - true) / said_err)[:, [75, 150, 299]]


@pytest.mark.parametrize("noise", [0.0, 5e-4])
def test_a_wrong_sky_is_as_far_off_as_the_errors_say(noise):
    spread = pulls(1e-3, noise).std(0)
    assert (spread > 0.7).all() and (spread < 1.4).all(), spread


def test_errors_are_not_too_small_where_there_is_noise_alone():
    spread = pulls(0.0, 1e-3).std(0)
    assert (spread > 0.2).all() and (spread < 1.0).all(), spread


def test_the_flux_is_less_sure_where_ellipses_are():
    light = torch.exp(-SMA / H)[None]
    shape = torch.full_like(light, ELLIPTICITY)
    growth, error = curve_of_growth(light, 0 * light, SMA, shape, 0.01)
    known = curve_of_growth(light, 0 * light, SMA, shape, 0.0)
    assert torch.equal(growth, known[0]) and (known[1] == 0).all()
    share = (error / growth)[0, 100:]
    assert (share > 0.7 * 0.01 / (1 - ELLIPTICITY)).all()
    assert (share < TO_TRUTH * 0.01 / (1 - ELLIPTICITY)).all()
