import numpy as np
import pytest
import torch

from pix2prof.isophote_network.reader import Reader, node_rows, reader_loss
from pix2prof.isophote_network.reading import N_FEATURES, reading
from pix2prof.isophotes import method as isophotes
from pix2prof.isophotes.background import pixel_noise
from pix2prof.profiles import sma_grid
from pix2prof.sdss import PIXSCALE, mu_to_intensity

pytestmark = pytest.mark.usefixtures("one_thread")


def discs(n=3, seed=0):
    """Inclined exponential discs on 96 x 96 px, with noise, and their profiles."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96] - 47.5
    length = np.linspace(2.0, 4.0, n)
    images = [
        mu_to_intensity(20 + 1.0857 * np.hypot(x, y / 0.6) * PIXSCALE / h) * PIXSCALE**2
        + generator.normal(0, 0.01, x.shape)
        for h in length
    ]
    return torch.tensor(np.array(images), dtype=torch.float32), 20 + 1.0857 * sma_grid() / length[
        :, None
    ]


@pytest.fixture(scope="module")
def read():
    images, mu = discs()
    measured = isophotes.measure(images, mask=np.zeros((1, 96, 96), bool))
    rows = node_rows()
    pooled = torch.zeros(len(images), 8)
    return (
        reading(measured, pixel_noise(images), pooled[:, 0], pooled, rows),
        measured,
        torch.tensor(mu),
    )


def reader(seed=0):
    torch.manual_seed(seed)
    return Reader(8, width=16, depth=1, heads=2)


def test_nodes_are_logarithmic_from_the_first_row_to_the_last():
    rows = node_rows()
    assert rows[0] == 0 and rows[-1] == 1023
    assert (rows.diff() > 0).all() and rows.diff()[-1] > 20 * rows.diff()[0]


def test_what_is_read_is_finite_and_says_what_is_missing(read):
    read, measured, _ = read
    assert read.features.shape == (3, len(node_rows()), N_FEATURES)
    assert torch.isfinite(read.features).all() and torch.isfinite(read.of_galaxy).all()
    known = torch.isfinite(measured.mu[:, node_rows()])
    assert 0 < known.sum() < known.numel()
    assert torch.equal(read.features[..., 1] > 0, known)


@torch.no_grad()
def test_an_untrained_reader_stays_near_what_was_measured(read):
    read, measured, _ = read
    written = reader()(read)
    known = measured.mu[:, node_rows()] < 28
    off = (written.mu(read.intensity) - measured.mu[:, node_rows()])[known].abs()
    assert off.median() < 1.0
    assert torch.isfinite(written.mu(read.intensity)).all()


@torch.no_grad()
def test_the_grid_meets_the_nodes_and_is_straight_between(read):
    read, measured, _ = read
    rows = node_rows()
    written = reader()(read)
    fine = written.on_grid(rows, 1024)
    assert torch.equal(fine.sky, written.sky)
    for coarse, wide in zip(written[1:], fine[1:], strict=True):
        assert wide.shape == (3, 1024)
        torch.testing.assert_close(wide[:, rows], coarse, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fine.mu(measured.intensity)[:, rows], written.mu(read.intensity))
    between = torch.arange(int(rows[-2]), int(rows[-1]) + 1)
    step = fine.belief[:, between].diff(dim=1)
    assert (step * step[:, :1] >= 0).all()


def test_training_brings_it_to_the_profile_with_an_honest_scale(read):
    read, _, mu = read
    rows = node_rows()
    target = mu[:, rows].float().clamp(max=28) + 0.2
    within = rows < torch.tensor([[60], [80], [100]])
    net = reader()
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    ellipticity = torch.full_like(target, 0.4)
    first = None
    for _ in range(300):
        loss, error = reader_loss(net(read), read, target, within, ellipticity)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first = first or (loss.item(), error.mean().item())
    assert loss.item() < first[0] - 2
    assert error.mean().item() < 0.1 * first[1]
    written = net(read)
    assert torch.equal(written.within > 0, within)
    assert written.log_scale.exp().median() < 0.2
    assert (written.ellipticity(read.ellipticity) - 0.4).abs().median() < 0.05


def test_nodes_without_a_target_are_left_out(read):
    read, _, mu = read
    target = mu[:, node_rows()].float()
    holes = target.clone()
    holes[:, 10:] = torch.nan
    none = torch.full_like(target, torch.nan)
    within = torch.ones_like(target, dtype=torch.bool)
    written = reader()(read)
    loss, error = reader_loss(written, read, holes, within, none)
    assert torch.isfinite(loss) and (error[:, 10:] == 0).all() and (error[:, :10] > 0).all()
    assert torch.isfinite(reader_loss(written, read, none, within, none)[0])


def test_a_wrong_sky_is_put_right():
    images, mu = discs()
    rows, right = node_rows(), torch.tensor(mu[:, node_rows()]).float()
    measured = isophotes.measure(images, mask=np.zeros((1, 96, 96), bool), sky=0.03)
    read = reading(
        measured, pixel_noise(images), torch.zeros(len(images)), torch.zeros(len(images), 8), rows
    )
    blank = reader()(read)
    plain = blank._replace(trust=torch.ones_like(blank.trust), correction=0 * blank.trust)
    seen = (right < 25.5) & torch.isfinite(measured.intensity[:, rows])
    off = [
        (plain._replace(sky=sky).mu(read.intensity) - right)[seen].abs().max()
        for sky in (torch.zeros(3, 1), read.sky[:, None])
    ]
    assert off[0] > 0.5 and off[1] < 0.3
