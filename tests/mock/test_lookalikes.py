import numpy as np
import pytest

from pix2prof.images.image import read_image
from pix2prof.mock import lookalikes, realism
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.paths import real_folder
from pix2prof.profile_files import read_profile
from pix2prof.profiles import sma_grid

REAL = real_folder()
SMA = sma_grid(200)


def test_shapes_of_exponentials_are_their_central_brightness():
    mu = np.stack([20.0 + 1.086 * SMA / 4.0, 21.5 + 1.086 * SMA / 4.0, np.full(200, np.nan)])
    table = lookalikes.shape_table(mu)
    assert table.colnames == list(lookalikes.SHAPES) and len(table) == 2
    for fraction, name in zip(lookalikes.FRACTIONS, lookalikes.SHAPES, strict=True):
        assert np.allclose(table[name], (fraction - 1) * np.array([3.5, 2.0]), atol=0.01)


def test_a_mock_galaxy_looks_like_itself():
    indices = lookalikes.find_lookalikes([9.0, 5.0], [16.0, 17.5], seed=3, each=2, pool=60)
    assert indices.shape == (2, 2) and len(set(indices.ravel())) == 4
    galaxy = mock_galaxy(3, int(indices[0, 0]), field=64, small_share=0.5)
    assert galaxy.parameters["r_235"] == pytest.approx(9.0, rel=0.5)
    again = lookalikes.find_lookalikes(
        [galaxy.parameters["r_235"]], [galaxy.parameters["mag_r"]], seed=3, pool=60
    )
    assert again[0, 0] == indices[0, 0]
    cut = lookalikes.lookalike_image(3, int(indices[0, 0]), (50, 40))
    assert np.array_equal(cut, galaxy.images[1, 7:57, 12:52])


def test_a_pool_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="pool of 2"):
        lookalikes.find_lookalikes([9.0, 5.0], [16.0, 17.5], seed=3, each=2, pool=2)


def test_images_without_a_galaxy_are_left_out():
    empty = np.random.default_rng(0).normal(0, 0.02, (64, 64)) - 0.1
    assert lookalikes.beside([empty], seed=1) == ([], [])


@pytest.mark.skipif(not (REAL / "autoprof").is_dir(), reason="no folder of real galaxies")
def test_profiles_have_the_shapes_of_autoprofs_and_their_spread():
    """AutoProf's profiles of real galaxies against the mock galaxies nearest to them."""
    names = [path.stem for path in sorted((REAL / "autoprof").glob("*.prof"))]
    images = {name: read_image(REAL / "images" / f"{name}.fits") for name in names}
    names = [name for name in names if abs(images[name].pixscale - 0.396) < 1e-3]
    published = [read_profile(REAL / "autoprof" / f"{name}.prof") for name in names]
    real = lookalikes.shape_table(
        [np.interp(sma_grid(), p["sma"].value, p["mu"].value, right=np.nan) for p in published]
    )
    _, mock = lookalikes.beside([images[name].data for name in names], seed=11)
    shapes = lookalikes.shape_table(lookalikes.measured_sizes(mock)[2])
    table = realism.compare(real, shapes, lookalikes.SHAPES)
    assert len(real) >= 15 and (table["p"] > 0.01).all()
    spread = (table["mock_75"] - table["mock_25"]) / (table["real_75"] - table["real_25"])
    assert ((spread > 0.4) & (spread < 2.5)).all()
