from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from pix2prof.config import DataConfig
from pix2prof.mock import rendering
from pix2prof.mock import simulation as mock
from pix2prof.mock.components import rotated
from pix2prof.mock.frames import adaptive_sigma
from pix2prof.mock.galaxies import Galaxy, Spheroid, total_flux
from pix2prof.mock.population import draw_galaxy
from pix2prof.mock.psf import survey_psf
from pix2prof.mock.sky import add_noise, draw_conditions
from pix2prof.mock.sources import add_stars
from pix2prof.paths import real_folder
from pix2prof.sdss import PIXSCALE, flux_to_mag

REAL = real_folder()


def sersic(index, radius=4.0, axis_ratio=0.6, flux=1000.0):
    spheroid = Spheroid(
        flux=np.full(3, flux),
        radius=np.full(3, radius),
        index=index,
        axis_ratio=axis_ratio,
        pa=30.0,
    )
    return Galaxy("elliptical", "E4", 45.0, axis_ratio, 30.0, spheroid=spheroid)


def psfs(fwhm=1.3):
    return [survey_psf(fwhm, band) for band in range(3)]


def small(index):
    return mock.mock_galaxy(7, index, field=128)


def test_shapes_types_and_finiteness():
    for index in range(6):
        galaxy = small(index)
        assert galaxy.images.shape == galaxy.truth.shape == (3, 128, 128)
        assert galaxy.images.dtype == galaxy.truth.dtype == np.float32
        assert galaxy.mask.shape == (128, 128) and galaxy.mask.dtype == bool
        assert np.isfinite(galaxy.images).all() and np.isfinite(galaxy.truth).all()
        assert (galaxy.truth > -1e-4).all()
        assert galaxy.psf_fwhm.shape == (3,)
        assert all(isinstance(v, str | float) for v in galaxy.parameters.values())


