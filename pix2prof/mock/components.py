"""Intensity of a mock galaxy's components at given offsets from its centre."""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import gamma, i0e

from pix2prof.mock.galaxies import disc_profile, edge_on_profile, sersic_b, sersic_flux

LANE = np.array([1.25, 1.0, 0.78])


def rotated(x, y, degrees):
    """Coordinates along axes turned counter-clockwise by an angle, the shape of `x` and `y`."""
    turn = np.radians(np.asarray(degrees, np.float32))
    c, s = np.cos(turn), np.sin(turn)
    return x * c + y * s, y * c - x * s


def superradius(u, v, power):
    """Generalised elliptical radius, (|u|^p + |v|^p)^(1/p)."""
    if power == 2.0:
        return np.hypot(u, v)
    u, v = np.abs(u) + np.float32(1e-6), np.abs(v)
    return u * (1 + (v / u) ** np.float32(power)) ** np.float32(1 / power)


def spheroid_intensity(spheroid, x, y):
    """Sersic intensity at offsets `x`, `y` [arcsec]; shape (3,) + theirs [nmgy arcsec^-2]."""
    s = spheroid
    u, v = rotated(x, y, s.pa)
    if s.twist:
        turn = np.clip(np.hypot(u, v) / np.float32(3 * s.radius[1]), 0, 1)
        u, v = rotated(u, v, np.float32(s.twist) * (turn - np.float32(0.33)))
    radius = superradius(u, v / np.float32(s.axis_ratio), 2.0 + s.boxiness)
    area = 1.0
    if s.boxiness:
        c = 2.0 + s.boxiness
        area = 4 / np.pi * gamma(1 + 1 / c) ** 2 / gamma(1 + 2 / c)
    root = np.exp(np.log(radius + np.float32(1e-6)) * np.float32(1 / s.index))
    b = sersic_b(s.index)
    norm = s.axis_ratio * area * sersic_flux(s.index) * s.radius**2
    return np.stack(
        [
            np.float32(s.flux[k] / norm[k] * np.exp(b))
            * np.exp(root * np.float32(-b * s.radius[k] ** (-1 / s.index)))
            for k in range(3)
        ]
    )


def lookup(values, radius, step):
    """Linear interpolation of `values` tabulated every `step` from 0, at `radius`."""
    position = np.minimum(radius / np.float32(step), np.float32(len(values) - 1.001))
    index = position.astype(np.int32)
    values = values.astype(np.float32)
    return values[index] + (position - index) * np.diff(values)[index]


def arm_wave(arms, rows=96, columns=256):
    """The arms' pattern on a grid of (ln R, angle): mean 0 on every circle, at least -0.85.

    Phases follow logarithmic spirals; a von Mises bump is the arm's cross-section, and two smooth
    random fields make it wander (phase, along the arm) and clump (brightness, in patches about as
    wide as they are long at a pitch of 15 degrees).

    Returns
    -------
    wave : numpy.ndarray
        Shape (rows, columns); row r is at ln(R / h) = r / 16 - 3.5.
    """
    log_r = np.arange(rows)[:, None] / 16 - 3.5
    phi = np.arange(columns) * (2 * np.pi / columns)
    wound = phi - log_r / np.tan(np.radians(arms.pitch))
    place = (np.broadcast_to(log_r * 8 + 28, wound.shape), wound * 64 / np.pi % 128)
    wander, clumps = (
        map_coordinates(smooth_field(f, sigma), place, order=1, mode="grid-wrap")
        for f, sigma in ((arms.wander, (3.0, 9.0)), (arms.clumps, (0.8, 7.0)))
    )
    phase = arms.number * wound - arms.phase + wander
    bump = np.exp(arms.sharpness * (np.cos(phase) - 1)) / i0e(arms.sharpness)
    arm = np.round(phase / (2 * np.pi)).astype(int) % arms.number
    onset = np.clip(np.exp(log_r) / arms.start - 0.3, 0, 1)
    onset = onset**2 * (3 - 2 * onset)
    strength = arms.strength[1] * arms.balance[arm] * onset
    strength = strength / (1 + np.exp(3 * (np.exp(log_r) - arms.fade)).clip(max=1e6))
    wave = (1 + onset * clumps) * (1 + strength * (bump - 1))
    wave = wave / wave.mean(axis=1, keepdims=True) - 1
    return np.maximum(wave, -0.85).astype(np.float32)


