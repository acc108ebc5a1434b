import pytest
import torch
from torch.nn import functional

from pix2prof.isophote_network.finder import Found
from pix2prof.isophote_network.oddities import NAMES, oddities
from pix2prof.isophotes import method as isophotes
from pix2prof.isophotes.background import pixel_noise

SIDE = 128

pytestmark = pytest.mark.usefixtures("one_thread")


def disc(seed=0, second=0.0):
    """A disc on white noise, with another beside it."""
    y, x = torch.meshgrid(*2 * [torch.arange(SIDE) - (SIDE - 1) / 2.0], indexing="ij")
    light = 5 * torch.exp(-torch.hypot(x, y / 0.7) / 6)
    light = light + second * torch.exp(-torch.hypot(x - 14, y - 9) / 3)
    generator = torch.Generator().manual_seed(seed)
    return light + 0.03 * torch.randn(SIDE, SIDE, generator=generator)


def said(images, covered=None):
    images = torch.stack(images)
    heat = torch.zeros(len(images), SIDE**2 // 4).log_softmax(1)
    foreign = torch.full(images.shape, -1.0)
    found = Found(None, heat, None, foreign, None)
    measured = isophotes.measure(images, mask=None if covered is None else ~covered)
    values = oddities(images, found, measured, pixel_noise(images), covered)
    assert values.shape == (len(images), len(NAMES))
    assert torch.isfinite(values).all()
    return dict(zip(NAMES, values.T, strict=True))


def test_noise_that_is_correlated_shows_whatever_the_galaxy():
    smooth = [functional.avg_pool2d(disc(k)[None], 3, 1, 1)[0] for k in range(3)]
    values = said([disc(0), disc(1), disc(2, second=5.0), *smooth])
    for name in ("correlation", "diagonal"):
        assert values[name][:3].abs().max() < 0.1
        assert values[name][3:].max() < -0.2


def test_a_second_source_is_asymmetric():
    values = said([disc(0), disc(0, second=2.0)])
    assert values["asymmetry"][0].abs() < 0.05
    assert values["asymmetry"][1] > values["asymmetry"][0] + 0.03


def test_nothing_at_all_is_short_and_faint():
    values = said([disc(0), 0.03 * torch.randn(SIDE, SIDE)])
    assert values["rows"][1] < values["rows"][0] - 1
    assert values["peak"][1] < values["peak"][0] - 1


def test_what_was_padded_counts_for_nothing():
    image, covered = disc(0), torch.ones(1, SIDE, SIDE, dtype=torch.bool)
    whole = said([image], covered)
    covered[:, :, :16] = False
    padded = image.clone()
    padded[:, :16] = 0.0
    values = said([padded], covered)
    for name in ("correlation", "diagonal", "asymmetry", "foreign"):
        assert values[name][0] == pytest.approx(whole[name][0].item(), abs=0.05)
