"""The sky of a mock field: observing conditions, residuals of its subtraction, and noise."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from pix2prof.mock.psf import draw_psfs
from pix2prof.sdss import (
    CALIBRATION_SCATTER,
    CAMCOL_SHARE,
    DARK_VARIANCE,
    GAIN,
    NANOMAGGIES_PER_COUNT,
    PIXSCALE,
    SKY_MU,
    SKY_SCATTER,
    mu_to_intensity,
)


@dataclass(frozen=True)
class Conditions:
    """One field's observing conditions; arrays are by band, g, r, i.

    Attributes
    ----------
    psfs : tuple of three Psf
    fwhm : numpy.ndarray
        Of the PSFs [arcsec].
    sky : numpy.ndarray
        Sky level [nanomaggies per pixel].
    calibration : numpy.ndarray
        Nanomaggies per count.
    gain : numpy.ndarray
        Electrons per count.
    dark : numpy.ndarray
        Variance of dark current and read noise [counts^2].
    camcol : int
        Camera column, 1 to 6.
    """

    psfs: tuple
    fwhm: np.ndarray
    sky: np.ndarray
    calibration: np.ndarray
    gain: np.ndarray
    dark: np.ndarray
    camcol: int

    @property
    def sigma(self):
        """Standard deviation of an empty pixel [nanomaggies], shape (3,)."""
        return self.calibration * np.sqrt(self.sky / self.calibration / self.gain + self.dark)


def draw_conditions(rng):
    """Draw seeing, sky, calibration and camera column of one field; sources in `sdss`."""
    psfs, fwhm = draw_psfs(rng)
    mu = np.array(SKY_MU) + rng.normal(0, SKY_SCATTER[0]) + rng.normal(0, SKY_SCATTER[1], 3)
    column = int(rng.choice(6, p=CAMCOL_SHARE))
    return Conditions(
        psfs=psfs,
        fwhm=fwhm,
        sky=mu_to_intensity(mu) * PIXSCALE**2,
        calibration=np.array(NANOMAGGIES_PER_COUNT)
        * 10 ** rng.normal(0.0, CALIBRATION_SCATTER, 3),
        gain=np.array(GAIN[column]),
        dark=np.array(DARK_VARIANCE[column]),
        camcol=column + 1,
    )


def draw_residual(rng, truth, conditions):
    """What the subtraction of the sky got wrong [nanomaggies per pixel], shape of `truth`.

    An offset (0.3 per cent of the sky), a gradient across the field (0.2) and structure on scales
    of an arcminute or less (0.12): the medians and block-mean variances of source-free pixels of
    four public fields; partly common to the bands. And the over-subtraction around big galaxies:
    a part of the galaxy's own light, smoothed over about 50 arcsec, is taken for sky (Blanton et
    al. 2011, AJ 142, 31).
    """
    size = truth.shape[1]
    count = max(size // 48, 3)
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    share = float(np.clip(rng.exponential(0.12), 0.0, 0.5))
    common, own = rng.standard_normal(3 + count**2), rng.standard_normal((3, 3 + count**2))
    out = np.empty_like(truth)
    for k in range(3):
        draw = np.float32(np.sqrt(0.5) * (common + own[k]) * conditions.sky[k])
        rough = np.float32(0.0012) * draw[3:].reshape(count, count)
        block = size // 16
        cut = truth[k, : block * 16, : block * 16]
        coarse = cut.reshape(16, block, 16, block).mean(axis=(1, 3))
        limit = np.float32(0.03 * conditions.sky[k])
        halo = gaussian_filter(np.minimum(coarse, limit), 125 / block, mode="nearest")
        out[k] = np.float32(0.003) * draw[0] + np.float32(0.002) * (
            draw[1] * axis + draw[2] * axis[:, None]
        )
        out[k] += stretched(rough, size) - np.float32(share) * stretched(halo, size)
    return out


def stretched(grid, size):
    """A coarse (n, n) grid of block means interpolated linearly to (size, size), float32.

    By indexing, not by a product of matrices: the same bytes for any number of BLAS threads.
    """
    count = len(grid)
    place = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
    low = np.minimum(place.astype(int), count - 2)
    share = (place - low).astype(np.float32)
    rows = grid[low] * (1 - share)[:, None] + grid[low + 1] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, low + 1] * share


def add_noise(rng, images, conditions):
    """Photon, dark and read noise of sky plus `images` (3, h, w) [nanomaggies]; a new array.

    Pixels hold hundreds of electrons, so the Poisson deviate is a normal one with its skewness
    put in (the first term of Cornish & Fisher's expansion).
    """
    out = np.empty_like(images)
    for k in range(3):
        c, g = conditions.calibration[k], conditions.gain[k]
        counts = np.maximum((images[k] + np.float32(conditions.sky[k])) * np.float32(1 / c), 1)
        variance = counts * np.float32(1 / g) + np.float32(conditions.dark[k])
        z = rng.standard_normal(images.shape[1:], dtype=np.float32)
        sigma = np.sqrt(variance)
        skew = counts * np.float32(1 / g**2) / (6 * variance)
        out[k] = images[k] + np.float32(c) * (sigma * z + skew * (z * z - 1))
    return out


def add_photon_noise(rng, images, conditions):
    """`images` (3, h, w) [nanomaggies] with the photon noise of their own light; a new array."""
    electrons = (
        np.maximum(images, 0) * np.float32(conditions.gain / conditions.calibration)[:, None, None]
    )
    unit = np.float32(conditions.calibration / conditions.gain)[:, None, None]
    return images + unit * np.sqrt(electrons) * rng.standard_normal(images.shape, np.float32)
