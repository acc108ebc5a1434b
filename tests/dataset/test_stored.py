import numpy as np
import pytest
from astropy.table import QTable

from pix2prof.dataset import stored as dataset
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.dataset.stored import Galaxies, Pairs, Survey, examples


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


def test_galaxies_hold_the_pairs_of_all_their_bands(survey):
    survey, _ = survey
    split = survey.catalogue["split"][4]
    galaxies = examples(survey, split, "all")
    rows = np.flatnonzero(survey.catalogue["split"] == split)
    rows = rows[rows != 4]
    assert len(galaxies) == len(rows) > 1
    order = np.array([1, 0])
    assert np.array_equal(galaxies.images(order), survey.images[rows[order]])
    for values, name in zip(
        (galaxies.mu(order), *galaxies.ellipses(order)), ("mu", "ellipticity", "pa"), strict=True
    ):
        assert np.array_equal(
            values, np.concatenate(survey.profiles[f"expert_{name}"][rows[order]]), equal_nan=True
        )
    assert len(galaxies.mu()) == 3 * len(rows)
    assert isinstance(examples(survey, split, "one"), Pairs)


def test_galaxies_without_some_band_are_left_out_or_refused(survey):
    survey, _ = survey
    pairs = Pairs(survey, survey.catalogue["split"][4])
    assert set(pairs.galaxy) - set(pairs.complete().galaxy) == {4}
    assert len(pairs) - len(pairs.complete()) == 2
    with pytest.raises(ValueError, match=r"lack a pair in some band; give Pairs.complete"):
        Galaxies(pairs)
    survey.profiles["expert_mu"][:, 2] = np.nan
    with pytest.raises(
        ValueError, match=r"none of .* galaxies has expert profiles in all of g, r, i"
    ):
        examples(survey, "train", "all")


def test_an_unknown_split_is_refused(survey):
    with pytest.raises(ValueError, match="split is 'dev'"):
        Pairs(survey[0], "dev")


def test_masks_survive_packing(survey):
    survey, mask = survey
    assert all(np.array_equal(survey.mask(k), mask[k]) for k in range(len(mask)))


def test_a_missing_survey_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"images\.npy.*dvc repro data"):
        dataset.load_survey(tmp_path)
