import json

import numpy as np
import pytest
from astropy.table import QTable

from pix2prof import dataset
from pix2prof.dataset import Moves, Normalisation, Pairs, Survey


@pytest.fixture
def survey():
    rng = np.random.default_rng(0)
    n, size = 12, 24
    profiles = {key: np.full((n, 3, 1024), np.nan, np.float32) for key in dataset.PROFILE_KEYS}
    for key, values in profiles.items():
        values[:, :, :50] = rng.normal(22, 1, (n, 3, 50))
        if key == "expert_mu":
            values[4, 1] = np.nan
    catalogue = QTable({"name": [f"J{i}" for i in range(n)]})
    catalogue["split"] = dataset.assign_splits(n, 3, 4, seed=5)
    mask = rng.random((n, size, size)) > 0.8
    return Survey(
        rng.normal(0, 1, (n, 3, size, size)).astype(np.float32),
        np.packbits(mask, axis=-1),
        profiles,
        catalogue,
        Normalisation(-1.0, 2.0),
    ), mask


def test_splits_have_the_sizes_asked_and_come_from_the_seed():
    split = dataset.assign_splits(100, 10, 20, seed=1)
    assert [np.sum(split == name) for name in dataset.SPLITS] == [70, 10, 20]
    assert np.array_equal(split, dataset.assign_splits(100, 10, 20, seed=1))
    assert not np.array_equal(split, dataset.assign_splits(100, 10, 20, seed=2))


def test_a_galaxy_is_in_one_split_with_all_its_bands(survey):
    survey, _ = survey
    names = {split: set(Pairs(survey, split).table()["name"]) for split in dataset.SPLITS}
    assert not (names["train"] & names["validation"] | names["train"] & names["test"])
    assert not names["validation"] & names["test"]
    for split in dataset.SPLITS:
        pairs = Pairs(survey, split)
        for name in names[split] - {"J4"}:
            assert sorted(pairs.table()["band"][pairs.table()["name"] == name]) == ["g", "i", "r"]


def test_pairs_match_image_profile_and_row(survey):
    survey, _ = survey
    for split in dataset.SPLITS:
        pairs = Pairs(survey, split)
        for k in range(len(pairs)):
            galaxy = int(pairs.table()["name"][k][1:])
            band = "gri".index(pairs.table()["band"][k])
            assert np.array_equal(pairs.images(k)[0], survey.images[galaxy, band])
            expected = survey.profiles["expert_mu"][galaxy, band]
            assert np.array_equal(pairs.mu([k])[0], expected, equal_nan=True)


def test_a_band_without_a_profile_gives_no_pair(survey):
    survey, _ = survey
    total = sum(len(Pairs(survey, split)) for split in dataset.SPLITS)
    assert total == 12 * 3 - 1
    assert sum(len(Pairs(survey, split, "truth")) for split in dataset.SPLITS) == 36


def test_an_unknown_split_is_refused(survey):
    with pytest.raises(ValueError, match="split is 'dev'"):
        Pairs(survey[0], "dev")


def test_masks_survive_packing(survey):
    survey, mask = survey
    assert all(np.array_equal(survey.mask(k), mask[k]) for k in range(len(mask)))


def test_normalisation_follows_the_papers_rule():
    rng = np.random.default_rng(3)
    images = [rng.exponential(9.0, (2, 40, 40)) - 1.3 for _ in range(7)]
    found = dataset.find_normalisation(iter(images), crop=30)
    values = np.concatenate([dataset.centre_crop(i, 30).ravel() for i in images])
    assert found.low == np.floor(values.min())
    assert found.high == np.ceil(np.percentile(values, 99.9))


def test_normalisation_maps_a_to_zero_and_b_to_one_and_clips():
    images = np.array([-7.0, -1.0, 1.0, 3.0, 50.0])
    assert Normalisation(-1.0, 3.0).normalise(images) == pytest.approx([0, 0, 0.5, 1, 1])


def test_normalisation_is_the_same_on_tensors():
    torch = pytest.importorskip("torch")
    images = np.linspace(-2, 40, 50, dtype=np.float32)
    for kind in ("minmax", "asinh"):
        rule = Normalisation(-1.0, 30.0, kind)
        assert rule.normalise(torch.tensor(images)).numpy() == pytest.approx(
            rule.normalise(images), abs=1e-6
        )


def test_moves_turn_and_shift_and_keep_every_pixel_value():
    ramp = np.arange(20 * 20, dtype=np.float32).reshape(1, 20, 20).repeat(200, axis=0)
    moves = Moves.draw(200, 20, 12, 2.0, True, np.random.default_rng(0))
    out = moves.of_images(ramp)
    assert out.shape == (200, 12, 12)
    steps = {(int(o[0, 1] - o[0, 0]), int(o[1, 0] - o[0, 0])) for o in out}
    assert steps == {(1, 20), (20, -1), (-1, -20), (-20, 1)}
    centres = np.array([o[5:7, 5:7].mean() for o in out])
    rows, columns = centres // 20, centres % 20
    assert 1.5 < np.std(rows) < 2.5 and np.ptp(columns) > 4


def test_points_go_where_their_pixels_go():
    images = np.zeros((60, 20, 20))
    points = np.random.default_rng(1).integers(8, 12, (60, 2))
    images[np.arange(60), points[:, 1], points[:, 0]] = 1
    moves = Moves.draw(60, 20, 12, 1.0, True, np.random.default_rng(2))
    assert set(moves.turns) == {0, 1, 2, 3}
    _, rows, columns = np.nonzero(moves.of_images(images))
    assert np.array_equal(moves.of_points(points.astype(float)), np.stack((columns, rows), 1))


def test_moves_without_wobble_or_turn_are_the_central_crop():
    images = np.random.default_rng(0).normal(size=(3, 20, 20))
    drawn = Moves.draw(3, 20, 12, 0.0, False, np.random.default_rng(1))
    for moves in (drawn, Moves.none(3, 20, 12)):
        assert np.array_equal(moves.of_images(images), dataset.centre_crop(images, 12))


def test_moves_come_from_their_generator():
    first, second = (Moves.draw(5, 20, 12, 3.0, True, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first.corners, second.corners)
    assert np.array_equal(first.turns, second.turns)


def test_a_crop_beyond_the_image_is_refused():
    with pytest.raises(ValueError, match="20 x 20 px cannot give a crop of 21"):
        dataset.centre_crop(np.zeros((20, 20)), 21)


def test_a_missing_survey_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"images\.npy.*dvc repro data"):
        dataset.load_survey(tmp_path)


def test_normalisation_round_trips(tmp_path):
    dataset.save_normalisation(Normalisation(-2.0, 30.0), tmp_path / "n.json")
    assert Normalisation(**json.loads((tmp_path / "n.json").read_text())) == Normalisation(-2, 30)
