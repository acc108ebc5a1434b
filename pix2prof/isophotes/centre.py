"""The centre of a galaxy: where its light is most nearly its own image under half a turn."""

import math

import torch

from pix2prof.isophotes.ellipses import present, quantiles, sample, sorted_last

WINDOWS = (32.0, 16.0, 8.0, 4.0, 2.5)
GRID = 25
REACH = 2.0
IRREGULAR = (0.01, 0.3)
NOISE_SHARE = 0.25
DRIFT = 0.05
START_ERROR = 3.0
LEASH = 0.15
COHERENCE = 1.5
SHORT = 2
DIP = 0.7
BESIDE, BESIDE_FROM = 16, 4.0
RIVAL = 0.5
TWIN = 1.15
PRIOR = ((1.0, 0.01, 9.0), (0.15, 0.15, 0.0))


def find_centre(levels, noise, *, start=None):
    """Centre of the galaxy nearest the middle of the image.

    Small sources are taken out by a median filter, the brightest of what is left, with
    preference for the middle, is the start. From there the point is sought about which the image
    is most symmetric under half a turn, within a window that narrows from 32 to 2.5 px: stars and
    star-forming knots have no counterpart opposite and so lose their weight, where the brightest
    pixel or the centroid would follow them.

    Parameters
    ----------
    levels : list of torch.Tensor
        `pix2prof.isophotes.contours.pyramid` of sky-subtracted images, shape (B, H, W), NaN where
        excluded.
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
    start = coarse_centre(levels, noise) if start is None else start
    centre, error = _descend(levels, noise, start, WINDOWS)
    near, near_error = _descend(levels, noise, start, WINDOWS[SHORT:])
    between = _peak(levels[0], centre) < DIP * _peak(levels[0], near)
    centre = torch.where(between.unsqueeze(-1), near, centre)
    return centre, torch.where(between, near_error, error)


def _descend(levels, noise, centre, windows):
    error = torch.full_like(noise, START_ERROR)
    path = []
    for window in windows:
        index = min(max(0, int(math.log2(window / 4))), len(levels) - 1)
        loose = torch.hypot(2 * error, torch.full_like(error, DRIFT * window))
        loose = loose.clamp(max=LEASH * window)
        centre, error = symmetric_centre(
            levels[index], 2**index, centre, loose, window, noise / 2**index
        )
        path.append(centre)
    wander = torch.stack(path[1:]).sub(centre).norm(dim=-1).amax(0)
    return centre, torch.hypot(COHERENCE * error, 0.4 * wander)


def _peak(image, centre, width=2.5):
    """Mean light under a Gaussian of `width` px at each centre, shape (B,)."""
    offsets = torch.linspace(-2, 2, 9, dtype=image.dtype, device=image.device) * width
    dy, dx = torch.meshgrid(offsets, offsets, indexing="ij")
    taper = torch.exp(-0.5 * (dx.square() + dy.square()) / width**2)
    values = sample(image, centre[:, 0, None, None] + dx, centre[:, 1, None, None] + dy)
    good = present(values)
    total = (torch.where(good, values, 0) * taper).sum((1, 2))
    return total / (good * taper).sum((1, 2)).clamp(min=1e-6)


def second_peak(image, centre, noise):
    """Whether a second nucleus, or a star, stands beside the centre.

    That is light within `BESIDE` px that has no counterpart half a turn away and is over `RIVAL`
    of the light at the centre, or that has one and is, like it, over `TWIN` times that light; by
    over ten times the noise of the 3 x 3 px it is averaged over.

    Parameters
    ----------
    image : torch.Tensor
        Sky-subtracted, shape (B, H, W), NaN where excluded.
    centre : torch.Tensor
        Shape (B, 2) [px].
    noise : torch.Tensor
        Standard deviation of a pixel, shape (B,).

    Returns
    -------
    beside : torch.Tensor
        Bool, shape (B,).
    """
    offsets = torch.arange(-BESIDE - 1, BESIDE + 2, dtype=image.dtype, device=image.device)
    dy, dx = torch.meshgrid(offsets, offsets, indexing="ij")
    values = sample(image, centre[:, 0, None, None] + dx, centre[:, 1, None, None] + dy)
    smooth = torch.nn.functional.avg_pool2d(values.unsqueeze(1), 3, 1).squeeze(1)
    radius = torch.hypot(dx, dy)[1:-1, 1:-1]
    ring = (radius > BESIDE_FROM) & (radius <= BESIDE)
    turned, middle = smooth.flip(1, 2), smooth[:, BESIDE, BESIDE]
    excess = torch.where(ring, torch.nan_to_num(smooth - turned), 0).amax((1, 2))
    alone = (excess > RIVAL * middle) & (excess > 10 * noise / 3)
    pair = torch.where(ring, torch.nan_to_num(torch.minimum(smooth, turned)), 0).amax((1, 2))
    return alone | ((pair > TWIN * middle) & (pair - middle > 10 * noise / 3))


def coarse_centre(levels, noise):
    """Most conspicuous place near the middle after a median filter of 20 px.

    Parameters and shapes as in `find_centre`. Conspicuous is the logarithm of the signal to noise
    times a prior about the middle: a narrow and a wide Gaussian, `PRIOR`.
    """
    height, width = levels[0].shape[-2:]
    side = min(height, width)
    index = min(2 if side >= 128 else 1, len(levels) - 1)
    block, low = 2**index, levels[index]
    cut_y, cut_x = (n // 4 if side >= 256 else 0 for n in low.shape[-2:])
    low = low[:, cut_y : low.shape[1] - cut_y, cut_x : low.shape[2] - cut_x]
    padded = torch.nn.functional.pad(low.unsqueeze(1), (2, 2, 2, 2), mode="replicate")
    tiles = padded.unfold(2, 5, 1).unfold(3, 5, 1).flatten(4).squeeze(1)
    count = present(tiles).sum(-1)
    smooth = torch.nan_to_num(quantiles(sorted_last(tiles), count, (0.5,)).squeeze(-1))
    steps = torch.arange(max(low.shape[-2:]), dtype=low.dtype, device=low.device)
    x = block * (steps[: low.shape[-1]] + cut_x) + 0.5 * (block - 1)
    y = block * (steps[: low.shape[-2]] + cut_y) + 0.5 * (block - 1)
    dx, dy = x - 0.5 * (width - 1), y - 0.5 * (height - 1)
    distance = torch.hypot(dx[None, :], dy[:, None])
    prior = sum(
        share * torch.exp(-0.5 * (distance / (part * side + wide)).square())
        for share, part, wide in PRIOR
    )
    signal = smooth.clamp(min=0) / (
        noise[:, None, None] + 1e-6 * smooth.amax((1, 2), True) + 1e-30
    )
    peak = (torch.asinh(signal) * prior).flatten(1)
    best = torch.where(peak.amax(-1) > 0, peak.argmax(-1), prior.argmax().expand(len(peak)))
    return torch.stack((x[best % len(x)], y[best // len(x)]), -1)


def symmetric_centre(image, scale, prior, prior_error, window, noise, rounds=6):
    """Move a centre to where the light within a Gaussian window is point-symmetric.

    The antisymmetric part of the light, ``(I(c + d) - I(c - d)) / 2``, is to first order the
    shift of the centre times the gradient of the symmetric part; it is fitted by least squares
    with Cauchy weights, each offset with the noise and the galaxy's own irregularity (a share of
    the light, estimated from the image) as its variance. Half the window does: all that is summed
    is the same at opposite offsets.

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
    middle = GRID // 2
    inner = (slice(1, middle + 1), slice(1, -1))
    taper = torch.exp(-0.5 * (dx.square() + dy.square()) / window**2)[inner]
    taper = taper * (torch.hypot(dx, dy)[inner] < REACH * window)
    taper[:-1] *= 2
    shift = 0.5 * (scale - 1)
    density = min(1.0, (step / scale) ** 2)
    noise_variance = (NOISE_SHARE * noise.square())[:, None, None]
    precision = prior_error**-2 / density
    centre, error = prior, prior_error
    for _ in range(rounds):
        x = (centre[:, 0, None, None] + dx - shift) / scale
        y = (centre[:, 1, None, None] + dy - shift) / scale
        values = sample(image, x, y)
        turned = values.flip(1, 2)[:, : middle + 2]
        values = values[:, : middle + 2]
        even, odd = 0.5 * (values + turned), 0.5 * (values - turned)
        gx = (even[:, 1:-1, 2:] - even[:, 1:-1, :-2]) / (2 * step)
        gy = (even[:, 2:, 1:-1] - even[:, :-2, 1:-1]) / (2 * step)
        even, odd = even[:, 1:-1, 1:-1], odd[:, 1:-1, 1:-1]
        good = present(gx) & present(gy) & present(odd)
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
        centre = centre - torch.nan_to_num(move * (0.5 * window / length).clamp(max=1.0))
        error = torch.nan_to_num(((xx + yy) / (2 * density * determinant)).sqrt(), window)
    return centre, error


def _median(values, good):
    """Median over the offsets, shape (B, 1, 1)."""
    flat = torch.where(good, values, math.nan).flatten(1)
    count = good.flatten(1).sum(-1)
    middle = quantiles(sorted_last(flat), count, (0.5,))
    return torch.nan_to_num(middle).unsqueeze(-1)
