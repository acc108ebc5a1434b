"""Batched sampling along ellipses, and what is read off the samples."""

import math

import torch


def present(values):
    """True where a value is not NaN; images hold no infinities once they are read."""
    return ~torch.isnan(values)


def circle_angles(n, *, dtype=torch.float32, device=None):
    """Angles [rad] of `n` equally spaced points of a circle, shape (n,)."""
    return torch.arange(n, dtype=dtype, device=device) * (2 * math.pi / n)


def components(ellipticity, pa):
    """``e cos 2 pa`` and ``e sin 2 pa``; pa in radians."""
    return ellipticity * torch.cos(2 * pa), ellipticity * torch.sin(2 * pa)


def ellipse_points(centre, sma, e1, e2, angles):
    """Positions of points along ellipses: those of a circle, squeezed.

    The circle is squeezed by the symmetric matrix that has the ellipse's axes, so that a point's
    eccentric anomaly is its angle less the position angle, and that points move smoothly with
    `e1` and `e2` where the ellipse is all but round and its position angle is anyone's guess.

    Parameters
    ----------
    centre : torch.Tensor
        Centres (x, y), shape (B, 2) [px].
    sma : torch.Tensor
        Semi-major axes, shape (R,), or (R, K) where they differ along an ellipse [px].
    e1, e2 : torch.Tensor
        ``e cos 2 pa`` and ``e sin 2 pa``, pa counter-clockwise from +x, shape (B, R).
    angles : torch.Tensor
        On the circle, counter-clockwise from +x, shape (K,) or (R, K) [rad].

    Returns
    -------
    x, y : torch.Tensor
        Shape (B, R, K) [px].
    """
    a = sma if sma.ndim == 2 else sma.unsqueeze(-1)
    across, down = a * torch.cos(angles), a * torch.sin(angles)
    middle = 1 - 0.5 * torch.hypot(e1, e2)
    shear = 0.5 * e2.unsqueeze(-1)
    x = across * (middle + 0.5 * e1).unsqueeze(-1) + down * shear
    y = down * (middle - 0.5 * e1).unsqueeze(-1) + across * shear
    return x + centre[:, 0, None, None], y + centre[:, 1, None, None]


def sample(images, x, y):
    """Bilinear interpolation; differentiable in `images`, `x` and `y`.

    Parameters
    ----------
    images : torch.Tensor
        Shape (B, H, W); excluded pixels are NaN.
    x, y : torch.Tensor
        Positions, shape (B, ...) [px].

    Returns
    -------
    values : torch.Tensor
        The shape of `x`; NaN outside the image and where a neighbouring pixel is NaN.
    """
    height, width = images.shape[-2:]
    gx = (x * (2 / (width - 1)) - 1).flatten(1)
    gy = (y * (2 / (height - 1)) - 1).flatten(1)
    grid = torch.stack((gx, gy), -1).unsqueeze(1)
    values = torch.nn.functional.grid_sample(
        images.unsqueeze(1), grid, mode="bilinear", padding_mode="border", align_corners=True
    ).reshape(x.shape)
    low, high = grid.aminmax()
    if bool((low >= -1) & (high <= 1)):
        return values
    inside = (gx.abs() <= 1) & (gy.abs() <= 1)
    return torch.where(inside.reshape(x.shape), values, math.nan)


def sample_cubic(images, x, y):
    """Cubic convolution (Catmull-Rom), bilinear where that meets a NaN; shapes as in `sample`."""
    height, width = images.shape[-2:]
    x0, y0 = torch.floor(x), torch.floor(y)
    wx, wy = _cubic_weights(x - x0), _cubic_weights(y - y0)  # 4 x (B, ...)
    flat = images.flatten(1)
    shape = x.shape
    total = torch.zeros_like(x)
    for j in range(4):
        row = (y0 + (j - 1)).clamp(0, height - 1)
        for i in range(4):
            column = (x0 + (i - 1)).clamp(0, width - 1)
            index = (row * width + column).long().flatten(1)
            total = total + wx[i] * wy[j] * flat.gather(1, index).reshape(shape)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return torch.where(inside & present(total), total, sample(images, x, y))


def _cubic_weights(t):
    t2, t3 = t * t, t * t * t
    return (
        0.5 * (-t3 + 2 * t2 - t),
        0.5 * (3 * t3 - 5 * t2 + 2),
        0.5 * (-3 * t3 + 4 * t2 + t),
        0.5 * (t3 - t2),
    )


def sorted_last(values):
    """Values sorted along the last axis, NaN at the end."""
    if values.device.type == "cpu":
        import numpy as np

        return torch.from_numpy(np.sort(values.detach().numpy(), axis=-1))
    return values.sort(dim=-1).values


def quantiles(ordered, count, levels):
    """Quantiles of the first `count` of sorted values, linear between neighbours.

    Parameters
    ----------
    ordered : torch.Tensor
        Sorted along the last axis with NaN at the end, shape (..., K).
    count : torch.Tensor
        Number of finite values, shape (...).
    levels : sequence of float
        Quantiles in [0, 1].

    Returns
    -------
    values : torch.Tensor
        Shape (..., len(levels)); NaN where `count` is zero.
    """
    levels = torch.as_tensor(levels, dtype=ordered.dtype, device=ordered.device)
    position = (count.clamp(min=1) - 1).unsqueeze(-1) * levels
    below = position.floor()
    fraction = (position - below).to(ordered.dtype)
    low = ordered.gather(-1, below.long())
    high = ordered.gather(-1, position.ceil().long())
    return low + fraction * (high - low)


def trimmed_mean(ordered, count, trim):
    """Mean of sorted values without the share `trim` at either end; shapes as in `quantiles`."""
    n = ordered.shape[-1]
    rank = torch.arange(n, device=ordered.device)
    low = (count * trim).floor().unsqueeze(-1)
    inside = (rank >= low) & (rank < count.unsqueeze(-1) - low)
    return torch.where(inside, ordered, 0).sum(-1) / inside.sum(-1)
