"""Errors that hold: scaled on the validation set, by where on the profile they are."""

import torch
from torch import nn

N_BINS = 5
LEVELS = (0.6827, 0.95)
ERRORS = ("mu_err", "mu_err_95")
"""Columns of the half-widths of the intervals that hold `LEVELS`."""
BATCH = 12


def in_order(batches, most=None, *, generator=None, draws=1):
    """Batches of the first `most` pairs, neither shifted nor turned.

    Parameters
    ----------
    batches
        See `pix2prof.training.batches.batches_for`.
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


class Calibration(nn.Module):
    """Half-widths of the intervals that hold `LEVELS` of the deviations, from predicted scales.

    The deviations of a network are not those of the distribution that it was trained with: their
    tails differ. So each level has factors of its own, and these are found on a validation set by
    place, since a scale may be right in the middle of a profile and wrong at its end.

    Parameters
    ----------
    n_places : int
        Before it has learnt, the factors are those of a Laplace distribution.
    """

    def __init__(self, n_places):
        super().__init__()
        levels = -torch.log1p(-torch.tensor(LEVELS))
        self.register_buffer("factors", levels[:, None].repeat(1, n_places))

    def forward(self, scale, places):
        """Half-widths.

        Parameters
        ----------
        scale : torch.Tensor
            Of a Laplace distribution.
        places : torch.Tensor of int, of the same shape

        Returns
        -------
        list of torch.Tensor
            One for each of `LEVELS`.
        """
        return [scale * factors[places] for factors in self.factors]

    @torch.no_grad()
    def learn(self, ratios, places):
        """Find the factors.

        Parameters
        ----------
        ratios : torch.Tensor, shape (N,)
            Absolute deviation over scale.
        places : torch.Tensor of int, shape (N,)
            Those without a deviation keep their factors.
        """
        for place in places.unique().tolist():
            ordered = ratios[places == place].double().sort().values
            at = [int(level * (len(ordered) - 1)) for level in LEVELS]
            self.factors[:, place] = ordered[at].to(self.factors)
