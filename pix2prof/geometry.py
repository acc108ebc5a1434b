"""Ellipticity and position angle against radius: fit, extend, smooth, interpolate."""

import math
from dataclasses import dataclass

import torch

from .ellipses import eccentric_angles, ellipse_points, quantiles, sample, sorted_last

MAX_ELLIPTICITY = 0.92
FIT_RATIO = 1.12
FIT_START = 1.5
N_ANGLES = 96
RING_WIDTH = 0.03
POOL_FROM = ((1, 0.0), (2, 16.0), (4, 64.0), (8, 128.0))
STEP_SIGMA = 0.05
FLOOR_SIGMA = 0.01


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
        return (0.5 * torch.atan2(self.e2, self.e1)) % math.pi


def fit_radii(shape, *, dtype=torch.float32, device=None):
    """Semi-major axes of the fitted ellipses [px], a geometric series out to the corners."""
    outer = 0.5 * math.hypot(*shape)
    n = max(4, 1 + math.ceil(math.log(outer / FIT_START) / math.log(FIT_RATIO)))
    steps = torch.arange(n, dtype=dtype, device=device)
    return FIT_START * FIT_RATIO**steps


def pyramid(images, levels=tuple(level for level, _ in POOL_FROM)):
    """Block means over valid pixels; NaN where more than half of a block is missing."""
    valid = torch.isfinite(images)
    filled = torch.where(valid, images, 0).unsqueeze(1)
    share = valid.to(images.dtype).unsqueeze(1)
    out = []
    for level in levels:
        if level == 1:
            out.append(images)
            continue
        if min(images.shape[-2:]) < 2 * level:
            break
        total = torch.nn.functional.avg_pool2d(filled, level).squeeze(1)
        part = torch.nn.functional.avg_pool2d(share, level).squeeze(1)
        out.append(torch.where(part >= 0.5, total / part, math.nan))
    return out


def sample_rings(levels, centre, sma, ellipticity, pa, angles):
    """Sample each ring from the level of the pyramid that suits its radius; (B, N, K)."""
    starts = [start for _, start in POOL_FROM][: len(levels)] + [math.inf]
    parts = []
    for (scale, _), image, low, high in zip(
        POOL_FROM, levels, starts[:-1], starts[1:], strict=False
    ):
        chosen = (sma[:, 0] >= low) & (sma[:, 0] < high)
        if not bool(chosen.any()):
            continue
        x, y = ellipse_points(
            centre, torch.ones_like(sma[chosen, 0]), ellipticity[:, chosen], pa[:, chosen], angles
        )
        x = centre[:, 0, None, None] + (x - centre[:, 0, None, None]) * sma[chosen]
        y = centre[:, 1, None, None] + (y - centre[:, 1, None, None]) * sma[chosen]
        offset = 0.5 * (scale - 1)
        parts.append(sample(image, (x - offset) / scale, (y - offset) / scale))
    return torch.cat(parts, 1)


def harmonics(values, angles):
    """Robust harmonics of orders 0, 1, 2 along each ring.

    Parameters
    ----------
    values : torch.Tensor
        Samples, NaN where missing, shape (B, N, K).
    angles : torch.Tensor
        Eccentric anomalies, shape (K,).

    Returns
    -------
    coefficients : torch.Tensor
        Of 1, cos E, sin E, cos 2E, sin 2E; shape (B, N, 5).
    scatter : torch.Tensor
        Root mean square about them, shape (B, N).
    share : torch.Tensor
        Share of the samples used, shape (B, N).
    """
    basis = torch.stack(
        (
            torch.ones_like(angles),
            torch.cos(angles),
            torch.sin(angles),
            torch.cos(2 * angles),
            torch.sin(2 * angles),
        ),
        -1,
    )
    count = torch.isfinite(values).sum(-1)
    low, middle, high = quantiles(sorted_last(values), count, (0.16, 0.5, 0.84)).unbind(-1)
    spread = torch.minimum(middle - low, high - middle).unsqueeze(-1)
    deviation = values - middle.unsqueeze(-1)
    weight = ((deviation > -5 * spread) & (deviation < 4 * spread)).to(values.dtype)
    empty = weight.sum(-1, keepdim=True) < 6
    weight = torch.where(empty, torch.isfinite(values).to(values.dtype), weight)
    filled = torch.where(weight > 0, deviation, 0)
    products = (basis.unsqueeze(-1) * basis.unsqueeze(-2)).flatten(1)  # (K, 25)
    matrix = (weight @ products).unflatten(-1, (5, 5))
    n = weight.sum(-1)
    ridge = (1e-3 * n + 1e-3).unsqueeze(-1) * torch.ones(5, dtype=values.dtype).to(values.device)
    ridge[..., 0] = 1e-6
    right = (filled * weight) @ basis
    solved = torch.linalg.solve(matrix + torch.diag_embed(ridge), right.unsqueeze(-1)).squeeze(-1)
    residual = (filled - solved @ basis.T) * weight
    scatter = (residual.square().sum(-1) / (n - 5).clamp(min=1)).sqrt()
    zero = torch.where(count > 0, middle, 0)
    coefficients = torch.cat(((solved[..., :1] + zero.unsqueeze(-1)), solved[..., 1:]), -1)
    return coefficients, scatter, n / values.shape[-1]


