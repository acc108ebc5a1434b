"""The population of mock galaxies: every distribution drawn, with its source beside it.

What a disc carries (arms, bars, rings, knots, breaks) is drawn in `pix2prof.mock.structure`.
"""

from dataclasses import replace

import numpy as np

from pix2prof.mock.galaxies import (
    Disc,
    Galaxy,
    Spheroid,
    dimmed,
    disc_flux,
    isophotal_radius,
    scaled,
)
from pix2prof.mock.structure import (
    BULGE_INDEX,
    BULGE_TO_TOTAL,
    DISC_GR,
    DISC_RI,
    colours,
    draw_arms,
    draw_bar,
    draw_break,
    draw_knots,
    draw_rings,
    interpolated,
)
from pix2prof.sdss import mag_to_flux

HUBBLE = 70.0
LIGHT_SPEED = 299792.458
ARCSEC = 206.265
STAGES = ("S0", "S0/a", "Sa", "Sab", "Sb", "Sbc", "Sc", "Scd", "Sd", "Sdm", "Sm", "Im")

# Share of types in a PROBES-like nearby sample: nearly all discs, most of them late-type spirals
# (Stone, Courteau & Arora 2022, ApJS 262, 33), with a few ellipticals and lenticulars
# kept so that a network has seen them, and a tail of low-surface-brightness discs (about a tenth
# of a diameter-limited sample; McGaugh 1996, MNRAS 280, 337).
SHARE = {"elliptical": 0.09, "lenticular": 0.10, "spiral": 0.71, "lsb": 0.10}
SMALL_SHARE = 0.3
ATTEMPTS = 100


def absolute_flux(absolute_mag):
    """Flux of an absolute magnitude as intensity times area [nmgy arcsec^-2 kpc^2]."""
    return mag_to_flux(np.asarray(absolute_mag) + 36.572)


