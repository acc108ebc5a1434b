"""What a mock disc carries, by Hubble stage: breaks, arms, knots, bars, rings and lenses."""

import numpy as np

from pix2prof.mock.galaxies import Arms, Bar, Ring

# By Hubble stage, S0 to Im: bulge-to-total ratio in r and Sersic index (Graham & Worley 2008,
# MNRAS 388, 1708), g - r and r - i of the disc at one scale length (Fukugita et
# al. 2007, AJ 134, 579), and the fraction of disc light in knots (HII regions and
# associations; Kennicutt, Edgar & Hodge 1989, ApJ 337, 761).
STAGE = np.arange(12.0)
BULGE_TO_TOTAL = (0.28, 0.26, 0.24, 0.20, 0.15, 0.10, 0.06, 0.04, 0.025, 0.015, 0.008, 0.004)
BULGE_INDEX = (2.4, 2.4, 2.3, 2.1, 1.8, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7, 0.7)
DISC_GR = (0.70, 0.68, 0.64, 0.60, 0.56, 0.52, 0.47, 0.42, 0.37, 0.34, 0.31, 0.29)
DISC_RI = (0.36, 0.36, 0.34, 0.32, 0.30, 0.28, 0.25, 0.22, 0.19, 0.17, 0.15, 0.13)
KNOT_SHARE = (0.0, 0.0, 0.01, 0.015, 0.02, 0.03, 0.045, 0.06, 0.07, 0.09, 0.11, 0.14)


def interpolated(stage, table):
    """A table by Hubble stage at a stage between its entries."""
    return float(np.interp(stage, STAGE, table))


def colours(gr, ri):
    """Magnitudes in g, r, i relative to r."""
    return np.array([gr, 0.0, -ri])


def draw_break(rng, stage, scale):
    """Outer scale length and break radius of a disc of inner scale length `scale`.

    Types I, II and III in the shares 0.1, 0.6 and 0.3 from Sb on, with breaks at 1.5 to 4.5 (II)
    and 4 to 6 (III) inner scale lengths (Pohlen & Trujillo 2006, A&A 454, 759), and in the shares
    0.27, 0.45 and 0.28 in earlier types (Erwin, Pohlen & Beckman 2008). The nearer a break of type
    II, the commoner: 2.5 scale lengths in the mean, as there.

    Returns
    -------
    name : str
    outer, radius, sharpness : float
        The last in inverse units of `scale`.
    """
    shares = [0.1, 0.6, 0.3] if stage >= 4 else [0.27, 0.45, 0.28]
    name = str(rng.choice(["I", "II", "III"], p=shares))
    sharpness = rng.uniform(1.5, 8.0) / scale
    if name == "II":
        return (
            name,
            scale * rng.uniform(0.35, 0.65),
            scale * rng.triangular(1.5, 1.5, 4.5),
            sharpness,
        )
    if name == "III":
        return name, scale * rng.uniform(1.3, 2.2), scale * rng.normal(4.6, 0.7), sharpness
    return name, scale, 4.0 * scale, sharpness