def arm_pattern(arms, scale, radius, x, y):
    """Modulation of a disc by its arms in g, r, i: mean 1 on every circle, shape (3,) + x's."""
    wave = arm_wave(arms)
    row = (np.log(radius + np.float32(1e-3 * scale)) - np.float32(np.log(scale) - 3.5)) * 16
    column = np.arctan2(y, x) * np.float32(wave.shape[1] / (2 * np.pi))
    row = np.clip(row, 0, np.float32(len(wave) - 1.01))
    wave = np.pad(wave, ((0, 0), (0, 1)), mode="wrap")
    column = np.where(column < 0, column + np.float32(wave.shape[1] - 1), column)
    i, j = row.astype(np.int32), np.minimum(column.astype(np.int32), wave.shape[1] - 2)
    row -= i
    column -= j
    flat, at = wave.ravel(), i * np.int32(wave.shape[1]) + j
    low = flat[at] * (1 - column) + flat[at + 1] * column
    at += np.int32(wave.shape[1])
    wave = low + row * (flat[at] * (1 - column) + flat[at + 1] * column - low)
    ratio = (arms.strength / arms.strength[1]).astype(np.float32)
    return 1 + ratio[:, None, None] * wave


def smooth_field(field, sigma):
    """A field of noise on (ln R, winding angle), smoothed by `sigma` nodes; its rms is kept."""
    rms = field.std()
    field = gaussian_filter(field, sigma, mode=("nearest", "wrap"))
    field = field - field.mean(axis=1, keepdims=True)
    return np.clip(field * (rms / field.std()), -2.5 * rms, 2.5 * rms)


def bar_intensity(bar, u, v):
    """A flat bar with soft ends in the plane of the disc, face-on; shape (3,) + u's."""
    x, y = rotated(u, v, bar.angle)
    a, q, c = bar.length, bar.axis_ratio, 2.8
    radius = superradius(x / np.float32(a), y / np.float32(a * q), c)
    grid = np.linspace(0.0, 4.0, 801)
    area = 4 * gamma(1 + 1 / c) ** 2 / gamma(1 + 2 / c)
    norm = area * a**2 * q * np.trapezoid(2 * grid * bar_profile(grid), grid)
    return bar_profile(radius) * np.float32(bar.flux / norm)[:, None, None]


def bar_profile(radius):
    """Unnormalised profile of a bar along its length, in units of that."""
    return np.exp(-radius) / (1 + np.exp(np.minimum((radius - 1) / 0.17, 60.0)))


def ring_intensity(ring, u, v):
    """A ring or lens in the plane of the disc, face-on; shape (3,) + u's."""
    x, y = rotated(u, v, ring.angle)
    radius = np.hypot(x, y / np.float32(ring.axis_ratio))

    def profile(r):
        if ring.width:
            return np.exp(-0.5 * ((r - float(ring.radius)) / float(ring.width)) ** 2)
        return 1 / (1 + np.exp(np.minimum((r / float(ring.radius) - 1) / 0.08, 60.0)))

    grid = np.linspace(0.0, 4 * ring.radius, 1601)
    norm = ring.axis_ratio * np.trapezoid(2 * np.pi * grid * profile(grid), grid)
    return profile(radius) * np.float32(ring.flux / norm)[:, None, None]