def gradient(profile, sma):
    """Outward fall ``-dI/da`` from two neighbours on either side; shapes (B, N), (N,)."""
    n = profile.shape[-1]
    index = torch.arange(n, device=profile.device)
    inner = [(index - k).clamp(min=0) for k in (1, 2)]
    outer = [(index + k).clamp(max=n - 1) for k in (1, 2)]
    fall = sum(profile[:, i] for i in inner) - sum(profile[:, o] for o in outer)
    width = sum(sma[o] for o in outer) - sum(sma[i] for i in inner)
    return fall / width


def whittaker(target, weight, step_sigma=STEP_SIGMA, ridge=1e-3):
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
    inverse : torch.Tensor
        Variance of each row given the model, shape (B, N).
    """
    n = target.shape[1]
    difference = torch.diff(torch.eye(n, dtype=target.dtype, device=target.device), dim=0)
    penalty = difference.T @ difference / step_sigma**2
    matrix = torch.diag_embed(weight + ridge) + penalty
    right = torch.where(weight.unsqueeze(-1) > 0, target * weight.unsqueeze(-1), 0)
    factor = torch.linalg.cholesky(matrix)
    smooth = torch.cholesky_solve(right, factor)
    variance = torch.cholesky_inverse(factor).diagonal(dim1=-2, dim2=-1)
    return smooth, variance


def fit(images, centre, *, start=0.2, iterations=24, radii=None):
    """Fit ellipses about a fixed centre to every image at once.

    The second-order harmonics along each ellipse are turned into corrections of ellipticity
    and position angle [1]_, all radii in step, and the correction of each radius is weighed by
    its own information against its neighbours', so that where the signal ends the last good
    geometry is extended [2]_.

    Parameters
    ----------
    images : torch.Tensor
        Sky-subtracted, NaN where excluded, shape (B, H, W).
    centre : torch.Tensor
        Shape (B, 2) [px].
    start : float
        Ellipticity to start from.
    iterations : int
        Number of corrections.
    radii : torch.Tensor, optional
        Semi-major axes [px], shape (N,). Default: `fit_radii`.

    Returns
    -------
    Geometry

    References
    ----------
    .. [1] Jedrzejewski 1987, MNRAS 226, 747, equations 5-8.
    .. [2] Courteau 1996, ApJS 103, 363.
    """
    dtype, device = images.dtype, images.device
    sma = fit_radii(images.shape[-2:], dtype=dtype, device=device) if radii is None else radii
    levels = pyramid(images)
    shape = (len(images), len(sma))
    e1 = torch.full(shape, float(start), dtype=dtype, device=device)
    e2 = torch.zeros(shape, dtype=dtype, device=device)
    fall = None
    for step in range(iterations):
        n_angles = N_ANGLES if 3 * step >= iterations else N_ANGLES // 2
        e1, e2, fall, weight, variance, scatter = _correct(
            levels, centre, sma, e1, e2, fall, n_angles
        )
    flag = (weight <= 0).to(torch.int32) * EXTENDED
    return Geometry(sma, e1, e2, variance.sqrt(), weight, flag)


EXTENDED = 1
INTERPOLATED = 2


def _correct(levels, centre, sma, e1, e2, fall, n_angles):
    angles = eccentric_angles(n_angles, dtype=sma.dtype, device=sma.device)
    ellipticity = torch.hypot(e1, e2).clamp(max=MAX_ELLIPTICITY)
    twice = torch.atan2(e2, e1)
    pattern = torch.arange(n_angles, device=sma.device) % 3 - 1
    stretch = 1 + RING_WIDTH * pattern.to(sma.dtype)
    values = sample_rings(
        levels, centre, sma[:, None] * stretch, ellipticity, 0.5 * twice, angles
    )
    if fall is not None:
        values = values + fall.unsqueeze(-1) * (sma[:, None] * (stretch - 1))
    coefficients, scatter, share = harmonics(values, angles)
    profile = coefficients[..., 0]
    fall = gradient(profile, sma)
    q = 1 - ellipticity
    rings = sma * torch.ones_like(fall)
    independent = (math.pi * rings * (1 + q)).clamp(max=float(n_angles)) * share
    error = scatter * (2 / independent.clamp(min=1)).sqrt()
    fall_error = error / (0.4 * rings)
    steep = fall.clamp(min=1e-12) * rings
    good = (fall > 2 * fall_error) & (share > 0.4)
    radial = torch.where(good, 2 * q * coefficients[..., 3] / steep, 0)
    tangential = torch.where(good, 4 * q * coefficients[..., 4] / (steep * (1 + q)), 0)
    length = torch.hypot(radial, tangential).clamp(min=1e-12)
    limit = (0.15 / length).clamp(max=1.0)
    radial, tangential = radial * limit, tangential * limit
    cos, sin = torch.cos(twice), torch.sin(twice)
    target1 = ellipticity * cos + radial * cos - tangential * sin
    target2 = ellipticity * sin + radial * sin + tangential * cos
    sigma = 2 * q * error / steep
    weight = torch.where(good, 1 / (sigma.square() + FLOOR_SIGMA**2), 0)
    weight = torch.where(weight > 1, weight, 0)
    smooth, variance = whittaker(torch.stack((target1, target2), -1), weight)
    e1, e2 = smooth.unbind(-1)
    length = torch.hypot(e1, e2).clamp(min=1e-12)
    limit = (MAX_ELLIPTICITY / length).clamp(max=1.0)
    return e1 * limit, e2 * limit, fall, weight, variance, scatter


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
    pa = (0.5 * torch.atan2(e2, e1)) % math.pi
    return torch.hypot(e1, e2), pa, error, geometry.flag[:, nearest]
