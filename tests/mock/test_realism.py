import numpy as np
import pytest
from astropy.io import fits

from pix2prof.mock import realism
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.paths import real_folder
from pix2prof.sdss import PIXSCALE, ZEROPOINT

REAL = real_folder()


def gaussian(shape=(121, 121), sigma=6.0, axis_ratio=0.6, flux=300.0, noise=0.02, shift=0.0):
    y, x = np.mgrid[: shape[0], : shape[1]] - (shape[0] - 1) / 2
    image = np.exp(-0.5 * (x**2 + (y / axis_ratio) ** 2) / sigma**2)
    image += 0.2 * np.exp(-0.5 * ((x - shift) ** 2 + y**2) / 9.0) * (shift != 0)
    rng = np.random.default_rng(2)
    return flux * image / image.sum() + rng.normal(0, noise, shape)


def test_a_gaussian_has_the_known_measures():
    found = realism.galaxy_statistics(gaussian())
    assert found["mag"] == pytest.approx(ZEROPOINT - 2.5 * np.log10(300.0), abs=0.03)
    assert found["ellipticity"] == pytest.approx(0.4, abs=0.03)
    assert abs(found["asymmetry"]) < 0.03
    round_one = realism.galaxy_statistics(gaussian(axis_ratio=1.0, flux=3000.0))
    expected = 5 * np.log10(np.sqrt(np.log(1 - 0.8) / np.log(1 - 0.2)))
    assert round_one["concentration"] == pytest.approx(expected, rel=0.12)
    half = 6.0 * np.sqrt(2 * np.log(2)) * PIXSCALE
    assert round_one["r_50"] == pytest.approx(half, rel=0.06)


def test_asymmetry_sees_what_lies_on_one_side():
    assert realism.galaxy_statistics(gaussian(shift=15.0))["asymmetry"] > 0.05


def test_a_flat_image_has_no_galaxy():
    empty = np.random.default_rng(0).normal(0, 1, (64, 64))
    empty[24:41, 24:41] -= 1.0
    with pytest.raises(ValueError, match="no source within"):
        realism.galaxy_statistics(empty)
    assert len(realism.galaxy_table([empty])) == 0


def test_white_sky_has_unit_power_and_no_correlation():
    sky = realism.sky_statistics(np.random.default_rng(1).normal(0.5, 0.02, (512, 512)))
    assert sky["std"] == pytest.approx(0.02, rel=0.01)
    assert sky["median"] == pytest.approx(0.5, abs=0.001)
    assert abs(sky["correlation"]) < 0.01
    assert sky["power_8"] == pytest.approx(0.95, abs=0.12)
    assert sky["power_32"] == pytest.approx(1.0, abs=0.35)
    assert sky["sources"] == 0


def test_neighbours_that_share_their_noise_show_in_the_spectrum():
    white = np.random.default_rng(1).normal(0, 0.02, (256, 256))
    table = realism.sky_table([white, white + np.roll(white, 1, axis=1)])
    assert tuple(table.colnames) == realism.SKY
    assert table["power_2"][0] == pytest.approx(1.0, abs=0.1)
    assert table["power_2"][1] == pytest.approx(1.5, abs=0.15)
    assert table["correlation"][1] == pytest.approx(0.25, abs=0.03)


def test_source_counts():
    rng = np.random.default_rng(4)
    image = rng.normal(0, 0.02, (300, 300))
    y, x = np.mgrid[:300, :300]
    for k in range(9):
        image += np.exp(-0.5 * ((x - 30 * k - 25) ** 2 + (y - 150) ** 2) / 2.0)
    area = image.size * (PIXSCALE / 60) ** 2
    assert realism.sky_statistics(image)["sources"] * area == pytest.approx(9)


def test_comparison_of_a_table_with_itself():
    table = realism.galaxy_table([gaussian(flux=f) for f in (200.0, 300.0, 400.0)])
    same = realism.compare(table, table)
    assert list(same["measure"]) == list(realism.MEASURES)
    assert (same["ks"] == 0).all() and (same["p"] == 1).all()


@pytest.mark.skipif(not (REAL / "images").is_dir(), reason="no folder of real galaxies")
def test_small_mock_galaxies_are_spread_like_the_real_ones():
    """Quartiles overlap between 15 real SDSS galaxies and mock ones of similar apparent size."""
    real = []
    for path in sorted((REAL / "images").glob("J*.fits")):
        with fits.open(path) as hdus:
            scale = 10 ** (-0.4 * (hdus[0].header["ZEROPT"] - ZEROPOINT))
            real.append(hdus[0].data.astype(float) * scale)
    mock = []
    for index in range(60):
        galaxy = mock_galaxy(21, index, field=160)
        if 3.5 < galaxy.parameters["r_235"] < 14:
            mock.append(galaxy.images[1])
    shape = [name for name in realism.MEASURES if name not in ("mag", "r_50")]
    table = realism.compare(realism.galaxy_table(real), realism.galaxy_table(mock), shape)
    for row in table:
        assert row["mock_25"] < row["real_75"] and row["real_25"] < row["mock_75"], row["measure"]
    assert (table["ks"] < 0.6).all()
