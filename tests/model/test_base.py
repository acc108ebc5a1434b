from dataclasses import asdict

import numpy as np
import pytest
import torch

from pix2prof import pipeline
from pix2prof.config import Config, ModelConfig, TrainConfig
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.networks import build_model, load_model, make_network, save_model
from pix2prof.paths import Workspace
from pix2prof.predict.arrays import Predictor, describe_images, load, predict_images
from pix2prof.training import loop as training
from pix2prof.training.checkpoint import ResumeError
from pix2prof.training.validation import profile_statistics

BANDS = ("g", "r", "i")
AS_IS = Normalisation(0.0, 1.0, kind="none")
DECODERS = ("gru", "gru_reinject", "one_shot", "transformer")
CONFIG = TrainConfig(images=40, batch_size=10, precision="float32", wobble=0.0, seed=5)

pytestmark = pytest.mark.usefixtures("one_thread")


def network(decoder, bands=BANDS, **kwargs):
    torch.manual_seed(1)
    options = {"latent": 16, "layers": 2, "max_sma": 25.6, "mu_mean": 23.0, "mu_std": 2.0}
    made = make_network(decoder, bands=bands, **(options | kwargs))
    return made.to(memory_format=torch.channels_last).eval()


def images(n, n_bands=3, size=48, seed=0):
    return torch.rand(n, n_bands, size, size, generator=torch.Generator().manual_seed(seed))


class Crossed:
    """Noise whose level in one band is the surface brightness in the next.

    That of g is the profile's in r, that of r in i, and that of i in g.
    """

    def __init__(self, n, seed):
        generator = np.random.default_rng(seed)
        self.level = generator.uniform(-1, 1, (n, 3))
        self.noise = generator.normal(0, 0.2, (n, 3, 32, 32))

    def __len__(self):
        return len(self.level)

    def images(self, indices):
        return (self.noise[indices] + self.level[indices, :, None, None]).astype(np.float32)

    def mu(self, indices):
        mu = 23 + np.roll(self.level[indices], 1, axis=1)
        mu = np.repeat(mu.reshape(-1, 1), 1024, axis=1)
        mu[:, 20:] = np.nan
        return mu.astype(np.float32)

    def ellipses(self, indices):
        flat = np.zeros((3 * len(indices), 1024), np.float32)
        return flat, flat


def crossed(decoder, config, n=40, bands="all", **kwargs):
    train, validation = Crossed(n, 1), Crossed(6, 2)
    options = {"latent": 16, "layers": 1, "max_sma": 8.0, "halt_window": 4.0, "dropout": 0.0}
    made = ModelConfig(decoder=decoder, bands=bands, **options)
    model = build_model(made, *profile_statistics(train), seed=1, bands=BANDS)
    training.fit(
        model, train, validation, config, normalisation=AS_IS, crop=32, log=lambda line: None,
        **kwargs,
    )  # fmt: skip
    return model


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(("n", "bands"), [(1, BANDS), (4, BANDS), (3, ("g", "z")), (2, ("r",))])
def test_a_galaxy_gives_a_profile_for_each_band(decoder, n, bands):
    model = network(decoder, bands)
    mu, n_valid = model.predict(images(n, len(bands)))
    assert mu.shape == (n * len(bands), 128)
    assert n_valid.shape == (n * len(bands),)
    assert model.bands == bands


