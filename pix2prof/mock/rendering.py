"""Render a mock galaxy: its light on a pixel grid, convolved with the PSF of each band."""

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2

from pix2prof.mock.components import intensity
from pix2prof.sdss import PIXSCALE

FINE = 4
CORE = 24
REACH = 16
PAD = 44


def add_knots(galaxy, image, centre):
    """Add the knots to a pixel grid (3, h, w) in place [nanomaggies per pixel]."""
    knots, q = galaxy.knots, galaxy.axis_ratio
    if not knots:
        return
    px, py = knots["x"] / PIXSCALE, knots["y"] / PIXSCALE * q
    if galaxy.edge_on:
        py = py / q * 0.05
    c, s = np.cos(np.radians(galaxy.pa)), np.sin(np.radians(galaxy.pa))
    px, py = centre[0] + px * c - py * s, centre[1] + px * s + py * c
    sigma = np.clip(knots["sigma"] / PIXSCALE, 0.7, 12.0)
    for k in range(len(px)):
        add_gaussian(image, px[k], py[k], sigma[k], knots["flux"][:, k])


def add_gaussian(image, x, y, sigma, flux):
    """Add a round Gaussian of fluxes `flux` (3,) to `image` (3, h, w) in place."""
    half = int(np.ceil(4 * sigma))
    x0, y0 = round(x), round(y)
    left, right = max(x0 - half, 0), min(x0 + half + 1, image.shape[2])
    low, high = max(y0 - half, 0), min(y0 + half + 1, image.shape[1])
    if left >= right or low >= high:
        return
    gx = np.exp(-0.5 * ((np.arange(left, right) - x) / sigma) ** 2)
    gy = np.exp(-0.5 * ((np.arange(low, high) - y) / sigma) ** 2)
    stamp = np.outer(gy, gx).astype(np.float32) / np.float32(2 * np.pi * sigma**2)
    image[:, low:high, left:right] += np.float32(flux)[:, None, None] * stamp


def offsets(shape, centre, step=1.0, origin=(0.0, 0.0)):
    """Offsets from `centre` [arcsec] of grid nodes `step` pixels apart; two (h, w) float32."""
    x = (origin[0] + step * np.arange(shape[1]) - centre[0]) * PIXSCALE
    y = (origin[1] + step * np.arange(shape[0]) - centre[1]) * PIXSCALE
    return np.meshgrid(x.astype(np.float32), y.astype(np.float32))


def taper(x, y):
    """Weight of the finely sampled core: 1 in the middle, 0 beyond CORE pixels."""
    r = np.hypot(x, y) / np.float32(PIXSCALE * CORE)
    t = np.clip((r - np.float32(0.35)) / np.float32(0.6), 0, 1)
    return 1 - t * t * (3 - 2 * t)


def core_intensity(galaxy, centre):
    """Tapered core on a grid FINE times finer [nmgy per fine pixel], and the grid's first pixel.

    The innermost cells are averaged over 15 x 15 points: the cusp of a Sersic profile.
    """
    first = np.floor(np.asarray(centre)).astype(int) - CORE
    n = 2 * FINE * (CORE + 1)
    x, y = offsets((n, n), centre, 1 / FINE, first)
    light, clear = intensity(galaxy, x, y)
    lost = (clear - light) * taper(x, y)
    nodes = [round((c - f) * FINE) + np.arange(-3, 4) for c, f in zip(centre, first, strict=True)]
    sub = (np.arange(15) - 7) / 15
    gx, gy = (
        ((f + (k[:, None] + sub) / FINE).ravel() - c) * PIXSCALE
        for f, k, c in zip(first, nodes, centre, strict=True)
    )
    cusp = intensity(galaxy, *np.meshgrid(gx.astype(np.float32), gy.astype(np.float32)))[0]
    cusp = cusp.reshape(3, 7, 15, 7, 15).mean(axis=(2, 4))
    light[:, nodes[1][0] : nodes[1][-1] + 1, nodes[0][0] : nodes[0][-1] + 1] = cusp
    pixel = np.float32((PIXSCALE / FINE) ** 2)
    return light * taper(x, y) * pixel, first, lost.sum(axis=(1, 2)) * pixel


