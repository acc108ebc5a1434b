"""How finder and reader learn from a batch, and how well they do."""

import math

import torch

from .finder import finder_loss
from .reader import reader_loss
from .reading import Reading

KEPT = 1024
RECALLED = 96


class Recall:
    """The last `KEPT` galaxies that were read, with their targets."""

    def __init__(self):
        self._batches = []

    def draw(self, read, targets, generator):
        """Keep a batch, and draw `RECALLED` galaxies of all that are kept.

        Parameters
        ----------
        read : pix2prof.isophote_network.reading.Reading
            Of B galaxies.
        targets : sequence of torch.Tensor, shape (B, ...)
        generator : numpy.random.Generator

        Returns
        -------
        read : pix2prof.isophote_network.reading.Reading
        targets : list of torch.Tensor
        """
        self._batches = [*self._batches, (*read, *targets)][-KEPT // len(read.features) :]
        kept = [torch.cat(parts) for parts in zip(*self._batches, strict=True)]
        drawn = torch.from_numpy(generator.permutation(len(kept[0]))[:RECALLED])
        kept = [values[drawn.to(values.device)] for values in kept]
        return Reading(*kept[: len(read)]), kept[len(read) :]


def step(network, recall, batch, generator, dtype=torch.float32):
    """Loss of a training step.

    The finder learns from this batch. The reader, which is quick where measuring is slow, learns
    from a draw of everything that was read in this epoch.

    Parameters
    ----------
    network : pix2prof.isophote_network.network.IsophoteNetwork
    recall : Recall
        Of this epoch.
    batch : sequence of torch.Tensor
        As `pix2prof.training.batches.AnnotatedBatches` loads them.
    generator : numpy.random.Generator
        Draws from the recall.
    dtype : torch.dtype
        Of the finder's convolutions.

    Returns
    -------
    loss : torch.Tensor
    squares : float
        Sum of the squared errors over nodes within the S/N cut [mag^2 arcsec^-4].
    n_nodes : int
        How many they are.
    """
    images, covered, masks, centres, mu, ellipticity, n_within = batch
    found, measured, noise = network.read(images, covered, dtype)
    loss = finder_loss(found, centres, masks)
    rows = network.rows
    mu = torch.where(mu < network.faintest + 1, mu, math.nan)
    targets = mu[:, rows], rows < n_within[:, None], ellipticity[:, rows]
    read = network.reading(found, measured, noise)
    read, targets = recall.draw(read, targets, generator)
    of_reader, error = reader_loss(network.reader(read), read, *targets)
    within = targets[1] & torch.isfinite(targets[0])
    return loss + of_reader, error[within].square().sum().item(), int(within.sum())


def judge(network, batch, dtype=torch.float32):
    """Errors of a batch.

    Parameters
    ----------
    network, batch, dtype
        As of `step`.

    Returns
    -------
    squares : float
        Sum of the squared errors over nodes within the S/N cut [mag^2 arcsec^-4].
    n_nodes : int
        How many they are.
    deviations : torch.Tensor, shape (B,)
        Median absolute deviation of each profile within the cut [mag arcsec^-2].
    """
    images, covered, _, _, mu, _, n_within = batch
    said = network.profiles(images, covered, dtype)
    row = torch.arange(mu.shape[1], device=mu.device)
    error = (said.mu - mu).abs().masked_fill(row >= n_within[:, None], math.nan)
    at_nodes = error[:, network.rows]
    at_nodes = at_nodes[torch.isfinite(at_nodes)]
    return at_nodes.square().sum().item(), len(at_nodes), error.nanmedian(1).values
