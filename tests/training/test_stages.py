import shutil
from dataclasses import replace

import pytest
import torch
from discs import Discs
from test_loop import CROP, NORMALISATION, SMALL, same, without_clock

from pix2prof.config import ModelConfig
from pix2prof.networks import build_model
from pix2prof.training import loop as training
from pix2prof.training.checkpoint import ResumeError
from pix2prof.training.stages import train_network
from pix2prof.training.validation import profile_statistics

WANTED = ModelConfig(latent=24, step=1.0, halt_window=5.0, max_sma=25.6)
FIRST = replace(SMALL, encoder_images=60, images=40, lr=1e-3, clip=1.0)

pytestmark = pytest.mark.usefixtures("one_thread")


def made(decoder="gru", seed=FIRST.seed):
    return build_model(replace(WANTED, decoder=decoder), *profile_statistics(Discs(20, 1)), seed)


def trained(config=FIRST, decoder="gru", folder=None):
    model, network = made(decoder), replace(WANTED, decoder=decoder)
    history = train_network(
        model,
        network,
        Discs(20, 1),
        Discs(6, 2),
        config,
        normalisation=NORMALISATION,
        crop=CROP,
        checkpoint=folder,
    )
    return model, history


@pytest.fixture(scope="module")
def unbroken():
    return trained()


def test_the_encoder_is_that_of_a_training_without_the_decoder(unbroken):
    alone, history = trained(replace(FIRST, encoder_images=0, images=60, clip=None), "one_shot")
    model, both = unbroken
    assert same(model.encoder, alone.encoder)
    assert not same(model.encoder, made().encoder)
    assert not same(model.decoder, made().decoder)
    first, only = without_clock(both)[:3], without_clock(history)
    assert [row | {"stage": "whole"} for row in first] == only
    assert [row["stage"] for row in both.rows] == 3 * ["encoder"] + 2 * ["decoder"]


def test_the_decoder_learns_at_a_rate_of_its_own(unbroken):
    model, history = trained(replace(FIRST, decoder_lr=3e-3))
    assert same(model.encoder, unbroken[0].encoder)
    assert not same(model.decoder, unbroken[0].decoder)
    rates = [row["lr"] for row in history.rows]
    assert max(rates[:3]) <= 1e-3 < 1.4e-3 < rates[3] <= 3e-3


def test_the_curve_goes_on_from_stage_to_stage(unbroken):
    _, history = unbroken
    assert [row["epoch"] for row in history.rows] == [1, 2, 3, 4, 5]
    assert [row["images"] for row in history.rows] == [20, 40, 60, 80, 100]
    assert history.best_epoch in (4, 5)
    seconds = [row["seconds"] for row in history.rows]
    assert seconds == sorted(seconds) and seconds[3] > seconds[2] > 0


def test_the_network_can_be_trained_on_as_a_whole(unbroken):
    assert all(x.requires_grad for x in unbroken[0].parameters())


def test_a_run_killed_in_either_stage_goes_on_to_the_same_network(tmp_path, unbroken, monkeypatch):
    calls, epoch = [], training.train_epoch

    def killed(*args):
        calls.append(args)
        if len(calls) in (2, 6):
            raise KeyboardInterrupt
        return epoch(*args)

    monkeypatch.setattr(training, "train_epoch", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained(folder=tmp_path)
    model, history = trained(folder=tmp_path)
    assert same(model, unbroken[0]) and without_clock(history) == without_clock(unbroken[1])
    assert len(calls) == 5 + 2


def test_a_decoder_is_not_resumed_on_another_encoder(tmp_path):
    trained(folder=tmp_path)
    shutil.rmtree(tmp_path / "encoder")
    with pytest.raises(ResumeError, match=r"train\.start: [0-9a-f]{64} there, [0-9a-f]{64} now"):
        trained(replace(FIRST, lr=2e-3, decoder_lr=1e-3), folder=tmp_path)


def test_one_dense_layer_learns_profiles():
    config = replace(SMALL, images=600, lr=1e-3, batch_size=16)
    losses = [row["train_loss"] for row in trained(config, "one_shot")[1].rows]
    assert losses[-1] < 0.2 * losses[0]


def test_gradients_are_clipped():
    moved = []
    for clip in (None, 1e-12):
        model, _ = trained(replace(FIRST, encoder_images=0, images=20, clip=clip))
        pairs = zip(model.decoder.parameters(), made().decoder.parameters(), strict=True)
        moved.append(max((a - b).abs().max().item() for a, b in pairs))
    assert moved[0] > 1e-3 > 1e-6 > moved[1] > 0
    assert torch.isfinite(torch.tensor(moved)).all()