def test_same_galaxy_in_any_process_and_order():
    expected = [small(index) for index in range(3)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        backwards = list(pool.map(small, [2, 1, 0]))[::-1]
    for a, b in zip(expected, backwards, strict=True):
        assert a.images.tobytes() == b.images.tobytes()
        assert a.truth.tobytes() == b.truth.tobytes()
        assert a.mask.tobytes() == b.mask.tobytes()
        assert a.name == b.name and str(a.parameters) == str(b.parameters)


def test_galaxies_and_seeds_differ():
    one = small(0)
    for other in (small(1), mock.mock_galaxy(8, 0, field=128)):
        assert other.name != one.name
        assert not np.array_equal(other.truth, one.truth)


def test_the_population_does_not_depend_on_the_field():
    a, b = mock.mock_galaxy(7, 3, field=96), mock.mock_galaxy(7, 3, field=192)
    assert str(a.parameters) == str(b.parameters)
    assert np.array_equal(a.psf_fwhm, b.psf_fwhm)
    shift = np.subtract(b.centre, a.centre)
    assert np.allclose(shift, 48.0)
    cut = b.truth[:, 48:144, 48:144]
    inner = (slice(None), slice(16, 80), slice(16, 80))
    assert np.allclose(cut[inner], a.truth[inner], rtol=0.02, atol=2e-4)


@pytest.mark.parametrize("index", [0.5, 1.0, 2.0, 4.0])
def test_total_magnitude_is_the_analytic_one(index):
    galaxy = sersic(index, radius=2.5 if index == 4 else 4.0)
    image, dust = rendering.render(galaxy, 512, (255.3, 255.8), psfs())
    growth = image.sum(axis=(1, 2))
    outside = {4.0: 0.035}.get(index, 0.004)
    magnitude = flux_to_mag(growth) - flux_to_mag(total_flux(galaxy))
    assert not dust.any()
    assert (magnitude > -0.003).all() and (magnitude < 0.01 + outside).all()


@pytest.mark.parametrize(
    "index, centre", [(1.0, (31.5, 31.5)), (4.0, (31.2, 32.1)), (2.5, (32, 31))]
)
def test_images_are_those_of_galsim(index, centre):
    galsim = pytest.importorskip("galsim")
    psf = survey_psf(1.3, 1)
    image, _ = rendering.render(sersic(index), 64, centre, [psf] * 3)
    profile = galsim.Sersic(n=index, half_light_radius=4.0 * 0.6**0.5, flux=1000.0)
    profile = profile.shear(q=0.6, beta=30 * galsim.degrees)
    axis = (np.arange(1025) - 512) / 8.0
    table = psf(axis**2 + (axis**2)[:, None]) / 64.0
    kernel = galsim.InterpolatedImage(
        galsim.Image(table, scale=PIXSCALE / 8), flux=table.sum(), normalization="flux"
    )
    shift = (np.asarray(centre) - 31.5) * PIXSCALE
    reference = (
        galsim.Convolve(profile, kernel)
        .shift(*shift)
        .drawImage(nx=64, ny=64, scale=PIXSCALE, method="no_pixel")
    )
    error = np.abs(image[1] - reference.array)
    assert error.max() < 0.006 * reference.array.max()
    assert error.sum() < 0.012 * reference.array.sum()


@pytest.mark.parametrize("fwhm", [0.9, 1.3, 1.8])
def test_stars_have_the_width_asked_for(fwhm):
    conditions = replace(draw_conditions(np.random.default_rng(0)), psfs=tuple(psfs(fwhm)))
    images = np.zeros((3, 65, 65), np.float32)
    add_stars(images, np.array([32.3]), np.array([31.9]), np.full((3, 1), 500.0), conditions)
    for image, psf in zip(images, conditions.psfs, strict=True):
        assert psf.fwhm() * PIXSCALE == pytest.approx(fwhm, rel=1e-3)
        area = (image > image.max() / 2).sum()
        assert 2 * np.sqrt(area / np.pi) * PIXSCALE == pytest.approx(fwhm, rel=0.12)
        axis = np.arange(-16, 17) ** 2.0
        centred = adaptive_sigma(psf(axis + axis[:, None]))
        assert adaptive_sigma(image) == pytest.approx(centred, rel=0.01)
        assert image.sum() == pytest.approx(500.0, rel=0.04)


def test_a_point_of_light_renders_as_the_psf():
    psf = survey_psf(1.3, 1)
    image, _ = rendering.render(
        sersic(1.0, radius=0.05, axis_ratio=1.0), 65, (31.7, 32.4), [psf] * 3
    )
    x, y = np.arange(65) - 31.7, np.arange(65) - 32.4
    expected = 1000 * psf(x**2 + (y**2)[:, None])
    assert np.abs(image[1] - expected).max() < 0.02 * expected.max()
    assert adaptive_sigma(image[1]) == pytest.approx(adaptive_sigma(expected), rel=0.01)


def test_noise_of_an_empty_field():
    rng = np.random.default_rng(3)
    conditions = draw_conditions(rng)
    noise = add_noise(rng, np.zeros((3, 256, 256), np.float32), conditions)
    assert noise.std(axis=(1, 2)) == pytest.approx(conditions.sigma, rel=0.01)
    assert np.abs(noise.mean(axis=(1, 2))).max() < 0.02 * conditions.sigma.max()
    electrons = conditions.sky / conditions.calibration * conditions.gain
    variance = conditions.sigma**2 / conditions.calibration**2
    skew = electrons / conditions.gain**3 / variance**1.5
    centred = noise - noise.mean(axis=(1, 2), keepdims=True)
    measured = (centred**3).mean(axis=(1, 2)) / noise.std(axis=(1, 2)) ** 3
    assert measured == pytest.approx(skew, abs=0.04)
    bright = add_noise(rng, np.full((3, 64, 64), 5.0, np.float32), conditions)
    extra = 5.0 * conditions.calibration / conditions.gain
    assert bright.var(axis=(1, 2)) == pytest.approx(conditions.sigma**2 + extra, rel=0.08)


def test_truth_is_what_lies_under_the_image():
    galaxy = mock.mock_galaxy(7, 4, field=160)
    clear = ~galaxy.mask
    for observed, truth in zip(galaxy.images, galaxy.truth, strict=True):
        residual = (observed - truth)[clear]
        assert abs(np.median(residual)) < 0.4 * residual.std()
    covered = (galaxy.images - galaxy.truth)[:, galaxy.mask].mean()
    assert covered > 3 * (galaxy.images - galaxy.truth)[:, clear].mean()


def test_sizes_and_distances_of_the_population():
    drawn = [draw_galaxy(np.random.default_rng(k)) for k in range(400)]
    kinds = [g.kind for g in drawn]
    assert 0.6 < np.mean([k == "spiral" for k in kinds]) < 0.82
    size = np.array([g.r_235 for g in drawn])
    bright = size[size > 8]
    assert bright.max() < 151 and np.median(bright) < 45
    kpc = size * np.array([g.distance_mpc for g in drawn]) / 206.265
    assert 2.0 < np.median(kpc[size > 0]) < 20.0
    assert kpc.max() < 90.0
    z = np.array([g.redshift for g in drawn])
    assert (z > 0).all() and z.max() < 0.16
    hubble = np.array([g.distance_mpc for g in drawn]) * 70 / 299792.458
    assert np.abs(z - hubble).max() < 0.005
    ratios = np.array([g.axis_ratio for g in drawn])
    assert ratios.min() > 0.08 and ratios.max() <= 1.0


def test_the_share_of_small_galaxies_is_a_parameter():
    few, every = (
        np.array([draw_galaxy(np.random.default_rng(k), share).r_235 for k in range(150)])
        for share in (0.0, 1.0)
    )
    assert np.mean(few < 7) < 0.2 and np.median(few) > 10
    assert every.max() < 8.01 and np.median(every) > 2.5


def test_the_default_share_is_that_of_the_survey():
    given = mock.mock_galaxy(7, 0, field=128, small_share=DataConfig().small_share)
    assert given.images.tobytes() == small(0).images.tobytes()


def test_redder_centres_and_bluer_late_types():
    drawn = [draw_galaxy(np.random.default_rng(k)) for k in range(300)]
    colour = np.array(
        [flux_to_mag(total_flux(g)[0]) - flux_to_mag(total_flux(g)[1]) for g in drawn]
    )
    early = np.array([g.kind in ("elliptical", "lenticular") for g in drawn])
    assert np.median(colour[early]) > np.median(colour[~early]) + 0.15
    assert 0.1 < colour.min() and colour.max() < 1.0


def test_outer_isophotes_follow_the_disc():
    checked = 0
    for k in range(200):
        galaxy = draw_galaxy(np.random.default_rng(k))
        plain = galaxy.kind == "spiral" and 35 < galaxy.inclination < 70 and 10 < galaxy.r_235 < 30
        if not plain or galaxy.arms is None or checked == 6:
            continue
        checked += 1
        galaxy = replace(
            galaxy,
            warp=0.0,
            lopsided=(0.0, 0.0),
            bar=None,
            rings=(),
            arms=None,
            knots={},
            dust=0.0,
        )
        image, _ = rendering.render(galaxy, 320, (160.0, 160.0), psfs(0.8))
        angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
        radius = 2.5 * galaxy.disc.inner[1] / PIXSCALE
        u, v = radius * np.cos(angle), radius * galaxy.axis_ratio * np.sin(angle)
        x, y = rotated(u, v, -galaxy.pa)
        level = map_coordinates(image[1], (160.0 + y, 160.0 + x), order=3)
        for harmonic in (np.cos(2 * angle), np.sin(2 * angle)):
            assert abs((level * harmonic).mean()) < 0.03 * level.mean()
    assert checked >= 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"field": 32}, "at least 64"),
        ({"sky": "real"}, "'real'"),
        ({"sky": "frames"}, "needs frames"),
        ({"small_share": 1.5}, "small_share is 1.5"),
        ({"sky": "frames", "frames": "nowhere/at/all"}, "nowhere"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        mock.mock_galaxy(1, 0, **({"field": 64} | arguments))


def test_negative_index_is_refused():
    with pytest.raises(ValueError, match="-1"):
        mock.mock_galaxy(1, -1)


def test_names_follow_the_survey():
    assert mock.sdss_name(184.5, 7.25) == "SDSS J121800.00+071500.0"
    assert mock.sdss_name(0.0, -0.5) == "SDSS J000000.00-003000.0"
