"""Prediction on arrays and files with a tiny untrained network."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from astropy import units as u
from astropy.io import fits

import pix2prof
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.images.fits import ImageError
from pix2prof.images.image import Image
from pix2prof.images.stamps import make_stamp
from pix2prof.isophote_network.network import IsophoteNetwork
from pix2prof.model.paper import Pix2Prof
from pix2prof.networks import save_model
from pix2prof.predict.arrays import Predictor, describe_images, load, predict_images
from pix2prof.predict.files import predict_file, predict_files

CROP = 64


def tiny_network(stem="small", **options):
    """A network that gives other profiles for other images, and ends them before 60 arcsec."""
    options = {"step": 2.0, "max_sma": 60.0, "halt_window": 10.0, **options}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = Pix2Prof(stem, latent=16, layers=1, mu_mean=23.0, mu_std=2.0, **options)
    with torch.no_grad():
        network.encoder.dense.weight *= 30
        network.decoder.dense.weight *= 10
    return network.eval()


@pytest.fixture(scope="module")
def model():
    return Predictor(tiny_network(), Normalisation(-1.0, 20.0), CROP, "0" * 64, "tiny")


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    y, x = np.indices((80, 80)) - 39.5
    scale = rng.uniform(2, 12, (5, 1, 1))
    light = rng.uniform(1, 10, (5, 1, 1)) * np.exp(-np.hypot(x, y) / scale)
    return (light + rng.normal(0, 0.03, light.shape)).astype(np.float32)


def save(folder, data, **keys):
    keys = {"PIXSCALE": 0.396, "ZEROPT": 22.5, "BAND": "r", **keys}
    fits.PrimaryHDU(data, fits.Header(keys)).writeto(folder)
    return folder


def test_profiles_do_not_depend_on_the_batch(model, images):
    whole = predict_images(images, model)
    assert whole.shape == (5, model.network.nodes.n_steps) and whole.dtype == np.float32
    assert np.isfinite(whole[:, 0]).all() and np.ptp(whole[:, 0]) > 1e-3
    for batch_size in (1, 2, 4):
        np.testing.assert_allclose(
            predict_images(images, model, batch_size=batch_size), whole, atol=1e-4
        )
    np.testing.assert_allclose(predict_images(images[::-1], model)[::-1], whole, atol=1e-4)
    np.testing.assert_allclose(predict_images(images[2], model), whole[2], atol=1e-4)


def test_no_images_give_no_profiles(model, images):
    assert predict_images(images[:0], model).shape == (0, model.network.nodes.n_steps)
    assert list(predict_files([], model)) == []


@pytest.mark.parametrize("n_bands", [0, 2])
def test_no_images_have_nothing_to_be_said_of_them(images, n_bands):
    bands = tuple("gr"[:n_bands]) or None
    model = Predictor(tiny_network(bands=bands), Normalisation(-1.0, 20.0), CROP)
    some = np.repeat(images[:2, None], 2, axis=1) if n_bands else images[:2]
    said, nothing = describe_images(some, model), describe_images(some[:0], model)
    assert {name: (x.shape[1:], x.dtype) for name, x in nothing.items()} == {
        name: (x.shape[1:], x.dtype) for name, x in said.items()
    }
    assert all(len(x) == 0 for x in nothing.values())


def test_nothing_is_said_of_no_images_by_the_isophote_network(images):
    model = Predictor(IsophoteNetwork().eval(), Normalisation(0.0, 1.0, "none"), 128)
    said = describe_images(np.zeros((0, 128, 128)), model)
    assert said["mu"].shape == (0, 1024) and said["centre"].shape == (0, 2)


def test_what_is_covered_may_be_a_list(images):
    torch.manual_seed(0)
    model = Predictor(IsophoteNetwork().eval(), Normalisation(0.0, 1.0, "none"), 128)
    wide = np.pad(images[:2], ((0, 0), (24, 24), (24, 24)))
    covered = wide != 0
    said = describe_images(wide, model, covered=covered)
    listed = describe_images(wide, model, covered=covered.tolist())
    alone = describe_images(wide[0], model, covered=covered[0])
    for name, values in said.items():
        np.testing.assert_array_equal(listed[name], values)
    np.testing.assert_allclose(alone["mu"][0], said["mu"][0], atol=1e-4)
    whole = describe_images(wide, model)
    assert not np.array_equal(whole["mu"], said["mu"], equal_nan=True)
    with pytest.raises(ValueError, match=r"covered of shape \(128, 128\) for images of \(2, 128"):
        describe_images(wide, model, covered=covered[0])


def test_images_are_cropped_and_normalised(model, images):
    crop = images[:, 8:72, 8:72]
    np.testing.assert_array_equal(predict_images(crop, model), predict_images(images, model))
    inputs = torch.from_numpy(model.normalisation.normalise(np.ascontiguousarray(crop)))
    expected, _ = model.network.predict(inputs[:, None])
    np.testing.assert_allclose(predict_images(images, model), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a[:, :60], "at least 64; pad them"),
        (lambda a: a[None], "expected"),
        (lambda a: np.where(np.arange(5)[:, None, None] == 3, np.nan, a), "image 3 holds NaN"),
    ],
)
def test_wrong_arrays_are_refused(model, images, change, message):
    with pytest.raises(ValueError, match=message):
        predict_images(change(images), model)


def test_a_file_gives_the_profile_of_its_array(model, images, tmp_path):
    path = save(tmp_path / "a.fits", images[0], OBJECT="UGC 1")
    table = predict_file(path, model)
    assert table.colnames == ["sma", "mu"]
    assert table["sma"].unit == u.arcsec and table["mu"].unit == u.mag / u.arcsec**2
    np.testing.assert_allclose(table["sma"].value, 0.2 * np.arange(1, len(table) + 1))
    np.testing.assert_allclose(
        table["mu"].value, predict_images(images[0], model)[: len(table)], atol=1e-5
    )
    expected = {
        "version": f"pix2prof {pix2prof.__version__}",
        "object": "UGC 1",
        "band": "r",
        "file": "a.fits",
        "zeropt": 22.5,
        "pixscale": 0.396,
        "filezp": 22.5,
        "filescal": 0.396,
        "weights": "0" * 64,
        "model": "tiny",
    }
    assert {key: table.meta[key] for key in expected} == expected
    assert all(isinstance(flag, str) for flag in table.meta["flags"])
    assert "errors" not in table.meta
    assert "network" not in repr(model)


def test_units_of_the_file_do_not_matter(model, images, tmp_path):
    plain = predict_file(save(tmp_path / "a.fits", images[0]), model)
    other = predict_file(save(tmp_path / "b.fits", images[0] * 100, ZEROPT=27.5), model)
    np.testing.assert_allclose(other["mu"].value, plain["mu"].value, atol=1e-4)
    forced = predict_file(tmp_path / "b.fits", model, zeropoint=22.5, band="g")
    assert forced.meta["filezp"] == 22.5 and forced.meta["band"] == "g"


def test_bad_files_stop_no_others(model, images, tmp_path):
    paths = [save(tmp_path / f"{i}.fits", image) for i, image in enumerate(images)]
    paths.insert(2, tmp_path / "missing.fits")
    paths.append(save(tmp_path / "constant.fits", np.ones((80, 80))))
    for batch_size in (1, 3, 50):
        predictions = list(predict_files(paths, model, batch_size=batch_size))
        assert [p.path for p in predictions] == [str(path) for path in paths]
        assert [p.error is None for p in predictions] == [True] * 2 + [False] + [True] * 3 + [
            False
        ]
        assert all((p.profile is None) == (p.error is not None) for p in predictions)
        assert predictions[0].stamp.data.shape == (CROP, CROP)
    with pytest.raises(ImageError, match="no such file"):
        predict_file(paths[2], model)


def test_odd_things_are_flagged(model, images, tmp_path):
    long = Predictor(tiny_network(halt_std=1e-9), model.normalisation, CROP)
    data = images[1].copy()
    data[3, 4] = np.nan
    path = save(tmp_path / "a.fits", data, BAND="z", FILTER="z")
    flags = " | ".join(predict_file(path, long).meta["flags"])
    for words in (
        "trained on g, r, i",
        "1 missing pixels",
        "did not end",
        "extrapolated beyond 18",
    ):
        assert words in flags


def test_a_profile_of_a_few_rows_is_flagged(model, images, tmp_path):
    short = Predictor(tiny_network(halt_std=1e3), model.normalisation, CROP)
    table = predict_file(save(tmp_path / "a.fits", images[0]), short)
    assert len(table) < 10 and f"the profile has only {len(table)} rows" in table.meta["flags"]


def test_a_padded_stamp_is_the_whole_one_but_for_the_noise():
    rng = np.random.default_rng(1)
    y, x = np.indices((256, 256)) - 127.5
    whole = 5 * np.exp(-np.hypot(x, y) / 4) + rng.normal(0, 0.03, x.shape)
    image = {"name": "a", "path": "a", "pixscale": 0.396}
    full = make_stamp(Image(data=whole, **image), 256).data
    padded = make_stamp(Image(data=whole[64:192, 64:192], **image), 256).data
    assert np.abs(full - padded)[64:192, 64:192].max() == 0
    outside = np.hypot(x, y) > 100
    assert full[outside].std() == pytest.approx(padded[outside].std(), rel=0.05)


def test_load_round_trip_and_refusals(model, images, tmp_path):
    sha = save_model(
        model.network, tmp_path / "m", normalisation=asdict(model.normalisation), crop=CROP
    )
    loaded = load(tmp_path / "m")
    assert loaded.sha256 == sha and loaded.crop == CROP and loaded.name == "m"
    assert loaded.normalisation == model.normalisation
    np.testing.assert_allclose(
        predict_images(images, loaded), predict_images(images, model), atol=0.01
    )
    with pytest.raises(FileNotFoundError, match=r"no model 'none such'.*make repro.* trains one"):
        pix2prof.load("none such")
    save_model(model.network, tmp_path / "bare", normalisation={"kind": "minmax"}, crop=CROP)
    with pytest.raises(ValueError, match=r"config.json: no image normalisation"):
        load(tmp_path / "bare")


@pytest.mark.parametrize("predict", [predict_images, describe_images])
def test_a_network_in_training_is_refused(images, predict):
    model = Predictor(tiny_network().train(), Normalisation(-1.0, 30.0), CROP)
    with pytest.raises(RuntimeError, match=r"training mode; call model\.network\.eval\(\)"):
        predict(images, model)


def test_the_package_offers_what_it_says():
    assert set(pix2prof.__all__) <= set(dir(pix2prof))
    assert all(callable(getattr(pix2prof, name)) for name in pix2prof.__all__)
    assert pix2prof.load is load
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = pix2prof.nothing


def test_real_images_all_come_out(model, real):
    paths = sorted((real / "images").glob("*.fits"))
    network = Predictor(tiny_network("standard"), model.normalisation, 256)
    for prediction in predict_files(paths, network):
        assert prediction.error is None, prediction.error
        assert np.isfinite(prediction.stamp.data).all()
        assert np.isfinite(prediction.profile["mu"].value).all()


def test_a_frame_wants_a_place(model, real):
    path = sorted((real / "frames").glob("frame-r-*"))[0]
    with pytest.raises(ImageError, match="--centre") as caught:
        predict_file(path, model)
    x, y = str(caught.value).split("--centre ")[1].split()[:2]
    assert predict_file(path, model, centre=(float(x), float(y))).meta["band"] == "r"


@pytest.mark.parametrize(("source", "trained"), [("mock", "g, r, i"), ("probes", "g, r, z")])
def test_a_band_that_the_network_was_not_trained_on_is_told(tmp_path, images, source, trained):
    training = {"data": {"source": source}}
    network, normalisation = tiny_network(), {"low": -1.0, "high": 20.0}
    save_model(
        network, tmp_path / "m", normalisation=normalisation, crop=CROP, parameters=training
    )
    model = load(tmp_path / "m")
    for band in "grizu":
        path = save(tmp_path / f"{band}.fits", images[1], BAND=band)
        flags = predict_file(path, model).meta["flags"]
        told = f"band {band}: the network was trained on {trained}" in flags
        assert told == (band not in trained)
