"""Statistics of the batch normalisation: taken anew, or held.

A running average over the last few batches is a poor estimate where one bright galaxy makes up
most of a batch's variance, and a network that is trained on the statistics of its batches is then
judged by those of others.
"""

from contextlib import contextmanager

from torch import nn


def layers(model):
    """List the batch-normalisation layers of a network."""
    return [x for x in model.modules() if isinstance(x, nn.modules.batchnorm._BatchNorm)]


@contextmanager
def statistics_anew(model):
    """Take the statistics of all batches that pass within, each with the same weight.

    Every layer's mean and variance become the averages over these batches (Wu & Johnson 2021,
    section 3.2), in place of an exponential average that forgets.

    Parameters
    ----------
    model : torch.nn.Module
        In training mode within; the mode that it was in is put back.
    """
    training, norms = model.training, layers(model)
    momenta = [x.momentum for x in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(training)


def hold_statistics(model):
    """Normalise by the statistics as they stand, until ``model.train()`` is called again."""
    for norm in layers(model):
        norm.eval()
