"""Ellipticity and position angle against radius: extended, smoothed, interpolated."""

import math
from dataclasses import dataclass, replace

import torch

from pix2prof.isophotes.ellipses import circle_angles, sorted_last

MAX_ELLIPTICITY = 0.92
FIT_RATIO = 1.12
EXTENDED = 1
INTERPOLATED = 2
GOOD_SIGMA = 0.15
OUTLIER = 0.2
STEP_SIGMA = 0.03
RIDGE = 1e-3
FLOOR_SIGMA = 0.02


@dataclass(frozen=True)
class Geometry:
    """Ellipses against radius.

    Attributes
    ----------
    sma : torch.Tensor
        Shape (N,) [px].
    e1, e2 : torch.Tensor
        ``e cos 2 pa`` and ``e sin 2 pa``, shape (B, N).
    error : torch.Tensor
        Standard error of either component, shape (B, N).
    weight : torch.Tensor
        Information the image itself holds on each component, shape (B, N); 0 where extended.
    flag : torch.Tensor
        Row flags, int, shape (B, N).
    """

    sma: torch.Tensor
    e1: torch.Tensor
    e2: torch.Tensor
    error: torch.Tensor
    weight: torch.Tensor
    flag: torch.Tensor

    @property
    def ellipticity(self):
        """``1 - b/a``, shape (B, N)."""
        return torch.hypot(self.e1, self.e2)

    @property
    def pa(self):
        """Position angle [rad], counter-clockwise from +x, in [0, pi), shape (B, N)."""
        return (0.5 * twice_pa(self.e1, self.e2)) % math.pi


def twice_pa(e1, e2):
    """Twice the position angle [rad], in (-pi, pi], whatever the place in the batch.

    Made in double precision and rounded: in single precision torch takes other code for the last
    elements of a tensor than for the rest, which differs in the last bit, and the fit grows that.
    """
    return torch.atan2(e2.double(), e1.double()).to(e1.dtype)


def limited(e1, e2):
    """Either component, shortened where the ellipticity exceeds `MAX_ELLIPTICITY`."""
    share = (MAX_ELLIPTICITY / torch.hypot(e1, e2).clamp(min=1e-12)).clamp(max=1.0)
    return e1 * share, e2 * share


def whittaker(target, weight, step_sigma=STEP_SIGMA, ridge=RIDGE):
    """Smooth series by minimising ``sum w (z - t)^2 + sum (dz)^2 / s^2``.

    Parameters
    ----------
    target : torch.Tensor
        Shape (B, N, C); rows with zero weight are filled from their neighbours.
    weight : torch.Tensor
        Inverse variances, shape (B, N).
    step_sigma : float
        Expected change from one row to the next.
    ridge : float
        Inverse variance of a weak prior at zero, which decides where no row has weight.

    Returns
    -------
    smooth : torch.Tensor
        Shape (B, N, C).
    """
    right = torch.where(weight.unsqueeze(-1) > 0, target * weight.unsqueeze(-1), 0)
    return torch.cholesky_solve(right, _factor(weight, step_sigma, ridge))


def smoothed_variance(weight, step_sigma=STEP_SIGMA, ridge=RIDGE):
    """Variance of each row of `whittaker`'s result, shape (B, N)."""
    inverse = torch.cholesky_inverse(_factor(weight, step_sigma, ridge))
    return inverse.diagonal(dim1=-2, dim2=-1)


def _factor(weight, step_sigma, ridge):
    n = weight.shape[-1]
    difference = torch.diff(torch.eye(n, dtype=weight.dtype, device=weight.device), dim=0)
    penalty = difference.T @ difference / step_sigma**2
    return torch.linalg.cholesky(torch.diag_embed(weight + ridge) + penalty)


