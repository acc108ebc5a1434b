import errno
import itertools
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from discs import Discs

from pix2prof.config import ModelConfig, TrainConfig
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.networks import build_model
from pix2prof.training import checkpoint as checkpoints
from pix2prof.training import loop as training
from pix2prof.training.batches import Batches
from pix2prof.training.checkpoint import (
    ResumeError,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from pix2prof.training.validation import observe, profile_statistics, validate

CROP = 48
NORMALISATION = Normalisation(0.0, 1.0, kind="asinh", softening=0.02)
SMALL = TrainConfig(images=40, batch_size=10, precision="float32", wobble=2.0, seed=5)


pytestmark = pytest.mark.usefixtures("one_thread")


def small_model(train, seed=1, latent=24, **kwargs):
    config = ModelConfig(latent=latent, step=1.0, halt_window=5.0, max_sma=25.6, **kwargs)
    return build_model(config, *profile_statistics(train), seed)


def run(
    folder=None, train=None, config=SMALL, seed=1, log=None, normalisation=NORMALISATION, **kwargs
):
    train, validation = train or Discs(20, 1), Discs(6, 2)
    model = small_model(train, seed)
    history = training.fit(
        model,
        train,
        validation,
        config,
        normalisation=normalisation,
        crop=CROP,
        checkpoint=folder,
        log=log or (lambda line: None),
        **kwargs,
    )
    return model, history


def without_clock(history):
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in history.rows]


def same(model, other):
    states = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in states)


