"""What is on an image: the sky along its border, and the sources wider than a star."""

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
from scipy import ndimage

from ..sdss import PIXSCALE

DETECTION = 5.0
EXTENDED = 1.8
GAUSSIAN = np.exp(-0.5 * np.arange(-4, 5) ** 2)
GAUSSIAN /= GAUSSIAN.sum()


@dataclass(frozen=True)
class Source:
    """A source on an image.

    Parameters
    ----------
    x, y : float
        Centroid of the root of its light above the threshold [pixel, 0-based].
    flux : float
        Flux above the threshold [units of the image].
    half_light : float
        Radius that holds half of it [arcsec].
    """

    x: float
    y: float
    flux: float
    half_light: float


def border_sky(data):
    """Estimate sky level and noise from the border of an image.

    The border (a sixteenth of the shorter side, 4 px at least) is cut into 16 pieces. The level
    is the lowest of their medians, since light of the galaxy only adds; the noise is the
    median over the pieces of 1.48 times the median absolute deviation.

    Parameters
    ----------
    data : (H, W) array_like
        Image; NaN is left out.

    Returns
    -------
    level, noise : float
        In the image's units per pixel; NaN if the border has no pixels.
    """
    width = max(4, min(data.shape) // 16)
    across, down = _quarters(data.shape[1]), _quarters(data.shape[0])
    pieces = [
        data[strip, part] for strip in (slice(width), slice(-width, None)) for part in across
    ]
    pieces += [data[part, strip] for strip in (slice(width), slice(-width, None)) for part in down]
    values = np.full((len(pieces), max(piece.size for piece in pieces)), np.nan, data.dtype)
    for row, piece in zip(values, pieces, strict=True):
        row[: piece.size].reshape(piece.shape)[...] = piece
    infinite = np.isinf(values)
    if infinite.any():
        values[infinite] = np.nan
    values.sort(axis=1)
    n = values.shape[1] - np.count_nonzero(np.isnan(values), axis=1)
    medians, scatter = [], []
    for size in sorted(set(n[n >= 8].tolist())):
        ordered = values[:, :size] if (n == size).all() else values[n == size, :size]
        low, high = (size - 1) // 2, size // 2
        median = (ordered[:, low] + ordered[:, high]) / 2
        apart = (_distance(ordered, median, low) + _distance(ordered, median, high)) / 2
        medians.append(median)
        scatter.append(1.4826 * apart)
    if not medians:
        return np.nan, np.nan
    return float(np.concatenate(medians).min()), float(np.median(np.concatenate(scatter)))


def _quarters(n):
    """Four slices of `n`, the longer ones first."""
    least, longer = divmod(n, 4)
    ends = [k * least + min(k, longer) for k in range(5)]
    return [slice(*pair) for pair in pairwise(ends)]


def _distance(ordered, middle, k):
    """Of each row, in order, how far the nearest but `k` is from a value: `k` are neighbours."""
    below = middle[:, None] - ordered[:, : ordered.shape[1] - k]
    return np.maximum(below, ordered[:, k:] - middle[:, None]).min(axis=1)


def extended_sources(data, noise, pixscale=PIXSCALE, faintest=0.1):
    """Find the sources that are wider than a star.

    The image is binned to about 0.8 arcsec, smoothed by a Gaussian of one such pixel, and cut at
    five times its noise; a source is extended when half of its light is wider than 1.8 arcsec.

    Parameters
    ----------
    data : (H, W) numpy.ndarray
        Sky-subtracted image, finite.
    noise : float
        Its noise per pixel.
    pixscale : float
        Pixel scale [arcsec].
    faintest : float
        Sources below this fraction of the brightest's flux are left out.

    Returns
    -------
    sources : list of Source
        The brightest first.
    """
    step = max(1, round(0.8 / pixscale))
    height, width = (side // step * step for side in data.shape)
    wide = data[:height, :width].astype(float)
    rows = reduce(np.add, (wide[k::step] for k in range(step)))
    binned = reduce(np.add, (rows[:, k::step] for k in range(step)))
    smooth = ndimage.correlate1d(ndimage.correlate1d(binned, GAUSSIAN, 0), GAUSSIAN, 1)
    threshold = DETECTION * noise * step / np.sqrt(4 * np.pi) if noise > 0 else 1e-3 * smooth.max()
    labels, _ = ndimage.label(smooth > threshold, output=np.intp)
    fluxes = np.bincount(labels.ravel(), smooth.ravel())[1:]
    sources = []
    for number in np.argsort(-fluxes, kind="stable"):
        flux = fluxes[number]
        if sources and flux < faintest * sources[0].flux:
            break
        own = labels == number + 1
        box = tuple(_extent(own.any(axis=axis)) for axis in (1, 0))
        light = np.where(own[box], smooth[box], 0.0)
        weight = np.sqrt(light)
        sums = weight.sum(axis=1), weight.sum(axis=0)
        middle = [float(np.arange(len(row)) @ row / row.sum()) for row in sums]
        y, x = ((np.arange(len(r)) - m) ** 2 for r, m in zip(sums, middle, strict=True))
        distance = np.sqrt(y[:, None] + x).astype(int)
        growth = np.bincount(distance.ravel(), light.ravel()).cumsum()
        half = np.interp(0.5 * flux, growth, np.arange(1, len(growth) + 1)) * step * pixscale
        if half > max(EXTENDED, 1.5 * step * pixscale):
            place = [(m + b.start + 0.5) * step - 0.5 for m, b in zip(middle, box, strict=True)]
            sources.append(Source(place[1], place[0], float(flux), float(half)))
    return sources


def _extent(there):
    """From the first place that is there to the last."""
    places = np.flatnonzero(there)
    return slice(int(places[0]), int(places[-1]) + 1)
