import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from pix2prof.dataset import properties

PIXSCALE = 0.396


def image_of(sma, ellipticity, pa, level, sigma, centre=(70.0, 55.0), shape=(120, 130), seed=0):
    """A uniform ellipse on white noise."""
    y, x = np.indices(shape) - np.array([centre[1], centre[0]])[:, None, None]
    cos, sin = np.cos(np.radians(pa)), np.sin(np.radians(pa))
    radius = np.hypot(x * cos + y * sin, (y * cos - x * sin) / (1 - ellipticity))
    noise = np.random.default_rng(seed).normal(0.3, sigma, shape)
    return noise + level * (radius * PIXSCALE <= sma)


def test_length_is_that_of_the_last_step():
    mu = np.full((3, 10), np.nan)
    mu[0, :4], mu[1, 7] = 20, 20
    np.testing.assert_allclose(properties.profile_length(mu, 0.2), [0.8, 1.6, 0])


def test_the_final_value_is_at_the_end_of_the_profile():
    mu = np.array([[20.0, 21.0, np.nan], [20.0, 21.0, 22.0], [np.nan] * 3])
    values = np.arange(9.0).reshape(3, 3)
    np.testing.assert_array_equal(properties.final_value(values, mu), [1, 5, np.nan])


@pytest.mark.parametrize("pa", [0.0, 35.0, 120.0])
def test_snr_is_the_ratio_of_powers_in_the_ellipse(pa):
    shape = {"sma": 15.0, "ellipticity": 0.6, "pa": pa}
    image = image_of(**shape, level=0.5, sigma=0.1)
    snr = properties.image_snr(image, centre=(70.0, 55.0), **shape)
    assert snr == pytest.approx((0.5 / 0.1) ** 2, rel=0.05)
    turned = properties.image_snr(image, centre=(70.0, 55.0), **(shape | {"pa": pa + 90}))
    assert turned < 0.6 * snr


def test_snr_does_not_change_with_the_unit_or_masked_pixels():
    image = image_of(12.0, 0.2, 10.0, level=0.5, sigma=0.1)
    options = {"ellipticity": 0.2, "pa": 10.0, "centre": (70.0, 55.0)}
    snr = properties.image_snr(image, 12.0, **options)
    assert properties.image_snr(40 * image, 12.0, **options) == pytest.approx(snr)
    mask = np.zeros(image.shape, bool)
    mask[50:55, 60:70] = True
    spoilt = np.where(mask, 1e4, image)
    assert properties.image_snr(spoilt, 12.0, mask=mask, **options) == pytest.approx(snr, rel=0.1)
    assert properties.image_snr(spoilt, 12.0, **options) > 10 * snr


def test_snr_without_a_background_is_undefined():
    assert np.isnan(properties.image_snr(np.ones((40, 40)), 3.0))
    assert np.isnan(properties.image_snr(np.random.default_rng(0).normal(size=(40, 40)), 500.0))


def test_describe_adds_to_the_table_and_leaves_it_alone():
    steps = np.arange(100)
    mu = np.where(steps < np.array([[75], [60]]), 21 + 0.05 * steps, np.nan)
    ellipticity, pa = np.full((2, 100), 0.3), np.full((2, 100), 20.0)
    images = [image_of(15.0, 0.3, 20.0, 0.5, 0.1, centre=(64.5, 59.5), seed=s) for s in (0, 1)]
    pairs = QTable({"name": ["a", "b"], "band": ["g", "r"]})
    table = properties.describe(pairs, images, mu, ellipticity, pa)
    assert pairs.colnames == ["name", "band"]
    np.testing.assert_allclose(table["length"].to_value(u.arcsec), [15, 12])
    np.testing.assert_allclose(table["r_235"].to_value(u.arcsec), 0.2 * 51)
    np.testing.assert_allclose(table["ellipticity"], 0.3)
    np.testing.assert_allclose(table["snr"][0], 25, rtol=0.1)
