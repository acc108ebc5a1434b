"""The other sources of a mock field: stars with their marks, background galaxies, trails."""

import numpy as np
from scipy.fft import irfft2, rfft2

from pix2prof.mock.galaxies import sersic_b
from pix2prof.sdss import PIXSCALE, mag_to_flux

# Stars brighter than r = 22 per square arcminute at a Galactic latitude of 50 degrees and the
# slope of their counts [dex per mag] (Girardi et al. 2005, A&A 436, 895; Juric et al. 2008, ApJ
# 673, 864); galaxies likewise (Yasuda et al. 2001, AJ 122, 1104); both
# brought, by up to a half, to the detections per area of four public fields.
STAR_DENSITY, STAR_SLOPE, STAR_SCATTER = 0.85, 0.17, 0.20
GALAXY_DENSITY, GALAXY_SLOPE = 2.5, 0.40
FAINTEST = 23.8
SATURATION = 40000.0


def draw_magnitudes(rng, density, slope, area, bright, faint, pivot=22.0):
    """Magnitudes of a Poisson number of sources with cumulative counts of a given slope.

    Parameters
    ----------
    rng : numpy.random.Generator
    density : float
        Sources brighter than `pivot` per square arcminute.
    slope : float
        Of the logarithm of the cumulative counts [dex per mag].
    area : float
        Square arcminutes.
    bright, faint : float
        Limits in magnitude.

    Returns
    -------
    mag : numpy.ndarray
    """
    low, high = 10 ** (slope * (bright - pivot)), 10 ** (slope * (faint - pivot))
    count = rng.poisson(density * area * (high - low))
    return pivot + np.log10(rng.uniform(low, high, count)) / slope


def star_colours(rng, count):
    """g - r and r - i of stars: turn-off stars and M dwarfs on the stellar locus.

    Covey et al. 2007, AJ 134, 2398.
    """
    dwarf = rng.uniform(size=count) < 0.45
    gr = np.where(dwarf, rng.normal(1.42, 0.08, count), rng.normal(0.45, 0.17, count))
    red = np.clip(rng.gamma(3.0, 0.32, count), 0.4, 2.2)
    ri = np.where(dwarf, red, 0.36 * gr + rng.normal(0, 0.04, count))
    return gr, ri


def fluxes(mag, gr, ri):
    """Fluxes in g, r, i [nanomaggies], shape (3, n), of r magnitudes and colours."""
    return mag_to_flux(np.stack([mag + gr, mag, mag - ri]))


def reaches(psf, ratio):
    """Radii [pixels] beyond which the PSF is under a `ratio` (n,) of its flux; (n,) int."""
    radius = np.geomspace(3.0, 700.0, 80)
    level = psf(radius**2)
    place = np.searchsorted(-level, -ratio)
    return np.ceil(radius[np.minimum(place, 79)]).astype(int)


def add_stars(images, x, y, flux, conditions):
    """Add stars to `images` (3, h, w) in place: `x`, `y` (n,) pixels, `flux` (3, n)."""
    h, w = images.shape[1:]
    for k, psf in enumerate(conditions.psfs):
        for j, half in enumerate(reaches(psf, 0.04 * conditions.sigma[k] / flux[k])):
            x0, y0 = round(x[j]), round(y[j])
            left, right = max(x0 - half, 0), min(x0 + half + 1, w)
            low, high = max(y0 - half, 0), min(y0 + half + 1, h)
            if left >= right or low >= high:
                continue
            dx = (np.arange(left, right) - x[j]).astype(np.float32)
            dy = (np.arange(low, high) - y[j]).astype(np.float32)
            stamp = psf(dx * dx + (dy * dy)[:, None])
            images[k, low:high, left:right] += np.float32(flux[k, j]) * stamp


def add_spikes(image, x, y, flux, angle):
    """Add the four diffraction spikes of a bright star to `image` (h, w) in place."""
    dx = np.arange(image.shape[1], dtype=np.float32) - np.float32(x)
    dy = (np.arange(image.shape[0], dtype=np.float32) - np.float32(y))[:, None]
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    for along, across in ((dx * c + dy * s, dy * c - dx * s), (dy * c - dx * s, dx * c + dy * s)):
        image += (
            np.float32(6e-4 * flux)
            * np.exp(-0.5 * (across / 1.3) ** 2)
            / (np.abs(along) + 6) ** np.float32(1.8)
        )


def bleed(image, level):
    """Clip `image` (h, w) at `level` in place and spill the excess along the columns."""
    for column in np.flatnonzero(image.max(axis=0) > level):
        line = image[:, column]
        excess = np.maximum(line - level, 0)
        top = int(np.argmax(line))
        length = int(min(excess.sum() / level / 2, len(line)))
        np.minimum(line, level, out=line)
        line[max(top - length, 0) : top + length + 1] = level


