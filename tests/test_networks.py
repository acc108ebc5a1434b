import json

import pytest
import torch

from pix2prof.config import ModelConfig
from pix2prof.model.paper import Pix2Prof
from pix2prof.networks import build_model, load_model, make_network, save_model

pytestmark = pytest.mark.usefixtures("one_thread")


def small_model():
    torch.manual_seed(0)
    return Pix2Prof(latent=16, step=2.0, mu_mean=23.0, mu_std=2.0).eval()


def test_seed_makes_the_weights_and_leaves_the_global_generator():
    config = ModelConfig(latent=16, step=2.0)
    before = torch.get_rng_state()
    one, two, other = (build_model(config, 23.0, 2.0, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    a, b, c = (m.decoder.cells[1].weight_hh for m in (one, two, other))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert one.nodes.stride == 10
    assert one.kwargs["mu_std"] == 2.0


@pytest.mark.parametrize(
    ("decoder", "parameter", "known"),
    [("gru", "faintest", "decoder, stem, latent"), ("isophote", "latent", "decoder, faintest")],
)
def test_a_parameter_of_another_network_is_refused(decoder, parameter, known):
    with pytest.raises(ValueError, match=rf"model\.{parameter} is no parameter .*{known}"):
        make_network(decoder, **{parameter: 9})


@pytest.mark.parametrize("decoder", ["gru_reinject", "isophote"])
def test_one_configuration_makes_either_network(decoder):
    model = build_model(ModelConfig(latent=16, decoder=decoder), 23.0, 2.0, seed=1)
    assert model.kwargs["decoder"] == decoder


@pytest.fixture
def saved(tmp_path):
    model = small_model()
    save_model(model, tmp_path / "m", normalisation={"low": -1.0, "high": 30.0}, seed=4)
    return model, tmp_path / "m"


def test_round_trip(saved):
    model, folder = saved
    loaded, card = load_model(folder)
    assert not loaded.training
    assert card["normalisation"] == {"low": -1.0, "high": 30.0}
    assert card["provenance"] == {"seed": 4}
    assert loaded.kwargs == model.kwargs
    theirs = model.state_dict()
    for name, ours in loaded.state_dict().items():
        exact = theirs[name].half().float() if theirs[name].ndim > 1 else theirs[name]
        assert torch.equal(ours, exact), name


def test_what_was_loaded_is_written_and_read_again_unchanged(saved, tmp_path):
    loaded, _ = load_model(saved[1])
    save_model(loaded, tmp_path / "again", normalisation={})
    again, _ = load_model(tmp_path / "again")
    images = torch.rand(2, 1, 48, 48)
    ours, theirs = again.predict(images), loaded.predict(images)
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=0, equal_nan=True)


def test_the_same_weights_give_the_same_bytes(saved, tmp_path):
    model, folder = saved
    digest = save_model(model, tmp_path / "again", normalisation={})
    assert digest == json.loads((folder / "config.json").read_text())["sha256"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_file_is_named(saved, name):
    (saved[1] / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"m/{name}: no such file"):
        load_model(saved[1])


def test_damaged_weights_are_named(saved):
    path = saved[1] / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"m/model\.safetensors: its SHA-256 is"):
        load_model(saved[1])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"model": {"stem": "tiny"}}', '{"model": {"width": 3}}']
)
def test_damaged_configuration_is_named(saved, text):
    (saved[1] / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"m/config\.json: not a model's configuration"):
        load_model(saved[1])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("model", r"m/config\.json: .*model\.colour is no parameter .*known are decoder, stem"),
        (None, r"m/config\.json: .*'colour' is not known; known are version, model"),
    ],
)
def test_an_unknown_key_is_named(saved, section, message):
    path = saved[1] / "config.json"
    card = json.loads(path.read_text())
    (card[section] if section else card)["colour"] = "red"
    path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match=message):
        load_model(saved[1])


def test_weights_of_another_shape_are_named(saved):
    path = saved[1] / "config.json"
    card = json.loads(path.read_text())
    card["model"]["latent"] = 8
    path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"m/model\.safetensors: does not fit config\.json"):
        load_model(saved[1])
