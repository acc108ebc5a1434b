from dataclasses import asdict, replace

import pytest
import torch
from discs import Discs
from test_loop import CROP, NORMALISATION, SMALL, run, same

from pix2prof import released
from pix2prof.config import ModelConfig
from pix2prof.networks import build_model, load_model, save_model
from pix2prof.predict.arrays import load
from pix2prof.training import loop as training
from pix2prof.training.checkpoint import ResumeError
from pix2prof.training.starting import StartError, begin_network

OWN = ModelConfig(latent=24, step=1.0, halt_window=5.0, max_sma=25.6, normalise="asinh")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a network that has seen six epochs of forty discs."""
    folder = tmp_path_factory.mktemp("start") / "trained"
    settings = replace(SMALL, images=240, lr=1e-3)
    model, _ = run(train=Discs(40, 1), config=settings)
    save_model(model, folder, normalisation=asdict(NORMALISATION), crop=CROP)
    return folder


def begun(start, wanted=OWN, train=None, normalisation=NORMALISATION, **kwargs):
    train = train or Discs(20, 7)
    return begin_network(wanted, start, train, normalisation, seed=3, **kwargs)


def tuned(model, images, folder=None, **kwargs):
    options = {"images": images, "lr": 1e-4, "start": "a network", "hold_statistics": 0.0}
    return training.fit(
        model,
        Discs(20, 7),
        Discs(6, 2),
        replace(SMALL, **options),
        normalisation=NORMALISATION,
        crop=CROP,
        checkpoint=folder,
        log=lambda line: None,
        **kwargs,
    )


def test_it_begins_with_the_weights_units_and_normalisation_of_the_other(trained):
    fainter = replace(NORMALISATION, low=-7.0)
    model, normalisation = begun(trained, normalisation=fainter)
    there = load(trained)
    assert same(model, there.network) and model.kwargs == there.network.kwargs
    assert normalisation == there.normalisation != fainter
    scratch, normalisation = begun(None, normalisation=fainter)
    assert not same(scratch, model) and scratch.kwargs["mu_mean"] != model.kwargs["mu_mean"]
    assert normalisation == fainter


def test_what_does_not_touch_the_weights_may_differ(trained):
    model, _ = begun(trained, replace(OWN, dropout=0.0, halt_std=0.05))
    assert same(model, load(trained).network)
    assert model.kwargs["dropout"] == 0.0 and model.kwargs["halt_std"] == 0.05


def test_few_images_stay_near_it_and_beat_a_training_from_scratch(trained):
    model, _ = begun(trained)
    before = torch.cat([x.flatten().clone() for x in model.parameters()])
    statistics = model.encoder.stem[1].running_mean.clone()
    history = tuned(model, 20)
    after = torch.cat([x.flatten() for x in model.parameters()])
    assert 0 < (after - before).norm() < 0.05 * before.norm()
    torch.testing.assert_close(model.encoder.stem[1].running_mean, statistics, rtol=0, atol=0)
    scratch = tuned(begun(None)[0], 20)
    losses = [x.rows[-1]["validation_loss"] for x in (history, scratch)]
    assert losses[0] < 0.5 * losses[1]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"latent": 32}, r"model\.latent is 32, .*train\.start = .* has 24; set model\.latent"),
        ({"normalise": "minmax"}, r"model\.normalise is 'minmax', .* has 'asinh'"),
        ({"decoder": "isophote"}, r"model\.decoder is 'isophote', .* has 'gru'"),
        ({"decoder": "transformer", "latent": 32}, r"model\.decoder is 'transformer'"),
        ({"bands": "all"}, r"model\.bands is \['g', 'r'\], .* has None"),
    ],
)
def test_another_architecture_is_refused_by_its_first_parameter(trained, change, words):
    with pytest.raises(StartError, match=words):
        begun(trained, replace(OWN, **change), bands=("g", "r"))


def test_no_such_network_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"neither a released one .*paper, pix2prof"):
        begun(tmp_path / "nothing")


def test_the_released_networks_can_be_begun_with():
    model, normalisation = begun("pix2prof", ModelConfig(decoder="isophote"))
    assert same(model, load("pix2prof").network) and normalisation.kind == "none"


def test_a_run_is_resumed_from_the_same_weights_alone(trained, tmp_path):
    tuned(begun(trained)[0], 20, tmp_path, start="0123")
    longer = tuned(begun(trained)[0], 20, tmp_path, start="0123")
    assert len(longer.rows) == 1
    with pytest.raises(ResumeError, match=r"train\.start: 0123 there, 4567 now"):
        tuned(begun(trained)[0], 20, tmp_path, start="4567")


def test_identity_follows_the_weights(trained, tmp_path):
    said = released.identity(trained)
    assert said == {"name": str(trained), "sha256": load_model(trained)[1]["sha256"]}
    assert released.identity(None) is None
    other = build_model(OWN, 0.0, 1.0, seed=9)
    save_model(other, trained.parent / "other", normalisation=asdict(NORMALISATION))
    assert released.identity(trained.parent / "other")["sha256"] != said["sha256"]