def render(galaxy, field, centre, psfs, hats=None):
    """Noise-free, source-free images of a galaxy in g, r and i.

    The core is sampled FINE times finer than the pixels and meets the Gaussians of the PSF
    there; the rest, and the wings of the PSF, are done on the pixel grid, PAD pixels larger than
    the field on each side.

    Parameters
    ----------
    galaxy : Galaxy
    field : int
        Side F [pixels].
    centre : (float, float)
        Column and row of the galaxy's centre [pixels].
    psfs : sequence of three Psf
    hats : sequence of three arrays, optional
        `image_hats(psfs, field)`, when it is at hand.

    Returns
    -------
    images : numpy.ndarray
        Nanomaggies per pixel, shape (3, F, F), float32.
    dust : numpy.ndarray
        Flux that the dust lane took away [nanomaggies], shape (3,).
    """
    size = next_fast_len(field + 2 * PAD, real=True)
    middle = (centre[0] + PAD, centre[1] + PAD)
    x, y = offsets((size, size), middle)
    light, clear = intensity(galaxy, x, y)
    weight = (1 - taper(x, y)) * np.float32(PIXSCALE**2)
    dust = ((clear - light) * weight).sum(axis=(1, 2))
    rest = light * weight
    add_knots(galaxy, rest, middle)
    core, first, dust_core = core_intensity(galaxy, middle)
    fine = convolve_core(core, psfs)
    n = core.shape[1] // FINE
    binned = core.reshape(3, n, FINE, n, FINE).sum(axis=(2, 4))
    hats = image_hats(psfs, field) if hats is None else hats
    fine -= convolve_core(binned, psfs, 1)
    for k in range(3):
        rest[k, first[1] : first[1] + n, first[0] : first[0] + n] += binned[k]
        image = irfft2(rfft2(rest[k]) * hats[k], s=(size, size))
        low = first - REACH
        m = fine.shape[1]
        image[low[1] : low[1] + m, low[0] : low[0] + m] += fine[k]
        rest[k] = image
    return rest[:, PAD : PAD + field, PAD : PAD + field].copy(), dust + dust_core


def image_hats(psfs, field):
    """Transforms of the PSFs on the padded pixel grid of a field; three (n, n // 2 + 1)."""
    size = next_fast_len(field + 2 * PAD, real=True)
    f2, r2 = frequencies(size), distances(size)
    return [rfft2(psf.wings(r2)) + psf.gaussians_hat(f2) for psf in psfs]


def convolve_core(core, psfs, step=FINE):
    """A core sampled `step` times finer than the pixels met by the PSFs' Gaussians.

    On pixel nodes, REACH pixels larger on each side than the core.
    """
    margin = REACH * step
    n = core.shape[1] + 2 * margin
    size = next_fast_len(n, real=True)
    f2 = frequencies(size) * np.float32(step**2)
    out = []
    for layer, psf in zip(core, psfs, strict=True):
        hat = rfft2(np.pad(layer, margin), s=(size, size)) * psf.gaussians_hat(f2)
        out.append(irfft2(hat, s=(size, size))[:n:step, :n:step] * np.float32(step**2))
    return np.stack(out)


def frequencies(size):
    """Squared frequencies [cycles^2 per step^2] of an rfft2 of side `size`, float32."""
    fx, fy = np.fft.rfftfreq(size), np.fft.fftfreq(size)
    return (fx**2 + fy[:, None] ** 2).astype(np.float32)


def distances(size):
    """Squared wrapped distances [pixels^2] from the first pixel of a side `size`, float32."""
    d = np.minimum(np.arange(size), size - np.arange(size)).astype(np.float32)
    return d**2 + d[:, None] ** 2
