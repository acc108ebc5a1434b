"""The reader: along the isophotes, from what the image says at each radius to the profile."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ..profiles import MAX_STEPS
from ..sdss import ZEROPOINT
from .reading import MU_MIDDLE, MU_SCALE, N_FEATURES, N_GLOBAL

N_NODES = 48
WIDTH = 96
DEPTH = 3
HEADS = 4
N_OUTPUTS = 6
LOG_SCALES = (-6.0, 2.0)
FAINTEST = 10 ** (0.4 * (ZEROPOINT - 29.0))


def node_rows(n_nodes=N_NODES, n_steps=MAX_STEPS):
    """Rows of the profile's grid at which the reader writes: logarithmic, none twice.

    Returns
    -------
    torch.Tensor of int, shape (K,)
        From 0 to `n_steps` - 1, K at most `n_nodes`.
    """
    return torch.unique(torch.logspace(0, math.log10(n_steps), n_nodes).round().long()) - 1


class Written(NamedTuple):
    """What the reader writes, each of shape (B, K) at the nodes or (B, T) on the grid.

    Attributes
    ----------
    sky : torch.Tensor, shape (B, 1)
        To be added to the measured intensity [nanomaggies arcsec^-2].
    trust : torch.Tensor
        Share of the measured value in the surface brightness, where there is one.
    correction : torch.Tensor
        To the measured value [mag arcsec^-2].
    belief : torch.Tensor
        What stands in for it [mag arcsec^-2].
    log_scale : torch.Tensor
        Natural logarithm of the Laplace scale of the surface brightness.
    within : torch.Tensor
        Logit of the row's lying within the S/N cut.
    shape : torch.Tensor
        Correction to the ellipticity.
    """

    sky: torch.Tensor
    trust: torch.Tensor
    correction: torch.Tensor
    belief: torch.Tensor
    log_scale: torch.Tensor
    within: torch.Tensor
    shape: torch.Tensor

    def mu(self, intensity):
        """Surface brightness, given the measured intensity (NaN where there is none)."""
        light = intensity + self.sky
        known = torch.isfinite(light) & (light > FAINTEST)
        measured = ZEROPOINT - 2.5 * torch.where(known, light, 1.0).log10() + self.correction
        return torch.lerp(self.belief, measured, self.trust * known)

    def ellipticity(self, measured):
        """Ellipticity, given the measured one."""
        return (torch.nan_to_num(measured) + self.shape).clamp(0.0, 0.99)

    def on_grid(self, rows, n_steps):
        """Bring everything from the nodes to all rows, linearly in the logarithm of the radius."""
        place = torch.log1p(torch.arange(n_steps, device=rows.device))
        nodes = torch.log1p(rows)
        right = torch.searchsorted(nodes, place).clamp(1, len(rows) - 1)
        share = (place - nodes[right - 1]) / (nodes[right] - nodes[right - 1])
        fine = (torch.lerp(x[:, right - 1], x[:, right], share) for x in self[1:])
        return Written(self.sky, *fine)


class Reader(nn.Module):
    """Attention (Vaswani et al. 2017) between the nodes and one token of the whole galaxy.

    Parameters
    ----------
    context : int
        Length of the vector pooled over the image.
    """

    def __init__(self, context, width=WIDTH, depth=DEPTH, heads=HEADS):
        super().__init__()
        self.register_buffer("rows", node_rows(), persistent=False)
        self.embed = nn.Linear(N_FEATURES, width)
        self.position = nn.Parameter(0.02 * torch.randn(len(self.rows), width))
        self.whole = nn.Sequential(
            nn.Linear(N_GLOBAL + context, width), nn.SiLU(), nn.Linear(width, width)
        )
        layer = nn.TransformerEncoderLayer(
            width, heads, 3 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, N_OUTPUTS)
        self.sky_head = nn.Linear(width, 2)
        with torch.no_grad():
            for head in (self.head, self.sky_head):
                head.weight.mul_(0.1)
                head.bias.zero_()

    def forward(self, read):
        """Write the profiles at the nodes.

        Parameters
        ----------
        read : pix2prof.isophote_network.reading.Reading
            Of B galaxies.

        Returns
        -------
        Written
        """
        tokens = self.embed(read.features) + self.position  # (B, K, D)
        whole = self.whole(torch.cat((read.of_galaxy, read.pooled), 1))[:, None]
        z = self.norm(self.layers(torch.cat((whole, tokens + whole), 1)))
        doubt, shift = self.sky_head(z[:, 0]).unbind(-1)
        sky = torch.sigmoid(2 * doubt - 2) * read.sky + 0.1 * shift * read.noise
        gate, correction, belief, log_scale, within, shape = self.head(z[:, 1:]).unbind(-1)
        return Written(
            sky[:, None],
            torch.sigmoid(4 * gate + 2),
            correction,
            MU_MIDDLE + MU_SCALE * belief,
            3 * log_scale - 2,
            4 * within,
            0.3 * shape,
        )


def reader_loss(written, read, mu, within, ellipticity):
    """Loss of what `Reader` writes.

    Parameters
    ----------
    written : Written
    read : pix2prof.isophote_network.reading.Reading
    mu, ellipticity : torch.Tensor, shape (B, K)
        Targets [mag arcsec^-2 and none]; NaN where there are none.
    within : torch.Tensor of bool, shape (B, K)
        Whether the node lies within the expert's S/N cut.

    Returns
    -------
    loss : torch.Tensor
        Negative logarithm of the Laplace likelihood of mu + ten times the mean deviation of the
        ellipticity + the cross-entropy of the S/N cut.
    error : torch.Tensor, shape (B, K)
        Absolute deviation of mu [mag arcsec^-2]; 0 where there is no target.
    """
    known = torch.isfinite(mu)
    log_scale = written.log_scale.clamp(*LOG_SCALES)
    error = torch.where(known, written.mu(read.intensity) - torch.where(known, mu, 0), 0).abs()
    loss = ((error * torch.exp(-log_scale) + log_scale) * known).sum() / known.sum().clamp(min=1)
    given = torch.isfinite(ellipticity)
    shape = written.ellipticity(read.ellipticity) - torch.where(given, ellipticity, 0)
    loss = loss + 10 * (shape.abs() * given).sum() / given.sum().clamp(min=1)
    ends = functional.binary_cross_entropy_with_logits(written.within, within.float())
    return loss + ends, error.detach()
