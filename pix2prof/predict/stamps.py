"""From a user's image to what the network learnt on: 0.396 arcsec, no sky, no gaps, one size."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy import ndimage

from ..images.fits import ImageError
from ..images.image import MIN_SIDE
from ..images.resampling import fill_missing, resample
from ..sdss import PIXSCALE

SKY_SIGNIFICANCE = 5.0
DETECTION = 5.0
EXTENDED = 1.8
OFF_CENTRE = 30


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


@dataclass(frozen=True)
class Stamp:
    """An image as the network sees it.

    Parameters
    ----------
    data : (S, S) numpy.ndarray of float32
        Flux [nanomaggies per pixel] at 0.396 arcsec.
    covered : (S, S) numpy.ndarray of bool
        Where the file had pixels; elsewhere sky noise was put.
    sky : float
        Sky level that was subtracted [nanomaggies per pixel of the stamp].
    noise : float
        Sky noise [nanomaggies per pixel].
    flags : tuple of str
        Everything odd, in words.
    """

    data: np.ndarray
    covered: np.ndarray
    sky: float = 0.0
    noise: float = 0.0
    flags: tuple[str, ...] = ()


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
    strips = (data[:width], data[-width:], data[:, :width].T, data[:, -width:].T)
    pieces = [piece for strip in strips for piece in np.array_split(strip, 4, axis=1)]
    values = np.full((len(pieces), max(piece.size for piece in pieces)), np.nan, data.dtype)
    for row, piece in zip(values, pieces, strict=True):
        row[: piece.size] = piece.ravel()
    values[np.isinf(values)] = np.nan
    values.sort(axis=1)
    n = values.shape[1] - np.count_nonzero(np.isnan(values), axis=1)
    medians, scatter = [], []
    for size in np.unique(n[n >= 8]):
        ordered = values[n == size, :size]
        low, high = (size - 1) // 2, size // 2
        median = (ordered[:, low] + ordered[:, high]) / 2
        apart = (_distance(ordered, median, low) + _distance(ordered, median, high)) / 2
        medians.append(median)
        scatter.append(1.4826 * apart)
    if not medians:
        return np.nan, np.nan
    return float(np.concatenate(medians).min()), float(np.median(np.concatenate(scatter)))


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
    smooth = ndimage.gaussian_filter(binned, 1.0)
    threshold = DETECTION * noise * step / np.sqrt(4 * np.pi) if noise > 0 else 1e-3 * smooth.max()
    labels, _ = ndimage.label(smooth > threshold, output=np.intp)
    boxes = ndimage.find_objects(labels)
    fluxes = np.bincount(labels.ravel(), smooth.ravel())[1:]
    sources = []
    for number in np.argsort(-fluxes, kind="stable"):
        box, flux = boxes[number], fluxes[number]
        if sources and flux < faintest * sources[0].flux:
            break
        light = np.where(labels[box] == number + 1, smooth[box], 0.0)
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


def stamp_side(image, smallest, largest, multiple=32):
    """Side of the smallest stamp that holds an image, among those that a network takes.

    Parameters
    ----------
    image : pix2prof.images.image.Image
        As `pix2prof.images.image.read_image` gives it.
    smallest, largest : int
        Sides between which to stay [pixel].
    multiple : int
        What the side is a multiple of, unless it is one of the two.

    Returns
    -------
    side : int
        [pixel of 0.396 arcsec]
    """
    height, width = image.data.shape
    x, y = image.centre or ((width - 1) / 2, (height - 1) / 2)
    reach = max(x + 0.5, width - 0.5 - x, y + 0.5, height - 0.5 - y) * image.pixscale / PIXSCALE
    side = int(np.ceil(2 * reach / multiple - 0.05)) * multiple
    return min(max(side, smallest), largest)


def make_stamp(image, size=256):
    """Prepare an image for the network.

    The border's sky is subtracted where it is more than five times the noise from zero;
    missing pixels are filled; pixels are brought to 0.396 arcsec; `size` of them about the
    centre are cut out; where the image does not reach, zero and noise like the border's.

    Parameters
    ----------
    image : pix2prof.images.image.Image
        As `pix2prof.images.image.read_image` gives it.
    size : int
        Side of the result [pixel].

    Returns
    -------
    stamp : Stamp
        With the image's own flags first.

    Raises
    ------
    ImageError
        If the galaxy is not on the stamp, or there is too little of the image on it.
    """
    flags = list(image.flags)
    data, level, noise = _subtract_sky(image.data, flags)
    data = _fill(image, data, noise, flags)
    height, width = data.shape
    x, y = image.centre or ((width - 1) / 2, (height - 1) / 2)
    _check_source(image, data, noise, (x, y), size, flags)
    reach = int(np.ceil(size / 2 * PIXSCALE / image.pixscale)) + 16
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    window = data[top : int(y) + reach + 2, left : int(x) + reach + 2]
    out, covered = resample(window, image.pixscale, centre=(x - left, y - top), shape=(size, size))
    columns, rows = (np.flatnonzero(covered.any(axis=axis)) for axis in (0, 1))
    sides = len(columns), len(rows)
    if min(sides) < MIN_SIDE:
        raise ImageError(
            image.path,
            f"about its centre it has {sides[0]} x {sides[1]} px of {PIXSCALE} arcsec, under "
            f"{MIN_SIDE} px",
            "give a larger cut-out of the galaxy",
        )
    inside = out[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if not (data is image.data and np.array_equal(inside, data)):
        noise = border_sky(inside)[1]
    if not covered.all():
        flags.append(f"{sides[0]} x {sides[1]} px of {size}: padded with sky noise")
        pad = noise * np.random.default_rng(size).standard_normal((size, size))
        out = np.where(covered, out, pad)
    if image.pixscale > 2 * PIXSCALE:
        flags.append(f"pixels of {image.pixscale:.3g} arcsec: the centre is blurred")
    return Stamp(
        data=np.ascontiguousarray(out, dtype=np.float32),
        covered=covered,
        sky=level * (PIXSCALE / image.pixscale) ** 2,
        noise=noise,
        flags=tuple(flags),
    )


def _subtract_sky(data, flags):
    level, noise = border_sky(data)
    if not np.isfinite(noise):
        flags.append("no pixels on the border: sky not checked")
        return data, 0.0, 0.0
    if abs(level) > SKY_SIGNIFICANCE * noise > 0:
        flags.append(f"sky of {level:.4g} nanomaggies a pixel subtracted (border)")
        return data - data.dtype.type(level), level, noise
    if abs(level) > noise > 0:
        flags.append(
            f"the border is {level / noise:+.1f} times the noise from zero (sky, or the galaxy "
            "reaches the edge); not subtracted"
        )
    return data, 0.0, noise


def _fill(image, data, noise, flags):
    missing = ~np.isfinite(data)
    if not missing.any():
        return data
    x, y = image.centre or ((data.shape[1] - 1) / 2, (data.shape[0] - 1) / 2)
    row, column = max(0, int(y) - 8), max(0, int(x) - 8)
    core = missing[row : row + 17, column : column + 17]
    if core.mean() > 0.5:
        raise ImageError(
            image.path,
            f"{core.mean():.0%} of the pixels at its centre are NaN or infinite",
            "give an image with the galaxy's centre, or its position with --centre",
        )
    flags.append(
        f"{missing.sum()} missing pixels ({missing.mean():.2%}) filled from their neighbours, "
        "wide gaps with sky noise"
    )
    return fill_missing(data, noise)


def _check_source(image, data, noise, centre, size, flags):
    sources = extended_sources(data, noise, image.pixscale)
    if not sources:
        flags.append("no extended source found")
        return
    offsets = [
        (max(abs(s.x - centre[0]), abs(s.y - centre[1])) * image.pixscale / PIXSCALE, s)
        for s in sources
    ]
    offset, nearest = min(offsets, key=lambda pair: pair[0])
    brightest = sources[0]
    if offset <= size / 2:
        if offset > OFF_CENTRE:
            flags.append(
                f"the galaxy is {offset:.0f} px off centre, at x={nearest.x:.0f}, "
                f"y={nearest.y:.0f} of the file"
            )
    elif image.centre is None:
        raise ImageError(
            image.path,
            f"the brightest extended source (x={brightest.x:.0f}, y={brightest.y:.0f}) is "
            f"outside the {size} px of {PIXSCALE} arcsec about the middle",
            f"cut the image about the galaxy, or give its place: --centre {brightest.x:.0f} "
            f"{brightest.y:.0f} for that one, --centre {centre[0]:.0f} {centre[1]:.0f} for the "
            "middle",
        )
    else:
        flags.append("no bright extended source within the crop")
