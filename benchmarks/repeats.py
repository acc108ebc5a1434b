"""What photons alone allow, and how far noise and the start of the fit move a profile."""

from unittest.mock import patch

import numpy as np
import torch

from pix2prof.isophotes.contours import fit
from pix2prof.isophotes.method import measure
from pix2prof.mock.simulation import generators
from pix2prof.mock.sky import add_noise, draw_conditions

LIMIT = 25.5
STARTS = (0.05, 0.4, 0.8)


def photons_alone(seed, index, truth, draw=None):
    """A mock galaxy without other sources and residuals of the sky, its own noise added.

    Parameters
    ----------
    seed, index : int
        As in `pix2prof.mock.simulation.mock_galaxy`.
    truth : numpy.ndarray
        Its noise-free images, shape (3, F, F) [nanomaggies per pixel].
    draw : int, optional
        Number of another draw of the noise. Default: the noise of the mock image itself.

    Returns
    -------
    numpy.ndarray
        Shape (3, F, F), float32.
    """
    _, _, observing, _, _, noise = generators(seed, index)
    conditions = draw_conditions(observing)
    noise = noise if draw is None else np.random.default_rng((seed, index, draw))
    return add_noise(noise, truth, conditions)


def scatter_of_draws(seed, indices, truths, draws=10):
    """Scatter of automatic profiles over draws of the noise, as a share of what is due.

    Parameters
    ----------
    seed : int
    indices : sequence of int
        Which mock galaxies.
    truths : sequence of numpy.ndarray
        Their noise-free images, each of shape (3, F, F).
    draws : int

    Returns
    -------
    to_photons, to_error : numpy.ndarray
        Median over rows brighter than `LIMIT` of the scatter over that along fixed ellipses, and
        over the error the table says, shape (3 x galaxies,).
    """
    to_photons, to_error = [], []
    for index, truth in zip(indices, truths, strict=True):
        images = np.stack([photons_alone(seed, index, truth, k) for k in range(draws)])
        for band in range(3):
            exact = measure(truth[band], sky=0.0, mask=np.zeros(truth.shape[1:], bool))
            bright = exact.mu[0] < LIMIT
            free = measure(images[:, band])
            fixed = measure(
                images[:, band],
                sky=0.0,
                mask=np.zeros(truth.shape[1:], bool),
                geometry=_repeated(exact, draws),
            )
            scatter = free.mu.std(0)[bright]
            to_photons.append((scatter / fixed.mu.std(0)[bright]).nanmedian().item())
            to_error.append((scatter / free.mu_err.median(0).values[bright]).nanmedian().item())
    return np.array(to_photons), np.array(to_error)


def _repeated(isophotes, n):
    values = vars(isophotes) | {
        key: z.expand(n, *z.shape[1:])
        for key, z in vars(isophotes).items()
        if key != "sma" and isinstance(z, torch.Tensor)
    }
    return type(isophotes)(**values)


def shift_of_starts(images, **known):
    """Largest median |difference| of each profile between the starts `STARTS` of the fit.

    Parameters
    ----------
    images : array_like
        Shape (B, H, W).
    **known
        As `pix2prof.isophotes.method.measure` takes.

    Returns
    -------
    numpy.ndarray
        Over rows brighter than `LIMIT`, shape (B,) [mag arcsec^-2].
    """
    usual = measure(images, **known).mu
    shifts = []
    for start in STARTS:

        def started(*given, start=start, **options):
            return fit(*given, **{"start": start, **options})

        with patch("pix2prof.isophotes.method.fit", started):
            other = measure(images, **known).mu
        apart = torch.where(usual < LIMIT, (other - usual).abs(), torch.nan)
        shifts.append(apart.nanmedian(-1).values)
    return torch.stack(shifts).amax(0).numpy()
