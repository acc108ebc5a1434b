"""Other sources in the field: what stands out of the galaxy's own smooth light."""

import torch

from pix2prof.background import elliptical_radius
from pix2prof.ellipses import (
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
        `pix2prof.contours.pyramid` of sky-subtracted images, shape (B, H, W), NaN where excluded.
    centre : torch.Tensor
        Shape (B, 2) [px].
    geometry : pix2prof.geometry.Geometry
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
    smooth = torch.nn.functional.avg_pool2d(residual.unsqueeze(1), 3, 1, 1).squeeze(1)
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
    geometry : pix2prof.geometry.Geometry
    *series : torch.Tensor
        Shape (B, N).

    Returns
    -------
    list of torch.Tensor
        Shape (B, h, w), linear in log radius between the ellipses.
    """
    _, height, width = shape
    dtype, device = centre.dtype, centre.device
    x = 2 * torch.arange(width, dtype=dtype, device=device)[None, None, :] + 0.5
    y = 2 * torch.arange(height, dtype=dtype, device=device)[None, :, None] + 0.5
    zero = torch.zeros(len(centre), 1, 1, dtype=dtype, device=device)
    radius = elliptical_radius(x, y, centre, zero, zero)
    first, step = torch.log(geometry.sma[0]), torch.log(geometry.sma[1] / geometry.sma[0])
    last = len(geometry.sma) - 1
    ellipticity, pa = geometry.ellipticity, geometry.pa
    for _ in range(2):
        position = ((torch.log(radius.clamp(min=1e-3)) - first) / step).clamp(0, last)
        nearest = position.round().long().flatten(1)
        e, angle = (z.gather(1, nearest).reshape(radius.shape) for z in (ellipticity, pa))
        radius = elliptical_radius(x, y, centre, e, angle)
    position = ((torch.log(radius.clamp(min=1e-3)) - first) / step).clamp(0, last)
    below = position.floor().clamp(max=last - 1)
    t = position - below
    below = below.long().flatten(1)
    out = []
    for values in series:
        low = values.gather(1, below).reshape(radius.shape)
        high = values.gather(1, below + 1).reshape(radius.shape)
        out.append(low + t * (high - low))
    return out


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
