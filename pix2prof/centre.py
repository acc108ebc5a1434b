"""The centre of a galaxy: where its light is most nearly its own image under half a turn."""

import math

import torch

from .ellipses import quantiles, sample, sorted_last
from .geometry import pyramid

WINDOWS = (32.0, 16.0, 8.0, 4.0, 2.5)
GRID = 25
REACH = 2.0
IRREGULAR = (0.01, 0.3)
NOISE_SHARE = 0.25
DRIFT = 0.05
PRIOR = 0.12


def find_centre(images, noise, *, start=None):
    """Centre of the galaxy nearest the middle of the image.

    Small sources are taken out by a median filter, the brightest of what is left, with
    preference for the middle, is the start. From there the point is sought about which the image
    is most symmetric under half a turn, within a window that narrows from 32 to 2.5 px: stars and
    star-forming knots have no counterpart opposite and so lose their weight, where the brightest
    pixel or the centroid would follow them.

    Parameters
    ----------
    images : torch.Tensor
        Sky-subtracted, NaN where excluded, shape (B, H, W).
    noise : torch.Tensor
        Standard deviation of a pixel, shape (B,).
    start : torch.Tensor, optional
        Where to begin, (x, y) px, shape (B, 2). Default: by the median filter.

    Returns
    -------
    centre : torch.Tensor
        (x, y) [px], shape (B, 2).
    error : torch.Tensor
        Standard error from the fit and from the disagreement of the scales [px], shape (B,).
    """
    centre = coarse_centre(images) if start is None else start
    levels = pyramid(images, (1, 2, 4, 8))
    error = torch.full_like(noise, WINDOWS[0])
    path = []
    for window in WINDOWS:
        index = min(max(0, int(math.log2(window / 4))), len(levels) - 1)
        loose = torch.hypot(2 * error, torch.full_like(error, DRIFT * window)).clamp(max=window)
        centre, error = symmetric_centre(
            levels[index], 2**index, centre, loose, window, noise / 2**index
        )
        path.append(centre)
    shift = (path[-1] - path[-3]).norm(dim=-1)
    return centre, torch.hypot(error, 0.3 * shift)