def add_galaxies(layer, x, y, flux, radius, axis_ratio, angle, index):
    """Add small Sersic galaxies to a layer (3, h, w) that still has to meet the PSF, in place.

    All parameters have shape (n,), `flux` (3, n); radii in pixels, angles in radians. A stamp is
    normalised to the flux it is given.
    """
    h, w = layer.shape[1:]
    for j in range(len(x)):
        half = int(np.ceil((4 if index[j] < 2 else 6) * radius[j])) + 2
        x0, y0 = round(x[j]), round(y[j])
        left, right = max(x0 - half, 0), min(x0 + half + 1, w)
        low, high = max(y0 - half, 0), min(y0 + half + 1, h)
        if left >= right or low >= high:
            continue
        dx = np.arange(-half, half + 1, dtype=np.float32) + np.float32(x0 - x[j])
        dy = (np.arange(-half, half + 1, dtype=np.float32) + np.float32(y0 - y[j]))[:, None]
        c, s = np.float32(np.cos(angle[j])), np.float32(np.sin(angle[j]))
        u, v = dx * c + dy * s, (dy * c - dx * s) * np.float32(1 / axis_ratio[j])
        r = np.sqrt(u * u + v * v + np.float32(0.08)) * np.float32(1 / radius[j])
        stamp = np.exp(np.float32(-sersic_b(index[j])) * r ** np.float32(1 / index[j]))
        stamp *= np.float32(1 / stamp.sum())
        cut = stamp[low - y0 + half : high - y0 + half, left - x0 + half : right - x0 + half]
        layer[:, low:high, left:right] += np.float32(flux[:, j])[:, None, None] * cut


def draw_background(rng, layer, area):
    """Draw background galaxies into a layer (3, h, w) that still has to meet the PSF, in place.

    Counts: Yasuda et al. 2001. Sizes: half-light radii of 0.6 arcsec at r = 22, larger by 0.12
    dex per magnitude, scatter 0.2 dex (Shen et al. 2003; Roche et al. 1996, MNRAS 282, 1247);
    colours: Fukugita, Shimasaku & Ichikawa 1995, PASP 107, 945, mixed to z of 0.4.
    """
    mag = draw_magnitudes(rng, GALAXY_DENSITY, GALAXY_SLOPE, area, 15.5, FAINTEST)
    n = len(mag)
    early = rng.uniform(size=n) < 0.3
    gr = np.where(early, rng.normal(1.35, 0.3, n), rng.normal(0.75, 0.25, n))
    ri = np.where(early, rng.normal(0.55, 0.12, n), rng.normal(0.38, 0.12, n))
    radius = 0.6 / PIXSCALE * 10 ** (0.12 * (22 - mag) + rng.normal(0, 0.2, n))
    h, w = layer.shape[1:]
    add_galaxies(
        layer,
        rng.uniform(0, w, n),
        rng.uniform(0, h, n),
        fluxes(mag, gr, ri),
        np.maximum(radius, 0.5),
        np.where(early, rng.uniform(0.5, 1, n), rng.uniform(0.2, 1, n)),
        rng.uniform(0, np.pi, n),
        np.where(early, 3.5, 1.0),
    )


def convolved(layer, hats):
    """A layer (3, n, n) convolved with PSFs given by their transforms (3 of (n, n // 2 + 1))."""
    n = layer.shape[1]
    return np.stack([irfft2(rfft2(a) * h, s=(n, n)) for a, h in zip(layer, hats, strict=True)])


def draw_stars(rng, images, area, margin, conditions):
    """Draw foreground stars into `images` (3, h, w) in place, saturated ones with their marks.

    Stars fall up to `margin` pixels outside. The density scatters by 0.2 dex from field to
    field: Galactic latitudes of 25 to 90 degrees.
    """
    density = STAR_DENSITY * 10 ** rng.normal(0.0, STAR_SCATTER)
    mag = draw_magnitudes(rng, density, STAR_SLOPE, area, 11.0, 23.2)
    h, w = images.shape[1:]
    x, y = rng.uniform(-margin, w + margin, len(mag)), rng.uniform(-margin, h + margin, len(mag))
    flux = fluxes(mag, *star_colours(rng, len(mag)))
    add_stars(images, x, y, flux, conditions)
    angle = rng.uniform(0, np.pi / 2)
    for k in range(3):
        for j in np.flatnonzero(flux[k] > mag_to_flux(13.0)):
            add_spikes(images[k], x[j], y[j], flux[k, j], angle)
        bleed(images[k], SATURATION * conditions.calibration[k])


def draw_trail(rng, images, sigma, chance=0.02):
    """Now and then, the trail of a satellite across one band of `images` (3, h, w), in place."""
    if rng.uniform() > chance:
        return
    k, angle = int(rng.integers(3)), rng.uniform(0, np.pi)
    h, w = images.shape[1:]
    dx = np.arange(w, dtype=np.float32) - np.float32(rng.uniform(0, w))
    dy = (np.arange(h, dtype=np.float32) - np.float32(rng.uniform(0, h)))[:, None]
    across = dy * np.float32(np.cos(angle)) - dx * np.float32(np.sin(angle))
    bright = sigma[k] * 10 ** rng.uniform(0.0, 1.3)
    images[k] += np.float32(bright) * np.exp(
        -0.5 * (across / np.float32(rng.uniform(1.5, 4))) ** 2
    )
