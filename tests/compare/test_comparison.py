import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from comparisons import synthetic

from pix2prof.compare import comparison
from pix2prof.compare.peers import Method, Outline, Target
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.dataset.stored import PROFILE_KEYS, Survey, assign_splits

N = 9


@pytest.fixture(scope="module")
def survey():
    rng = np.random.default_rng(0)
    images = rng.normal(0, 0.02, (N, 3, 48, 48)).astype(np.float32)
    profiles = {key: rng.normal(22, 1, (N, 3, 1024)).astype(np.float32) for key in PROFILE_KEYS}
    catalogue = QTable({"name": [f"J{k}" for k in range(N)], "kpc_per_arcsec": np.full(N, 0.5)})
    catalogue["split"] = assign_splits(N, 2, 4, seed=1)
    masks = rng.integers(0, 255, (N, 48, 6)).astype(np.uint8)
    return Survey(images, masks, profiles, catalogue, Normalisation(-1.0, 2.0))


def test_galaxies_come_from_the_test_set_in_all_bands(survey):
    targets, images, expert, truth = comparison.mock_targets(survey, 2, seed=3)
    assert len(targets) == len(images) == len(expert) == len(truth) == 6
    assert set(survey.catalogue["split"][images["galaxy"]]) == {"test"}
    assert list(images["band"]) == ["g", "r", "i"] * 2
    galaxy = images["galaxy"][4]
    assert np.array_equal(targets[4].image, survey.images[galaxy, 1])
    assert np.array_equal(targets[4].mask, survey.mask(galaxy))
    assert np.array_equal(expert[4], survey.profiles["expert_mu"][galaxy, 1])
    assert np.array_equal(truth[4], survey.profiles["truth_mu"][galaxy, 1])


def test_more_galaxies_hold_those_of_fewer(survey):
    few, more, most = (
        set(comparison.mock_targets(survey, n, seed=3)[1]["name"]) for n in (1, 3, 99)
    )
    assert few < more < most and len(most) == 4


def test_real_galaxies_keep_their_pixels_and_bad_files_are_left_out(tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    image = np.random.default_rng(0).normal(1, 0.1, (40, 50)).astype(np.float32)
    for name in ("a", "c"):
        header = fits.Header({"PIXSCALE": 0.5, "BAND": "r", "ZEROPT": 22.5})
        fits.writeto(folder / f"{name}.fits", image, header)
    (folder / "b.fits").write_text("no FITS")
    targets, images = comparison.real_targets(tmp_path, 9)
    assert list(images["name"]) == ["a", "c"] and list(images["band"]) == ["r", "r"]
    assert targets[0].image.shape == (40, 50) and targets[0].pixscale == 0.5
    assert targets[0].picture.name == "a"
    assert "b.fits" in capsys.readouterr().out
    assert len(comparison.real_targets(tmp_path, 1)[0]) == 1


def test_without_a_folder_there_are_no_real_galaxies(tmp_path):
    targets, images = comparison.real_targets(tmp_path / "nowhere", 9)
    assert targets == [] and len(images) == 0
    found = comparison.compare(
        [Method("a", "A", "1", None)], targets, images, folder=tmp_path, timeout=1.0
    )
    assert found.mu.shape == (1, 0, 1024) and found.failure.shape == (1, 0)


def flat(target):
    if target.name == "bad":
        raise ValueError("not today")
    return Outline(np.array([1.0, 3.0]), np.array([20.0, 21.0]))


def test_results_are_gathered_by_method_and_image(tmp_path):
    targets = [Target(name, np.zeros((4, 4), np.float32)) for name in ("good", "bad")]
    targets[1] = Target("bad", np.ones((4, 4), np.float32))
    images = QTable({"name": ["good", "bad"], "band": ["g", "g"]})
    found = comparison.compare(
        [Method("a", "A", "1", flat)], targets, images, folder=tmp_path, timeout=9.0
    )
    assert found.failure.tolist() == [["", "not today"]]
    assert np.nanmin(found.mu[0, 0]) == 20 and np.isnan(found.mu[0, 1]).all()
    assert found.hardware and np.isnan(found.truth).all()


def test_it_survives_the_disk(tmp_path):
    before = synthetic()
    comparison.save_comparison(before, tmp_path, "mock")
    after = comparison.load_comparison(tmp_path, "mock")
    for name in ("keys", "labels", "failure"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()
    for name in ("mu", "ellipticity", "pa", "centre", "seconds", "expert", "truth"):
        assert np.array_equal(getattr(after, name), getattr(before, name), equal_nan=True)
    assert after.missing == before.missing == {"AutoProf": "gone"}
    assert after.hardware == "a Processor"
    assert after.images.colnames == before.images.colnames


def test_a_missing_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mock\.npz: .* dvc repro compare"):
        comparison.load_comparison(tmp_path, "mock")
