import dataclasses
import itertools
from types import SimpleNamespace

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.table import QTable

from pix2prof.config import EvaluateConfig
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.dataset.stored import PROFILE_KEYS, Survey, assign_splits
from pix2prof.metrics import evaluation
from pix2prof.model.paper import Pix2Prof
from pix2prof.predict.arrays import Predictor, predict_images
from pix2prof.profiles import sma_grid

N = 10


@pytest.fixture(scope="module")
def survey():
    """Exponential discs of known scale length; the expert is 0.1 mag from the truth."""
    rng = np.random.default_rng(0)
    scale = rng.uniform(3, 8, N)
    mu = (20 + 1.0857 * sma_grid() / scale[:, None]).astype(np.float32)
    mu = np.repeat(mu[:, None], 3, axis=1)
    profiles = {key: np.full((N, 3, 1024), 0.2, np.float32) for key in PROFILE_KEYS}
    profiles["truth_mu"] = mu
    profiles["expert_mu"] = np.where(mu < 27, mu + np.float32(0.1), np.nan)
    catalogue = QTable({"name": [f"J{k}" for k in range(N)]})
    catalogue["kpc_per_arcsec"] = np.full(N, 0.5)
    catalogue["split"] = assign_splits(N, 2, 4, seed=1)
    images = rng.normal(0, 0.02, (N, 3, 48, 48)).astype(np.float32)
    masks = np.zeros((N, 48, 6), np.uint8)
    return Survey(images, masks, profiles, catalogue, Normalisation(-1.0, 2.0))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    network = Pix2Prof(latent=8, layers=1, step=4.0, halt_std=1e-9, mu_mean=23.0, mu_std=2.0)
    return Predictor(network.eval(), Normalisation(-1.0, 2.0), crop=32)


@pytest.fixture(scope="module")
def result(survey, model):
    return evaluation.evaluate(model, survey, EvaluateConfig(batch_size=5), {"seconds": 1.5})


def of_bands(bands):
    torch.manual_seed(1)
    options = {"latent": 8, "layers": 1, "step": 4.0, "halt_std": 1e-9, "mu_mean": 23.0}
    network = Pix2Prof(**options, mu_std=2.0, bands=bands)
    return Predictor(network.eval(), Normalisation(-1.0, 2.0), crop=32)


def test_a_network_of_all_bands_has_the_same_rows(survey, result):
    model, test = of_bands(("g", "r", "i")), np.flatnonzero(survey.catalogue["split"] == "test")
    said = evaluation.evaluate(model, survey, EvaluateConfig(batch_size=4), {"seconds": 1.5})
    assert said.pairs["name", "band"].as_array().tolist() == (
        result.pairs["name", "band"].as_array().tolist()
    )
    assert np.array_equal(said.reference, result.reference, equal_nan=True)
    expected = predict_images(survey.images[test], model, batch_size=4).reshape(12, -1)
    np.testing.assert_allclose(said.prediction, expected, atol=1e-3)


def test_a_galaxy_without_some_band_is_left_out_with_a_network_of_all(survey):
    test = np.flatnonzero(survey.catalogue["split"] == "test")
    profiles = {key: values.copy() for key, values in survey.profiles.items()}
    profiles["expert_mu"][test[1], 2] = np.nan
    lacking = dataclasses.replace(survey, profiles=profiles)
    said = evaluation.evaluate(
        of_bands(("g", "r", "i")), lacking, EvaluateConfig(), {"seconds": 1.5}
    )
    names = set(survey.catalogue["name"][np.delete(test, 1)])
    assert set(said.pairs["name"]) == names
    assert said.metrics["test"]["n"] == 9


def test_a_network_of_other_bands_is_refused(survey):
    with pytest.raises(
        ValueError, match=r"takes g, r, z \(model.bands\), and the survey has g, r, i"
    ):
        evaluation.evaluate(of_bands(("g", "r", "z")), survey, EvaluateConfig(), {})


def test_it_predicts_every_test_pair_and_no_other(survey, result):
    names = set(survey.catalogue["name"][survey.catalogue["split"] == "test"])
    assert set(result.pairs["name"]) == names
    assert result.prediction.shape == result.reference.shape == (12, 1024)
    assert result.metrics["test"]["n"] == 12


def test_the_expert_is_held_against_the_truth(result):
    assert result.metrics["expert"]["test"]["median"] == pytest.approx(0.1, abs=1e-4)


def test_deviations_are_of_the_prediction_from_the_expert(result):
    eta = np.nanmedian(np.abs(result.reference - result.prediction), axis=1)
    assert result.pairs["deviation"].value == pytest.approx(eta, abs=1e-5)


def test_the_baseline_is_the_training_sets_mean(survey, result):
    train = survey.profiles["expert_mu"][survey.catalogue["split"] == "train", 0]
    count = np.isfinite(train).sum(axis=0)
    mean = np.where(count > 0, np.nansum(train, axis=0) / np.maximum(count, 1), np.nan)
    eta = np.nanmedian(np.abs(result.reference - mean), axis=1)
    assert result.metrics["baseline"]["test"]["median"] == pytest.approx(np.median(eta), abs=1e-4)


def test_the_result_does_not_depend_on_the_batch_size(survey, model, result):
    again = evaluation.evaluate(model, survey, EvaluateConfig(batch_size=64), {})
    assert np.allclose(again.prediction, result.prediction, atol=1e-4, equal_nan=True)


def test_numbers_of_the_training_are_reported_along(result):
    assert result.metrics["training"] == {"seconds": 1.5}


@pytest.mark.parametrize("bands", [None, ("g", "r", "i")])
def test_the_speed_is_that_of_images_whatever_bands_a_network_takes(
    survey, model, monkeypatch, bands
):
    clock = SimpleNamespace(perf_counter=itertools.count(step=2).__next__)
    monkeypatch.setattr(evaluation, "time", clock)
    model = model if bands is None else of_bands(bands)
    said = evaluation.evaluate(model, survey, EvaluateConfig(batch_size=5), {})
    assert said.metrics["test"]["n"] == 12
    assert said.metrics["speed"]["images_per_second"] == 6.0


def test_it_survives_the_disk(result, tmp_path):
    evaluation.save_evaluation(result, tmp_path / "results", tmp_path / "predictions")
    back = evaluation.load_evaluation(tmp_path / "results", tmp_path / "predictions")
    assert back.metrics == result.metrics
    assert np.array_equal(back.prediction, result.prediction.astype(np.float32), equal_nan=True)
    assert back.pairs.colnames == result.pairs.colnames
    assert list(back.curves["set"]) == list(result.curves["set"])
    assert back.curves["radius"].unit == u.kpc
    assert u.allclose(back.curves["median"], result.curves["median"], rtol=1e-6)


def test_a_missing_file_is_named_with_the_remedy(result, tmp_path):
    evaluation.save_evaluation(result, tmp_path, tmp_path)
    (tmp_path / "pairs.ecsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"pairs\.ecsv.*dvc repro evaluate"):
        evaluation.load_evaluation(tmp_path, tmp_path)


def test_a_survey_without_test_pairs_is_refused(survey, model):
    catalogue = survey.catalogue.copy()
    catalogue["split"] = np.where(catalogue["split"] == "test", "train", catalogue["split"])
    without = dataclasses.replace(survey, catalogue=catalogue)
    with pytest.raises(ValueError, match="no test pair"):
        evaluation.evaluate(model, without, EvaluateConfig(), {})
