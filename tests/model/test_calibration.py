import pytest
import torch

from pix2prof.model.calibration import LEVELS, Calibration, radial_bins

pytestmark = pytest.mark.usefixtures("one_thread")


def heavy_tailed(n, seed):
    """Absolute deviations of Student's t distribution with two degrees of freedom."""
    normal = torch.randn((n, 3), generator=torch.Generator().manual_seed(seed))
    return normal[:, 0].abs() / normal[:, 1:].square().mean(1).sqrt()


def held(calibration, ratios, places):
    errors = calibration(torch.ones_like(ratios), places)
    return [(ratios <= error).float().mean().item() for error in errors]


def test_both_levels_hold_where_tails_are_heavy():
    calibration, nowhere = Calibration(1), torch.zeros(40_000, dtype=torch.long)
    ratios, others = heavy_tailed(40_000, 1), heavy_tailed(40_000, 2)
    calibration.learn(ratios, nowhere)
    assert held(calibration, others, nowhere) == pytest.approx(LEVELS, abs=0.01)
    laplace = Calibration(1).factors[:, 0]
    scaled = calibration.factors[0, 0] * laplace[1] / laplace[0]
    assert (others <= scaled).float().mean() < LEVELS[1] - 0.01


def test_each_place_has_its_own_factors_and_keeps_laplaces_where_nothing_is_known():
    calibration = Calibration(3)
    places = torch.arange(20_000) % 2
    ratios = heavy_tailed(20_000, 3) * (1 + 4 * places)
    calibration.learn(ratios, places)
    assert calibration.factors[0, 1] > 3 * calibration.factors[0, 0]
    for place in (0, 1):
        here = places == place
        assert held(calibration, ratios[here], places[here]) == pytest.approx(LEVELS, abs=0.001)
    laplace = torch.distributions.Laplace(0.0, 1.0)
    inside = 1 - 2 * laplace.cdf(-calibration.factors[:, 2])
    torch.testing.assert_close(inside, torch.tensor(LEVELS))


def test_the_wider_interval_holds_the_narrower():
    calibration = Calibration(2)
    calibration.learn(heavy_tailed(50, 4), torch.arange(50) % 2)
    narrow, wide = calibration(torch.rand(30), torch.arange(30) % 2)
    assert (wide >= narrow).all()


def test_bins_are_fifths_of_the_way_to_the_end_and_what_lies_beyond():
    bins = radial_bins(torch.tensor([10, 0]), 12)
    assert bins.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], [0] + [5] * 11]
