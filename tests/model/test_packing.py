import gc
import weakref

import pytest
import torch
from torch import nn

from pix2prof.model import packing
from pix2prof.model.resnet import ResNet18

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=["kernels of the processor", "torch alone"])
def kernels(request, monkeypatch):
    if request.param == "torch alone":
        monkeypatch.setattr(packing, "_has_kernels", lambda weight: False)
    elif not packing._has_kernels(torch.empty(0)):
        pytest.skip("torch has no oneDNN here")


def seasoned(module, seed=1):
    """A module whose normalisations have seen something, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values, low, high in (
                (norm.weight, 0.5, 1.5),
                (norm.bias, -0.5, 0.5),
                (norm.running_mean, -0.5, 0.5),
                (norm.running_var, 0.2, 2.0),
            ):
                nn.init.uniform_(values, low, high, generator=generator)
    return module.eval()


@pytest.mark.parametrize("stem", ["standard", "small"])
@pytest.mark.parametrize("size", [(64, 64), (49, 70)])
def test_an_encoder_says_the_same_packed(kernels, stem, size):
    torch.manual_seed(0)
    encoder = seasoned(ResNet18(latent=24, stem=stem))
    images = torch.rand(3, 1, *size).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    with torch.no_grad():
        expected = encoder(images)
        found = packing.pack_encoder(encoder, torch.float32)(images)
        low = packing.pack_encoder(encoder, torch.bfloat16)(images)
    scale = expected.abs().max()
    assert (found - expected).abs().max() < 1e-5 * scale
    assert low.dtype == torch.float32
    assert 0 < (low - expected).abs().max() < 0.05 * scale
    assert torch.equal(images, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_product(kernels, dtype):
    torch.manual_seed(0)
    linear, x = nn.Linear(20, 7).to(dtype), torch.randn(5, 20, dtype=dtype)
    product = packing.pack_linear(linear.weight, linear.bias, dtype)
    torch.testing.assert_close(product(x), linear(x).detach())
    low = packing.pack_linear(linear.weight, linear.bias, torch.bfloat16)(x)
    assert low.dtype == dtype
    torch.testing.assert_close(low, linear(x).detach(), atol=0.05, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_does_not_depend_on_how_many_there_are(dtype):
    if not packing._has_kernels(torch.empty(0, dtype=dtype)):
        pytest.skip("torch has no oneDNN for it here")
    torch.manual_seed(0)
    linear, x = nn.Linear(512, 1536), torch.randn(70, 512)
    product = packing.pack_linear(linear.weight, linear.bias, dtype)
    whole = product(x)
    for n in (1, 2, 31, 33):
        assert torch.equal(product(x[:n]), whole[:n])


def test_weights_that_change_are_packed_anew():
    torch.manual_seed(0)
    linear, made = nn.Linear(4, 3), []

    def make(module, dtype):
        made.append(dtype)
        return packing.pack_linear(module.weight, module.bias, dtype)

    x = torch.randn(2, 4)
    first = packing.packed(linear, torch.float32, make)
    assert packing.packed(linear, torch.float32, make) is first
    assert packing.packed(linear, torch.bfloat16, make) is not first
    for change in (
        lambda: nn.init.ones_(linear.weight),
        lambda: linear.load_state_dict(nn.Linear(4, 3).state_dict()),
        lambda: torch.optim.SGD(linear.parameters(), 1.0).step(linear(x).sum().backward()),
        lambda: setattr(linear, "weight", nn.Parameter(torch.zeros(3, 4))),
    ):
        change()
        product = packing.packed(linear, torch.float32, make)
        torch.testing.assert_close(product(x), linear(x).detach())
    assert len(made) == 6


def test_a_module_is_not_kept_by_what_was_made_of_it():
    encoder = seasoned(ResNet18(latent=8))
    packing.packed(encoder, torch.float32, packing.pack_encoder)
    gone = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert gone() is None
