"""The population of mock galaxies: every distribution drawn, with its source beside it."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import gamma, gammaincinv

from pix2prof.sdss import flux_to_mag, mag_to_flux, mu_to_intensity

HUBBLE = 70.0
LIGHT_SPEED = 299792.458
STAGES = ("S0", "S0/a", "Sa", "Sab", "Sb", "Sbc", "Sc", "Scd", "Sd", "Sdm", "Sm", "Im")

# Share of types in a PROBES-like nearby sample: nearly all discs, most of them late-type spirals
# (Stone, Courteau & Arora 2022, ApJS 262, 33, fig. 2), with a few ellipticals and lenticulars
# kept so that a network has seen them, and a tail of low-surface-brightness discs (about a tenth
# of a diameter-limited sample; McGaugh 1996, MNRAS 280, 337).
SHARE = {"elliptical": 0.09, "lenticular": 0.10, "spiral": 0.71, "lsb": 0.10}

# By Hubble stage, S0 to Im: bulge-to-total ratio in r and Sersic index (Graham & Worley 2008,
# MNRAS 388, 1708, tables 4 and 5), g - r and r - i of the disc at one scale length (Fukugita et
# al. 2007, AJ 134, 579, table 2), and the fraction of disc light in knots (HII regions and
# associations; Kennicutt, Edgar & Hodge 1989, ApJ 337, 761).
STAGE = np.arange(12.0)
BULGE_TO_TOTAL = (0.28, 0.26, 0.24, 0.20, 0.15, 0.10, 0.06, 0.04, 0.025, 0.015, 0.008, 0.004)
BULGE_INDEX = (2.4, 2.4, 2.3, 2.1, 1.8, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.7)
DISC_GR = (0.70, 0.68, 0.64, 0.60, 0.56, 0.52, 0.47, 0.42, 0.37, 0.34, 0.31, 0.29)
DISC_RI = (0.36, 0.36, 0.34, 0.32, 0.30, 0.28, 0.25, 0.22, 0.19, 0.17, 0.15, 0.13)
KNOT_SHARE = (0.0, 0.0, 0.01, 0.015, 0.02, 0.03, 0.045, 0.06, 0.07, 0.09, 0.11, 0.14)


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
    """Logarithmic arms: number, pitch [deg], strength in g, r, i, sharpness, noise field."""

    number: int
    pitch: float
    strength: np.ndarray
    sharpness: float
    phase: float
    start: float
    wander: np.ndarray
    clumps: np.ndarray


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

    The smoothly broken exponential of Erwin, Pohlen & Beckman (2008, AJ 135, 20, eq. 6).
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


def _interp(stage, table):
    return float(np.interp(stage, STAGE, table))


def _flux(absolute_mag):
    """Flux of an absolute magnitude as intensity times area [nmgy arcsec^-2 kpc^2]."""
    return mag_to_flux(np.asarray(absolute_mag) + 36.572)


def _colours(gr, ri):
    """Magnitudes in g, r, i relative to r."""
    return np.array([gr, 0.0, -ri])


def draw_elliptical(rng):
    """An elliptical with lengths in kpc and fluxes in nmgy arcsec^-2 kpc^2.

    Sizes follow luminosity (Shen et al. 2003, MNRAS 343, 978, eq. 17: slope 0.65 in mass; the
    r-band form of their fig. 2), the Sersic index too (Caon, Capaccioli & D'Onofrio 1993, MNRAS
    265, 1013; Graham & Guzman 2003, AJ 125, 2936, eq. 17), axis ratios are those of triaxial
    spheroids (Padilla & Strauss 2008, MNRAS 388, 1321), boxiness and twists are mild (Bender et
    al. 1988, A&AS 74, 385), and the blue light is the more extended by the colour gradient
    (La Barbera & de Carvalho 2009, ApJ 699, L76: -0.07 mag per dex in g - r).
    """
    mag = float(np.clip(rng.normal(-21.2, 1.1), -23.5, -17.5))
    log_re = 0.60 - 0.24 * (mag + 21.2) + rng.normal(0.0, 0.12)
    index = float(np.clip(10 ** (0.58 - 0.09 * (mag + 21.2) + rng.normal(0.0, 0.10)), 1.2, 8.0))
    colour = _colours(rng.normal(0.75, 0.03), rng.normal(0.38, 0.02))
    spheroid = Spheroid(
        flux=_flux(mag + colour),
        radius=10**log_re * np.array([1.05, 1.0, 0.98]) ** rng.uniform(0.0, 2.0),
        index=index,
        axis_ratio=float(np.clip(rng.normal(0.74, 0.15), 0.35, 1.0)),
        pa=float(rng.uniform(0.0, 180.0)),
        boxiness=float(np.clip(rng.normal(0.0, 0.12), -0.3, 0.4)),
        twist=float(rng.normal(0.0, 6.0)),
    )
    return {
        "kind": "elliptical",
        "hubble_type": f"E{round(10 * (1 - spheroid.axis_ratio))}",
        "inclination": float(np.degrees(np.arccos(spheroid.axis_ratio))),
        "axis_ratio": spheroid.axis_ratio,
        "pa": spheroid.pa,
        "spheroid": spheroid,
    }


def draw_break(rng, scale):
    """Outer scale length and break radius of a disc of inner scale length `scale`.

    Types I, II and III in the shares 0.2, 0.5 and 0.3; the break sits at 2.5 (II) or 4.9 (III)
    inner scale lengths (Pohlen & Trujillo 2006, A&A 454, 759, tables 2 and 4; Erwin, Pohlen &
    Beckman 2008 for early types).

    Returns
    -------
    name : str
    outer, radius, sharpness : float
        The last in inverse units of `scale`.
    """
    name = str(rng.choice(["I", "II", "III"], p=[0.2, 0.5, 0.3]))
    sharpness = rng.uniform(1.5, 8.0) / scale
    if name == "II":
        return name, scale * rng.uniform(0.35, 0.75), scale * rng.normal(2.6, 0.6), sharpness
    if name == "III":
        return name, scale * rng.uniform(1.3, 2.2), scale * rng.normal(4.6, 0.7), sharpness
    return name, scale, 4.0 * scale, sharpness


def draw_disc(rng, kind, stage):
    """A disc with lengths in kpc, its absolute magnitude in r and its break's type.

    The size follows luminosity with a large scatter at fixed luminosity, which makes the
    brightness and scale length covary (Courteau et al. 2007, ApJ 671, 203: slope 0.32, scatter
    0.3 in ln R; de Jong & Lacey 2000, ApJ 545, 781); a disc of M_r = -21 has 4 kpc and so
    mu_0 = 20.6 in r, Freeman's value. LSB discs are 0.25 to 0.5 dex too large (McGaugh & Bothun
    1994, AJ 107, 530). The blue light is the more extended (MacArthur et al. 2004, ApJS 152,
    175: scale lengths in g 1.1 times those in i). Heights: Kregel, van der Kruit & de Grijs 2002,
    MNRAS 334, 646 (h / h_z = 7.3 +- 2.2, sech^2 height twice h_z).
    """
    centre = -18.9 if kind == "lsb" else -20.9 + 0.25 * max(0.0, stage - 6.0)
    mag = float(np.clip(rng.normal(centre, 0.95), -22.8, -16.0))
    ln_scale = np.log(4.0) - 0.32 * 0.4 * np.log(10) * (mag + 21.0) + rng.normal(0.0, 0.30)
    if kind == "lenticular":
        ln_scale -= 0.2
    if kind == "lsb":
        ln_scale += rng.uniform(0.35, 1.0)
    scale = float(np.exp(ln_scale))
    name, outer, radius, sharpness = draw_break(rng, scale)
    gradient = rng.uniform(0.3, 1.6) if kind != "lenticular" else rng.uniform(0.0, 0.8)
    spread = np.array([1.06, 1.0, 0.97]) ** gradient
    colour = _colours(
        _interp(stage, DISC_GR) + rng.normal(0.0, 0.05),
        _interp(stage, DISC_RI) + rng.normal(0.0, 0.03),
    )
    disc = Disc(
        mu0=mag + colour + 36.572 + 2.5 * np.log10(2 * np.pi * (scale * spread) ** 2),
        inner=scale * spread,
        outer=outer * spread,
        break_radius=float(max(radius, 1.3 * scale)),
        sharpness=float(sharpness),
        height=scale * 0.27 * rng.lognormal(0.0, 0.25),
        cutoff=scale * rng.uniform(6.0, 9.0),
    )
    return disc, mag, name


def draw_arms(rng, kind, stage):
    """Arms of a spiral, or None.

    Pitch: 10 deg at Sa to 25 at Sd, 5 deg scatter (Kennicutt 1981, AJ 86, 1847; Yu & Ho 2018,
    ApJ 869, 29). Grand-design, multiple-arm and flocculent in the shares 0.3, 0.4 and 0.3
    (Elmegreen & Elmegreen 1987, ApJ 314, 3; Buta et al. 2015, ApJS 217, 32). Arm-interarm
    contrasts of 0.3 to 1.2 mag, the larger the bluer (Rix & Zaritsky 1995, ApJ 447, 82).
    """
    if kind == "lenticular" or stage < 1.5:
        return None
    style = rng.choice(3, p=[0.3, 0.4, 0.3] if stage < 7.5 else [0.05, 0.35, 0.6])
    number = int(rng.choice([(2, 2, 2, 1), (2, 3, 4, 4), (3, 4, 5, 6)][style]))
    strength = float(np.clip(rng.normal([0.45, 0.35, 0.25][style], 0.12), 0.05, 0.75))
    pitch = float(np.clip(rng.normal(8.0 + 2.2 * stage, 5.0), 6.0, 38.0))
    noise = rng.normal(size=(2, 64, 128)).astype(np.float32)
    return Arms(
        number=number,
        pitch=pitch * float(rng.choice([-1.0, 1.0])),
        strength=strength * np.array([1.15, 1.0, 0.9]),
        sharpness=float(rng.uniform(0.8, 3.0)),
        phase=float(rng.uniform(0.0, 2 * np.pi)),
        start=float(rng.uniform(0.3, 1.0)),
        wander=noise[0] * (0.25, 0.6, 1.3)[style],
        clumps=noise[1] * (0.15, 0.25, 0.4)[style] * rng.uniform(0.4, 1.4),
    )


def draw_knots(rng, disc, flux, arms, stage):
    """Star-forming knots in the disc's plane: `x`, `y`, `sigma` [kpc] and `flux` (3, n).

    A luminosity function of slope -1.8 over two decades (Kennicutt, Edgar & Hodge 1989), blue,
    and strewn along the arms where there are any.
    """
    share = _interp(stage, KNOT_SHARE) * rng.lognormal(0.0, 0.4)
    if share < 1e-3:
        return {}
    count = int(rng.integers(20, 160))
    radius = np.clip(rng.gamma(2.0, 0.85, count), 0.4, 4.5) * disc.inner[1]
    phi = rng.uniform(0.0, 2 * np.pi, count)
    if arms is not None:
        arm = 2 * np.pi * rng.integers(0, arms.number, count) / arms.number
        phi = arm + arms.phase / arms.number + rng.normal(0.0, 0.35, count)
        phi += np.log(radius / disc.inner[1]) / np.tan(np.radians(arms.pitch))
    power = 0.8
    light = (1.0 - rng.uniform(0.0, 1.0, count) * (1 - 100.0**-power)) ** (-1 / power)
    light *= share * flux / light.sum()
    colour = np.stack([rng.normal(0.05, 0.12, count), np.zeros(count), rng.normal(0.05, 0.1, count)])
    return {
        "x": radius * np.cos(phi),
        "y": radius * np.sin(phi),
        "sigma": rng.lognormal(np.log(0.16), 0.45, count),
        "flux": light * 10 ** (-0.4 * colour),
    }


def draw_bar(rng, kind, stage, disc, flux):
    """A bar and its strength's name ("", "AB", "B").

    About 0.6 of disc galaxies have one, half of them strong (Barazza, Jogee & Marinova 2008, ApJ
    675, 1194; Buta et al. 2015); semi-major axes of 0.5 to 1.6 scale lengths in early types and
    half of that in late ones (Erwin 2005, MNRAS 364, 283); 5 to 15 per cent of the disc's light
    (Gadotti 2011, MNRAS 415, 3308).
    """
    if kind == "lsb" or rng.uniform() > 0.6:
        return None, ""
    strong = bool(rng.uniform() < 0.5)
    length = rng.uniform(0.6, 1.5) * (1.0 if stage < 5 else 0.6) * disc.inner[1]
    share = rng.uniform(0.06, 0.15) if strong else rng.uniform(0.02, 0.07)
    red = _colours(0.08, 0.03)
    bar = Bar(
        flux=share * flux * 10 ** (-0.4 * red),
        length=float(length),
        axis_ratio=float(rng.uniform(0.22, 0.40) if strong else rng.uniform(0.40, 0.6)),
        angle=float(rng.uniform(0.0, 180.0)),
    )
    return bar, "B" if strong else "AB"


def draw_rings(rng, kind, disc, bar, flux):
    """Inner and outer rings and a lens.

    Inner rings in a third of barred and a seventh of other discs, at the bar's end; outer rings
    at twice that, in a tenth (Comeron et al. 2014, A&A 562, A121); lenses in half of the
    lenticulars (Laurikainen et al. 2011, MNRAS 418, 1452).
    """
    size = bar.length if bar is not None else 1.0 * disc.inner[1]
    angle = bar.angle if bar is not None else float(rng.uniform(0.0, 180.0))
    inner, outer, lens = rng.uniform(size=3)
    rings = []
    if kind == "spiral" and inner < (0.33 if bar is not None else 0.14):
        blue = 10 ** (-0.4 * _colours(-0.08, -0.04))
        share = rng.uniform(0.01, 0.05)
        rings.append(Ring(share * flux * blue, 1.1 * size, 0.13 * size, rng.uniform(0.75, 1), angle))
    if kind != "lsb" and outer < 0.10:
        share = rng.uniform(0.02, 0.06)
        rings.append(Ring(share * flux, 2.2 * size, 0.25 * size, rng.uniform(0.85, 1), angle + 90))
    if lens < (0.5 if kind == "lenticular" else 0.08):
        share = rng.uniform(0.05, 0.15)
        rings.append(Ring(share * flux, 1.3 * size, 0.0, rng.uniform(0.8, 1), angle))
    return tuple(rings)


def draw_bulge(rng, stage, disc, disc_mag, cos_i, pa):
    """The bulge: Graham & Worley 2008 for B/T, n and R_e / h = 0.2; oblate, intrinsic q 0.7."""
    ratio = _interp(stage, BULGE_TO_TOTAL) * 10 ** rng.normal(0.0, 0.22)
    ratio = min(ratio, 0.75)
    mag = disc_mag - 2.5 * np.log10(ratio / (1 - ratio))
    flattening = float(np.clip(rng.normal(0.72, 0.13), 0.35, 1.0))
    colour = _colours(
        min(_interp(stage, DISC_GR) + 0.16, 0.78) + rng.normal(0.0, 0.04),
        min(_interp(stage, DISC_RI) + 0.06, 0.40) + rng.normal(0.0, 0.02),
    )
    return Spheroid(
        flux=_flux(mag + colour),
        radius=disc.inner[1] * 0.2 * rng.lognormal(0.0, 0.35) * (1 + ratio) * np.ones(3),
        index=float(np.clip(_interp(stage, BULGE_INDEX) * 10 ** rng.normal(0, 0.15), 0.5, 4.0)),
        axis_ratio=float(np.sqrt(cos_i**2 + flattening**2 * (1 - cos_i**2))),
        pa=pa,
        boxiness=float(abs(rng.normal(0.0, 0.5))) if cos_i < 0.2 else 0.0,
    )


def draw_disc_galaxy(rng, kind):
    """A lenticular, spiral or low-surface-brightness galaxy, in kpc; see `draw_galaxy`.

    Inclinations are random. Attenuation with inclination is 2.5 C log(axis ratio) with C of 0.55,
    0.45 and 0.35 of full opacity in g, r, i at Sb (Tully et al. 1998, AJ 115, 2264), lopsidedness
    is an m = 1 term of about 0.1 (Zaritsky & Rix 1997, ApJ 477, 118), warps bend the outer
    isophotes by some degrees in half of the discs (Reshetnikov & Combes 1998, A&A 337, 9).
    """
    if kind == "lenticular":
        stage = rng.uniform(0.0, 1.4)
    elif kind == "lsb":
        stage = rng.uniform(6.0, 11.0)
    else:
        stage = np.clip(rng.normal(5.2, 2.1), 1.5, 10.5)
    stage = float(stage)
    disc, mag, name = draw_disc(rng, kind, stage)
    cos_i = float(rng.uniform(0.0, 1.0))
    pa = float(rng.uniform(0.0, 180.0))
    thickness = 0.65 * disc.height / disc.inner[1]
    axis_ratio = float(np.sqrt(thickness**2 + (1 - thickness**2) * cos_i**2))
    bulge = draw_bulge(rng, stage, disc, mag, cos_i, pa)
    opacity = np.array([0.55, 0.45, 0.35]) * (0.2 if kind == "lenticular" else 1.0)
    opacity *= float(np.exp(-((stage - 4.0) ** 2) / 50))
    flux = np.array([disc_flux(disc, band) for band in range(3)])
    bar, strength = draw_bar(rng, kind, stage, disc, flux)
    rings = draw_rings(rng, kind, disc, bar, flux)
    arms = draw_arms(rng, kind, stage)
    knots = draw_knots(rng, disc, flux[1], arms, stage)
    stem = STAGES[int(round(stage))]
    prefix = "S" + strength if stem != "Im" else "I" + strength
    return {
        "kind": kind,
        "hubble_type": prefix + stem[1:] if not stem.startswith("S0") else "S" + strength + stem[1:],
        "inclination": float(np.degrees(np.arccos(cos_i))),
        "axis_ratio": axis_ratio,
        "pa": pa,
        "spheroid": bulge,
        "disc": disc,
        "bar": bar,
        "rings": rings,
        "arms": arms,
        "knots": knots,
        "lopsided": (float(min(rng.exponential(0.08), 0.4)), float(rng.uniform(0, 2 * np.pi))),
        "warp": float(rng.normal(0.0, 8.0)) if rng.uniform() < 0.5 else 0.0,
        "dust": 0.0 if kind != "spiral" else float(rng.lognormal(np.log(0.8), 0.5)),
        "attenuation": axis_ratio ** (1.0 - opacity),
        "break_type": name,
    }


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


def attenuated(galaxy):
    """The galaxy with the inclination's dimming applied to its disc, bar, rings and knots."""
    a, d, b, k = galaxy.attenuation, galaxy.disc, galaxy.bar, galaxy.knots
    return replace(
        galaxy,
        disc=replace(d, mu0=d.mu0 - 2.5 * np.log10(a)),
        bar=b and replace(b, flux=b.flux * a),
        rings=tuple(replace(r, flux=r.flux * a) for r in galaxy.rings),
        knots={n: v * a[:, None] if n == "flux" else v for n, v in k.items()},
    )


