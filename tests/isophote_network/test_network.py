from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from astropy.io import fits
from astropy.table import QTable

from pix2prof.config import ModelConfig, TrainConfig
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.dataset.stored import PROFILE_KEYS, Pairs, Survey
from pix2prof.isophote_network.network import IsophoteNetwork
from pix2prof.networks import build_model, save_model
from pix2prof.photometry.parameters import PARAMETERS
from pix2prof.predict.arrays import Predictor, describe_images, load, predict_images
from pix2prof.predict.files import predict_file, predict_files
from pix2prof.profiles import RowFlag, sma_grid
from pix2prof.sdss import PIXSCALE, mu_to_intensity
from pix2prof.training import loop as training
from pix2prof.training.batches import AnnotatedBatches, batches_for

CROP, SIDE = 64, 80
NORMALISATION = Normalisation(-1.0, 2.0, "none")
SMALL = TrainConfig(images=72, batch_size=8, lr=2e-3, precision="float32", wobble=2.0, seed=5)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def survey():
    """Inclined exponential discs, each with a star, and their exact profiles."""
    rng, n = np.random.default_rng(0), 24
    y, x = np.mgrid[:SIDE, :SIDE]
    centres = rng.normal(0, 2, (n, 2))
    length, axis = rng.uniform(1.2, 2.2, n), rng.uniform(0.4, 0.9, n)
    images, masks = np.zeros((n, 3, SIDE, SIDE), np.float32), np.zeros((n, SIDE, SIDE), bool)
    for k in range(n):
        dx, dy = x - 39.5 - centres[k, 0], y - 39.5 - centres[k, 1]
        mu = 20 + 1.0857 * np.hypot(dx, dy / axis[k]) * PIXSCALE / length[k]
        star = np.hypot(dx - 15, dy - 12)
        masks[k] = star < 6
        images[k] = mu_to_intensity(mu) * PIXSCALE**2 + 2 * np.exp(-(star**2) / 4)
        images[k] += rng.normal(0, 0.01, (3, SIDE, SIDE))
    mu = 20 + 1.0857 * sma_grid() / length[:, None]
    mu = np.repeat(mu[:, None], 3, axis=1).astype(np.float32)
    shape = np.broadcast_to(1 - axis[:, None, None], mu.shape)
    profiles = {key: shape.astype(np.float32) for key in PROFILE_KEYS}
    profiles["truth_mu"] = np.where(mu < 30, mu, np.nan)
    profiles["expert_mu"] = np.where(mu < 25, mu, np.nan)
    catalogue = QTable({"name": [f"J{k}" for k in range(n)]})
    catalogue["x_offset"], catalogue["y_offset"] = centres.T
    catalogue["split"] = np.array(["train"] * 16 + ["validation"] * 4 + ["test"] * 4)
    return Survey(images, np.packbits(masks, axis=-1), profiles, catalogue, NORMALISATION)


def run(survey, folder=None, config=SMALL, log=lambda line: None):
    train, validation = Pairs(survey, "train"), Pairs(survey, "validation")
    model = build_model(ModelConfig(decoder="isophote"), 23.0, 2.0, seed=1)
    options = {"normalisation": NORMALISATION, "crop": CROP, "checkpoint": folder, "log": log}
    return model, training.fit(model, train, validation, config, epoch_images=24, **options)


@pytest.fixture(scope="module")
def trained(survey):
    return run(survey, config=replace(SMALL, images=600, lr=3e-3, wobble=1.0))


def test_it_learns_in_the_loop_of_the_papers_network(trained):
    model, history = trained
    assert isinstance(model, IsophoteNetwork)
    assert history.rows[-1]["validation_loss"] < 0.3 * history.rows[0]["validation_loss"]
    assert history.rows[history.best_epoch - 1]["validation_deviation"] < 0.15


def test_a_killed_run_ends_as_a_whole_one(survey, tmp_path):
    whole, _ = run(survey)
    lines = []

    class Killed(Exception):
        pass

    def kill(line):
        lines.append(line)
        if len(lines) == 2:
            raise Killed

    with pytest.raises(Killed):
        run(survey, tmp_path, log=kill)
    again, history = run(survey, tmp_path, log=lines.append)
    assert "resumed" in lines[2] and len(history.rows) == 3
    for one, other in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("more", [{}, {"tilt": True, "zoom": 0.1}])
def test_batches_hold_expert_then_truth_and_follow_the_moves(survey, more):
    batches = batches_for(IsophoteNetwork(), Pairs(survey, "train"), NORMALISATION, CROP)
    assert isinstance(batches, AnnotatedBatches)
    images, covered, masks, centres, mu, _, n_within = batches.load(
        np.arange(12), replace(SMALL, **more), np.random.default_rng(3)
    )
    assert images.shape == covered.shape == masks.shape == (12, CROP, CROP)
    assert not (masks & ~covered).any()
    last, row = n_within - 1, torch.arange(12)
    beyond = last + (2 if more else 1)  # between two rows of which one is beyond lies none
    assert (mu[row, last] < 25).all() and (mu[row, beyond] > 25).all()
    assert torch.isnan(mu[:, -1]).all()
    for image, mask, (x, y) in zip(images, masks, centres.tolist(), strict=True):
        row, column = divmod(int(torch.where(mask, 0.0, image).argmax()), CROP)
        assert abs(column - x) < 2 and abs(row - y) < 2