def interpolate(geometry):
    """Replace badly fitted stretches by their neighbours'; flags them `INTERPOLATED`.

    Bad is a row without information of its own, or one whose ellipse is further than
    `OUTLIER` from the median of the five around it in ``e cos 2 pa`` or ``e sin 2 pa``.
    """
    e1, e2, weight = geometry.e1, geometry.e2, geometry.weight
    reach = _last_good(weight)
    bad = weight <= 0
    for e in (e1, e2):
        padded = torch.nn.functional.pad(e.unsqueeze(1), (2, 2), mode="replicate").squeeze(1)
        middle = sorted_last(padded.unfold(-1, 5, 1).contiguous())[..., 2]
        bad = bad | ((e - middle).abs() > OUTLIER)
    index = torch.arange(weight.shape[-1], device=weight.device)
    bad = bad & (index <= reach)
    smooth = whittaker(torch.stack((e1, e2), -1), torch.where(bad, 0, weight))
    e1 = torch.where(bad, smooth[..., 0], e1)
    e2 = torch.where(bad, smooth[..., 1], e2)
    flag = geometry.flag | bad.to(torch.int32) * INTERPOLATED
    return replace(geometry, e1=e1, e2=e2, flag=flag)


def extend(geometry):
    """Carry the last well-determined ellipse on to the edge; flags those rows `EXTENDED`.

    The last good row is the outermost whose own information pins either component down to
    `GOOD_SIGMA`; its ellipse and those of the two rows inside it are averaged.
    """
    weight = geometry.weight
    last = _last_good(weight)
    index = torch.arange(weight.shape[-1], device=weight.device)
    near = ((index <= last) & (index > last - 3)) * (weight + 1e-6)
    beyond = index > last
    parts = []
    for e in (geometry.e1, geometry.e2):
        held = (e * near).sum(-1, keepdim=True) / near.sum(-1, keepdim=True).clamp(min=1e-12)
        parts.append(torch.where(beyond, held, e))
    error = torch.where(beyond, geometry.error.gather(-1, last.clamp(min=0)), geometry.error)
    flag = geometry.flag | beyond.to(torch.int32) * EXTENDED
    return replace(geometry, e1=parts[0], e2=parts[1], error=error, flag=flag)


def uncross(geometry, rounds=12):
    """Smooth ellipses that cross their neighbours until they no longer do.

    Only rows that cross are changed, each round to the mean of themselves and their two
    neighbours, so that bars and slow twists stay.
    """
    e1, e2 = geometry.e1, geometry.e2
    angles = circle_angles(16, dtype=e1.dtype, device=e1.device) / 2
    for _ in range(rounds):
        e = torch.hypot(e1, e2).clamp(max=MAX_ELLIPTICITY).unsqueeze(-1)
        theta = 0.5 * twice_pa(e1, e2).unsqueeze(-1)
        across = torch.sin(angles - theta) / (1 - e)
        radius = geometry.sma[:, None] / torch.hypot(torch.cos(angles - theta), across)
        crossing = (radius[:, 1:] < radius[:, :-1]).any(-1)
        touched = torch.nn.functional.pad(crossing, (0, 1)) | torch.nn.functional.pad(
            crossing, (1, 0)
        )
        if not bool(touched.any()):
            break
        parts = []
        for z in (e1, e2):
            padded = torch.cat((z[:, :1], z, z[:, -1:]), 1)
            mean = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
            parts.append(torch.where(touched, mean, z))
        e1, e2 = parts
    return replace(geometry, e1=e1, e2=e2)


def _last_good(weight):
    """Index of the outermost row with `GOOD_SIGMA` of its own, 0 if there is none; (B, 1)."""
    index = torch.arange(weight.shape[-1], device=weight.device)
    good = weight >= GOOD_SIGMA**-2
    return torch.where(good, index, 0).amax(-1, keepdim=True)


def interpolate_rows(geometry, sma):
    """Ellipticity, position angle [rad] and error at other radii, linear in log radius.

    Parameters
    ----------
    geometry : Geometry
    sma : torch.Tensor
        Shape (T,) [px].

    Returns
    -------
    ellipticity, pa, error, flag : torch.Tensor
        Shape (B, T).
    """
    knots = geometry.sma
    position = torch.log(sma / knots[0]) / math.log(FIT_RATIO)
    position = position.clamp(0, len(knots) - 1)
    below = position.floor().long().clamp(max=len(knots) - 2)
    t = position - below
    e1, e2, error = (
        z[:, below] * (1 - t) + z[:, below + 1] * t
        for z in (geometry.e1, geometry.e2, geometry.error)
    )
    nearest = position.round().long()
    pa = (0.5 * twice_pa(e1, e2)) % math.pi
    return torch.hypot(e1, e2), pa, error, geometry.flag[:, nearest]
