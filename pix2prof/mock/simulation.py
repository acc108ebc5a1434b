"""One mock SDSS galaxy: parameters, truth and three observed images, from a seed and an index."""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from pix2prof.mock.frames import draw_cut, list_fields
from pix2prof.mock.galaxies import isophotal_radius, scaled, total_flux
from pix2prof.mock.population import SMALL_SHARE, draw_galaxy
from pix2prof.mock.rendering import PAD, image_hats, render
from pix2prof.mock.sky import add_noise, add_photon_noise, draw_conditions, draw_residual
from pix2prof.mock.sources import convolved, draw_background, draw_stars, draw_trail
from pix2prof.sdss import BANDS, PIXSCALE, flux_to_mag


@dataclass(frozen=True)
class MockGalaxy:
    """A mock galaxy as `mock_galaxy` returns it; F is the side of the field in pixels.

    Attributes
    ----------
    name : str
        SDSS-style J2000 name.
    parameters : dict
        Flat, of floats and strings: the row of the catalogue.
    images : numpy.ndarray
        Observed g, r, i: nanomaggies per pixel, sky-subtracted, shape (3, F, F), float32.
    truth : numpy.ndarray
        The galaxy alone, convolved with the PSF, without noise; as `images`.
    mask : numpy.ndarray
        True where other sources contaminate, shape (F, F), bool.
    centre : tuple of two floats
        Column and row of the galaxy's centre [pixels].
    psf_fwhm : numpy.ndarray
        Full width at half maximum of the PSF in each band [arcsec], shape (3,).
    """

    name: str
    parameters: dict
    images: np.ndarray = field(repr=False)
    truth: np.ndarray = field(repr=False)
    mask: np.ndarray = field(repr=False)
    centre: tuple
    psf_fwhm: np.ndarray


def generators(seed, index, count=6):
    """Independent random generators of galaxy `index` of the set of `seed`."""
    children = np.random.SeedSequence((int(seed), int(index))).spawn(count)
    return [np.random.default_rng(child) for child in children]


def mock_galaxy(seed, index, field=512, sky="model", frames=None, small_share=SMALL_SHARE):
    """Draw and observe one mock galaxy.

    A pure function of its arguments: galaxy k is the same whatever the size of the set, the
    number of workers and the order.

    Parameters
    ----------
    seed, index : int
        Of the set and of the galaxy in it; not negative.
    field : int
        Side of the images [pixels], at least 64.
    sky : {"model", "frames"}
        Whether sky, noise and other sources are modelled, or are those of real frames.
    frames : path, optional
        Folder of calibrated SDSS frames in g, r and i, for `sky="frames"`.
    small_share : float
        Share of the galaxies that are drawn at R_23.5 of 3 to 8 arcsec, in [0, 1]; the others
        are of 8 to 150.

    Returns
    -------
    MockGalaxy

    Raises
    ------
    ValueError
        For another `sky`, a field under 64 pixels, a negative seed or index, frames missing or
        a share outside [0, 1].
    """
    check(seed, index, field, sky, frames, small_share)
    population, place, observing, sources, residual, noise = generators(seed, index)
    galaxy = draw_galaxy(population, small_share)
    centre = draw_centre(place, field)
    ra, dec, name = draw_position(place)
    if sky == "frames":
        images, mask, conditions = draw_cut(observing, list_fields(frames), field)
        truth, dust = render(galaxy, field, centre, conditions.psfs)
        images += add_photon_noise(noise, truth, conditions)
    else:
        conditions = draw_conditions(observing)
        hats = image_hats(conditions.psfs, field)
        truth, dust = render(galaxy, field, centre, conditions.psfs, hats)
        others = draw_others(sources, galaxy, field, centre, conditions, hats)
        mask = contamination(others, truth, conditions.sigma)
        images = add_noise(noise, truth + others, conditions)
        images += draw_residual(residual, truth, conditions)
    parameters = {"ra": ra, "dec": dec} | catalogue(galaxy, dust)
    parameters["camcol"] = float(conditions.camcol)
    middle = (field - 1) / 2
    parameters |= {"x_offset": centre[0] - middle, "y_offset": centre[1] - middle}
    return MockGalaxy(name, parameters, images, truth, mask, centre, conditions.fwhm)


def check(seed, index, field, sky, frames, small_share):
    """Refuse arguments of `mock_galaxy` that make no sense, saying which and what would."""
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index must not be negative, found {seed} and {index}")
    if field < 64:
        raise ValueError(f"field is {field} pixels; a mock field needs at least 64")
    if sky not in ("model", "frames"):
        raise ValueError(f'sky is {sky!r}; it is "model" or "frames"')
    if sky == "frames" and frames is None:
        raise ValueError('sky="frames" needs frames, a folder of frame-[gri]-*.fits[.bz2] files')
    if not 0 <= small_share <= 1:
        raise ValueError(f"small_share is {small_share}; it is a share, in [0, 1]")


def draw_centre(rng, field):
    """Centre of the galaxy [pixels]: within a pixel of the field's, now and then a few off."""
    spread = 5.0 if rng.uniform() < 0.06 else 0.7
    x, y = (field - 1) / 2 + rng.normal(0.0, spread, 2)
    return float(x), float(y)


