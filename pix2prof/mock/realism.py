"""Measurements that compare mock images with real ones: images in, tables out."""

import numpy as np
from astropy.table import QTable
from scipy.ndimage import binary_dilation, gaussian_filter, label
from scipy.stats import ks_2samp

from pix2prof.sdss import PIXSCALE, flux_to_mag, intensity_to_mu

SKY = ("std", "correlation", "power_2", "power_8", "power_32", "sources")
MEASURES = ("mag", "mu_50", "mu_0", "r_50", "concentration", "asymmetry", "gini", "ellipticity")


def pixel_sigma(image):
    """Noise of a pixel from the differences of neighbours; robust to sources and gradients.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (H, W), finite.

    Returns
    -------
    sigma : float
        In the image's unit.
    """
    image = np.asarray(image, float)
    difference = (image[:, 1:] - image[:, :-1]).ravel()
    return 1.4826 * float(np.median(np.abs(difference - np.median(difference)))) / np.sqrt(2)


def source_mask(image, smooth=2.0, threshold=2.5, grow=8):
    """Mask (H, W) of the sources of a field: smoothed, over a threshold, grown."""
    smoothed = gaussian_filter(np.asarray(image, float), smooth)
    middle = np.median(smoothed)
    sigma = 1.4826 * np.median(np.abs(smoothed - middle))
    return binary_dilation(smoothed > middle + threshold * sigma, iterations=grow)


def sky_statistics(image):
    """Source-free sky of a field.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (H, W) [nanomaggies per pixel].

    Returns
    -------
    statistics : dict
        ``std``, ``median`` [nanomaggies]; ``correlation``: of pixels one apart along rows and
        columns; ``power_2``, ``power_8``, ``power_32``: variance of the means of blocks of so
        many pixels in units of the white noise's, the power spectrum at these scales;
        ``sources``: detections per square arcminute.
    """
    image = np.asarray(image, float)
    mask = source_mask(image)
    clear = np.where(mask, np.nan, image)
    clear = clear - np.nanmedian(clear)
    variance = np.nanvar(clear)
    pairs = (clear[:, 1:] * clear[:, :-1], clear[1:] * clear[:-1])
    return {
        "std": float(np.sqrt(variance)),
        "median": float(np.nanmedian(image[~mask])),
        "correlation": float(np.mean([np.nanmean(p) for p in pairs]) / variance),
        **{f"power_{size}": block_power(clear, size) / variance for size in (2, 8, 32)},
        "sources": count_sources(image) / (image.size * (PIXSCALE / 60) ** 2),
    }


def sky_table(fields):
    """Table of `sky_statistics` of a list of fields (H, W); columns `SKY`, one row a field."""
    rows = [[found[name] for name in SKY] for found in map(sky_statistics, fields)]
    return QTable(rows=rows or None, names=SKY)


