import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from pix2prof.isophotes.ellipses import (
    circle_angles,
    components,
    ellipse_points,
    quantiles,
    sample,
    sample_cubic,
    sorted_last,
    trimmed_mean,
)


@pytest.fixture
def image():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(3, 21, 34)))


def test_bilinear_as_scipy(image):
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 33, (3, 4, 50)), rng.uniform(0, 20, (3, 4, 50))
    got = sample(image, torch.from_numpy(x), torch.from_numpy(y)).numpy()
    for i in range(3):
        expected = map_coordinates(image[i].numpy(), [y[i], x[i]], order=1)
        assert np.allclose(got[i], expected)


def test_outside_and_masked_are_nan(image):
    image[0, 10, 10] = torch.nan
    x = torch.tensor([[[-0.1, 10.2, 33.1, 5.0]]]).double().expand(3, 1, 4)
    y = torch.tensor([[[5.0, 9.8, 5.0, 20.5]]]).double().expand(3, 1, 4)
    missing = torch.isnan(sample(image, x, y)[:, 0])
    assert missing.tolist() == [[True, True, True, True]] + 2 * [[True, False, True, True]]


def test_sampling_is_differentiable(image):
    x = torch.tensor([[[3.3, 7.7]]]).double().expand(3, 1, 2).clone().requires_grad_()
    y = torch.tensor([[[4.4, 9.1]]]).double().expand(3, 1, 2).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: sample(image, a, b), (x, y))


def test_cubic_is_exact_on_quadratics_and_falls_back_on_nan():
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    image = (1 + 0.3 * x - 0.2 * y + 0.05 * x * x + 0.02 * y * y)[None].double()
    px, py = torch.tensor([[[7.3, 8.9]]]).double(), torch.tensor([[[6.6, 11.2]]]).double()
    expected = 1 + 0.3 * px - 0.2 * py + 0.05 * px * px + 0.02 * py * py
    assert torch.allclose(sample_cubic(image, px, py), expected, atol=1e-6)
    image[0, 5, 6] = torch.nan
    assert torch.allclose(sample_cubic(image, px, py)[..., :1], sample(image, px, py)[..., :1])


def test_points_lie_on_their_ellipse():
    centre = torch.tensor([[10.0, 20.0]])
    x, y = ellipse_points(
        centre,
        torch.tensor([5.0, 8.0]),
        *components(torch.tensor([[0.3, 0.6]]), torch.tensor([[0.0, torch.pi / 2]])),
        circle_angles(8),
    )
    assert x.shape == (1, 2, 8)
    assert torch.allclose(((x[0, 0] - 10) / 5) ** 2 + ((y[0, 0] - 20) / 3.5) ** 2, torch.ones(8))
    assert torch.allclose(((y[0, 1] - 20) / 8) ** 2 + ((x[0, 1] - 10) / 3.2) ** 2, torch.ones(8))


def test_points_do_not_jump_where_an_ellipse_is_round():
    centre, angles = torch.zeros(1, 2), circle_angles(16)
    turns = torch.linspace(0, torch.pi, 9)[None]
    x, y = ellipse_points(
        centre, 100 * torch.ones(9), *components(1e-5 + 0 * turns, turns), angles
    )
    assert torch.allclose(x, 100 * torch.cos(angles).expand_as(x), atol=2e-3)
    assert torch.allclose(y, 100 * torch.sin(angles).expand_as(y), atol=2e-3)


@pytest.mark.parametrize("missing", [0, 1, 7, 29])
def test_quantiles_as_numpy(missing):
    values = np.random.default_rng(2).normal(size=(5, 30))
    values[:, :missing] = np.nan
    ordered = sorted_last(torch.from_numpy(values))
    count = torch.full((5,), 30 - missing)
    got = quantiles(ordered, count, (0.16, 0.5, 0.84)).numpy()
    assert np.allclose(got, np.nanquantile(values, (0.16, 0.5, 0.84), axis=1).T)


def test_trimmed_mean_ignores_the_tails():
    values = torch.tensor([[1.0, 2.0, 3.0, 1000.0, torch.nan]])
    assert trimmed_mean(sorted_last(values), torch.tensor([4]), 0.25).item() == 2.5
