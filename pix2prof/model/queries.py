"""The transformer decoder: radii as queries over the encoder's maps, all answered at once."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ..profiles import MAX_STEPS, SMA_STEP

WIDTH = 256
HEADS = 8
N_WAVES = 5
LOG_SCALES = (-6.0, 2.0)


def waves(radius):
    """What a radius looks like to the decoder: sines and cosines of its logarithm.

    Parameters
    ----------
    radius : torch.Tensor, shape (...)
        Not below zero [arcsec].

    Returns
    -------
    torch.Tensor, shape (..., 2 N_WAVES + 2)
        Smooth, so that what is learnt at some radii holds at those between.
    """
    place = torch.log1p(radius / SMA_STEP) / math.log(MAX_STEPS)
    octaves = math.pi * 2.0 ** torch.arange(N_WAVES, device=radius.device)
    angles = place[..., None] * octaves
    ends = torch.stack((place, radius / (SMA_STEP * MAX_STEPS)), -1)
    return torch.cat((ends, angles.sin(), angles.cos()), -1)


class Answers(NamedTuple):
    """What the decoder says of B profiles at K radii.

    Attributes
    ----------
    mu, log_scale : torch.Tensor, shape (B, K)
        In model units; the second is the natural logarithm of the Laplace scale.
    ellipticity : torch.Tensor, shape (B, K)
        In (0, 1).
    double : torch.Tensor, shape (B, K, 2)
        Cosine and sine of twice the position angle, which have no seam; of any length.
    end, end_log_scale : torch.Tensor, shape (B,)
        Natural logarithm of the profile's length [arcsec], and that of its Laplace scale.
    """

    mu: torch.Tensor
    log_scale: torch.Tensor
    ellipticity: torch.Tensor
    double: torch.Tensor
    end: torch.Tensor
    end_log_scale: torch.Tensor


class Layer(nn.Module):
    """Attention of every query to the memory, and a dense layer; queries see no other query."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.query = nn.Linear(width, width)
        self.memory = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.dense = nn.Sequential(
            nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
        )

    def forward(self, x, memory, kept):
        """(B, K, D) and (B, M, D) -> (B, K, D); `kept` (B, K, D) is a dropout mask or None."""
        parts = self.query(self.norms[0](x)), *self.memory(memory).chunk(2, -1)
        heads = (z.unflatten(-1, (self.heads, -1)).transpose(1, 2) for z in parts)
        answer = functional.scaled_dot_product_attention(*heads)  # (B, heads, K, D / heads)
        x = x + self.out(answer.transpose(1, 2).flatten(2))
        said = self.dense(self.norms[1](x))
        return x + (said if kept is None else said * kept)


class RadiusQueries(nn.Module):
    """Attention (Vaswani et al. 2017) of radii, and of one query for the end, to an image.

    Since queries see the image and not one another, the answer at a radius is the same whatever
    other radii are asked for.

    Parameters
    ----------
    channels : sequence of int
        Of the maps that are looked at.
    latent : int
        Length of the pooled vector z.
    layers : int
    dropout : float
        Rate of dropout of what a layer adds, in [0, 1).
    """

    def __init__(self, channels, latent, layers=3, dropout=0.2, width=WIDTH, heads=HEADS):
        super().__init__()
        n_waves = 2 * N_WAVES + 2
        self.dropout = dropout
        self.ask = nn.Sequential(nn.Linear(n_waves, width), nn.SiLU(), nn.Linear(width, width))
        self.end = nn.Parameter(0.02 * torch.randn(width))
        self.whole = nn.Linear(latent, width)
        self.content = nn.ModuleList(nn.Linear(n, width) for n in channels)
        self.place = nn.ModuleList(nn.Linear(n_waves + 2, width) for _ in channels)
        self.memory_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2)
        self.shape_head = nn.Linear(width, 3)
        self.end_head = nn.Linear(width, 2)

    def memory(self, maps, z, scales):
        """Tokens of the maps' squares and of z.

        Parameters
        ----------
        maps : sequence of torch.Tensor, shape (B, C, H, W)
        z : torch.Tensor, shape (B, latent)
        scales : sequence of float
            Side of a square of each map [arcsec].

        Returns
        -------
        torch.Tensor, shape (B, M, width)
        """
        tokens = [self.whole(z)[:, None]]
        for number, (features, scale) in enumerate(zip(maps, scales, strict=True)):
            y, x = (
                (torch.arange(n, device=z.device) - 0.5 * (n - 1)) * scale
                for n in features.shape[2:]
            )
            y, x = torch.meshgrid(y, x, indexing="ij")
            near = torch.stack((x, y), -1) / (SMA_STEP * MAX_STEPS)
            places = torch.cat((waves(torch.hypot(x, y)), near), -1).flatten(0, 1)  # (H W, n)
            content = self.content[number](features.float().flatten(2).transpose(1, 2))
            tokens.append(content + self.place[number](places))
        return self.memory_norm(torch.cat(tokens, 1))

    def forward(self, maps, z, scales, radius, generator=None):
        """Answer queries.

        Parameters
        ----------
        maps, z, scales
            See `memory`.
        radius : torch.Tensor, shape (K,) or (B, K)
            [arcsec]
        generator : torch.Generator, optional
            Of the dropout, on the processor, so that every device draws the same.

        Returns
        -------
        Answers
        """
        memory = self.memory(maps, z, scales)
        asked = self.ask(waves(radius)).expand(len(z), -1, -1)
        x = torch.cat((self.end.expand(len(z), 1, -1), asked), 1) + memory[:, :1]
        for layer in self.layers:
            x = layer(x, memory, self._mask(x, generator))
        x = self.norm(x)
        mu, log_scale = self.head(x[:, 1:]).float().unbind(-1)
        shape = self.shape_head(x[:, 1:]).float()
        end, end_log_scale = self.end_head(x[:, 0]).float().unbind(-1)
        return Answers(
            mu,
            log_scale.clamp(*LOG_SCALES),
            shape[..., 0].sigmoid(),
            shape[..., 1:],
            end + 3,
            end_log_scale.clamp(*LOG_SCALES),
        )

    def _mask(self, x, generator):
        if not (self.training and self.dropout > 0):
            return None
        kept = torch.rand(x.shape, generator=generator) >= self.dropout
        return kept.to(x.device, torch.float32).div_(1 - self.dropout)