@pytest.mark.parametrize("decoder", DECODERS)
def test_rows_follow_their_galaxies(decoder):
    model, x, order = network(decoder), images(4), torch.tensor([2, 0, 3, 1])
    for name, values in model.describe(x[order]).items():
        expected = model.describe(x)[name].unflatten(0, (4, 3))[order].flatten(0, 1)
        torch.testing.assert_close(values, expected, rtol=0, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_bands_of_a_galaxy_differ_and_each_looks_at_all_images(decoder):
    model, x = network(decoder), images(2).requires_grad_()
    z = model.encoder(x).unflatten(0, (2, 3))
    assert (z[:, 0] - z[:, 1]).abs().max() > 1e-3
    z[1, 0].sum().backward()
    seen = x.grad.abs().amax((2, 3))
    assert (seen[1] > 0).all()
    assert (seen[0] == 0).all()
    mu = model.predict(x)[0].unflatten(0, (2, 3))
    assert (mu[:, 0] - mu[:, 1]).abs().nanmean() > 1e-4


@pytest.mark.parametrize("decoder", ["gru", "transformer"])
def test_each_band_is_read_from_the_image_that_tells_it(decoder):
    config = TrainConfig(
        images=600, batch_size=24, lr=2e-3, precision="float32", wobble=0.0, rotate=False, seed=2
    )
    model, test = crossed(decoder, config, n=120), Crossed(60, 3)
    said = predict_images(test.images(np.arange(60)), Predictor(model, AS_IS, 32))
    told = np.nanmean(said[..., :15], axis=-1)
    table = np.corrcoef(told.T, test.level.T)[:3, 3:]
    own = np.roll(np.eye(3, dtype=bool), -1, axis=1)
    assert (table[own] > 0.8).all(), table
    assert (np.abs(table[~own]) < 0.5).all(), table


@pytest.mark.parametrize("decoder", DECODERS)
def test_comes_back_from_disk(decoder, tmp_path):
    model = network(decoder)
    save_model(model, tmp_path, normalisation=asdict(AS_IS), crop=48)
    loaded, card = load_model(tmp_path)
    assert card["model"]["bands"] == ["g", "r", "i"]
    assert loaded.bands == load(tmp_path).bands == BANDS
    torch.testing.assert_close(
        loaded.predict(images(2))[0], model.predict(images(2))[0], atol=0.05, rtol=0,
        equal_nan=True,
    )  # fmt: skip


def test_a_run_goes_on_from_its_checkpoint_and_not_from_one_of_one_band(tmp_path):
    half = TrainConfig(**asdict(CONFIG) | {"images": 80, "schedule": "constant"})
    whole = crossed("gru", half)
    stop = RuntimeError("stop")

    def kill(line):
        if "epoch 1/" in line:
            raise stop

    options = {"checkpoint": tmp_path, "normalisation": AS_IS, "crop": 32}
    train, validation = Crossed(40, 1), Crossed(6, 2)
    made = ModelConfig(bands="all", latent=16, layers=1, max_sma=8.0, halt_window=4.0, dropout=0.0)
    model = build_model(made, *profile_statistics(train), seed=1, bands=BANDS)
    with pytest.raises(RuntimeError, match="stop"):
        training.fit(model, train, validation, half, log=kill, **options)
    resumed = crossed("gru", half, checkpoint=tmp_path)
    pairs = zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    other = build_model(made, *profile_statistics(train), seed=1, bands=("g", "r", "z"))
    with pytest.raises(ResumeError, match=r"model.bands: \['g', 'r', 'i'\] there"):
        training.fit(other, train, validation, half, log=lambda line: None, **options)


class TestArrays:
    def test_have_their_bands_before_their_rows_and_columns(self):
        model = Predictor(network("gru"), AS_IS, 48)
        x = images(5, size=50).numpy()
        mu = predict_images(x, model)
        assert mu.shape == (5, 3, 128)
        np.testing.assert_allclose(predict_images(x[2], model), mu[2], atol=1e-3)
        np.testing.assert_allclose(predict_images(x, model, batch_size=2), mu, atol=1e-3)
        np.testing.assert_allclose(describe_images(x, model)["mu"], mu, atol=1e-3)
        assert predict_images(x[:0], model).shape == (0, 3, 128)

    @pytest.mark.parametrize("shape", [(48, 48), (5, 48, 48), (2, 4, 48, 48), (1, 1, 3, 48, 48)])
    def test_of_other_shapes_are_refused(self, shape):
        model = Predictor(network("gru"), AS_IS, 48)
        with pytest.raises(
            ValueError, match=r"takes g, r, i of a galaxy at once; expected \(N, 3"
        ):
            predict_images(np.zeros(shape), model)

    def test_with_missing_pixels_in_any_band_are_refused(self):
        x = images(3).numpy()
        x[1, 2, 4, 5] = np.nan
        with pytest.raises(ValueError, match="image 1 holds NaN"):
            predict_images(x, Predictor(network("gru"), AS_IS, 48))


class TestRefusals:
    @pytest.mark.parametrize("bands", [(), ("g", "r", "g")])
    def test_bands_that_are_none(self, bands):
        with pytest.raises(ValueError, match=r"model.bands is .* name different bands"):
            network("gru", bands)

    def test_all_bands_of_nobody_knows_what(self):
        with pytest.raises(ValueError, match=r"model.bands is 'all': give build_model the bands"):
            build_model(ModelConfig(bands="all"), 23.0, 2.0, seed=1)

    def test_a_file_that_gives_the_isophote_network_bands(self):
        with pytest.raises(ValueError, match=r"model.bands is no parameter of .*isophote"):
            make_network("isophote", bands=BANDS)


def test_one_band_is_the_default_and_takes_no_names():
    model = build_model(ModelConfig(latent=8), 23.0, 2.0, seed=1, bands=BANDS)
    assert model.bands is None
    assert model.kwargs["bands"] is None
    assert model.encoder(images(2, 1)).shape == (2, 8)


def test_the_comparison_of_single_images_leaves_it_out(tmp_path):
    run = pipeline.Run("full", Config(), Workspace(tmp_path))
    for name, bands in (("one", None), ("all", BANDS)):
        made = network("gru", bands)
        save_model(made, run.paths.models / name, normalisation=asdict(AS_IS), crop=48)
    assert "one" in pipeline.models(run)
    assert "all" not in pipeline.models(run)
