"""Images on other pixels: gaps filled, and another pixel scale with flux conserved."""

import numpy as np
from scipy import ndimage

from ..sdss import PIXSCALE

SAME_SCALE = 2e-3


def fill_missing(data, noise=0.0, reach=2.0, seed=0):
    """Fill the missing pixels of an image.

    Near valid pixels by their Gaussian-weighted mean (normalised convolution); in gaps wider
    than about three times `reach` by zero and noise.

    Parameters
    ----------
    data : (H, W) numpy.ndarray
        Sky-subtracted image, NaN where missing.
    noise : float
        Standard deviation of the noise put into wide gaps.
    reach : float
        Standard deviation of the Gaussian [pixel].
    seed : int
        Of the noise.

    Returns
    -------
    filled : (H, W) numpy.ndarray
        The image without NaN; valid pixels are as they were.
    """
    valid = np.isfinite(data)
    if valid.all():
        return data
    total = ndimage.gaussian_filter(np.where(valid, data, 0.0), reach, mode="constant")
    weight = ndimage.gaussian_filter(valid.astype(float), reach, mode="constant")
    sky = noise * np.random.default_rng(seed).standard_normal(data.shape)
    near = weight > 1e-2
    mean = np.where(near, total / np.where(near, weight, 1.0), sky)
    return np.where(valid, data, mean).astype(data.dtype)


def resample(data, scale, new_scale=PIXSCALE, centre=None, shape=None):
    """Bring an image to another pixel scale, conserving flux.

    Along each axis the running sum of the flux is interpolated with a quintic spline and
    differenced at the new pixels' edges, so that every new pixel holds what a smooth image
    with the old pixels' fluxes has within it: an average over the area when the pixels grow,
    a smooth interpolation when they shrink, and the image itself at the same scale (within 0.2
    per cent: then it is cut and not interpolated).

    Parameters
    ----------
    data : (H, W) numpy.ndarray
        Flux per pixel, finite, at least 5 px a side.
    scale, new_scale : float
        Pixel scales [arcsec].
    centre : (x, y), optional
        Position [pixel, 0-based] that comes to the middle of the result; else the middle.
    shape : (int, int), optional
        The result's shape; else all whole pixels that fit.

    Returns
    -------
    resampled : numpy.ndarray
        Flux per pixel, zero where the image does not reach; the dtype of `data`.
    covered : numpy.ndarray of bool
        Where it does.
    """
    factor = _factor(scale, new_scale)
    height, width = data.shape
    if shape is None:
        shape = (int(height / factor + 1e-6), int(width / factor + 1e-6))
    x, y = centre if centre is not None else ((width - 1) / 2, (height - 1) / 2)
    rows, row_ok = _axis_starts(height, factor, y, shape[0])
    columns, column_ok = _axis_starts(width, factor, x, shape[1])
    covered = row_ok[:, None] & column_ok
    if not covered.any():
        return np.zeros(shape, dtype=data.dtype), covered
    if factor == 1.0:
        top, left = int(rows[row_ok][0]), int(columns[column_ok][0])
        inside = data[top : top + row_ok.sum(), left : left + column_ok.sum()]
        if inside.shape == tuple(shape):
            return inside.copy(), covered
    else:
        inside = _regroup(data, rows[row_ok], factor, axis=0)
        inside = _regroup(inside, columns[column_ok], factor, axis=1)
    out = np.zeros(shape, dtype=data.dtype)
    first, left = int(row_ok.argmax()), int(column_ok.argmax())
    out[first : first + len(inside), left : left + inside.shape[1]] = inside
    return out, covered


def resampled_pixels(scale, centre, shape, new_scale=PIXSCALE):
    """Say where the pixels lie that `resample` makes.

    Parameters
    ----------
    scale, centre, shape, new_scale
        As for `resample`.

    Returns
    -------
    first : (x, y) tuple of float
        The middle of the result's first pixel on the old image [old pixel, 0-based].
    step : float
        From one pixel of the result to the next [old pixel].
    """
    step = _factor(scale, new_scale)
    starts = (_start(step, at, size) for at, size in zip(centre, shape[::-1], strict=True))
    return tuple(float(start + 0.5 * step - 0.5) for start in starts), step


def _factor(scale, new_scale):
    factor = new_scale / scale
    return 1.0 if abs(factor - 1) < SAME_SCALE else factor


def _start(factor, centre, size):
    """First edge of the first new pixel [old pixels from the image's edge]."""
    start = centre + 0.5 - factor * size / 2
    return np.floor(start + 1e-6) if factor == 1.0 else start


def _axis_starts(n, factor, centre, size):
    """First edges of the new pixels [old pixels from the image's edge], and which pixels fit."""
    starts = _start(factor, centre, size) + factor * np.arange(size)
    return starts, (starts > -1e-6) & (starts + factor < n + 1e-6)


def _regroup(data, starts, factor, axis):
    from scipy.interpolate import make_interp_spline  # slow to import, and not always needed

    data = np.moveaxis(np.asarray(data, dtype=float), axis, 0)
    total = np.zeros((len(data) + 1, data.shape[1]))
    np.cumsum(data, axis=0, out=total[1:])
    spline = make_interp_spline(np.arange(len(total)), total, k=5)
    edges = np.append(starts, starts[-1] + factor).clip(0, len(data))
    return np.moveaxis(np.diff(spline(edges), axis=0), 0, axis)
