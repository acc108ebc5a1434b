from dataclasses import asdict

import numpy as np
import pytest
import torch
from discs import Discs

from pix2prof.config import ModelConfig, TrainConfig
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.model.nodes import Rows
from pix2prof.model.queries import Answers
from pix2prof.model.transformer import TransformerNetwork, shape_error
from pix2prof.networks import build_model, load_model, save_model
from pix2prof.predict.arrays import load
from pix2prof.predict.files import predict_file
from pix2prof.profile_files import read_profile, write_profile
from pix2prof.profiles import ERRORS_OF, PA_ARRAY, TO_TRUTH, sma_grid
from pix2prof.training import loop as training
from pix2prof.training.batches import Batches
from pix2prof.training.validation import profile_statistics

CROP = 48
NORMALISATION = Normalisation(0.0, 1.0, kind="asinh", softening=0.02)
TRAIN = TrainConfig(images=960, batch_size=8, lr=1e-3, precision="float32", wobble=1.0, seed=5)

pytestmark = pytest.mark.usefixtures("one_thread")


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
    said = network(stem=stem)(images(n, size), radius)
    assert said.mu.shape == said.log_scale.shape == said.ellipticity.shape == (n, k)
    assert said.double.shape == (n, k, 2)
    assert said.end.shape == said.end_log_scale.shape == (n,)


@torch.no_grad()
def test_a_radius_has_its_answer_whatever_else_is_asked_and_in_any_order():
    model, x = network(), images(3)
    radius = torch.linspace(0.2, 25, 40)
    mu, log_scale, *_, end, _ = model(x, radius)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    some, some_scale, *_, same_end, _ = model(x, radius[order[:9]])
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
    mu, *_, n_valid = model._on_grid(x, torch.float32)
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
    train, validation = Discs(320, 1, inclined=True), Discs(48, 2, inclined=True)
    config = ModelConfig(decoder="transformer", latent=32, layers=2, max_sma=25.6, dropout=0)
    model = build_model(config, *profile_statistics(train), seed=1)
    history = training.fit(
        model, train, validation, TRAIN, normalisation=NORMALISATION, crop=CROP,
        log=lambda line: None,
    )  # fmt: skip
    return model, history


@pytest.fixture(scope="module")
def batch():
    test = Discs(200, 3, inclined=True)
    return Batches(test, Rows(25.6), NORMALISATION, CROP, ellipses=True).load(np.arange(len(test)))


@pytest.fixture(scope="module")
def said(trained, batch):
    mu = torch.from_numpy(Discs(200, 3, inclined=True).mu(np.arange(200))[:, :128])
    return trained[0].describe(batch[0]), mu, batch[3]


def test_learns_profiles_and_their_ends(trained, said):
    _, history = trained
    said, mu, n_rows = said
    assert history.rows[-1]["validation_loss"] < 0.75 * history.rows[0]["validation_loss"]
    guess = (mu.nanmean(0) - mu).abs().nanmedian()
    assert (said["mu"] - mu).abs().nanmedian() < 0.6 * guess
    length = said["mu"].isfinite().sum(1)
    assert (length / n_rows - 1).abs().median() < 0.2
    assert np.corrcoef(length, n_rows)[0, 1] > 0.7


def test_learns_the_shapes_of_isophotes(said, batch):
    said, ellipticity, pa = said[0], *batch[4:]
    there = said["ellipticity"].isfinite()
    off = (said["ellipticity"] - ellipticity).abs()[there].median()
    assert off < 0.6 * (ellipticity.median() - ellipticity).abs()[there].median()
    turned = (said["pa"] - pa + 90) % 180 - 90
    assert turned[there & (ellipticity > 0.3)].abs().median() < 8
    assert ((said["pa"][there] >= 0) & (said["pa"][there] <= 180)).all()


def test_growth_is_that_of_its_profile_and_ellipticity(said):
    said = said[0]
    mu, ellipticity = (said[name].double().numpy() for name in ("mu", "ellipticity"))
    intensity, area = 10 ** (0.4 * (22.5 - mu)), np.pi * sma_grid(128) ** 2 * (1 - ellipticity)
    rings = 0.5 * (intensity[:, 1:] + intensity[:, :-1]) * np.diff(area)
    growth = np.concatenate((intensity[:, :1] * area[:, :1], rings), 1).cumsum(1)
    np.testing.assert_allclose(said["growth"], growth, rtol=1e-3)
    assert torch.equal(said["growth"].isnan(), said["mu"].isnan())