class TestLearning:
    def test_profiles_are_learnt(self):
        train, lines = Discs(160, 1), []
        config = TrainConfig(
            images=1120, batch_size=16, lr=1e-3, wobble=1.0, precision="float32", seed=2
        )
        model, history = run(train=train, config=config, log=lines.append)
        losses = [row["train_loss"] for row in history.rows]
        assert [row["images"] for row in history.rows] == list(range(160, 1121, 160))
        assert losses[-1] < 0.1 * losses[0]
        mu = train.mu(range(160))[:, :20]
        guess = np.nanmedian(np.abs(mu - np.nanmean(mu, 0)))
        best = history.rows[history.best_epoch - 1]
        assert best["validation_loss"] == min(row["validation_loss"] for row in history.rows)
        assert best["validation_deviation"] < 0.5 * guess
        assert len(lines) == 7
        assert "epoch 7/7: 1120 of 1120 images" in lines[-1]
        assert "0 min 00 s left" in lines[-1]
        validation = Batches(Discs(6, 2), model.nodes, NORMALISATION, CROP)
        again = validate(model, validation, torch.float32)
        assert again == pytest.approx(
            (best["validation_loss"], best["validation_deviation"]), rel=1e-6
        )

    def test_validation_sees_the_statistics_of_many_batches(self):
        train = Discs(20, 1)
        model = small_model(train)
        batches = Batches(train, model.nodes, NORMALISATION, CROP)
        before = [x.clone() for x in model.state_dict().values()]
        model.eval()
        observe(model, batches, SMALL, 1, torch.float32)
        changed = [
            name
            for (name, x), y in zip(model.state_dict().items(), before, strict=True)
            if not torch.equal(x, y)
        ]
        assert changed and not model.training
        assert all(
            name.endswith(("running_mean", "running_var", "batches_tracked")) for name in changed
        )
        norm = model.encoder.stem[1]
        once = norm.running_mean.clone()
        observe(model, batches, SMALL, 1, torch.float32)
        torch.testing.assert_close(norm.running_mean, once, rtol=0, atol=0)
        observe(model, batches, SMALL, 2, torch.float32)
        assert not torch.equal(norm.running_mean, once)

    def test_statistics_are_held_from_the_epoch_that_was_asked_for(self):
        config, seen = replace(SMALL, hold_statistics=0.5), []
        train = Discs(20, 1)
        model = small_model(train)
        norm = model.encoder.stem[1]
        training.fit(
            model,
            train,
            Discs(6, 2),
            config,
            normalisation=NORMALISATION,
            crop=CROP,
            epoch_images=10,
            log=lambda line: seen.append((norm.running_mean.clone(), norm.weight.clone())),
        )
        means, weights = zip(*seen, strict=True)
        moved = [not torch.equal(a, b) for a, b in itertools.pairwise(means)]
        assert moved == [True, False, False]
        assert not torch.equal(weights[1], weights[3])

    def test_bfloat16_learns_alike(self):
        config = replace(SMALL, images=80, lr=1e-3)
        low = run(config=replace(config, precision="bf16"))[1]
        full = run(config=config)[1]
        for a, b in zip(low.rows, full.rows, strict=True):
            assert a["train_loss"] == pytest.approx(b["train_loss"], rel=0.25)
        assert low.rows[-1]["train_loss"] < 0.8 * low.rows[0]["train_loss"]

    def test_same_seed_same_result_other_seed_other(self):
        (one, first), (two, second) = run(), run()
        assert same(one, two)
        assert without_clock(first) == without_clock(second)
        assert not same(one, run(config=replace(SMALL, seed=6))[0])

    def test_sees_as_many_images_as_asked_for(self):
        history = run(config=replace(SMALL, images=33), epoch_images=15)[1]
        assert [row["images"] for row in history.rows] == [15, 30, 33]
        assert 0 < history.rows[0]["data_seconds"] < history.rows[0]["seconds"]

    def test_training_is_augmented_and_validation_is_not(self):
        pairs = Discs(4, 3)
        nodes = small_model(pairs).nodes
        batches = Batches(pairs, nodes, NORMALISATION, CROP)
        indices = np.arange(4)
        plain = batches.load(indices)[0]
        assert plain.shape == (4, 1, CROP, CROP)
        expected = NORMALISATION.normalise(pairs.images(indices)[:, 4:-4, 4:-4])
        np.testing.assert_allclose(plain[:, 0], expected, rtol=1e-6)
        still = batches.load(
            indices, replace(SMALL, wobble=0.0, rotate=False), np.random.default_rng(1)
        )[0]
        assert torch.equal(still, plain)
        moved = batches.load(indices, SMALL, np.random.default_rng(1))[0]
        assert not torch.equal(moved, plain)

    def test_learning_rate(self):
        cosine = TrainConfig(images=100, lr=2.0, schedule="cosine")
        rates = [training.learning_rate(cosine, seen) for seen in (0, 50, 100)]
        assert rates == pytest.approx([2.0, 1.0, 0.0])
        constant = replace(cosine, schedule="constant")
        assert training.learning_rate(constant, 99) == 2.0

    def test_a_learning_rate_that_is_warmed_up(self):
        config = TrainConfig(images=100, batch_size=5, lr=2.0, schedule="constant", warm_up=0.2)
        rates = [training.learning_rate(config, seen) for seen in (0, 5, 10, 15, 20, 95)]
        assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])
        plain = replace(config, schedule="cosine", warm_up=0.0)
        assert training.learning_rate(replace(plain, warm_up=0.1), 50) == pytest.approx(
            training.learning_rate(plain, 50)
        )


