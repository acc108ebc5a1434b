"""The same image gives the same profile: alone, in any batch, in any order, on any threads."""

import numpy as np
import pytest
import torch

from pix2prof.isophotes.method import measure
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.model.precision import choose_dtype
from pix2prof.predict.arrays import describe_images, load

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def images():
    return np.concatenate([mock_galaxy(7, k, field=256).images for k in range(3)])


@pytest.mark.parametrize(
    ("name", "precision"), [("paper", "float32"), ("paper", "bf16"), ("pix2prof", "float32")]
)
def test_released_networks(name, precision, images):
    if precision == "bf16" and choose_dtype("auto") != torch.bfloat16:
        pytest.skip("this processor has no instructions for bfloat16")

    def describe(images, model, **options):
        return describe_images(images, model, precision=precision, **options)

    model = load(name)
    whole = describe(images, model)
    order = np.random.default_rng(0).permutation(len(images))
    torch.set_num_threads(2)
    two_threads = describe(images, model)
    torch.set_num_threads(1)
    runs = {
        "alone": describe(images, model, batch_size=1),
        "in batches of 4, in another order": {
            key: values[np.argsort(order)]
            for key, values in describe(images[order], model, batch_size=4).items()
        },
        "on two threads": two_threads,
    }
    for way, said in runs.items():
        for key in whole.keys() & {"mu", "mu_err", "ellipticity", "centre"}:
            np.testing.assert_allclose(said[key], whole[key], atol=1e-4, rtol=0, err_msg=way)


def test_the_classical_method(images):
    together = measure(images)
    for number in (0, 4, 8):
        alone = measure(images[number])
        for name in ("mu", "ellipticity", "pa", "centre", "sky"):
            assert torch.equal(
                torch.nan_to_num(getattr(alone, name)[0], -1.0),
                torch.nan_to_num(getattr(together, name)[number], -1.0),
            )
