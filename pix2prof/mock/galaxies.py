"""What a mock galaxy is: its components, their profiles, sizes and fluxes."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import gamma, gammaincinv

from pix2prof.sdss import mu_to_intensity


@dataclass(frozen=True)
class Spheroid:
    """A Sersic component on the sky: fluxes and half-light radii in g, r, i [nmgy, arcsec]."""

    flux: np.ndarray
    radius: np.ndarray
    index: float
    axis_ratio: float
    pa: float
    boxiness: float = 0.0
    twist: float = 0.0


@dataclass(frozen=True)
class Disc:
    """A disc with a smooth break; scale lengths in g, r, i [arcsec], `mu0` face-on."""

    mu0: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    break_radius: float
    sharpness: float
    height: float
    cutoff: float


@dataclass(frozen=True)
class Bar:
    """A bar in the disc's plane: fluxes, half length, shape, angle from the node [deg]."""

    flux: np.ndarray
    length: float
    axis_ratio: float
    angle: float


@dataclass(frozen=True)
class Ring:
    """A Gaussian ring (`width` > 0) or a lens (`width` = 0) in the disc's plane."""

    flux: np.ndarray
    radius: float
    width: float
    axis_ratio: float
    angle: float


@dataclass(frozen=True)
class Arms:
    """Logarithmic arms: pitch [deg], strength in g, r, i, sharpness of the ridge; start and fade
    in scale lengths; relative strengths of the arms; noise fields for phase and brightness."""

    number: int
    pitch: float
    strength: np.ndarray
    sharpness: float
    phase: float
    start: float
    wander: np.ndarray
    clumps: np.ndarray
    balance: np.ndarray
    fade: float


@dataclass(frozen=True)
class Galaxy:
    """One mock galaxy. Angles on the sky in degrees from +x; see `draw_galaxy`."""

    kind: str
    hubble_type: str
    inclination: float
    axis_ratio: float
    pa: float
    distance_mpc: float = 0.0
    redshift: float = 0.0
    r_235: float = 0.0
    spheroid: Spheroid | None = None
    disc: Disc | None = None
    bar: Bar | None = None
    rings: tuple = ()
    arms: Arms | None = None
    knots: dict = field(default_factory=dict)
    lopsided: tuple = (0.0, 0.0)
    warp: float = 0.0
    dust: float = 0.0
    attenuation: np.ndarray = field(default_factory=lambda: np.ones(3))
    break_type: str = ""

    @property
    def edge_on(self):
        """Whether the disc is drawn as seen from its side."""
        return self.disc is not None and self.inclination > 81.0


def sersic_b(index):
    """The constant that makes the Sersic radius hold half the light (exact)."""
    return gammaincinv(2 * index, 0.5)


def sersic_flux(index):
    r"""Flux of a circular Sersic profile of unit intensity and radius at :math:`R_e`."""
    b = sersic_b(index)
    return 2 * np.pi * index * np.exp(b) * b ** (-2 * index) * gamma(2 * index)


def disc_profile(disc, radius, band):
    r"""Face-on intensity of a disc [nanomaggies arcsec^-2] at `radius` [arcsec].

    The smoothly broken exponential of Erwin, Pohlen & Beckman (2008, AJ 135, 20).
    """
    hi, ho = disc.inner[band], disc.outer[band]
    i0 = mu_to_intensity(disc.mu0[band])
    step = np.logaddexp(0.0, disc.sharpness * (radius - disc.break_radius))
    step0 = np.logaddexp(0.0, -disc.sharpness * disc.break_radius)
    exponent = (1 / hi - 1 / ho) / disc.sharpness * (step - step0)
    cut = np.logaddexp(0.0, (radius - disc.cutoff) / (0.08 * disc.cutoff))
    return i0 * np.exp(exponent - radius / hi - cut)


def disc_flux(disc, band):
    """Flux of a disc of unit axis ratio [nanomaggies], by quadrature."""
    radius = np.linspace(0.0, 1.6 * disc.cutoff, 1001)
    return np.trapezoid(2 * np.pi * radius * disc_profile(disc, radius, band), radius)


