"""Errors that hold: scaled on the validation set, by where on the profile they are."""

import math

import torch

N_BINS = 5
LAPLACE_68 = -math.log(1 - 0.6827)
"""Half-width of the central 68.27 per cent of a Laplace distribution, in its scale."""
BATCH = 12


def in_order(batches, most=None, *, generator=None, draws=1):
    """Batches of the first `most` pairs, neither shifted nor turned.

    Parameters
    ----------
    batches
        See `pix2prof.batches.batches_for`.
    most : int, optional
        Default: all.
    generator : numpy.random.Generator, optional
        Draws the sizes and edges of the images, of networks that take many. Default: each is
        whole.
    draws : int
        How often to go through them.

    Yields
    ------
    batch : tuple of torch.Tensor
    """
    n = len(batches.pairs) if most is None else min(most, len(batches.pairs))
    for indices in torch.arange(n).repeat(draws).split(BATCH):
        yield batches.load(indices.numpy(), None, generator)


def radial_bins(n_within, n_steps):
    """Fifth of the way to the end in which each row lies, and the last bin beyond it.

    Parameters
    ----------
    n_within : torch.Tensor of int, shape (B,)
        Rows of each profile up to its end.
    n_steps : int

    Returns
    -------
    torch.Tensor of int, shape (B, n_steps)
        0 to `N_BINS`.
    """
    row = torch.arange(n_steps, device=n_within.device)
    share = (row * N_BINS) // n_within.clamp(min=1)[:, None]
    return share.clamp(max=N_BINS)


def error_factors(ratios, places):
    """Factors on the errors with which 68.27 per cent of the deviations lie within.

    Parameters
    ----------
    ratios : torch.Tensor, shape (N,)
        Absolute deviation over error.
    places : torch.Tensor of int, shape (N,)
        See `radial_bins`.

    Returns
    -------
    torch.Tensor, shape (N_BINS + 1,)
        1 where there is nothing to learn from.
    """
    factors = torch.ones(N_BINS + 1)
    for number in range(N_BINS + 1):
        ordered = ratios[places == number].sort().values
        if len(ordered):
            factors[number] = ordered[int(0.6827 * (len(ordered) - 1))]
    return factors