def draw_size(rng, low=8.0, high=150.0, slope=-1.35):
    """Apparent radius of the 23.5 mag arcsec^-2 isophote [arcsec].

    A power law in the radius from 8 to 150 arcsec: flatter than that of a volume (-4), as
    diameter-limited samples of rotation curves are (Stone, Courteau & Arora 2022, fig. 3).
    """
    u = rng.uniform()
    p = slope + 1
    return float((low**p + u * (high**p - low**p)) ** (1 / p))


def draw_galaxy(rng):
    """Draw one galaxy of the population.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    galaxy : Galaxy
        Lengths in arcsec, fluxes in nanomaggies. The distance is that at which the drawn
        galaxy's size in kpc has the drawn apparent size (H_0 of 70 km/s/Mpc, peculiar velocities
        of 300 km/s); sizes that would put it within 5 or beyond 600 Mpc are drawn again.
        Galactic and cosmological dimming are left out.
    """
    kind = str(rng.choice(list(SHARE), p=list(SHARE.values())))
    drawn = draw_elliptical(rng) if kind == "elliptical" else draw_disc_galaxy(rng, kind)
    galaxy = Galaxy(**drawn)
    if galaxy.disc is not None:
        galaxy = attenuated(galaxy)
    extent = isophotal_radius(galaxy)
    size = max(extent, 1.2 * galaxy.disc.inner[1] if galaxy.disc is not None else 0.0)
    apparent = draw_size(rng)
    while not 5.0 < size / apparent * 206.265 < 600.0:
        apparent = draw_size(rng)
    distance = size / apparent * 206.265
    velocity = max(HUBBLE * distance + rng.normal(0.0, 300.0), 200.0)
    galaxy = scaled(galaxy, apparent / size)
    return replace(
        galaxy,
        distance_mpc=float(distance),
        redshift=float(velocity / LIGHT_SPEED),
        r_235=float(extent * apparent / size),
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