def block_power(clear, size):
    """Variance of block means of an image with NaNs, times the pixels in a mean; 1 x variance
    for white noise. Blocks less than half clear are left out; NaN when fewer than eight remain."""
    h, w = (n // size * size for n in clear.shape)
    blocks = clear[:h, :w].reshape(h // size, size, w // size, size).swapaxes(1, 2)
    blocks = blocks.reshape(-1, size * size)
    count = np.isfinite(blocks).sum(axis=1)
    blocks, count = blocks[count > size * size / 2], count[count > size * size / 2]
    if len(count) < 8:
        return float("nan")
    means = np.nanmean(blocks, axis=1)
    return float(np.mean((means - means.mean()) ** 2 * count))


def count_sources(image, threshold=6.0):
    """Sources of a field whose peak, smoothed by 1.5 pixels, is over `threshold` sigma."""
    smoothed = gaussian_filter(np.asarray(image, float), 1.5)
    middle = np.median(smoothed)
    sigma = 1.4826 * np.median(np.abs(smoothed - middle))
    return int(label(smoothed > middle + threshold * sigma)[1])


def central_source(image, centre, sigma):
    """Pixels of the source at `centre` and of all others; two (H, W) bool.

    The connected pixels over 1.5 sigma in an image smoothed by 1.2 pixels. Touching sources are
    not parted: on real and mock images alike.

    Raises
    ------
    ValueError
        When nothing is detected within 8 pixels of the centre.
    """
    smoothed = gaussian_filter(image, 1.2)
    middle = np.median(smoothed[smoothed < np.median(smoothed) + 2 * sigma])
    segments, _ = label(smoothed > middle + 1.5 * sigma / (2 * np.sqrt(np.pi) * 1.2))
    x, y = (round(c) for c in centre)
    near = segments[max(y - 8, 0) : y + 9, max(x - 8, 0) : x + 9]
    labels, count = np.unique(near[near > 0], return_counts=True)
    if not labels.size or count.max() < 12:
        raise ValueError(f"no source within 8 pixels of ({x}, {y})")
    own = segments == labels[count.argmax()]
    return own, (segments > 0) & ~own


def galaxy_statistics(image, centre=None):
    """Morphology of the galaxy at the middle of an image, by measures that need no model.

    Concentration (5 log r80 / r20) and asymmetry as in Conselice (2003, ApJS 147, 1), Gini as in
    Lotz, Primack & Madau (2004, AJ 128, 163), all on the pixels of the source's segment.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (H, W) [nanomaggies per pixel], sky-subtracted.
    centre : (float, float), optional
        Column and row [pixels]; the image's by default.

    Returns
    -------
    statistics : dict
        `MEASURES`: magnitude, mean surface brightness within the half-light radius and of the
        brightest 3 x 3 pixels [mag arcsec^-2], half-light radius [arcsec], and pure numbers.

    Raises
    ------
    ValueError
        When there is no source at the centre.
    """
    image = np.asarray(image, float)
    h, w = image.shape
    centre = ((w - 1) / 2, (h - 1) / 2) if centre is None else centre
    sigma = pixel_sigma(image)
    own, others = central_source(image, centre, sigma)
    sky = np.median(image[~binary_dilation(own | others, iterations=5)])
    light = np.where(own, image - sky, 0.0)
    rows, columns = np.nonzero(own)
    values = np.maximum(light[own], 0.0)
    smoothed = np.where(own, gaussian_filter(image, 1.5), -np.inf)
    y0, x0 = np.unravel_index(np.argmax(smoothed), own.shape)
    r = np.hypot(rows - y0, columns - x0)
    order = np.argsort(r)
    growth = np.cumsum(light[own][order]) / light[own].sum()
    radii = [r[order][np.searchsorted(np.maximum.accumulate(growth), f)] for f in (0.2, 0.5, 0.8)]
    r20, r50, r80 = (max(radius, 0.5) for radius in radii)
    flux = light.sum()
    dx, dy = columns - np.average(columns, weights=values), rows - np.average(rows, weights=values)
    mxx, myy, mxy = (np.average(m, weights=values) for m in (dx * dx, dy * dy, dx * dy))
    root = np.sqrt((mxx - myy) ** 2 + 4 * mxy**2)
    ranked = np.sort(values)
    n = len(ranked)
    peak = image[max(y0 - 1, 0) : y0 + 2, max(x0 - 1, 0) : x0 + 2].mean() - sky
    return {
        "mag": float(flux_to_mag(flux)),
        "mu_50": float(intensity_to_mu(0.5 * flux / (np.pi * (r50 * PIXSCALE) ** 2))),
        "mu_0": float(intensity_to_mu(peak / PIXSCALE**2)),
        "r_50": float(r50 * PIXSCALE),
        "concentration": float(5 * np.log10(r80 / r20)),
        "asymmetry": asymmetry(image - sky, own, (x0, y0), sigma),
        "gini": float((2 * np.arange(1, n + 1) - n - 1) @ ranked / (ranked.sum() * (n - 1))),
        "ellipticity": float(1 - np.sqrt((mxx + myy - root) / (mxx + myy + root))),
    }


def asymmetry(image, own, centre, sigma):
    """Half the absolute difference to the image turned by 180 degrees, over the source's flux.

    The mean of what noise alone would give, 2 sigma / sqrt(pi) a pixel, is taken off.
    """
    rows, columns = np.nonzero(own)
    across = (2 * centre[1] - rows, 2 * centre[0] - columns)
    inside = (across[0] >= 0) & (across[0] < own.shape[0])
    inside &= (across[1] >= 0) & (across[1] < own.shape[1])
    here, there = image[rows[inside], columns[inside]], image[across[0][inside], across[1][inside]]
    noise = 2 * sigma / np.sqrt(np.pi) * inside.sum()
    return float((np.abs(here - there).sum() - noise) / (2 * np.abs(here).sum()))


def galaxy_table(images, names=None, centres=None):
    """Table of `galaxy_statistics` of a list of images; images without a central source left out.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        They may differ in size.
    names : sequence of str, optional
    centres : sequence of (x, y), optional

    Returns
    -------
    table : astropy.table.QTable
        Columns ``name`` and `MEASURES`.
    """
    rows = []
    for k, image in enumerate(images):
        try:
            row = galaxy_statistics(image, None if centres is None else centres[k])
        except ValueError:
            continue
        rows.append({"name": str(k) if names is None else names[k]} | row)
    return (
        QTable(rows=rows, names=("name", *MEASURES)) if rows else QTable(names=("name", *MEASURES))
    )


def compare(real, mock, columns=MEASURES):
    """Medians and quartiles of two tables side by side, with the two-sample distance of each.

    Parameters
    ----------
    real, mock : astropy.table.Table
    columns : sequence of str

    Returns
    -------
    table : astropy.table.QTable
        A row a measure: ``real`` and ``mock`` medians, their quartiles, ``ks``: the largest
        difference of the cumulative distributions, ``p``: how likely one as large is by chance
        (Kolmogorov and Smirnov). Values that are not finite are left out.
    """
    rows = []
    for name in columns:
        a, b = (np.asarray(t[name], float) for t in (real, mock))
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        quartiles = (*np.percentile(a, [50, 25, 75]), *np.percentile(b, [50, 25, 75]))
        rows.append((name, *quartiles, *ks_2samp(a, b)))
    names = ("measure", "real", "real_25", "real_75", "mock", "mock_25", "mock_75", "ks", "p")
    return QTable(rows=rows, names=names)
