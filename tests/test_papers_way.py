"""The batched prediction against the paper's own, one image and one step at a time."""

import numpy as np
import papers_way
import pytest
import torch

from pix2prof.mock.simulation import mock_galaxy
from pix2prof.model.paper import Pix2Prof
from pix2prof.predict.arrays import load, predict_images

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def images():
    return np.concatenate([mock_galaxy(7, k, field=256).images for k in range(2)])


def assert_same(network, images, normalised, predicted):
    lengths = set()
    for image, row in zip(normalised, predicted, strict=True):
        mu = papers_way.profile(papers_way.plainly(network), image)
        assert np.isfinite(row).sum() == len(mu)
        np.testing.assert_allclose(row[: len(mu)], mu, atol=1e-3)
        lengths.add(len(mu))
    assert len(lengths) > 1


def test_the_released_network(images):
    model = load("paper")
    normalised = model.normalisation.normalise(images)
    assert_same(model.network, images, normalised, predict_images(images, model))


@pytest.mark.parametrize("stem", ["standard", "small"])
def test_the_papers_settings(images, stem):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = Pix2Prof(stem, step=0.2, binning=1, mu_mean=23.0, mu_std=2.0, halt_std=0.001)
    with torch.no_grad():
        network.encoder.dense.weight *= 30
    network = network.eval().to(memory_format=torch.channels_last)
    cut = np.ascontiguousarray(images[:4, 64:192, 64:192]).clip(-1, 10) / 11
    predicted = network.predict(torch.from_numpy(cut)[:, None])[0].numpy()
    assert_same(network, cut, cut, predicted)