def coarse_centre(images):
    """Brightest place near the middle after a median filter of 20 px; (x, y), shape (B, 2)."""
    height, width = images.shape[-2:]
    side = min(height, width)
    block = 4 if side >= 128 else 2
    low = pyramid(images, (1, block))[-1]
    padded = torch.nn.functional.pad(
        torch.nan_to_num(low).unsqueeze(1), (2, 2, 2, 2), mode="replicate"
    )
    tiles = padded.unfold(2, 5, 1).unfold(3, 5, 1).flatten(4).squeeze(1)
    smooth = sorted_last(tiles)[..., 12]
    x = block * torch.arange(low.shape[-1], dtype=low.dtype, device=low.device) + 0.5 * (block - 1)
    y = block * torch.arange(low.shape[-2], dtype=low.dtype, device=low.device) + 0.5 * (block - 1)
    dx, dy = x - 0.5 * (width - 1), y - 0.5 * (height - 1)
    prior = torch.exp(-0.5 * (dx.square()[None, :] + dy.square()[:, None]) / (PRIOR * side) ** 2)
    peak = (smooth.clamp(min=0) * prior).flatten(1)
    best = torch.where(
        peak.amax(-1) > 0, peak.argmax(-1), prior.argmax().expand(len(peak))
    )
    return torch.stack((x[best % len(x)], y[best // len(x)]), -1)


def symmetric_centre(image, scale, prior, prior_error, window, noise, rounds=6):
    """Move a centre to where the light within a Gaussian window is point-symmetric.

    The antisymmetric part of the light, ``(I(c + d) - I(c - d)) / 2``, is to first order the
    shift of the centre times the gradient of the symmetric part; it is fitted by least squares
    with Cauchy weights, each offset with the noise and the galaxy's own irregularity (a share of
    the light, estimated from the image) as its variance.

    Parameters
    ----------
    image : torch.Tensor
        Shape (B, h, w), block means over `scale` pixels.
    scale : int
        Block size [px].
    prior : torch.Tensor
        Start and prior mean (x, y) in full-size pixels, shape (B, 2).
    prior_error : torch.Tensor
        Standard deviation of the prior [px], shape (B,).
    window : float
        Standard deviation of the window [px].
    noise : torch.Tensor
        Standard deviation of the image's values, shape (B,).
    rounds : int
        Number of corrections.

    Returns
    -------
    centre : torch.Tensor
        Shape (B, 2) [px].
    error : torch.Tensor
        Standard error [px], shape (B,).
    """
    offsets = torch.linspace(-REACH, REACH, GRID, dtype=image.dtype, device=image.device) * window
    step = float(offsets[1] - offsets[0])
    dy, dx = torch.meshgrid(offsets, offsets, indexing="ij")
    inner = (slice(1, -1), slice(1, -1))
    taper = torch.exp(-0.5 * (dx.square() + dy.square()) / window**2)[inner]
    taper = taper * (torch.hypot(dx, dy)[inner] < REACH * window)
    shift = 0.5 * (scale - 1)
    density = min(1.0, (step / scale) ** 2)
    noise_variance = (NOISE_SHARE * noise.square())[:, None, None]
    precision = prior_error**-2 / density
    centre, error = prior, prior_error
    for _ in range(rounds):
        x = (centre[:, 0, None, None] + dx - shift) / scale
        y = (centre[:, 1, None, None] + dy - shift) / scale
        values = sample(image, x, y)
        turned = values.flip(1, 2)
        even, odd = 0.5 * (values + turned), 0.5 * (values - turned)
        gx = (even[:, 1:-1, 2:] - even[:, 1:-1, :-2]) / (2 * step)
        gy = (even[:, 2:, 1:-1] - even[:, :-2, 1:-1]) / (2 * step)
        even, odd = even[:, 1:-1, 1:-1], odd[:, 1:-1, 1:-1]
        good = torch.isfinite(gx) & torch.isfinite(gy) & torch.isfinite(odd)
        gx, gy, odd, even = (torch.where(good, z, 0) for z in (gx, gy, odd, even))
        own = (odd.square() / 0.455 - noise_variance) / (even.square() + noise_variance + 1e-30)
        irregular = _median(own, good).clamp(IRREGULAR[0] ** 2, IRREGULAR[1] ** 2)
        variance = irregular * even.square() + noise_variance + 1e-30
        chi = odd.square() / variance
        spread = _median(chi, good).clamp(min=0.2)
        weight = taper * good / variance / (1 + chi / (8 * spread)) / (spread / 0.455).clamp(min=1)
        bias = 0.5 * noise_variance / step**2
        xx = (weight * (gx * gx - bias)).sum((1, 2)).clamp(min=0)
        yy = (weight * (gy * gy - bias)).sum((1, 2)).clamp(min=0)
        limit = 0.95 * (xx * yy).sqrt()
        xy = torch.minimum(torch.maximum((weight * gx * gy).sum((1, 2)), -limit), limit)
        back = centre - prior
        rx = (weight * gx * odd).sum((1, 2)) + precision * back[:, 0]
        ry = (weight * gy * odd).sum((1, 2)) + precision * back[:, 1]
        xx, yy = xx + precision, yy + precision
        determinant = xx * yy - xy * xy
        move = torch.stack((yy * rx - xy * ry, xx * ry - xy * rx), -1) / determinant.unsqueeze(-1)
        length = move.norm(dim=-1, keepdim=True).clamp(min=1e-12)
        centre = centre - move * (0.5 * window / length).clamp(max=1.0)
        error = ((xx + yy) / (2 * density * determinant)).sqrt()
    return centre, error


def _median(values, good):
    """Median over the offsets, shape (B, 1, 1)."""
    flat = torch.where(good, values, math.nan).flatten(1)
    count = good.flatten(1).sum(-1)
    middle = quantiles(sorted_last(flat), count, (0.5,))
    return torch.nan_to_num(middle).unsqueeze(-1)