def draw_position(rng):
    """A position in the survey's northern cap: ra, dec [deg] and the J2000 name."""
    ra = float(rng.uniform(115.0, 250.0))
    dec = float(np.degrees(np.arcsin(rng.uniform(0.0, np.sin(np.radians(60.0))))))
    return ra, dec, sdss_name(ra, dec)


def sdss_name(ra, dec):
    """IAU-style name, JHHMMSS.ss+DDMMSS.s, truncated as the convention asks."""
    seconds = int(ra / 15 * 360000)
    arc = int(abs(dec) * 36000)
    hms = f"{seconds // 360000:02d}{seconds // 6000 % 60:02d}{seconds % 6000 / 100:05.2f}"
    dms = f"{arc // 36000:02d}{arc // 600 % 60:02d}{arc % 600 / 10:04.1f}"
    return f"SDSS J{hms}{'-' if dec < 0 else '+'}{dms}"


def draw_others(rng, galaxy, field, centre, conditions, hats):
    """All other sources, noise-free [nanomaggies per pixel], shape (3, F, F), float32.

    Background galaxies, stars, a satellite's trail, and in one field of seven a neighbour of the
    target's own kind that may overlap it (Patton et al. 2000, ApJ 536, 153, for close pairs; more
    here, as projected neighbours count).
    """
    size = field + 2 * PAD
    layer = np.zeros((3, len(hats[0]), len(hats[0])), np.float32)
    draw_background(rng, layer[:, :size, :size], (size * PIXSCALE / 60) ** 2)
    others = convolved(layer, hats)[:, PAD : PAD + field, PAD : PAD + field].copy()
    margin = 60
    draw_stars(rng, others, ((field + 2 * margin) * PIXSCALE / 60) ** 2, margin, conditions)
    if rng.uniform() < 1 / 7:
        neighbour = draw_galaxy(rng)
        own = max(galaxy.r_235, 4.0)
        neighbour = scaled(
            neighbour, own * 10 ** rng.uniform(-1.0, 0.1) / max(neighbour.r_235, 4.0)
        )
        distance, angle = own * rng.uniform(0.4, 3.0) / PIXSCALE, rng.uniform(0, 2 * np.pi)
        place = (centre[0] + distance * np.cos(angle), centre[1] + distance * np.sin(angle))
        if all(0 < p < field - 1 for p in place):
            others += render(neighbour, field, place, conditions.psfs, hats)[0]
    draw_trail(rng, others, conditions.sigma)
    return others


def contamination(others, truth, sigma):
    """Mask of the sources a person would mask: (F, F) bool from two (3, F, F) and (3,).

    Where the other sources' light, noise-free, smoothed by a pixel and combined over the bands,
    exceeds 0.7 of an empty pixel's standard deviation and a tenth of the galaxy's own light;
    grown by a pixel.
    """
    light, own = (
        sum(o / np.float32(s) for o, s in zip(source, sigma, strict=True)) / np.float32(3**0.5)
        for source in (others, truth)
    )
    light = gaussian_filter(light, 1.0)
    return binary_dilation((light > 0.7) & (light > 0.1 * own))


def catalogue(galaxy, dust):
    """The catalogue's row of a galaxy: flat, floats and strings.

    Lengths in arcsec, angles in degrees counter-clockwise from +x, magnitudes AB and total (to
    infinity, the dust lane's loss taken off).
    """
    s, d, b = galaxy.spheroid, galaxy.disc, galaxy.bar
    nan = float("nan")
    flux = total_flux(galaxy)
    row = {
        "redshift": galaxy.redshift,
        "distance_mpc": galaxy.distance_mpc,
        "kpc_per_arcsec": galaxy.distance_mpc / 206.265,
        "type": galaxy.hubble_type,
        "kind": galaxy.kind,
        "inclination": galaxy.inclination,
        "r_235": galaxy.r_235,
        "r_25": isophotal_radius(galaxy, 25.0),
        "disc_ellipticity": 1.0 - galaxy.axis_ratio,
        "disc_pa": galaxy.pa,
        "disc_mu0_r": d.mu0[1] if d else nan,
        "disc_scale_length": d.inner[1] if d else nan,
        "disc_outer_scale_length": d.outer[1] if d else nan,
        "disc_break_radius": d.break_radius if d else nan,
        "disc_break_type": galaxy.break_type,
        "disc_height": d.height if d else nan,
        "bulge_fraction_r": s.flux[1] / flux[1],
        "bulge_radius": s.radius[1],
        "bulge_index": s.index,
        "bulge_ellipticity": 1.0 - s.axis_ratio,
        "bulge_pa": s.pa,
        "bar_length": b.length if b else nan,
        "bar_fraction_r": b.flux[1] / flux[1] if b else 0.0,
        "arms": float(galaxy.arms.number) if galaxy.arms else 0.0,
        "arm_pitch": galaxy.arms.pitch if galaxy.arms else nan,
        "warp": galaxy.warp,
        "lopsidedness": galaxy.lopsided[0],
    }
    for k, band in enumerate(BANDS):
        row[f"mag_{band}"] = flux_to_mag(flux[k] - dust[k])
    return {name: v if isinstance(v, str) else float(v) for name, v in row.items()}