def test_errors_hold_where_they_were_not_fitted(said):
    said, mu, _ = said
    known = torch.isfinite(mu) & torch.isfinite(said["mu"])
    inside = ((said["mu"] - mu).abs() < said["mu_err"])[known]
    wide = ((said["mu"] - mu).abs() < said["mu_err_95"])[known]
    assert 0.55 < inside.float().mean() < 0.8 < wide.float().mean()


def test_comes_back_from_disk_and_writes_tables_with_errors(trained, tmp_path):
    from tiny import galaxy, save

    save_model(trained[0], tmp_path / "m", normalisation=asdict(NORMALISATION), crop=CROP)
    loaded, card = load_model(tmp_path / "m")
    assert card["model"]["decoder"] == "transformer"
    torch.testing.assert_close(
        loaded.calibration.factors, trained[0].calibration.factors, rtol=1e-3, atol=0
    )
    ours, theirs = loaded.predict(images(3))[0], trained[0].predict(images(3))[0]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.05, equal_nan=True)
    table = predict_file(save(tmp_path / "g.fits", galaxy()), load(tmp_path / "m"))
    assert (table["mu_err"].value > 0).all()
    assert np.isfinite(table["mu"].value).all()
    assert {"ellipticity", "pa", "intensity", "growth", "growth_err"} <= set(table.colnames)
    assert table.meta["paconv"] == PA_ARRAY
    write_profile(table, tmp_path / "g-profile.fits")
    said = read_profile(tmp_path / "g-profile.fits").meta["errors"]
    assert said == table.meta["errors"] == ERRORS_OF and f"{TO_TRUTH:g} times" in said


def answers(pa, ellipticity=0.5):
    twice = torch.deg2rad(2 * torch.tensor([[pa]]))
    double = torch.stack((twice.cos(), twice.sin()), -1)
    return Answers(None, None, torch.tensor([[ellipticity]]), double, None, None)


class TestShapeError:
    def test_has_no_seam(self):
        one = shape_error(answers(179.0), torch.tensor([[0.5]]), torch.tensor([[1.0]]))
        other = shape_error(answers(91.0), torch.tensor([[0.5]]), torch.tensor([[89.0]]))
        assert one.item() == pytest.approx(0.5 * 2 * np.sin(np.radians(2)), rel=1e-4)
        assert other.item() == pytest.approx(one.item(), rel=1e-4)

    def test_is_least_at_what_should_be_said(self):
        wanted = torch.tensor([[0.5]]), torch.tensor([[30.0]])
        assert shape_error(answers(30.0), *wanted) < 1e-6
        turned = [shape_error(answers(pa), *wanted).item() for pa in (40.0, 75.0, 120.0)]
        assert turned == sorted(turned)
        assert shape_error(answers(30.0, 0.7), *wanted).item() == pytest.approx(0.2)

    def test_leaves_out_what_is_not_known_and_angles_of_what_is_round(self):
        nan = torch.tensor([[np.nan]])
        assert shape_error(answers(10.0), nan, torch.tensor([[80.0]])) == 0
        assert shape_error(answers(10.0), torch.tensor([[0.5]]), nan) == 0
        assert shape_error(answers(10.0, 0.0), torch.tensor([[0.0]]), torch.tensor([[80.0]])) == 0


def test_position_angles_turn_with_their_images():
    discs = Discs(60, 4, inclined=True)
    discs.ellipticity[:] = 0.6
    batches = Batches(discs, Rows(25.6), Normalisation(0.0, 1.0, "none"), CROP, ellipses=True)
    x, *_, pa = batches.load(np.arange(60), TRAIN, np.random.default_rng(1))
    light = (x[:, 0] * (x[:, 0] > 0.05)).double()
    row, column = torch.meshgrid(*2 * [torch.arange(CROP).double()], indexing="ij")
    total = light.sum((1, 2))
    y, z = ((light * axis).sum((1, 2)) / total for axis in (row, column))
    y, z = row - y[:, None, None], column - z[:, None, None]
    moments = ((light * m).sum((1, 2)) for m in (z * z - y * y, 2 * z * y))
    cosine, sine = moments
    measured = torch.rad2deg(0.5 * torch.atan2(sine, cosine))
    assert ((measured - pa[:, 0] + 90) % 180 - 90).abs().max() < 3
    assert (pa[:, 0] - torch.from_numpy(discs.pa)).abs().max() > 80


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