class TestResuming:
    def test_a_killed_run_gives_the_result_of_an_unkilled_one(self, tmp_path):
        config = replace(SMALL, images=60)
        whole, history = run(config=config)
        broken = Discs(20, 1)
        calls = []

        def kill_in_third_epoch(indices, images=broken.images):
            calls.append(len(indices))
            if len(calls) == 10:
                raise KeyboardInterrupt
            return images(indices)

        broken.images = kill_in_third_epoch
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "c", train=broken, config=config)
        lines = []
        resumed, again = run(tmp_path / "c", config=config, seed=99, log=lines.append)
        assert "after epoch 2 of 3" in lines[0]
        assert same(whole, resumed)
        assert without_clock(history) == without_clock(again)
        assert history.best_epoch == again.best_epoch

    def test_a_finished_run_is_not_run_again(self, tmp_path):
        first, history = run(tmp_path)
        second, again = run(tmp_path, seed=99)
        assert same(first, second)
        assert history == again

    def test_two_checkpoints_are_kept(self, tmp_path):
        run(tmp_path, config=replace(SMALL, images=60))
        assert [path.name[:10] for path in list_checkpoints(tmp_path)] == [
            "epoch-0003",
            "epoch-0002",
        ]
        assert len(list(tmp_path.iterdir())) == 2

    def test_other_parameters_are_refused_by_name(self, tmp_path):
        run(tmp_path)
        with pytest.raises(ResumeError) as error:
            run(tmp_path, config=replace(SMALL, lr=1e-3, images=60))
        message = str(error.value)
        assert "train.lr: 0.0002 there, 0.001 now" in message
        assert "train.images: 40 there, 60 now" in message
        assert "train.seed" not in message
        assert str(tmp_path) in message
        assert "remove that folder" in message

    def test_another_normalisation_is_refused_by_name(self, tmp_path):
        run(tmp_path)
        with pytest.raises(ResumeError, match=r"normalisation\.kind: \w+ there, none now"):
            run(tmp_path, normalisation=replace(NORMALISATION, kind="none"))

    def test_other_data_are_refused(self, tmp_path):
        run(tmp_path)
        changed = Discs(20, 1)
        changed.centre[7] += 0.1
        with pytest.raises(ResumeError, match=r"data\.train: 20 pairs, \w+ there, 20 pairs, "):
            run(tmp_path, train=changed)

    @pytest.mark.parametrize("damage", ["cut", "flip"])
    def test_a_damaged_checkpoint_is_reported_and_the_last_good_one_used(self, tmp_path, damage):
        whole, _ = run(tmp_path)
        newest = list_checkpoints(tmp_path)[0]
        data = bytearray(newest.read_bytes())
        if damage == "cut":
            del data[len(data) // 2 :]
        else:
            data[len(data) // 2] ^= 1
        newest.write_bytes(data)
        lines = []
        again, _ = run(tmp_path, log=lines.append)
        assert lines[0] == f"{newest}: this checkpoint is damaged; the one before it is taken"
        assert "after epoch 1 of 2" in lines[1]
        assert same(whole, again)

    def test_nothing_whole_is_a_fresh_start(self, tmp_path):
        save_checkpoint(tmp_path, 3, {"a": 1}).write_bytes(b"")
        assert load_checkpoint(tmp_path, lambda line: None) is None
        assert load_checkpoint(tmp_path / "absent") is None


class TestFailures:
    def test_divergence_names_epoch_and_batch(self, tmp_path):
        with pytest.raises(training.DivergedError, match=r"epoch \d, batch \d of 2: the loss is"):
            run(tmp_path, config=replace(SMALL, images=200, lr=1e18))

    def test_an_image_that_is_not_finite_is_named(self):
        train = Discs(20, 1)
        train.noise[13, 20, 20] = np.nan
        with pytest.raises(ValueError, match="the image of pair 13 holds values"):
            run(train=train)

    def test_a_full_disk_is_reported_and_the_last_checkpoint_stands(self, tmp_path, monkeypatch):
        calls, fsync = [], os.fsync

        def full_at_the_second(descriptor):
            calls.append(descriptor)
            if len(calls) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return fsync(descriptor)

        monkeypatch.setattr(checkpoints.os, "fsync", full_at_the_second)
        lines = []
        model, history = run(tmp_path, log=lines.append)
        assert "no checkpoint of epoch 2" in lines[1]
        assert "No space left on device" in lines[1]
        assert len(history.rows) == 2
        assert [path.name[:10] for path in tmp_path.iterdir()] == ["epoch-0001"]
        assert same(model, run(tmp_path)[0])


def test_statistics_are_of_the_finite_values():
    pairs = Discs(3, 1)
    values = pairs.mu(range(3))
    values = values[np.isfinite(values)].astype(float)
    mean, std = profile_statistics(pairs)
    assert mean == pytest.approx(values.mean())
    assert std == pytest.approx(values.std())