def draw_elliptical(rng):
    """An elliptical with lengths in kpc and fluxes in nmgy arcsec^-2 kpc^2.

    Sizes follow luminosity (Shen et al. 2003, MNRAS 343, 978), the Sersic index too (Caon,
    Capaccioli & D'Onofrio 1993, MNRAS 265, 1013; Graham & Guzman 2003, AJ 125, 2936), axis ratios
    are those of triaxial spheroids (Padilla & Strauss 2008, MNRAS 388, 1321), boxiness and twists
    are mild (Bender et al. 1988, A&AS 74, 385), and the blue light is the more extended by the
    colour gradient (La Barbera & de Carvalho 2009, ApJ 699, L76: -0.07 mag per dex in g - r).
    """
    mag = float(np.clip(rng.normal(-21.2, 1.1), -23.5, -17.5))
    log_re = 0.60 - 0.24 * (mag + 21.2) + rng.normal(0.0, 0.12)
    index = float(np.clip(10 ** (0.58 - 0.09 * (mag + 21.2) + rng.normal(0.0, 0.10)), 1.2, 8.0))
    colour = colours(rng.normal(0.75, 0.03), rng.normal(0.38, 0.02))
    spheroid = Spheroid(
        flux=absolute_flux(mag + colour),
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


def draw_disc(rng, kind, stage):
    """A disc with lengths in kpc, its absolute magnitude in r and its break's type.

    The size follows luminosity with a large scatter at fixed luminosity, which makes the
    brightness and scale length covary (Courteau et al. 2007, ApJ 671, 203: slope 0.32; scatter
    0.34 to 0.47 in ln R from bright to faint, Shen et al. 2003; de Jong & Lacey 2000, ApJ 545,
    781); a disc of M_r = -21 has 3.8 kpc and so mu_0 = 20.5 in r, between Freeman's value of 20.7
    and the 20.2 +- 0.7 of 30 000 SDSS discs (Fathi 2010, ApJ 722, L120). LSB discs are 0.2 to 0.5
    dex too large (McGaugh & Bothun 1994, AJ 107, 530). The blue light is the more extended
    (MacArthur et al. 2004, ApJS 152, 175: scale lengths in g 1.1 times those in i). Heights:
    Kregel, van der Kruit & de Grijs 2002, MNRAS 334, 646 (h / h_z = 7.3 +- 2.2, sech^2 height
    twice h_z).
    """
    centre = -18.9 if kind == "lsb" else -20.6 + 0.25 * max(0.0, stage - 6.0)
    mag = float(np.clip(rng.normal(centre, 1.05), -22.8, -16.0))
    ln_scale = np.log(3.8) - 0.32 * 0.4 * np.log(10) * (mag + 21.0) + rng.normal(0.0, 0.40)
    if kind == "lenticular":
        ln_scale -= 0.2
    if kind == "lsb":
        ln_scale += rng.uniform(0.45, 1.1)
    scale = float(np.exp(ln_scale))
    name, outer, radius, sharpness = draw_break(rng, stage, scale)
    gradient = rng.uniform(0.3, 1.6) if kind != "lenticular" else rng.uniform(0.0, 0.8)
    spread = np.array([1.06, 1.0, 0.97]) ** gradient
    colour = colours(
        interpolated(stage, DISC_GR) + rng.normal(0.0, 0.05),
        interpolated(stage, DISC_RI) + rng.normal(0.0, 0.03),
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


def draw_bulge(rng, stage, disc, disc_mag, cos_i, pa):
    """The bulge: Graham & Worley 2008 for B/T, n and R_e / h = 0.2; oblate, intrinsic q 0.7."""
    ratio = interpolated(stage, BULGE_TO_TOTAL) * 10 ** rng.normal(-0.05, 0.28)
    ratio = min(ratio, 0.75)
    mag = disc_mag - 2.5 * np.log10(ratio / (1 - ratio))
    flattening = float(np.clip(rng.normal(0.72, 0.13), 0.35, 1.0))
    colour = colours(
        min(interpolated(stage, DISC_GR) + 0.16, 0.78) + rng.normal(0.0, 0.04),
        min(interpolated(stage, DISC_RI) + 0.06, 0.40) + rng.normal(0.0, 0.02),
    )
    return Spheroid(
        flux=absolute_flux(mag + colour),
        radius=disc.inner[1] * 0.2 * rng.lognormal(0.0, 0.35) * (1 + ratio) * np.ones(3),
        index=float(
            np.clip(interpolated(stage, BULGE_INDEX) * 10 ** rng.normal(0, 0.15), 0.5, 4.0)
        ),
        axis_ratio=float(np.sqrt(cos_i**2 + flattening**2 * (1 - cos_i**2))),
        pa=pa,
        boxiness=float(abs(rng.normal(0.0, 0.5))) if cos_i < 0.2 else 0.0,
    )


def draw_disc_galaxy(rng, kind):
    """A lenticular, spiral or low-surface-brightness galaxy, in kpc; see `draw_galaxy`.

    Inclinations are random. Attenuation with inclination is 2.5 C log(axis ratio) with C of 0.55,
    0.45 and 0.35 of full opacity in g, r, i at Sb (Tully et al. 1998, AJ 115, 2264), lopsidedness
    is an m = 1 term of about 0.1, more in late types (Zaritsky & Rix 1997, ApJ 477, 118), warps
    bend the outer isophotes by some degrees in half of the discs (Reshetnikov & Combes 1998,
    A&A 337, 9).
    """
    if kind == "lenticular":
        stage = rng.uniform(0.0, 1.4)
    elif kind == "lsb":
        stage = rng.uniform(6.0, 11.0)
    else:
        stage = np.clip(rng.normal(5.6, 2.2), 1.5, 11.0)
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
    stem = STAGES[round(stage)]
    prefix = "S" + strength if stem != "Im" else "I" + strength
    return {
        "kind": kind,
        "hubble_type": prefix + stem[1:]
        if not stem.startswith("S0")
        else "S" + strength + stem[1:],
        "inclination": float(np.degrees(np.arccos(cos_i))),
        "axis_ratio": axis_ratio,
        "pa": pa,
        "spheroid": bulge,
        "disc": disc,
        "bar": bar,
        "rings": rings,
        "arms": arms,
        "knots": knots,
        "lopsided": (
            float(min(rng.exponential(0.06 + 0.012 * stage), 0.5)),
            float(rng.uniform(0, 2 * np.pi)),
        ),
        "warp": float(rng.normal(0.0, 7.0)) if rng.uniform() < 0.5 else 0.0,
        "dust": 0.0 if kind != "spiral" else float(rng.lognormal(np.log(1.1), 0.5)),
        "attenuation": axis_ratio ** (1.0 - opacity),
        "break_type": name,
    }


def dimmed_disc(galaxy):
    """The galaxy with its inclination's attenuation applied to all but the bulge."""
    return replace(dimmed(galaxy, galaxy.attenuation), spheroid=galaxy.spheroid)


def draw_size(rng, small_share, low=8.0, high=150.0, slope=-1.35):
    """Apparent radius of the 23.5 mag arcsec^-2 isophote [arcsec], before dimming.

    A power law in the radius from 8 to 150 arcsec, flatter than that of a volume (-4), as
    diameter-limited samples of rotation curves are (Stone, Courteau & Arora 2022); a
    share `small_share` is drawn evenly in the logarithm from 3 to 8 arcsec, the common sizes in
    the survey's spectroscopic sample (r < 17.77; Strauss et al. 2002, AJ 124, 1810).
    """
    u, v = rng.uniform(size=2)
    if v < small_share:
        return float(3.0 * (low / 3.0) ** u)
    p = slope + 1
    return float((low**p + u * (high**p - low**p)) ** (1 / p))


def draw_galaxy(rng, small_share=SMALL_SHARE):
    """Draw one galaxy of the population.

    Parameters
    ----------
    rng : numpy.random.Generator
    small_share : float
        Share of galaxies of 3 to 8 arcsec, in [0, 1]; see `draw_size`.

    Returns
    -------
    galaxy : Galaxy
        Lengths in arcsec, fluxes in nanomaggies. A galaxy whose 24.5 mag arcsec^-2 isophote in r
        is under 2.5 arcsec or 0.8 scale lengths, which nobody would have measured, is drawn
        again.
    """
    while True:
        kind = str(rng.choice(list(SHARE), p=list(SHARE.values())))
        drawn = draw_elliptical(rng) if kind == "elliptical" else draw_disc_galaxy(rng, kind)
        galaxy = Galaxy(**drawn)
        if galaxy.disc is not None:
            galaxy = dimmed_disc(galaxy)
        galaxy = placed(rng, galaxy, small_share)
        if galaxy is None:
            continue
        scale = galaxy.disc.inner[1] if galaxy.disc is not None else 0.0
        if isophotal_radius(galaxy, 24.5) > max(2.5, 0.8 * scale):
            return galaxy


def placed(rng, galaxy, small_share=SMALL_SHARE):
    """A galaxy with lengths in kpc brought to a distance: lengths in arcsec.

    The distance is that at which the galaxy's size has a drawn apparent size (H_0 of 70
    km/s/Mpc, peculiar velocities of 300 km/s); sizes that would put it within 5 or beyond 500
    Mpc are drawn again, and None is returned for a galaxy that gets no other. Surface brightness
    is dimmed by (1 + z)^4 and by K corrections of 2.0, 1.0 and 0.6 z in g, r and i (Chilingarian,
    Melchior & Zolotukhin 2010, MNRAS 405, 1409).
    """
    extent = isophotal_radius(galaxy)
    size = max(extent, 1.2 * galaxy.disc.inner[1] if galaxy.disc is not None else 0.0)
    for _ in range(ATTEMPTS):
        apparent = draw_size(rng, small_share)
        distance = size / apparent * ARCSEC
        if 5.0 < distance < 500.0:
            break
    else:
        return None
    velocity = max(HUBBLE * distance + rng.normal(0.0, 300.0), 200.0)
    redshift = float(velocity / LIGHT_SPEED)
    dimming = 10 * np.log10(1 + redshift) + np.array([2.0, 1.0, 0.6]) * redshift
    galaxy = dimmed(scaled(galaxy, apparent / size), 10 ** (-0.4 * dimming))
    return replace(
        galaxy,
        distance_mpc=float(distance),
        redshift=redshift,
        r_235=isophotal_radius(galaxy),
    )
