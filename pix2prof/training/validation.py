"""What is taken of a set: how well a network does on it, and its statistics."""

import math

import numpy as np
import torch

from .batch_norm import layers, statistics_anew

BATCH = 32
OBSERVED = 640
"""Images whose statistics the batch normalisation takes after an epoch."""


@torch.no_grad()
def validate(model, batches, dtype):
    """Loss on a set, free-running, without augmentation.

    Parameters
    ----------
    model : pix2prof.model.paper.Pix2Prof
        Left in evaluation mode.
    batches
        See `pix2prof.training.batches.batches_for`.
    dtype : torch.dtype

    Returns
    -------
    loss : float
        Mean squared error over all nodes (the paper's network: held ends included)
        [mag^2 arcsec^-4]; infinite where no profile has any.
    deviation : float
        Median over profiles of their median absolute deviation up to their ends [mag arcsec^-2].
    """
    model.eval()
    total, count, deviations = 0.0, 0, []
    everything = np.arange(len(batches.pairs))
    for indices in np.array_split(everything, math.ceil(len(everything) / BATCH)):
        batch = [x.to(model.device) for x in batches.load(indices)]
        squares, n_nodes, of_profiles = model.judge(batch, dtype)
        total += squares
        count += n_nodes
        deviations.append(of_profiles.cpu())
    loss = total / count if count else math.inf
    return loss, torch.cat(deviations).nanmedian().item()


@torch.no_grad()
def observe(model, batches, config, epoch, dtype):
    """Take the statistics of the batch normalisation anew, over images of the training set.

    Parameters
    ----------
    model
        A network with ``observe(batch, dtype)``; its mode is left as it was.
    batches
        See `pix2prof.training.batches.batches_for`.
    config : pix2prof.config.TrainConfig
        Batches have the size, and images the shifts and turns, of training.
    epoch : int
        What is drawn is a function of the seed and of it.
    dtype : torch.dtype
    """
    if not layers(model):
        return
    generator = np.random.default_rng([config.seed, epoch, OBSERVED])
    order = generator.permutation(len(batches.pairs))[:OBSERVED]
    with statistics_anew(model):
        for indices in np.array_split(order, math.ceil(len(order) / config.batch_size)):
            batch = batches.load(indices, config, generator)
            model.observe([x.to(model.device) for x in batch], dtype)


def profile_statistics(pairs):
    """Mean and standard deviation of a set's surface brightnesses, for the model's units.

    Parameters
    ----------
    pairs
        With ``mu()``, see `pix2prof.dataset.stored.Pairs`.

    Returns
    -------
    mu_mean, mu_std : float
        [mag arcsec^-2]
    """
    mu = np.asarray(pairs.mu(np.arange(len(pairs))), dtype=float)
    return float(np.nanmean(mu)), float(np.nanstd(mu))
