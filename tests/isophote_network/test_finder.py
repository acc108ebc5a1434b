import numpy as np
import pytest
import torch

from pix2prof.isophote_network.finder import Finder, finder_loss, stretched

pytestmark = pytest.mark.usefixtures("one_thread")


def scene(n, seed=0, size=64):
    """Gaussian galaxies near the middle, each with a star beside it; centres and masks."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centres = 0.5 * (size - 1) + generator.normal(0, 4, (n, 2))
    angle = generator.uniform(0, 2 * np.pi, n)
    stars = centres + 20 * np.stack((np.cos(angle), np.sin(angle)), 1)
    images, masks = [], []
    for (cx, cy), (sx, sy) in zip(centres, stars, strict=True):
        far = np.hypot(x - sx, y - sy)
        galaxy = np.exp(-(np.hypot(x - cx, y - cy) ** 2) / 50)
        images.append(galaxy + 5 * np.exp(-(far**2) / 4) + generator.normal(0, 0.02, x.shape))
        masks.append(far < 6)
    images = torch.tensor(np.array(images), dtype=torch.float32)
    return (
        images,
        torch.tensor(np.array(centres), dtype=torch.float32),
        torch.tensor(np.array(masks)),
    )


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(1)
    finder = Finder((8, 16, 32))
    optimiser = torch.optim.Adam(finder.parameters(), lr=5e-3)
    losses = []
    for step in range(120):
        images, centres, masks = scene(8, step)
        loss = finder_loss(finder(images), centres, masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])
    return finder.eval()


@torch.no_grad()
def test_it_learns_centres_and_stars(trained):
    images, centres, masks = scene(40, 1000)
    found = trained(images)
    off = (found.centre - centres).norm(dim=1)
    assert off.median() < 1.0
    assert off.median() < 0.3 * (centres - 31.5).norm(dim=1).median()
    foreign = found.foreign > 0
    assert (foreign & masks).sum() > 0.7 * (foreign | masks).sum()


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_shapes_and_no_dependence_on_the_batch(trained, batch):
    images = scene(5, 7)[0]
    all_of_them, found = trained(images), trained(images[:batch])
    assert found.centre.shape == (batch, 2)
    assert found.heat.shape == (batch, 32 * 32)
    assert found.offset.shape == (batch, 2, 32 * 32)
    assert found.foreign.shape == (batch, 64, 64)
    assert found.pooled.shape == (batch, trained.width)
    torch.testing.assert_close(found.heat.exp().sum(1), torch.ones(batch))
    for one, other in zip(found, all_of_them, strict=True):
        torch.testing.assert_close(one, other[:batch], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_unit_of_flux_does_not_matter(trained):
    images = scene(3, 8)[0]
    torch.testing.assert_close(stretched(1e4 * images), stretched(images), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        trained(1e-3 * images).centre, trained(images).centre, atol=1e-3, rtol=1e-3
    )


def test_unknown_centres_are_not_learnt_from(trained):
    images, centres, masks = scene(4, 9)
    found = trained(images)
    some = centres.clone()
    some[1:] = torch.nan
    first = finder_loss(trained(images[:1]), centres[:1], masks[:1])
    mask_alone = finder_loss(found, torch.full_like(centres, torch.nan), masks)
    assert torch.isfinite(finder_loss(found, some, masks))
    assert mask_alone < first
    assert finder_loss(found, centres + 10, masks) > finder_loss(found, centres, masks)
