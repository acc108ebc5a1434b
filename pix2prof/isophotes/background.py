"""The sky of an image: its noise, its level, and whether it is seen at all."""

import math

import torch

from pix2prof.isophotes.ellipses import present, quantiles, sorted_last

BLOCK = 8
ANNULI = 32
MODEL_ERROR = 0.15
LEAST_BLOCKS = 100
FREE = 0.1
WINGS = ((1.0, 1.0), (2.0, 3.67))


def block_medians(images, block=BLOCK):
    """Medians of square blocks, NaN where over half of a block is missing.

    Parameters
    ----------
    images : torch.Tensor
        Shape (B, H, W), NaN where excluded.
    block : int
        Side [px].

    Returns
    -------
    medians : torch.Tensor
        Shape (B, H // block, W // block).
    x, y : torch.Tensor
        Block centres [px], shapes (W // block,) and (H // block,).
    """
    height, width = (n // block for n in images.shape[-2:])
    cut = images[:, : height * block, : width * block]
    tiles = cut.unflatten(1, (height, block)).unflatten(3, (width, block))
    tiles = tiles.transpose(2, 3).flatten(3)  # (B, h, w, block^2)
    count = present(tiles).sum(-1)
    medians = quantiles(sorted_last(tiles), count, (0.5,)).squeeze(-1)
    medians = torch.where(count * 2 >= block * block, medians, math.nan)
    steps = torch.arange(max(height, width), dtype=images.dtype, device=images.device)
    positions = block * steps + 0.5 * (block - 1)
    return medians, positions[:width], positions[:height]


def clipped_level(values, *, rounds=8, low=3.0, high=2.0):
    """Level and scatter of the bulk of a set of values with a tail to the bright side.

    Parameters
    ----------
    values : torch.Tensor
        Shape (B, M), NaN where missing.
    rounds : int
        Rounds of clipping.
    low, high : float
        Clipping on the faint and the bright side [standard deviations].

    Returns
    -------
    level, scatter, count : torch.Tensor
        Shape (B,); NaN, NaN and 0 where nothing is left.
    """
    ordered = sorted_last(values)
    n = ordered.shape[-1]
    rank = torch.arange(n, device=values.device)
    first = torch.zeros(len(values), dtype=torch.long, device=values.device)
    last = present(ordered).sum(-1)
    for _ in range(rounds):
        kept = last - first
        window = ordered.gather(-1, (first.unsqueeze(-1) + rank).clamp(max=n - 1))
        q16, q50, q84 = quantiles(window, kept, (0.16, 0.5, 0.84)).unbind(-1)
        scatter = torch.minimum(q50 - q16, q84 - q50)
        inside = (ordered >= (q50 - low * scatter)[:, None]) & (
            ordered <= (q50 + high * scatter)[:, None]
        )
        start = inside.to(torch.int8).argmax(-1)
        total = inside.sum(-1)
        first = torch.where(total > 2, start, first)
        last = torch.where(total > 2, start + total, last)
    return q50, scatter, last - first


def pixel_noise(images):
    """Standard deviation of the pixels of the sky, from differences of pixels two apart.

    Parameters
    ----------
    images : torch.Tensor
        Shape (B, H, W), NaN where excluded.

    Returns
    -------
    noise : torch.Tensor
        Shape (B,), the lower quartile over blocks; 0 for noise-free images.
    """
    difference = (images[:, ::2, 2:] - images[:, ::2, :-2])[:, :, ::2].abs()
    medians, _, _ = block_medians(difference, min(BLOCK, *difference.shape[-2:]))
    flat = sorted_last(medians.flatten(1))
    count = present(flat).sum(-1)
    low = quantiles(flat, count, (0.25,)).squeeze(-1)
    return torch.nan_to_num(low) / (0.6745 * math.sqrt(2)) * 1.03


def elliptical_radius(x, y, centre, ellipticity, pa):
    """Semi-major axis of the ellipse through each point.

    Parameters
    ----------
    x, y : torch.Tensor
        Positions, broadcastable to (B, H, W) [px].
    centre : torch.Tensor
        Shape (B, 2) [px].
    ellipticity, pa : torch.Tensor
        Broadcastable to (B, H, W); pa in radians.

    Returns
    -------
    radius : torch.Tensor
        Shape (B, H, W) [px].
    """
    dx = x - centre[:, 0, None, None]
    dy = y - centre[:, 1, None, None]
    cos, sin = torch.cos(pa), torch.sin(pa)
    along = dx * cos + dy * sin
    across = (dy * cos - dx * sin) / (1 - ellipticity)
    return torch.hypot(along, across)


def first_sky(images):
    """Level of the fainter blocks, its error, and whether there are any; each of shape (B,)."""
    thin = 2 if min(images.shape[-2:]) >= 256 else 1
    medians, _, _ = block_medians(images[:, ::thin, ::thin])
    level, scatter, count = clipped_level(medians.flatten(1))
    error = torch.nan_to_num(scatter) / count.clamp(min=1).sqrt()
    return torch.nan_to_num(level), error, count > 0


def sky_outside(levels, centre, ellipticity, pa, noise):
    """Sky level from the blocks around the galaxy, and from where its profile is going.

    The means of blocks are gathered in annuli that follow the galaxy's outer shape: means, as
    along the isophotes, since the noise of photons is skewed and the median of pixels lies 0.01
    of a standard deviation under their mean. Exponentials and Sersic laws of index 2 (`WINGS`),
    each with a constant, are fitted to the annuli for a range of scale lengths, and the constants
    averaged by their likelihood: where the galaxy ends within the image that is the level of the
    outer annuli, where it does not, an extrapolation with an error to match. The error holds the
    unevenness of the outer annuli.

    Parameters
    ----------
    levels : list of torch.Tensor
        `pix2prof.isophotes.contours.pyramid` of the images, NaN where excluded.
    centre : torch.Tensor
        Shape (B, 2) [px].
    ellipticity, pa : torch.Tensor
        Of the outer galaxy, shape (B,), pa in radians.
    noise : torch.Tensor
        Standard deviation of a pixel, shape (B,).

    Returns
    -------
    sky, error : torch.Tensor
        Shape (B,).
    gradient : torch.Tensor
        Of the sky along x and y, per pixel, shape (B, 2): the plane that what deviates from its
        annulus' level follows; 0 where the sky is not visible.
    visible : torch.Tensor
        Bool, shape (B,): whether the galaxy's light in the outermost annulus is under a third
        of a pixel's noise or a fiftieth of its light in the innermost.
    """
    index = min(max(int(math.log2(min(levels[0].shape[-2:]) / BLOCK)), 0), len(levels) - 1)
    shape = (centre, ellipticity, pa, noise, 2**index)
    *_, gradient, _ = _level_and_plane(levels[index], *shape)
    sky, error, more, visible = _level_and_plane(
        levels[index] - sum(_tilt(levels[index], 2**index, gradient, centre)), *shape
    )
    gradient = torch.where(visible.unsqueeze(-1), gradient + more, 0)
    return sky, error, gradient, visible


def _level_and_plane(means, centre, ellipticity, pa, noise, block):
    """As `sky_outside`, of the means of blocks."""
    radius, level, error, blocks = _annuli(means, centre, ellipticity, pa, noise, block)
    usable = present(level)
    level = torch.where(usable, level, 0)
    outside = slice(-max(1, level.shape[-1] // 3), None)
    outer = level[:, outside].sum(-1) / usable[:, outside].sum(-1).clamp(min=1)
    excess = (level - outer[:, None]).clamp(min=0)
    weight = usable / (error.square() + (MODEL_ERROR * excess).square() + 1e-24)
    scale = radius[:, -1:] * torch.logspace(-1.7, -0.3, 15).to(radius)  # (B, M)
    rings = radius.unsqueeze(1) / scale.unsqueeze(-1)
    fall = torch.cat([b * rings ** (1 / n) for n, b in WINGS], 1)
    shape = torch.exp(fall[..., :1] - fall)
    w, z = weight.unsqueeze(1), level.unsqueeze(1)
    s0, s1, s2 = w.sum(-1), (w * shape).sum(-1), (w * shape.square()).sum(-1)
    t0, t1 = (w * z).sum(-1), (w * z * shape).sum(-1)
    determinant = (s0 * s2 - s1 * s1).clamp(min=1e-30)
    determinant = torch.maximum(determinant, 1e-6 * s0 * s2)
    height = (s0 * t1 - s1 * t0) / determinant
    sky = (s2 * t0 - s1 * t1) / determinant
    rising = height <= 0
    height = torch.where(rising, 0, height)
    sky = torch.where(rising, t0 / s0.clamp(min=1e-30), sky)
    model = sky.unsqueeze(-1) + height.unsqueeze(-1) * shape
    odds = torch.softmax(-0.5 * (w * (z - model).square()).sum(-1), -1)
    best = (odds * sky).sum(-1)
    within = torch.where(rising, 1 / s0.clamp(min=1e-30), s2 / determinant)
    variance = (odds * (within + (sky - best[:, None]).square())).sum(-1)
    apart = (level - (odds.unsqueeze(-1) * model).sum(1))[:, outside].square()
    uneven = (apart * usable[:, outside]).sum(-1) / usable[:, outside].sum(-1).clamp(min=1)
    variance = variance + uneven
    left = (odds * height * shape[..., -1]).sum(-1)
    first = (odds * height).sum(-1)
    visible = (usable.sum(-1) >= 3) & ((left < noise / 3) | (left < 0.02 * first))
    limit = outer + FREE * noise + 2 * uneven.sqrt()
    empty = usable & (level < limit.unsqueeze(-1))
    gradient = _plane(*blocks, level, empty & visible.unsqueeze(-1))
    error = torch.nan_to_num(variance).clamp(min=0).sqrt()
    return torch.nan_to_num(best), error, gradient, visible


def _annuli(means, centre, ellipticity, pa, noise, block):
    """Mean radius, clipped level (NaN where empty), its error, (B, A); blocks for `_plane`."""
    steps = torch.arange(max(means.shape[-2:]), dtype=means.dtype, device=means.device)
    x, y = (block * steps[:n] + 0.5 * (block - 1) for n in means.shape[:0:-1])
    radius = elliptical_radius(
        x[None, None, :], y[None, :, None], centre, ellipticity[:, None, None], pa[:, None, None]
    )
    flat, radius = means.flatten(1), radius.flatten(1)
    order = radius.argsort(-1)
    n = flat.shape[-1]
    groups = min(ANNULI, max(2, n // 9)) if n > 3 else 1
    size = n // groups
    order = order[:, n - groups * size :]
    members, radius = (z.gather(-1, order).unflatten(-1, (groups, size)) for z in (flat, radius))
    place = torch.stack((x[order % len(x)], y[order // len(x)]), -1).unflatten(1, (groups, size))
    level, scatter, count = (
        z.unflatten(0, members.shape[:2]) for z in clipped_level(members.flatten(0, 1), high=2.5)
    )
    scatter = torch.maximum(torch.nan_to_num(scatter), (noise / block)[:, None])
    level = torch.where(count > 1, level, math.nan)
    error = 1.25 * scatter / count.clamp(min=1).sqrt()
    return radius.mean(-1), level, error, (members, place, scatter)


def _plane(values, place, scatter, level, empty):
    """Slopes along x and y (B, 2) of values (B, A, M) at `place` (B, A, M, 2), by annulus."""
    apart = values - level.unsqueeze(-1)
    good = (apart.abs() < 2.5 * scatter.unsqueeze(-1)) & empty.unsqueeze(-1)
    weight = good / scatter.square().clamp(min=1e-30).unsqueeze(-1)
    weight = weight / weight.sum((1, 2), keepdim=True).clamp(min=1e-30)
    whole = weight.sum(-1, keepdim=True).clamp(min=1e-30)
    apart = torch.where(good, apart, 0)
    apart = apart - (weight * apart).sum(-1, keepdim=True) / whole
    place = place - ((weight.unsqueeze(-1) * place).sum(2) / whole).unsqueeze(2)
    weighed = place * weight.unsqueeze(-1)
    matrix = torch.einsum("bami,bamj->bij", weighed, place)
    right = torch.einsum("bami,bam->bi", weighed, apart)
    ridge = 1e-3 * matrix.diagonal(dim1=-2, dim2=-1).sum(-1) + 1e-12
    matrix = matrix + ridge[:, None, None] * torch.eye(2).to(matrix)
    slopes = torch.linalg.solve(matrix, right.unsqueeze(-1)).squeeze(-1)
    enough = good.sum((1, 2)) >= LEAST_BLOCKS
    return torch.where(enough.unsqueeze(-1), torch.nan_to_num(slopes), 0)


def without_sky(levels, sky, gradient, centre):
    """A pyramid less a plane.

    Parameters
    ----------
    levels : list of torch.Tensor
        `pix2prof.isophotes.contours.pyramid` of images.
    sky : torch.Tensor
        Level at the centre, shape (B,).
    gradient : torch.Tensor
        Per pixel along x and y, shape (B, 2).
    centre : torch.Tensor
        Shape (B, 2) [px].

    Returns
    -------
    list of torch.Tensor
    """
    sky = sky[:, None, None]
    out = []
    for k, level in enumerate(levels):
        along, up = _tilt(level, 2**k, gradient, centre)
        out.append((level - (sky + along)).sub_(up))
    return out


def _tilt(level, block, gradient, centre):
    """A plane that is 0 at the centre, on a level of blocks: its parts along x and along y."""
    parts = []
    for axis, n in enumerate(level.shape[:0:-1]):
        steps = torch.arange(n, dtype=level.dtype, device=level.device)
        middle = block * steps + 0.5 * (block - 1)
        parts.append((middle - centre[:, axis, None]) * gradient[:, axis, None])
    return parts[0].unsqueeze(1), parts[1].unsqueeze(2)