def inclined_intensity(galaxy, x, y):
    """Disc, bar, rings and arms of a disc that is not edge-on; shape (3,) + x's.

    Bars are as thick as discs seen at an axis ratio of 0.4 and are not flattened beyond that.
    """
    disc, q = galaxy.disc, np.float32(galaxy.axis_ratio)
    scale = disc.inner[1]
    u, v = rotated(x, y, galaxy.pa)
    radius = np.hypot(u, v / q)
    if galaxy.warp:
        turn = np.clip(radius / np.float32(scale) - np.float32(2.2), 0, 2) * np.float32(0.5)
        u, v = rotated(u, v, np.float32(galaxy.warp) * turn)
        radius = np.hypot(u, v / q)
    v = v / q
    step = disc.cutoff / 1500
    grid = np.arange(3000) * step
    light = np.stack([lookup(disc_profile(disc, grid, k), radius, step) for k in range(3)])
    if galaxy.arms is not None:
        light *= arm_pattern(galaxy.arms, scale, radius, u, v)
    amount, angle = galaxy.lopsided
    if amount:
        along = u * np.float32(np.cos(angle)) + v * np.float32(np.sin(angle))
        light *= 1 + np.float32(amount) * along / (radius + np.float32(2 * scale))
    for ring in galaxy.rings:
        light += ring_intensity(ring, u, v)
    if galaxy.bar is not None:
        thick = max(q, np.float32(0.4))
        light += bar_intensity(galaxy.bar, u, v * (q / thick)) * (q / thick)
    return light / q


def edge_on_intensity(galaxy, x, y):
    """A disc seen from its side: column along the line of sight times sech^2; (3,) + x's.

    van der Kruit & Searle 1981, A&A 95, 105, for any radial profile. The vertical scale includes
    the small extent that a disc a few degrees off edge-on adds.
    """
    disc = galaxy.disc
    u, v = rotated(x, y, galaxy.pa)
    if galaxy.warp:
        bend = np.clip(np.abs(u) / np.float32(disc.inner[1]) - np.float32(2.2), 0, 4)
        v = v - np.sign(u) * bend * np.float32(disc.inner[1] * np.tan(np.radians(galaxy.warp) / 5))
    height = np.hypot(disc.height, 0.5 * disc.inner[1] * np.cos(np.radians(galaxy.inclination)))
    z = np.minimum(np.abs(v) * np.float32(1 / height), 30)
    vertical = np.float32(1 / (2 * height)) / np.cosh(z) ** 2
    step = disc.cutoff / 120
    grid = np.arange(200) * step
    u = np.abs(u)
    return np.stack([lookup(edge_on_profile(disc, grid, k), u, step) * vertical for k in range(3)])


def dust_screen(galaxy, x, y):
    """Fraction of light that passes the dust lane in g, r, i; None where there is no lane.

    Edge-on: a thin exponential lane of central optical depth `galaxy.dust`. Inclined beyond 60
    degrees: the near side of the inner disc dims the light behind it (Xilouris et al. 1999, A&A
    344, 868, for scale lengths and depths; the ratio of bands follows Cardelli et al. 1989).
    """
    if galaxy.dust == 0 or galaxy.inclination < 60:
        return None
    disc = galaxy.disc
    u, v = rotated(x, y, galaxy.pa)
    fall = np.exp(-np.abs(u) * np.float32(1 / (1.4 * disc.inner[1])))
    if galaxy.edge_on:
        tilt = disc.inner[1] * np.cos(np.radians(galaxy.inclination)) * 0.4
        depth = (
            fall
            / np.cosh(
                np.minimum(np.abs(v - np.float32(tilt)) / np.float32(0.35 * disc.height), 30)
            )
            ** 2
        )
    else:
        width = np.float32(0.45 * disc.inner[1] * galaxy.axis_ratio)
        near = v / width - 1
        depth = 0.35 * fall * np.exp(-0.5 * near * near)
    return np.exp(np.float32(-galaxy.dust * LANE)[:, None, None] * depth)


def intensity(galaxy, x, y):
    """Intensity of a galaxy, without its knots, at offsets from its centre.

    Parameters
    ----------
    galaxy : Galaxy
    x, y : numpy.ndarray
        Offsets [arcsec], float32, shape (h, w).

    Returns
    -------
    light, clear : numpy.ndarray
        In nanomaggies arcsec^-2, shape (3, h, w); `clear` without the dust lane.
    """
    light = np.zeros((3, *x.shape), np.float32)
    if galaxy.spheroid is not None:
        light += spheroid_intensity(galaxy.spheroid, x, y)
    if galaxy.disc is not None:
        light += (edge_on_intensity if galaxy.edge_on else inclined_intensity)(galaxy, x, y)
    screen = dust_screen(galaxy, x, y)
    return (light, light) if screen is None else (light * screen, light)