def edge_on_profile(disc, x, band):
    """Face-on intensity of a disc summed along the line of sight at midplane distances `x`.

    Parameters
    ----------
    disc : Disc
    x : numpy.ndarray
        Distances from the centre [arcsec], shape (n,).
    band : int

    Returns
    -------
    column : numpy.ndarray
        In nanomaggies arcsec^-2 times arcsec, shape (n,).
    """
    depth = 1.5 * disc.cutoff * np.linspace(0.0, 1.0, 120) ** 2
    radius = np.hypot(np.asarray(x)[:, None], depth)
    return 2 * np.trapezoid(disc_profile(disc, radius, band), depth, axis=1)


def major_axis_profile(galaxy, radius, band=1):
    """Smooth intensity of disc and spheroid along the major axis [nanomaggies arcsec^-2]."""
    total = np.zeros_like(radius)
    s, d = galaxy.spheroid, galaxy.disc
    if s is not None:
        peak = s.flux[band] / (s.axis_ratio * s.radius[band] ** 2 * sersic_flux(s.index))
        b = sersic_b(s.index)
        total += peak * np.exp(-b * ((radius / s.radius[band]) ** (1 / s.index) - 1))
    if galaxy.edge_on:
        total += edge_on_profile(d, radius, band) / (2 * d.height)
    elif d is not None:
        total += disc_profile(d, radius, band) / galaxy.axis_ratio
    return total


def isophotal_radius(galaxy, mu=23.5, band=1):
    """Radius of an isophote along the major axis, in the unit of the galaxy's lengths; or 0."""
    size = galaxy.disc.cutoff if galaxy.disc is not None else 12 * galaxy.spheroid.radius[band]
    radius = np.geomspace(3e-3, 1.5, 400) * size
    bright = np.flatnonzero(major_axis_profile(galaxy, radius, band) > mu_to_intensity(mu))
    return float(radius[bright[-1]]) if bright.size else 0.0


def scaled(galaxy, scale):
    """The galaxy with all lengths times `scale` and fluxes times its square."""
    s, d, b, k = galaxy.spheroid, galaxy.disc, galaxy.bar, galaxy.knots
    area = scale**2
    return replace(
        galaxy,
        spheroid=s and replace(s, flux=s.flux * area, radius=s.radius * scale),
        disc=d
        and replace(
            d,
            inner=d.inner * scale,
            outer=d.outer * scale,
            break_radius=d.break_radius * scale,
            sharpness=d.sharpness / scale,
            height=d.height * scale,
            cutoff=d.cutoff * scale,
        ),
        bar=b and replace(b, flux=b.flux * area, length=b.length * scale),
        rings=tuple(
            replace(r, flux=r.flux * area, radius=r.radius * scale, width=r.width * scale)
            for r in galaxy.rings
        ),
        knots={name: v * (area if name == "flux" else scale) for name, v in k.items()},
    )


def dimmed(galaxy, factor):
    """The galaxy with all its light in g, r, i times `factor` (3,)."""
    s, d, b, k = galaxy.spheroid, galaxy.disc, galaxy.bar, galaxy.knots
    return replace(
        galaxy,
        spheroid=s and replace(s, flux=s.flux * factor),
        disc=d and replace(d, mu0=d.mu0 - 2.5 * np.log10(factor)),
        bar=b and replace(b, flux=b.flux * factor),
        rings=tuple(replace(r, flux=r.flux * factor) for r in galaxy.rings),
        knots={n: v * factor[:, None] if n == "flux" else v for n, v in k.items()},
    )


def total_flux(galaxy):
    """Total flux of a galaxy in g, r, i before its dust lane [nanomaggies], shape (3,)."""
    flux = np.zeros(3)
    if galaxy.spheroid is not None:
        flux += galaxy.spheroid.flux
    if galaxy.disc is not None:
        flux += [disc_flux(galaxy.disc, band) for band in range(3)]
    if galaxy.knots:
        flux += galaxy.knots["flux"].sum(axis=1)
    if not galaxy.edge_on:
        flux += sum((r.flux for r in galaxy.rings), np.zeros(3))
        flux += galaxy.bar.flux if galaxy.bar is not None else 0.0
    return flux
