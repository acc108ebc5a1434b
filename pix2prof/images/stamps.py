"""From a user's image to what the network learnt on: 0.396 arcsec, no sky, no gaps, one size."""

from dataclasses import dataclass

import numpy as np

from ..sdss import PIXSCALE
from .fits import ImageError
from .image import MIN_SIDE
from .resampling import fill_missing, resample, resampled_pixels
from .sources import border_sky, extended_sources

SKY_SIGNIFICANCE = 5.0
OFF_CENTRE = 30


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
    source : bool
        Whether an extended source was found on it.
    first : (x, y) tuple of float
        The middle of its first pixel in the file [pixel of the file, 0-based].
    step : float
        From one of its pixels to the next [pixel of the file].
    """

    data: np.ndarray
    covered: np.ndarray
    sky: float = 0.0
    noise: float = 0.0
    flags: tuple[str, ...] = ()
    source: bool = True
    first: tuple[float, float] = (0.0, 0.0)
    step: float = 1.0

    def in_file(self, x, y):
        """Turn a place on the stamp [pixel, 0-based] to one in the file (x, y)."""
        return self.first[0] + self.step * float(x), self.first[1] + self.step * float(y)


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
    x, y = image.place
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
    x, y = image.place
    source = _check_source(image, data, noise, (x, y), size, flags)
    reach = int(np.ceil(size / 2 * PIXSCALE / image.pixscale)) + 16
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    window = data[top : int(y) + reach + 2, left : int(x) + reach + 2]
    grid = {"centre": (x - left, y - top), "shape": (size, size)}
    out, covered = resample(window, image.pixscale, **grid)
    (column, row), step = resampled_pixels(image.pixscale, **grid)
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
        source=source,
        first=image.in_file(left + column, top + row),
        step=step,
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
            "reaches the edge), not subtracted"
        )
    return data, 0.0, noise


def _fill(image, data, noise, flags):
    finite = np.isfinite(data)
    if finite.all():
        return data
    missing = ~finite
    x, y = image.place
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
    """Whether an extended source is on the stamp; an ImageError if one is beside it alone."""
    sources = extended_sources(data, noise, image.pixscale)
    if not sources:
        flags.append("no extended source found")
        return False
    offsets = [
        (max(abs(s.x - centre[0]), abs(s.y - centre[1])) * image.pixscale / PIXSCALE, s)
        for s in sources
    ]
    offset, nearest = min(offsets, key=lambda pair: pair[0])
    brightest = sources[0]
    if offset <= size / 2:
        if offset > OFF_CENTRE:
            x, y = image.in_file(nearest.x, nearest.y)
            flags.append(
                f"the galaxy is {offset:.0f} px off centre, at x={x:.0f}, y={y:.0f} of the file"
            )
        return True
    if image.centre is None:
        raise ImageError(
            image.path,
            f"the brightest extended source (x={brightest.x:.0f}, y={brightest.y:.0f}) is "
            f"outside the {size} px of {PIXSCALE} arcsec about the middle",
            f"cut the image about the galaxy, or give its place: --centre {brightest.x:.0f} "
            f"{brightest.y:.0f} for that one, --centre {centre[0]:.0f} {centre[1]:.0f} for the "
            "middle",
        )
    flags.append("no bright extended source within the crop")
    return False