def draw_arms(rng, kind, stage):
    """Arms of a spiral, or None.

    Pitch: 10 deg at Sa to 25 at Sd, 5 deg scatter (Kennicutt 1981, AJ 86, 1847; Yu & Ho 2018,
    ApJ 869, 29). Grand-design, multiple-arm and flocculent in the shares 0.3, 0.4 and 0.3
    (Elmegreen & Elmegreen 1987, ApJ 314, 3; Buta et al. 2015, ApJS 217, 32). Arm-interarm
    contrasts of 0.3 to 1.2 mag, the larger the bluer (Rix & Zaritsky 1995, ApJ 447, 82), which
    vary along the arms by 20 to 40 per cent (Elmegreen, Elmegreen & Seiden 1989, ApJ 343, 602)
    and end about R_25, two to four scale lengths out (Elmegreen & Elmegreen 1995, ApJ 445, 591).
    """
    if kind == "lenticular" or stage < 1.5:
        return None
    style = rng.choice(3, p=[0.3, 0.4, 0.3] if stage < 7.5 else [0.05, 0.35, 0.6])
    number = int(rng.choice([(2, 2, 2, 1), (2, 3, 4, 4), (3, 4, 5, 6)][style]))
    strength = float(np.clip(rng.normal([0.42, 0.30, 0.18][style], 0.14), 0.03, 0.75))
    pitch = float(np.clip(rng.normal(9.0 + 2.2 * stage, 5.0), 4.0 + 3.0 * number, 40.0))
    noise = rng.normal(size=(2, 64, 128)).astype(np.float32)
    return Arms(
        number=number,
        pitch=pitch * float(rng.choice([-1.0, 1.0])),
        strength=strength * np.array([1.15, 1.0, 0.9]),
        sharpness=float(rng.uniform(0.8, 3.0)),
        phase=float(rng.uniform(0.0, 2 * np.pi)),
        start=float(rng.uniform(0.3, 1.0)),
        wander=noise[0] * (0.6, 1.1, 1.7)[style],
        clumps=noise[1] * (0.28, 0.36, 0.42)[style] * rng.uniform(0.6, 1.4),
        balance=rng.uniform(0.35, 1.0, number),
        fade=float(rng.uniform(1.8, 4.0)),
    )


def draw_knots(rng, disc, flux, arms, stage):
    """Star-forming knots in the disc's plane: `x`, `y`, `sigma` [kpc] and `flux` (3, n).

    A luminosity function of slope -1.8 over two decades (Kennicutt, Edgar & Hodge 1989), blue,
    and strewn along the arms where there are any, out to R_25. The brightest of a late spiral are
    300 pc wide; sizes go with the cube root of the light (Kennicutt 1984, ApJ 287, 116).
    """
    share = interpolated(stage, KNOT_SHARE) * rng.lognormal(0.0, 0.4)
    if share < 1e-3:
        return {}
    count = int(rng.integers(40, 240))
    radius = np.clip(rng.gamma(2.5, 0.6, count), 0.3, 3.2) * disc.inner[1]
    phi = rng.uniform(0.0, 2 * np.pi, count)
    if arms is not None:
        arm = 2 * np.pi * rng.integers(0, arms.number, count) / arms.number
        phi = arm + arms.phase / arms.number + rng.normal(0.0, 0.35, count)
        phi += np.log(radius / disc.inner[1]) / np.tan(np.radians(arms.pitch))
    power = 0.8
    light = (1.0 - rng.uniform(0.0, 1.0, count) * (1 - 100.0**-power)) ** (-1 / power)
    size = (light / np.median(light)) ** (1 / 3)
    light *= share * flux / light.sum()
    colour = np.stack(
        [rng.normal(0.05, 0.12, count), np.zeros(count), rng.normal(0.05, 0.1, count)]
    )
    return {
        "x": radius * np.cos(phi),
        "y": radius * np.sin(phi),
        "sigma": 0.1 * rng.lognormal(0.0, 0.3, count) * size,
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
    red = colours(0.08, 0.03)
    bar = Bar(
        flux=share * flux * 10 ** (-0.4 * red),
        length=float(length),
        axis_ratio=float(rng.uniform(0.28, 0.45) if strong else rng.uniform(0.45, 0.65)),
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
        blue = 10 ** (-0.4 * colours(-0.08, -0.04))
        share = rng.uniform(0.01, 0.05)
        rings.append(
            Ring(share * flux * blue, 1.1 * size, 0.13 * size, rng.uniform(0.75, 1), angle)
        )
    if kind != "lsb" and outer < 0.10:
        share = rng.uniform(0.02, 0.06)
        rings.append(Ring(share * flux, 2.2 * size, 0.25 * size, rng.uniform(0.85, 1), angle + 90))
    if lens < (0.5 if kind == "lenticular" else 0.08):
        share = rng.uniform(0.05, 0.15)
        rings.append(Ring(share * flux, 1.3 * size, 0.0, rng.uniform(0.8, 1), angle))
    return tuple(rings)
