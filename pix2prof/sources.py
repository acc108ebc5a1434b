"""What an astronomer supplies before the isophotes: sky and mask."""

import math

import torch

from .ellipses import quantiles, sorted_last

BLOCK = 8


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
    count = torch.isfinite(tiles).sum(-1)
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
    last = torch.isfinite(ordered).sum(-1)
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
    medians, _, _ = block_medians(difference, BLOCK)
    flat = sorted_last(medians.flatten(1))
    count = torch.isfinite(flat).sum(-1)
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
        Shape (B,) or broadcastable to (B, H, W); pa in radians.

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


def sky_outside(images, centre, ellipticity, pa, noise):
    """Sky level and error from the blocks beyond the galaxy.

    The median block in elliptical annuli falls outward until it is flat; the sky is the clipped
    level beyond the innermost annulus from which on the annuli agree.

    Parameters
    ----------
    images : torch.Tensor
        Shape (B, H, W), NaN where excluded.
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
    visible : torch.Tensor
        Bool, shape (B,): whether the profile levels off within the image.
    """
    medians, x, y = block_medians(images)
    radius = elliptical_radius(
        x[None, None, :], y[None, :, None], centre, ellipticity[:, None, None], pa[:, None, None]
    )
    flat, radius = medians.flatten(1), radius.flatten(1)
    order = radius.argsort(-1)
    flat = flat.gather(-1, order)
    n = flat.shape[-1]
    groups = 12
    size = max(1, n // groups)
    annuli = flat[:, n - (n // size) * size :].unflatten(-1, (-1, size))
    level, scatter, count = (z.unflatten(0, annuli.shape[:2]) for z in clipped_level(annuli.flatten(0, 1)))
    error = 1.25 * scatter / count.clamp(min=1).sqrt()
    outermost = level[:, -3:].median(-1).values
    excess = level - outermost[:, None]
    agree = excess < (2.0 * torch.hypot(error, error[:, -3:].mean(-1, keepdim=True)))
    tail = agree.flip(-1).cumprod(-1).sum(-1).clamp(min=2)
    start = (len(annuli[0]) - tail).unsqueeze(-1)
    used = torch.arange(annuli.shape[1], device=images.device) >= start
    chosen = torch.where(used.unsqueeze(-1), annuli, math.nan).flatten(1)
    sky, scatter, count = clipped_level(chosen, high=2.5)
    error = 1.25 * scatter / count.clamp(min=1).sqrt()
    return torch.nan_to_num(sky), torch.nan_to_num(error), tail >= 4


def source_mask(images, model, scatter, noise, *, threshold=4.0):
    """Mask of what stands out of the galaxy's smooth light, at twice the pixel size.

    Parameters
    ----------
    images, model : torch.Tensor
        Image means over 2 x 2 pixels and the smooth galaxy there, shape (B, h, w).
    scatter : torch.Tensor
        The galaxy's own scatter about its isophotes, shape (B, h, w).
    noise : torch.Tensor
        Standard deviation of a pixel, shape (B,).
    threshold : float
        In standard deviations of a 3 x 3 mean.

    Returns
    -------
    mask : torch.Tensor
        Bool, shape (B, h, w).
    """
    residual = torch.nan_to_num(images - model)
    smooth = torch.nn.functional.avg_pool2d(residual.unsqueeze(1), 3, 1, 1).squeeze(1)
    sigma = torch.hypot(scatter, (noise / 6)[:, None, None] + 0 * scatter)
    found = smooth > threshold * sigma
    for _ in range(2):
        found = _dilate(found)
    return found


def _dilate(mask):
    out = mask.clone()
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    wide = out.clone()
    wide[:, :, 1:] |= out[:, :, :-1]
    wide[:, :, :-1] |= out[:, :, 1:]
    return wide
