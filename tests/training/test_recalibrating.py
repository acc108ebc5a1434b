"""A network's errors scaled anew: its weights stay, and the errors hold on the other survey."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from astropy.table import QTable
from discs import Discs
from safetensors.numpy import load_file
from tiny import save_tiny_model

from pix2prof.cli import main
from pix2prof.config import ModelConfig
from pix2prof.dataset.normalisation import Normalisation, save_normalisation
from pix2prof.dataset.stored import PROFILE_KEYS, load_survey
from pix2prof.networks import build_model, save_model
from pix2prof.predict.arrays import describe_images, load
from pix2prof.profiles import sma_grid
from pix2prof.training.recalibrating import recalibrate

NORMALISATION = Normalisation(0.0, 1.0, kind="asinh", softening=0.02)
SPLIT = np.array(["train", "test"] + ["validation"] * 10)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """The folder of a survey of twelve discs, the same in three bands."""
    folder, discs, every = tmp_path_factory.mktemp("survey"), Discs(12, 4), np.arange(12)
    images = np.repeat(discs.images(every)[:, None], 3, axis=1)
    mu = np.repeat(discs.mu(every)[:, None], 3, axis=1)
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", np.zeros((12, 56, 7), np.uint8))
    np.savez(folder / "profiles.npz", sma=sma_grid(), **dict.fromkeys(PROFILE_KEYS, mu))
    QTable({"name": [f"J{k}" for k in range(12)], "split": SPLIT}).write(folder / "catalogue.ecsv")
    save_normalisation(NORMALISATION, folder / "normalisation.json")
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The folder of an untrained transformer."""
    folder = tmp_path_factory.mktemp("network") / "own"
    config = ModelConfig(decoder="transformer", latent=16, layers=1, max_sma=25.6)
    model = build_model(config, 23.0, 2.0, seed=1)
    save_model(model, folder, normalisation=asdict(NORMALISATION), crop=48, parameters={"a": 1})
    return folder


def test_only_the_errors_change_and_they_hold(survey, network, tmp_path, capsys):
    words = ["--model", str(network), "-o", str(tmp_path / "new"), "--label", "twelve discs"]
    assert main(["calibrate", str(survey), *words]) == 0
    assert "mu_err_95 over the predicted scale" in capsys.readouterr().err
    before, after = (load_file(path / "model.safetensors") for path in (network, tmp_path / "new"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"calibration.factors"}
    card = json.loads((tmp_path / "new" / "config.json").read_text())
    said = card["provenance"].pop("calibration")
    old = json.loads((network / "config.json").read_text())
    assert card["provenance"] == old["provenance"] and card["model"] == old["model"]
    assert said["survey"] == "twelve discs" and said["galaxies"] == 10
    assert said["weights_before"] == old["sha256"] != card["sha256"]
    sky = load_survey(survey)
    mu = torch.from_numpy(sky.profiles["expert_mu"][2:, 0])
    answers = describe_images(sky.images[2:, 0], load(tmp_path / "new"))
    off = np.abs(answers["mu"] - mu[:, : answers["mu"].shape[1]].numpy())
    there = np.isfinite(off)
    inside = [(off <= answers[name])[there].mean() for name in ("mu_err", "mu_err_95")]
    assert inside == pytest.approx([0.6827, 0.95], abs=0.02)


def test_a_network_without_errors_is_refused(survey, tmp_path):
    folder = save_tiny_model(tmp_path / "gru")
    with pytest.raises(ValueError, match=r"gru: the decoder 'gru' gives no errors"):
        recalibrate(folder, load_survey(survey), tmp_path / "new")
    assert not (tmp_path / "new").exists()
