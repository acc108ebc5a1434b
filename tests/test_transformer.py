from dataclasses import asdict

import numpy as np
import pytest
import torch

from pix2prof import training
from pix2prof.batches import Batches
from pix2prof.config import ModelConfig, TrainConfig
from pix2prof.networks import build_model, load_model, save_model
from pix2prof.nodes import Rows
from pix2prof.normalisation import Normalisation
from pix2prof.predict import load
from pix2prof.predictions import predict_file
from pix2prof.profiles import sma_grid
from pix2prof.sdss import PIXSCALE, mu_to_intensity
from pix2prof.transformer import TransformerNetwork

CROP = 48
NORMALISATION = Normalisation(0.0, 1.0, kind="asinh", softening=0.02)
TRAIN = TrainConfig(images=640, batch_size=8, lr=1e-3, precision="float32", wobble=1.0, seed=5)

pytestmark = pytest.mark.usefixtures("one_thread")


class Discs:
    """Round exponential discs with exact profiles down to 26 mag arcsec^-2."""

    def __init__(self, n, seed):
        generator = np.random.default_rng(seed)
        self.centre = generator.uniform(19.0, 22.0, n)
        self.length = generator.uniform(1.0, 2.5, n)
        self.noise = generator.normal(0.0, 0.005, (n, 56, 56))

    def __len__(self):
        return len(self.centre)

    def images(self, indices):
        y, x = np.mgrid[:56, :56] - 27.5
        radius = np.hypot(x, y) * PIXSCALE
        mu = self.centre[indices, None, None] + 1.0857 * radius / self.length[indices, None, None]
        return (mu_to_intensity(mu) * PIXSCALE**2 + self.noise[indices]).astype(np.float32)

    def mu(self, indices):
        mu = self.centre[indices, None] + 1.0857 * sma_grid() / self.length[indices, None]
        return np.where(mu > 26, np.nan, mu).astype(np.float32)


def network(seed=0, **kwargs):
    torch.manual_seed(seed)
    options = {"latent": 16, "layers": 2, "max_sma": 25.6, "mu_mean": 23.0, "mu_std": 2.0}
    return TransformerNetwork(**(options | kwargs)).to(memory_format=torch.channels_last).eval()


def images(n, size=CROP, seed=0):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("stem", ["standard", "small"])
@pytest.mark.parametrize(("n", "size", "k"), [(1, 32, 1), (3, 70, 7)])
def test_one_answer_for_each_radius_of_any_batch_and_image(stem, n, size, k):
    radius = torch.rand(k) * 25
    mu, log_scale, end, end_log_scale = network(stem=stem)(images(n, size), radius)
    assert mu.shape == log_scale.shape == (n, k)
    assert end.shape == end_log_scale.shape == (n,)


@torch.no_grad()
def test_a_radius_has_its_answer_whatever_else_is_asked_and_in_any_order():
    model, x = network(), images(3)
    radius = torch.linspace(0.2, 25, 40)
    mu, log_scale, end, _ = model(x, radius)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    some, some_scale, same_end, _ = model(x, radius[order[:9]])
    torch.testing.assert_close(some, mu[:, order[:9]], rtol=0, atol=1e-5)
    torch.testing.assert_close(some_scale, log_scale[:, order[:9]], rtol=0, atol=1e-5)
    torch.testing.assert_close(same_end, end, rtol=0, atol=1e-5)
    own = torch.stack([radius[order[:9]], radius[:9], radius[9:18]])
    torch.testing.assert_close(model(x, own)[0][1], mu[1, :9], rtol=0, atol=1e-5)
    assert mu.std(1).min() > 1e-4


@torch.no_grad()
def test_the_grid_between_the_radii_asked_is_what_asking_there_gives():
    model, x = network(), images(2)
    asked = model(x, model.sma)[0] * 2 + 23
    mu, _, n_valid = model._on_grid(x, torch.float32)
    assert (mu - asked).abs().max() < 0.05 * (asked.max() - asked.min())
    torch.testing.assert_close(mu[:, model.rows], asked[:, model.rows], rtol=0, atol=1e-4)
    assert model.predict(x)[0].isfinite().sum(1).tolist() == n_valid.tolist()


