"""What the image says at each radius of a galaxy, as the reader takes it."""

import math
from typing import NamedTuple

import torch
from torch.nn import functional

from ..isophotes.measured import Flag
from ..profiles import RowFlag
from ..sdss import ZEROPOINT

N_FEATURES = 18
N_GLOBAL = 8
MU_MIDDLE, MU_SCALE = 23.0, 3.0
FLAGS = (RowFlag.EXTENDED, RowFlag.INTERPOLATED, RowFlag.PARTIAL, RowFlag.BELOW_CUT)


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
        See `pix2prof.isophote_network.reader.node_rows`.

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