def test_training_sees_images_of_many_sizes_and_edges():
    rng, size = np.random.default_rng(0), 272
    pairs = SimpleNamespace(
        images=lambda indices: rng.normal(0, 0.02, (len(indices), size, size)).astype(np.float32),
        masks=lambda indices: np.zeros((len(indices), size, size), bool),
        centres=lambda indices: np.full((len(indices), 2), (size - 1) / 2),
        profiles=lambda key, indices: np.full((len(indices), 1024), 20.0, np.float32),
    )
    batches, generator = AnnotatedBatches(pairs, 256), np.random.default_rng(1)
    drawn = [batches.load(np.arange(8), SMALL, generator) for _ in range(40)]
    sides = [images.shape[-1] for images, *_ in drawn]
    assert set(sides) == {128, 160, 192, 224, 256} and np.mean(sides) < 190
    whole = torch.cat([covered.flatten(1).all(1) for _, covered, *_ in drawn])
    assert 0.35 < whole.float().mean() < 0.55
    for images, covered, _, centres, *_ in drawn:
        middle = torch.tensor(images.shape[-1] // 2)
        assert covered[:, middle, middle].all()
        assert (centres - middle).abs().max() < 20
        assert images[~covered].std() == pytest.approx(0.02, rel=0.2) or covered.all()
    images, covered, *_ = batches.load(np.arange(2))
    assert images.shape == (2, 256, 256) and covered.all()


def test_it_reads_as_much_of_an_image_as_there_is(survey, trained):
    model = Predictor(trained[0], NORMALISATION, crop=448)
    assert model.smallest == 128
    assert [model.side_within(n) for n in (128, 170, 300, 2000)] == [128, 160, 288, 448]
    with pytest.raises(ValueError, match="at least 128; pad them"):
        model.side_within(127)
    rng = np.random.default_rng(0)
    wide = rng.normal(0, 0.01, (1, 260, 260)).astype(np.float32)
    wide[0, 90:170, 90:170] = survey.images[20, 1]
    whole, cut = (describe_images(x, model)["mu"] for x in (wide, wide[:, 2:258, 2:258]))
    np.testing.assert_array_equal(whole, cut)
    assert np.isfinite(whole[0]).sum() > 10


def test_files_of_many_sizes_come_out_in_order(survey, trained, tmp_path):
    rng, paths = np.random.default_rng(0), []
    for k, side in enumerate((150, 100, 230, 150)):
        image = rng.normal(0, 0.01, (side, side)).astype(np.float32)
        at = side // 2 - 40
        image[at : at + 80, at : at + 80] = survey.images[20 + k % 2, 1]
        paths.append(tmp_path / f"n{k}.fits")
        fits.writeto(paths[-1], image, fits.Header({"PIXSCALE": PIXSCALE, "ZEROPT": 22.5}))
    model = Predictor(trained[0], NORMALISATION, crop=192)
    together = list(predict_files(paths, model))
    assert [len(one.stamp.data) for one in together] == [160, 128, 192, 160]
    for path, one in zip(paths, together, strict=True):
        alone = predict_file(path, model)
        np.testing.assert_allclose(one.profile["mu"].value, alone["mu"].value, atol=1e-4)


def test_errors_hold_about_what_they_promise_on_whole_images_of_the_calibrating_set(
    survey, trained
):
    model, _ = trained
    batches = AnnotatedBatches(Pairs(survey, "validation"), CROP)
    images, _, _, _, mu, _, _ = batches.load(np.arange(12))
    said = model.profiles(images)
    known = torch.isfinite(mu) & torch.isfinite(said.mu)
    off = (said.mu - mu).abs()
    inside, wide = ((off <= x)[known].float().mean() for x in (said.mu_err, said.mu_err_95))
    assert 0.62 < inside < 0.75 and 0.92 < wide < 0.98


def test_profiles_do_not_depend_on_the_batch(survey, trained):
    images = survey.images[20:, 1, 8:-8, 8:-8]
    model = trained[0]
    together = model.profiles(torch.from_numpy(images.copy()))
    alone = model.profiles(torch.from_numpy(images[2:3].copy()))
    for name in ("mu", "mu_err", "ellipticity", "centre"):
        torch.testing.assert_close(
            getattr(together, name)[2:3], getattr(alone, name), atol=1e-4, rtol=0, equal_nan=True
        )


def test_what_was_padded_is_not_read(survey, trained):
    images = torch.from_numpy(survey.images[20:21, 1, 8:-8, 8:-8].copy())
    covered = torch.ones_like(images, dtype=torch.bool)
    covered[:, :8] = False
    spoiled = torch.where(covered, images, 0.3)
    said = trained[0].profiles(spoiled, covered)
    blind = trained[0].profiles(spoiled)
    truth = torch.from_numpy(survey.profiles["expert_mu"][20, 1])
    known = torch.isfinite(truth) & torch.isfinite(said.mu[0])
    off = [
        torch.nan_to_num((x.mu[0] - truth)[known], torch.inf).abs().mean() for x in (said, blind)
    ]
    assert off[0] < 0.3 and off[0] < off[1]


def test_from_disk_to_a_table_with_errors(survey, trained, tmp_path):
    model, _ = trained
    save_model(model, tmp_path / "m", normalisation=asdict(NORMALISATION), crop=CROP)
    released = load(tmp_path / "m")
    images = survey.images[20:, 1]
    said = describe_images(images, released)
    within = predict_images(images, released)
    cut = (said["flag"] & RowFlag.BELOW_CUT) > 0
    assert np.array_equal(np.isnan(within), cut | np.isnan(said["mu"]))
    offsets = [survey.catalogue[f"{axis}_offset"][20:] for axis in "xy"]
    assert np.abs(said["centre"] - (np.transpose(offsets) + 0.5 * (SIDE - 1))).max() < 1
    np.testing.assert_array_equal(within[~cut], said["mu"][~cut])
    header = fits.Header({"PIXSCALE": PIXSCALE, "FILTER": "r"})
    fits.PrimaryHDU(images[0], header).writeto(tmp_path / "a.fits")
    table = predict_file(tmp_path / "a.fits", released)
    assert {"sma", "mu", "mu_err", "mu_err_95", "ellipticity", "pa", "flag"} <= set(table.colnames)
    assert (table.meta["xcen"], table.meta["ycen"]) == pytest.approx(said["centre"][0], abs=0.1)
    measured = table["flag"] & RowFlag.BELOW_CUT == 0
    assert table.meta["sn_sma"] == pytest.approx(table["sma"][measured].max().value)
    assert (table["mu_err"] > 0).all() and (np.diff(table["growth"].value) >= 0).all()
    truth = survey.profiles["expert_mu"][20, 1][: len(table)]
    assert np.nanmedian(np.abs(table["mu"].value - truth)) < 0.2
    assert "counter-clockwise" in table.meta["paconv"]


def test_nothing_of_pure_noise_reads_as_measured(tmp_path):
    model, header = load(), fits.Header({"PIXSCALE": PIXSCALE, "FILTER": "r"})
    noise = np.random.default_rng(1).normal(0, 0.02, (128, 128)).astype("f4")
    radius = np.hypot(*(np.mgrid[:128, :128] - 63.5)) * PIXSCALE
    disc = mu_to_intensity(21 + 1.0857 * radius / 3).astype("f4") * PIXSCALE**2
    for name, image in (("noise", noise), ("galaxy", noise + disc)):
        fits.PrimaryHDU(image, header).writeto(tmp_path / f"{name}.fits")
    nothing, galaxy = predict_files([tmp_path / "noise.fits", tmp_path / "galaxy.fits"], model)
    table = nothing.profile
    assert (table["flag"] & RowFlag.BELOW_CUT > 0).all() and table.meta["sn_sma"] == 0
    assert "no extended source found" in table.meta["flags"]
    assert any("nothing of the profile is measured" in flag for flag in table.meta["flags"])
    assert nothing.ellipses is None and len(table.meta["absent"]) == len(PARAMETERS)
    stamps = np.stack([nothing.stamp.data, galaxy.stamp.data])
    said = describe_images(stamps, model)
    assert said["signal"].tolist() == [False, True] and said["flag"][0, 0] == 0
    np.testing.assert_array_equal(table["mu"].value, said["mu"][0, : len(table)])
    np.testing.assert_array_equal(galaxy.profile["flag"], said["flag"][1, : len(galaxy.profile)])
    assert galaxy.profile.meta["sn_sma"] > 5


def test_strange_images_are_known(survey, trained, tmp_path):
    model, _ = trained
    usual = torch.from_numpy(survey.images[16:, 1, 8:-8, 8:-8].copy())
    noise = torch.normal(0, 0.02, (4, CROP, CROP), generator=torch.Generator().manual_seed(1))
    x = torch.arange(CROP).expand(CROP, CROP)
    stripes = noise + (torch.sin(x / 2) > 0) * 0.5
    rank = model.profiles(usual).strangeness
    assert (rank < 2).all() and (rank > 0).all()
    assert (model.profiles(noise).strangeness > rank.max()).all()
    assert (model.profiles(stripes).strangeness > 1).all()
    save_model(model, tmp_path, normalisation=asdict(NORMALISATION), crop=CROP)
    header = fits.Header({"PIXSCALE": PIXSCALE, "FILTER": "r"})
    fits.PrimaryHDU(stripes[0].numpy(), header).writeto(tmp_path / "a.fits")
    flags = predict_file(tmp_path / "a.fits", load(tmp_path)).meta["flags"]
    assert any("unlike the training set" in flag for flag in flags)


def test_sides_that_the_finder_cannot_halve_are_refused():
    with pytest.raises(ValueError, match=r"100 x 100 px: .* multiples of 32"):
        IsophoteNetwork().eval().profiles(torch.zeros(1, 100, 100))