def test_is_the_same_alone_in_a_batch_and_in_any_order():
    model, x = network(), images(5)
    said = model.describe(x)
    order = torch.tensor([3, 1, 4, 0, 2])
    for name, values in model.describe(x[order]).items():
        torch.testing.assert_close(values, said[name][order], rtol=0, atol=1e-4, equal_nan=True)
    alone = model.describe(x[2:3])["mu_err"]
    torch.testing.assert_close(alone, said["mu_err"][2:3], rtol=0, atol=1e-4, equal_nan=True)


def test_it_sees_where_things_are():
    model, x = network(), images(1, 64)
    assert (model.predict(x)[0] - model.predict(x.roll(20, 3))[0]).abs().nanmean() > 1e-5


def test_dropout_is_of_its_generator_alone():
    model, x = network(dropout=0.5).train(), images(4)
    radius, before = model.sma[::10], torch.get_rng_state()
    one, two = (model(x, radius, torch.Generator().manual_seed(1))[0] for _ in range(2))
    other = model(x, radius, torch.Generator().manual_seed(2))[0]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, two)
    assert not torch.allclose(one, other)
    with pytest.raises(RuntimeError, match=r"model\.eval\(\)"):
        model.predict(x)


@pytest.fixture(scope="module")
def trained():
    train, validation = Discs(320, 1), Discs(48, 2)
    config = ModelConfig(decoder="transformer", latent=32, layers=2, max_sma=25.6, dropout=0)
    model = build_model(config, *training.profile_statistics(train), seed=1)
    history = training.fit(
        model, train, validation, TRAIN, normalisation=NORMALISATION, crop=CROP,
        log=lambda line: None,
    )  # fmt: skip
    return model, history


@pytest.fixture(scope="module")
def said(trained):
    model, test = trained[0], Discs(200, 3)
    batches = Batches(test, model.nodes, NORMALISATION, CROP)
    x, _, _, n_rows = batches.load(np.arange(len(test)))
    return model.describe(x), torch.from_numpy(test.mu(np.arange(len(test)))[:, :128]), n_rows


def test_learns_profiles_and_their_ends(trained, said):
    _, history = trained
    said, mu, n_rows = said
    assert history.rows[-1]["validation_loss"] < 0.75 * history.rows[0]["validation_loss"]
    guess = (mu.nanmean(0) - mu).abs().nanmedian()
    assert (said["mu"] - mu).abs().nanmedian() < 0.6 * guess
    length = said["mu"].isfinite().sum(1)
    assert (length / n_rows - 1).abs().median() < 0.2
    assert np.corrcoef(length, n_rows)[0, 1] > 0.7


def test_errors_hold_where_they_were_not_fitted(said):
    said, mu, _ = said
    known = torch.isfinite(mu) & torch.isfinite(said["mu"])
    inside = ((said["mu"] - mu).abs() < said["mu_err"])[known]
    assert 0.55 < inside.float().mean() < 0.8


def test_comes_back_from_disk_and_writes_tables_with_errors(trained, tmp_path):
    from tiny import galaxy, save

    save_model(trained[0], tmp_path / "m", normalisation=asdict(NORMALISATION), crop=CROP)
    loaded, card = load_model(tmp_path / "m")
    assert card["model"]["decoder"] == "transformer"
    torch.testing.assert_close(loaded.calibration, trained[0].calibration)
    ours, theirs = loaded.predict(images(3))[0], trained[0].predict(images(3))[0]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.05, equal_nan=True)
    table = predict_file(save(tmp_path / "g.fits", galaxy()), load(tmp_path / "m"))
    assert (table["mu_err"].value > 0).all()
    assert np.isfinite(table["mu"].value).all()


class TestRows:
    def test_what_is_known_and_how_long_it_is(self):
        mu = np.full((2, 300), np.nan)
        mu[0, :50], mu[1, 3:80] = 22.0, 24.0
        targets, known, n_rows = Rows(25.6, 23.0, 2.0).targets(mu)
        assert targets.shape == known.shape == (2, 128)
        assert n_rows.tolist() == [50, 80]
        assert known.sum(1).tolist() == [50, 77]
        assert targets[known].unique().tolist() == [-0.5, 0.5]

    def test_refuses(self):
        with pytest.raises(ValueError, match="profile 1 of 2 has no finite"):
            Rows().targets(np.array([[20.0], [np.nan]]))
        with pytest.raises(ValueError, match="mu_mean, mu_std are"):
            Rows(mu_std=0.0)
