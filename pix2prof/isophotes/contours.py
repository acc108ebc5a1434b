"""The fit of ellipses to a batch of images: sampling, harmonics, corrections."""

import math

import torch

from pix2prof.isophotes.ellipses import (
    circle_angles,
    ellipse_points,
    present,
    quantiles,
    sample,
    sorted_last,
)
from pix2prof.isophotes.geometry import (
    FIT_RATIO,
    FLOOR_SIGMA,
    Geometry,
    limited,
    smoothed_variance,
    whittaker,
)

FIT_START = 1.5
N_ANGLES = 192
N_COARSE = 48
RING_WIDTH = 0.1
LEAST_SHARE = 0.4
STEEPEST = 8.0
REFINED = 0.5
DAMPED = (0.4, 0.1)
CLIP = 4.0
CLIP_SHARE = 0.25
N_LEVELS = 4
POOL_FROM = ((1, 0.0), (2, 24.0), (4, 96.0), (8, 192.0))


def fit_radii(shape, *, dtype=torch.float32, device=None):
    """Semi-major axes of the fitted ellipses [px], a geometric series out to the corners."""
    outer = 0.5 * math.hypot(*shape)
    n = max(4, 1 + math.ceil(math.log(outer / FIT_START) / math.log(FIT_RATIO)))
    steps = torch.arange(n, dtype=dtype, device=device)
    return FIT_START * FIT_RATIO**steps


def pyramid(images, n_levels=N_LEVELS):
    """Block means over valid pixels, each level half the size of the one before.

    Parameters
    ----------
    images : torch.Tensor
        Shape (B, H, W), NaN where excluded.
    n_levels : int
        Number of levels at most; images are not brought under 2 px.

    Returns
    -------
    levels : list of torch.Tensor
        `images`, then means over 2 x 2, 4 x 4, ... pixels, NaN where more than half of a block is
        missing.
    """
    total, share = images, None
    if bool(torch.isnan(images.sum())):
        total, share = torch.nan_to_num(images), present(images).view(torch.uint8)
    levels = [images]
    for level in range(1, n_levels):
        if min(total.shape[-2:]) < 4:
            break
        total = _sum_blocks(total)
        if share is None:
            levels.append(total / 4**level)
            continue
        share = _sum_blocks(share)
        enough = torch.where(share < 0.5 * 4**level, math.nan, share.to(total.dtype))
        levels.append(total / enough)
    return levels


