import json

import numpy as np
import pytest
import torch

from pix2prof.dataset.crops import centre_crop
from pix2prof.dataset.normalisation import Normalisation, find_normalisation, save_normalisation


def test_normalisation_follows_the_papers_rule():
    rng = np.random.default_rng(3)
    images = [rng.exponential(9.0, (2, 40, 40)) - 1.3 for _ in range(7)]
    found = find_normalisation(iter(images), crop=30)
    values = np.concatenate([centre_crop(i, 30).ravel() for i in images])
    assert found.low == np.floor(values.min())
    assert found.high == np.ceil(np.percentile(values, 99.9))


def test_normalisation_maps_a_to_zero_and_b_to_one_and_clips():
    images = np.array([-7.0, -1.0, 1.0, 3.0, 50.0])
    assert Normalisation(-1.0, 3.0).normalise(images) == pytest.approx([0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("kind", ["minmax", "asinh"])
def test_normalisation_is_the_same_on_tensors_and_keeps_single_precision(kind):
    images = np.linspace(-2, 40, 50, dtype=np.float32)
    rule = Normalisation(-1.0, 30.0, kind)
    array, tensor = rule.normalise(images), rule.normalise(torch.tensor(images))
    assert tensor.numpy() == pytest.approx(array, abs=1e-6)
    assert array.dtype == np.float32 and tensor.dtype == torch.float32


def test_normalisation_round_trips(tmp_path):
    save_normalisation(Normalisation(-2.0, 30.0), tmp_path / "n.json")
    assert Normalisation(**json.loads((tmp_path / "n.json").read_text())) == Normalisation(-2, 30)
