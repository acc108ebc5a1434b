"""Other sources in the field: what stands out of the galaxy's own smooth light."""

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

THRESHOLD = 4.0
OWN_SCATTER = 0.1


def source_mask(levels, centre, geometry, noise):
    """Find other sources without eating the galaxy's knots, arms and core.

    The galaxy, painted from the medians along its fitted ellipses, is taken off the image at half
    resolution; a source is where the mean of 3 x 3 of those pixels exceeds `THRESHOLD` times the
    noise and the galaxy's own scatter at that radius, added in quadrature.

    Parameters
    ----------
    levels : list of torch.Tensor
        `pix2prof.isophotes.contours.pyramid` of sky-subtracted images, shape (B, H, W), NaN where
        excluded.
    centre : torch.Tensor
        Shape (B, 2) [px].
    geometry : pix2prof.isophotes.geometry.Geometry
    noise : torch.Tensor
        Standard deviation of a pixel, shape (B,).

    Returns
    -------
    mask : torch.Tensor
        Bool, shape (B, H, W).
    """
    images, half = levels[:2]
    angles = circle_angles(64, dtype=images.dtype, device=images.device)
    x, y = ellipse_points(centre, geometry.sma, geometry.e1, geometry.e2, angles)
    values = sample(half, (x - 0.5) / 2, (y - 0.5) / 2)
    count = present(values).sum(-1)
    low, middle, high = quantiles(sorted_last(values), count, (0.16, 0.5, 0.84)).unbind(-1)
    spread = torch.maximum(middle - low, high - middle)
    own = (spread.square() - (0.35 * noise).square()[:, None]).clamp(min=0).sqrt()
    own = torch.nan_to_num(torch.hypot(own, OWN_SCATTER * middle))
    model, scatter = paint(half.shape, centre, geometry, torch.nan_to_num(middle), own)
    residual = torch.nan_to_num(half - model)
    smooth = _mean_3x3(residual)
    sigma = torch.hypot(scatter, (noise / 6)[:, None, None].expand_as(scatter))
    found = grow(smooth > THRESHOLD * sigma, 2)
    full = found.repeat_interleave(2, -1).repeat_interleave(2, -2)
    height, width = images.shape[-2:]
    return torch.nn.functional.pad(full, (0, width - full.shape[-1], 0, height - full.shape[-2]))


def paint(shape, centre, geometry, *series):
    """Images at half resolution of quantities known at a geometry's radii.

    Parameters
    ----------
    shape : tuple of int
        (B, h, w).
    centre : torch.Tensor
        In full-size pixels, shape (B, 2).
    geometry : pix2prof.isophotes.geometry.Geometry
    *series : torch.Tensor
        Shape (B, N).

    Returns
    -------
    list of torch.Tensor
        Shape (B, h, w), linear in log radius between the ellipses.
    """
    _, height, width = shape
    dtype, device = centre.dtype, centre.device
    dx = 2 * torch.arange(width, dtype=dtype, device=device) + 0.5 - centre[:, :1]
    dy = 2 * torch.arange(height, dtype=dtype, device=device) + 0.5 - centre[:, 1:]
    dx, dy = dx.unsqueeze(1), dy.unsqueeze(2)
    xx, xy, yy = dx.square(), dx * dy, dy.square()
    first, step = math.log(geometry.sma[0]), math.log(geometry.sma[1] / geometry.sma[0])
    last = len(geometry.sma) - 1
    cos, sin = torch.cos(geometry.pa), torch.sin(geometry.pa)
    stretch = (1 - geometry.ellipticity) ** -2
    form = (
        cos.square() + stretch * sin.square(),
        2 * (1 - stretch) * cos * sin,
        sin.square() + stretch * cos.square(),
    )

    def position(square):
        return square.clamp(min=1e-6).log().sub_(2 * first).div_(2 * step).clamp_(0, last)

    square = xx + yy
    for _ in range(2):
        nearest = position(square).round_().long().flatten(1)
        a, b, c = (z.gather(1, nearest).reshape(square.shape) for z in form)
        square = a.mul_(xx).addcmul_(b, xy).addcmul_(c, yy)
    t = position(square)
    below = t.floor().clamp_(max=last - 1)
    t = t.sub_(below)
    below = below.long().flatten(1)
    out = []
    for values in series:
        low = values.gather(1, below).reshape(square.shape)
        rise = torch.diff(values).gather(1, below).reshape(square.shape)
        out.append(low.addcmul_(t, rise))
    return out


def _mean_3x3(images):
    """Mean of each pixel and its eight neighbours, zero outside; shape (B, h, w)."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9


def grow(mask, rounds=1):
    """Dilate a boolean mask (B, h, w) by `rounds` pixels, corners included."""
    for _ in range(rounds):
        tall = mask.clone()
        tall[:, 1:] |= mask[:, :-1]
        tall[:, :-1] |= mask[:, 1:]
        mask = tall.clone()
        mask[:, :, 1:] |= tall[:, :, :-1]
        mask[:, :, :-1] |= tall[:, :, 1:]
    return mask
