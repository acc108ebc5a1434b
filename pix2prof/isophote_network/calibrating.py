"""After the training: what an image of the training set is like, and errors that hold."""

from dataclasses import replace

import numpy as np
import torch

from ..model.calibration import N_BINS, in_order, radial_bins
from ..profiles import SMA_STEP
from ..sdss import PIXSCALE
from .oddities import oddities

FAMILIAR = 1500
DRAWS = 3
SIDES = (128, 256, 448)
"""Sides of the images on which errors are calibrated [px]."""
BETWEEN = (181, 339)
"""Sides that part narrow images from middling and these from wide ones [px]."""
N_PLACES = (2 + len(BETWEEN)) * (N_BINS + 1)


@torch.no_grad()
def learn_familiar(network, train, validation, dtype=torch.float32):
    """Learn what is familiar: images of the sizes and edges of training.

    Parameters
    ----------
    network : pix2prof.isophote_network.network.IsophoteNetwork
    train, validation : pix2prof.training.batches.AnnotatedBatches
        Of the first at most `FAMILIAR` images, of the second `DRAWS` of each.
    dtype : torch.dtype
    """
    generator = np.random.default_rng(0)
    usual, others = (
        torch.cat([_oddities(network, *batch[:2], dtype) for batch in batches])
        for batches in (
            in_order(train, FAMILIAR, generator=generator),
            in_order(validation, generator=generator, draws=DRAWS),
        )
    )
    network.familiar.learn(usual, others)


@torch.no_grad()
def ratios(network, batches, dtype=torch.float32):
    """Deviations of a network in units of the scales that it predicts, and where they lie.

    They are taken on whole images of `SIDES`, from what the expert says up to the S/N cut and
    from the truth beyond, as far as that is brighter than the end of a profile.

    Parameters
    ----------
    network : pix2prof.isophote_network.network.IsophoteNetwork
    batches : pix2prof.training.batches.AnnotatedBatches
    dtype : torch.dtype

    Returns
    -------
    ratios : torch.Tensor, shape (N,)
    at : torch.Tensor of int, shape (N,)
        See `places`.
    """
    found, at = [], []
    for side in {*(side for side in SIDES if side < batches.crop), batches.crop}:
        for batch in in_order(replace(batches, crop=side)):
            images, covered, _, _, mu, *_ = (x.to(network.device) for x in batch)
            said, scale, of_rows = network.with_scale(images, covered, dtype)
            known = torch.isfinite(said.mu) & (mu < network.faintest)
            found.append(((said.mu - mu).abs() / scale)[known])
            at.append(of_rows[known])
    return torch.cat(found), torch.cat(at)


def places(n_within, n_steps, images, covered=None):
    """Places that have factors of their own: fifths of the way to the S/N cut, and beyond it.

    Galaxies whose cut lies on the image, so that their sky is seen, have theirs apart from those
    that reach over its edges, and these have theirs by the side of the image.

    Parameters
    ----------
    n_within : torch.Tensor of int, shape (B,)
        Rows of each profile up to the cut.
    n_steps : int
    images : torch.Tensor, shape (B, H, W)
    covered : torch.Tensor of bool, shape (B, H, W), optional
        Pixels that count. Default: all.

    Returns
    -------
    torch.Tensor of int, shape (B, n_steps)
        0 to `N_PLACES` - 1: `N_BINS` + 1 each for those whose sky is seen, and the others on
        narrow, middling and wide images.
    """
    if covered is None:
        covered = torch.ones_like(images, dtype=torch.bool)
    side = covered.flatten(1).sum(1).sqrt()
    over = n_within * SMA_STEP > side / 2 * PIXSCALE
    kind = over * (1 + sum(side > limit for limit in BETWEEN))
    return radial_bins(n_within, n_steps) + (N_BINS + 1) * kind[:, None]


def _oddities(network, images, covered, dtype):
    images, covered = images.to(network.device), covered.to(network.device)
    found, measured, noise = network.read(images, covered, dtype)
    return oddities(images, found, measured, noise, covered)