def _sum_blocks(images):
    height, width = (n // 2 * 2 for n in images.shape[-2:])
    rows = images[:, 0:height:2, :width] + images[:, 1:height:2, :width]
    return rows[:, :, 0::2] + rows[:, :, 1::2]


def sample_rings(levels, centre, sma, e1, e2, angles):
    """Sample each ring from the level of the pyramid that suits its radius; (B, N, K)."""
    starts = [*(start for _, start in POOL_FROM[: len(levels)]), math.inf]
    parts = []
    for (scale, _), image, low, high in zip(
        POOL_FROM, levels, starts[:-1], starts[1:], strict=False
    ):
        chosen = (sma[:, 0] >= low) & (sma[:, 0] < high)
        if not bool(chosen.any()):
            continue
        x, y = ellipse_points(centre, sma[chosen], e1[:, chosen], e2[:, chosen], angles)
        offset = 0.5 * (scale - 1)
        parts.append(sample(image, (x - offset) / scale, (y - offset) / scale))
    return torch.cat(parts, 1)


def harmonics(values, angles):
    """Robust harmonics of orders 0, 1, 2 along each ring.

    What exceeds the median by over `CLIP` times the spread and a share of the median itself is
    left out. The share keeps the galaxy's own knots in whether or not there is noise: cut by the
    spread alone, they were out of a noise-free fit and in a noisy one.

    Parameters
    ----------
    values : torch.Tensor
        Samples, NaN where missing, shape (B, N, K).
    angles : torch.Tensor
        On the circle, shape (K,).

    Returns
    -------
    coefficients : torch.Tensor
        Of 1 and of cosine and sine of once and twice the angle; shape (B, N, 5).
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
    count = present(values).sum(-1)
    low, middle, high = quantiles(sorted_last(values), count, (0.16, 0.5, 0.84)).unbind(-1)
    spread = torch.minimum(middle - low, high - middle).unsqueeze(-1)
    deviation = values - middle.unsqueeze(-1)
    wide = CLIP * (spread + CLIP_SHARE * middle.abs().unsqueeze(-1))
    weight = ((deviation > -1.25 * wide) & (deviation < wide)).to(values.dtype)
    empty = weight.sum(-1, keepdim=True) < 6
    weight = torch.where(empty, present(values).to(values.dtype), weight)
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


def gradient(profile, sma, seen):
    """Outward fall ``-dI/da`` from two neighbours on either side, one-sided at the ends.

    Parameters
    ----------
    profile : torch.Tensor
        Shape (B, N).
    sma : torch.Tensor
        Shape (N,) [px].
    seen : torch.Tensor
        Bool, shape (B, N): rows within the image.

    Returns
    -------
    fall : torch.Tensor
        Shape (B, N).
    """
    index = torch.arange(profile.shape[-1], device=profile.device).expand_as(profile)
    last = torch.where(seen, index, 0).amax(-1, keepdim=True)
    inner = [(index - k).clamp(min=0) for k in (1, 2)]
    outer = [torch.minimum(index + k, torch.maximum(last, index)) for k in (1, 2)]
    fall = sum(profile.gather(-1, i) for i in inner) - sum(profile.gather(-1, o) for o in outer)
    return fall / (sum(sma[o] for o in outer) - sum(sma[i] for i in inner))


def fit(levels, centre, *, start=0.2, iterations=20, fine=5):
    """Fit ellipses about a fixed centre to every image at once.

    The second-order harmonics along each ellipse are turned into corrections of ellipticity
    and position angle [1]_, all radii in step, and the correction of each radius is weighed by
    its own information against its neighbours', so that where the signal ends the last good
    geometry is extended [2]_. Samples that are missing are replaced by those half a turn away.
    The later half of the corrections is damped more and more, those of a fit that starts from a
    geometry from the first on, since where noise rules they go round in circles.

    Parameters
    ----------
    levels : list of torch.Tensor
        `pyramid` of sky-subtracted images of shape (B, H, W), NaN where excluded.
    centre : torch.Tensor
        Shape (B, 2) [px].
    start : float or Geometry
        Ellipticity, or geometry, to start from.
    iterations : int
        Number of corrections.
    fine : int
        The last of them made with `N_ANGLES` samples an ellipse; the others take `N_COARSE`.

    Returns
    -------
    Geometry

    References
    ----------
    .. [1] Jedrzejewski 1987, MNRAS 226, 747, equations 5-8.
    .. [2] Courteau 1996, ApJS 103, 363.
    """
    images = levels[0]
    sma = fit_radii(images.shape[-2:], dtype=images.dtype, device=images.device)
    if isinstance(start, Geometry):
        e1, e2, early = start.e1, start.e2, REFINED
    else:
        early = 1.0
        e1 = torch.full((len(images), len(sma)), float(start)).to(images)
        e2 = torch.zeros_like(e1)
    profile = fall = None
    for step in range(iterations):
        n_angles = N_ANGLES if step >= iterations - fine else N_COARSE
        new1, new2, profile, fall, weight = _correct(
            levels, centre, sma, e1, e2, profile, fall, n_angles
        )
        late = 2 * step / iterations - 1
        share = early if late < 0 else DAMPED[0] * (DAMPED[1] / DAMPED[0]) ** late
        e1, e2 = e1 + share * (new1 - e1), e2 + share * (new2 - e2)
    flag = torch.zeros_like(weight, dtype=torch.int32)
    random = smoothed_variance(weight) * (1 - weight * FLOOR_SIGMA**2).clamp(min=1e-6)
    return Geometry(sma, e1, e2, random.sqrt(), weight, flag)


def _correct(levels, centre, sma, e1, e2, profile, fall, n_angles):
    angles = circle_angles(n_angles, dtype=sma.dtype, device=sma.device)
    e1, e2 = limited(e1, e2)
    ellipticity = torch.hypot(e1, e2)
    pattern = torch.arange(n_angles, device=sma.device) % 3 - 1
    stretch = 1 + RING_WIDTH * pattern.to(sma.dtype)
    values = sample_rings(levels, centre, sma[:, None] * stretch, e1, e2, angles)
    values = torch.where(present(values), values, values.roll(n_angles // 2, -1))
    if fall is not None:
        values = values + _across(profile, fall, sma, stretch - 1)
    coefficients, scatter, share = harmonics(values, angles)
    profile = coefficients[..., 0]
    fall = gradient(profile, sma, share > LEAST_SHARE)
    q = 1 - ellipticity
    rings = sma * torch.ones_like(fall)
    independent = (math.pi * rings * (1 + q)).clamp(max=float(n_angles)) * share
    error = scatter * (2 / independent.clamp(min=1)).sqrt()
    fall_error = error / (0.4 * rings)
    steep = fall.clamp(min=1e-12) * rings
    good = (fall > 2 * fall_error) & (share > LEAST_SHARE)
    length = ellipticity.clamp(min=1e-12)
    cos, sin = torch.where(ellipticity > 1e-12, e1 / length, 1), e2 / length
    cosine, sine = coefficients[..., 3], coefficients[..., 4]
    radial = 2 * q * (cosine * cos + sine * sin) / steep
    tangential = 4 * q * (sine * cos - cosine * sin) / (steep * (1 + q))
    radial, tangential = (torch.where(good, z, 0) for z in (radial, tangential))
    length = torch.hypot(radial, tangential).clamp(min=1e-12)
    limit = (0.15 / length).clamp(max=1.0)
    radial, tangential = radial * limit, tangential * limit
    target1 = e1 + radial * cos - tangential * sin
    target2 = e2 + radial * sin + tangential * cos
    sigma = 2 * q * error / steep
    weight = torch.where(good, 1 / (sigma.square() + FLOOR_SIGMA**2), 0)
    weight = torch.where(weight > 1, weight, 0)
    smooth = whittaker(torch.stack((target1, target2), -1), weight)
    e1, e2 = (torch.nan_to_num(z) for z in limited(*smooth.unbind(-1)))
    return e1, e2, profile, fall, weight


def _across(profile, fall, sma, shift):
    """What light loses from each ellipse to the ring's radii, exponentially; (B, N, K)."""
    reach = 1.5 * math.log(FIT_RATIO)
    drop = fall * sma
    slope = torch.asinh(reach * drop / profile) / reach
    slope = torch.where((profile > 0) & (slope.abs() < STEEPEST), slope, 0).unsqueeze(-1)
    exponential = profile.unsqueeze(-1) * (1 - torch.exp(-slope * shift))
    return torch.where(slope != 0, exponential, drop.unsqueeze(-1) * shift)
