"""The reader: along the isophotes, from what the image says at each radius to the profile."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ..isophotes.method import Flag, RowFlag
from ..profiles import MAX_STEPS
from ..sdss import ZEROPOINT

N_NODES = 48
WIDTH = 96
DEPTH = 3
HEADS = 4
N_FEATURES = 18
N_GLOBAL = 8
N_OUTPUTS = 6
LOG_SCALES = (-6.0, 2.0)
FAINTEST = 10 ** (0.4 * (ZEROPOINT - 29.0))
MU_MIDDLE, MU_SCALE = 23.0, 3.0
FLAGS = (RowFlag.EXTENDED, RowFlag.INTERPOLATED, RowFlag.PARTIAL, RowFlag.BELOW_CUT)


def node_rows(n_nodes=N_NODES, n_steps=MAX_STEPS):
    """Rows of the profile's grid at which the reader writes: logarithmic, none twice.

    Returns
    -------
    torch.Tensor of int, shape (K,)
        From 0 to `n_steps` - 1, K at most `n_nodes`.
    """
    return torch.unique(torch.logspace(0, math.log10(n_steps), n_nodes).round().long()) - 1


class Reading(NamedTuple):
    """What the image says of B galaxies at K nodes.

    Attributes
    ----------
    features : torch.Tensor of float32, shape (B, K, N_FEATURES)
        Finite everywhere; what is missing is 0 and said so.
    of_galaxy : torch.Tensor of float32, shape (B, N_GLOBAL)
    intensity : torch.Tensor, shape (B, K)
        Measured [nanomaggies arcsec^-2]; NaN off the image.
    ellipticity : torch.Tensor, shape (B, K)
    sky, noise : torch.Tensor, shape (B,)
        Sky that was subtracted, and noise of a pixel [nanomaggies arcsec^-2].
    pooled : torch.Tensor, shape (B, context)
        Of the finder.
    """

    features: torch.Tensor
    of_galaxy: torch.Tensor
    intensity: torch.Tensor
    ellipticity: torch.Tensor
    sky: torch.Tensor
    noise: torch.Tensor
    pooled: torch.Tensor


def reading(measured, noise, certainty, pooled, rows):
    """Take what was measured along the isophotes to the reader's nodes.

    Parameters
    ----------
    measured : pix2prof.isophotes.method.Isophotes
        Of B galaxies.
    noise : torch.Tensor, shape (B,)
        Of a pixel [nanomaggies].
    certainty : torch.Tensor, shape (B,)
        Logarithm of the highest probability that the finder gives to a place of the centre.
    pooled : torch.Tensor, shape (B, context)
    rows : torch.Tensor of int, shape (K,)
        See `node_rows`.

    Returns
    -------
    Reading
    """
    noise = noise.clamp(min=1e-6)
    area = measured.pixscale**2
    intensity = _binned(measured.intensity, rows) * area / noise[:, None]
    signal = (measured.intensity / measured.intensity_err)[:, rows]
    mu, ellipticity = measured.mu[:, rows], measured.ellipticity[:, rows]
    pa = torch.deg2rad(measured.pa[:, rows])
    outer = _last(pa)
    used, masked = measured.n_used[:, rows].float(), measured.n_masked[:, rows].float()
    growth = ZEROPOINT - 2.5 * measured.growth[:, rows].clamp(min=1e-3).log10()
    place = torch.linspace(0, 1, len(rows)).to(mu)
    columns = [
        (mu - MU_MIDDLE) / MU_SCALE,
        torch.isfinite(mu),
        torch.isfinite(intensity),
        intensity.asinh() / 4,
        signal.asinh() / 4,
        measured.mu_err[:, rows].clamp(1e-4, 10).log10(),
        ellipticity,
        measured.ellipticity_err[:, rows].clamp(1e-4, 1).log10(),
        ellipticity * torch.cos(2 * (pa - outer)),
        ellipticity * torch.sin(2 * (pa - outer)),
        masked / (used + masked).clamp(min=1),
        (1 + used).log10() / 3,
        (growth - 16) / MU_SCALE,
        place.expand_as(mu),
        *(measured.flag[:, rows] & flag > 0 for flag in FLAGS),
    ]
    of_galaxy = [
        (measured.sky / noise).asinh(),
        (measured.sky_err / noise).clamp(1e-5, 10).log10() / 3,
        noise.log10() + 1.6,
        measured.centre_err.mean(-1).clamp(max=5),
        measured.n_valid.float().clamp(min=1).log10() - 2,
        measured.flags & Flag.SKY_NOT_VISIBLE > 0,
        measured.flags & ~Flag.SKY_NOT_VISIBLE > 0,
        certainty,
    ]

    def stacked(values):
        return torch.nan_to_num(torch.stack([x.float() for x in values], -1), 0, 0, 0)

    return Reading(
        stacked(columns),
        stacked(of_galaxy),
        measured.intensity[:, rows],
        ellipticity,
        measured.sky / area,
        noise / area,
        pooled,
    )


def _binned(values, rows):
    """Mean over the rows between half way to one node and half way to the next."""
    finite = torch.isfinite(values)
    total = functional.pad(torch.where(finite, values, 0).cumsum(-1), (1, 0))
    count = functional.pad(finite.to(values).cumsum(-1), (1, 0))
    middle = (rows[1:] + rows[:-1] + 1) // 2
    first = torch.cat((rows[:1], middle))
    last = torch.cat((middle, rows[-1:] + 1)).clamp(min=1)
    last = torch.maximum(last, first + 1)
    n = count[:, last] - count[:, first]
    return torch.where(n > 0, (total[:, last] - total[:, first]) / n.clamp(min=1), math.nan)


def _last(values):
    """The last finite value of each row, shape (B, 1); 0 where there is none."""
    finite = torch.isfinite(values)
    at = (finite * torch.arange(1, values.shape[1] + 1, device=values.device)).argmax(1)
    last = values.gather(1, at[:, None])
    return torch.nan_to_num(last)


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
        read : Reading
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
    read : Reading
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
