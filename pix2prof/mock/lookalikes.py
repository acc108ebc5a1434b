"""Mock galaxies of the sizes, brightnesses and cut-outs of given ones: a fair comparison."""

import numpy as np
from astropy.table import QTable

from pix2prof.isophotes import method as isophotes
from pix2prof.mock.galaxies import total_flux
from pix2prof.mock.population import draw_galaxy
from pix2prof.mock.simulation import generators, mock_galaxy
from pix2prof.profiles import isophotal_radius, sma_grid
from pix2prof.sdss import flux_to_mag

SMALLEST = 64
SMALL_SHARE = 0.5
SIZE_STEP, MAG_STEP = 0.06, 0.4
LIMIT = 23.5
FRACTIONS = (0.2, 0.4, 0.6, 0.8, 1.25)
SHAPES = tuple(f"mu_at_{fraction:g}" for fraction in FRACTIONS)


def beside(images, seed, each=2):
    """Real galaxies, and mock ones seen as they are.

    Each mock galaxy is the nearest of a large drawn set in R_23.5 and magnitude, in the r band,
    on a cut-out of the same shape. Images without a measurable size are left out.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        Nanomaggies per pixel of 0.396 arcsec; they may differ in size.
    seed : int
        Of the mock galaxies.
    each : int
        Mock galaxies for each real one.

    Returns
    -------
    real : list of numpy.ndarray
        N of the images.
    mock : list of numpy.ndarray
        N x `each` cut-outs; those of image k are the entries k, k + N, ...
    """
    r_235, mag, _ = measured_sizes(images)
    kept = np.flatnonzero(np.isfinite(r_235) & np.isfinite(mag))
    if not kept.size:
        return [], []
    real = [np.asarray(images[k]) for k in kept]
    indices = find_lookalikes(r_235[kept], mag[kept], seed, each)
    mock = [
        lookalike_image(seed, int(index), image.shape)
        for column in indices.T
        for index, image in zip(column, real, strict=True)
    ]
    return real, mock


def measured_sizes(images):
    """Size and brightness of galaxies by the automatic classical method.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        Nanomaggies per pixel of 0.396 arcsec; they may differ in size.

    Returns
    -------
    r_235 : numpy.ndarray
        Radius of the 23.5 mag arcsec^-2 isophote [arcsec], NaN where there is none, shape (N,).
    mag : numpy.ndarray
        Within the signal-to-noise cut, NaN where there is no flux, shape (N,).
    mu : numpy.ndarray
        Profiles, NaN beyond the cut, shape (N, 1024) [mag arcsec^-2].
    """
    mag = np.full(len(images), np.nan)
    mu = np.full((len(images), len(sma_grid())), np.nan)
    for k, image in enumerate(images):
        found = isophotes.measure(np.asarray(image, np.float32))
        n = int(found.n_valid[0])
        if n == 0:
            continue
        mu[k, :n] = found.mu[0, :n].numpy()
        if (flux := float(found.growth[0, n - 1])) > 0:
            mag[k] = flux_to_mag(flux)
    return isophotal_radius(mu, LIMIT), mag, mu


def shape_table(mu):
    """Shapes of profiles: surface brightness at fractions of R_23.5, less 23.5.

    Parameters
    ----------
    mu : array_like
        Profiles, 0.2 arcsec a row, NaN beyond their end, shape (N, T) [mag arcsec^-2].

    Returns
    -------
    table : astropy.table.QTable
        Columns `SHAPES`, one row a profile that has an R_23.5; NaN where it ends before.
    """
    mu = np.asarray(mu, float)
    sma = sma_grid(mu.shape[1])
    rows = [
        np.interp(np.multiply(FRACTIONS, radius), sma, profile) - LIMIT
        for profile, radius in zip(mu, isophotal_radius(mu, LIMIT), strict=True)
        if np.isfinite(radius)
    ]
    return QTable(rows=rows or None, names=SHAPES)


def find_lookalikes(r_235, mag, seed, each=1, pool=1500):
    """Indices of mock galaxies nearest to given ones in size and brightness.

    Parameters
    ----------
    r_235, mag : array_like
        Of the given galaxies: radius of the 23.5 mag arcsec^-2 isophote in r [arcsec], total
        magnitude in r; finite, shape (N,).
    seed : int
        Of the mock galaxies.
    each : int
        Look-alikes of each; none serves twice.
    pool : int
        Galaxies drawn to choose from, half of them of 3 to 8 arcsec.

    Returns
    -------
    indices : numpy.ndarray
        Shape (N, each), int, for `lookalike_image`.

    Raises
    ------
    ValueError
        With fewer galaxies in the pool than are asked for.
    """
    r_235, mag = np.asarray(r_235, float), np.asarray(mag, float)
    if len(r_235) * each > pool:
        raise ValueError(f"{len(r_235)} x {each} look-alikes out of a pool of {pool}")
    drawn = [draw_galaxy(generators(seed, index)[0], SMALL_SHARE) for index in range(pool)]
    size = np.log10([max(galaxy.r_235, 0.1) for galaxy in drawn])
    bright = np.array([flux_to_mag(total_flux(galaxy)[1]) for galaxy in drawn])
    distance = np.hypot(
        (np.log10(r_235)[:, None] - size) / SIZE_STEP, (mag[:, None] - bright) / MAG_STEP
    )
    indices = np.empty((len(r_235), each), int)
    for turn in range(each):
        for k in np.argsort(r_235)[::-1]:
            indices[k, turn] = distance[k].argmin()
            distance[:, indices[k, turn]] = np.inf
    return indices


def lookalike_image(seed, index, shape, band=1):
    """Cut-out (H, W) of a mock galaxy that `find_lookalikes` named [nanomaggies per pixel].

    Parameters
    ----------
    seed, index : int
    shape : (int, int)
        Height and width of the cut-out [pixels].
    band : int
        In `pix2prof.sdss.BANDS`.
    """
    side = max(*shape, SMALLEST)
    image = mock_galaxy(seed, index, field=side, small_share=SMALL_SHARE).images[band]
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    return image[top : top + shape[0], left : left + shape[1]]


def small_fields(seed, count, side=512, band=1):
    """Mock fields (side, side) of little but the sky: galaxies of 3 to 8 arcsec in the middle."""
    return [
        mock_galaxy(seed, index, field=side, small_share=1.0).images[band]
        for index in range(count)
    ]
