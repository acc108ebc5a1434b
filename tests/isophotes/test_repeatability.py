"""The same profile whatever the noise, the start and the precision; hard images say so."""

import numpy as np
import pytest
import torch
from test_method import MIDDLE, SIDE, galaxy, noisy

from pix2prof.isophotes import contours
from pix2prof.isophotes import method as isophotes
from pix2prof.isophotes.method import Flag, measure
from pix2prof.mock.simulation import mock_galaxy

FIELD = 256
SIGMA = 0.025
SPIRALS = 2, 10


@pytest.fixture(scope="module")
def spirals():
    """Noise-free barred spirals with arms, knots and dust, and their centres."""
    mocks = [mock_galaxy(21, k, field=FIELD, small_share=0.0) for k in SPIRALS]
    return [(mock.truth[1], mock.centre) for mock in mocks]


def brighter(mu, limit):
    """Rows before the first that is fainter than `limit`."""
    return slice(0, int((mu < limit).int().cumprod(0).sum()))


@pytest.mark.parametrize("which", range(len(SPIRALS)))
def test_ten_draws_of_the_noise_scatter_as_the_photons_do(spirals, which):
    image, _ = spirals[which]
    result = measure(np.stack([noisy(image, seed, SIGMA) for seed in range(10)]))
    rows = brighter(result.mu.median(0).values, 25.5)
    assert rows.stop > 60
    scatter = result.mu[:, rows].std(0)
    said = result.mu_err[:, rows].median(0).values
    assert (scatter / said).median() < 1.5
    assert (result.centre - result.centre.mean(0)).norm(dim=-1).max() < 0.5


@pytest.mark.parametrize("start", [0.05, 0.4, 0.8])
@pytest.mark.parametrize("told", [True, False])
def test_any_start_ends_in_the_same_profile(spirals, monkeypatch, start, told):
    image, centre = spirals[0]
    images = [noisy(galaxy(0.55, 120.0)), noisy(image[48:208, 48:208], 1)]
    centres = [(MIDDLE, MIDDLE), (centre[0] - 48, centre[1] - 48)]
    how = {"centre": centres, "mask": np.zeros((SIDE, SIDE), bool), "sky": 0.0} if told else {}
    usual = measure(np.stack(images), **how)

    def fit(*given, **options):
        return contours.fit(*given, **{"start": start, **options})

    monkeypatch.setattr(isophotes, "fit", fit)
    other = measure(np.stack(images), **how)
    for one, two in zip(usual.mu, other.mu, strict=True):
        rows = brighter(one, 25.5)
        assert rows.stop > 30
        assert (one - two)[rows].abs().median() < 0.01


def test_single_and_double_precision_agree_on_a_spiral(spirals):
    image, _ = spirals[0]
    image = noisy(image, 3, SIGMA)
    single, double = measure(image), measure(image.astype(np.float64))
    rows = brighter(double.mu[0], 26.0)
    assert rows.stop > 60
    assert (single.mu - double.mu)[0, rows].abs().max() < 2e-3
    forced = [measure(image.astype(kind), geometry=double) for kind in (np.float32, np.float64)]
    assert (forced[0].mu - forced[1].mu)[0, rows].abs().max() < 2e-3


@pytest.fixture(scope="module")
def survey():
    """Twenty mock galaxies in three bands, their centres and masks."""
    mocks = [mock_galaxy(23, k) for k in range(20)]
    images = np.concatenate([mock.images for mock in mocks])
    centres = np.repeat([mock.centre for mock in mocks], 3, axis=0)
    return images, centres, np.repeat([mock.mask for mock in mocks], 3, axis=0)


@pytest.mark.parametrize("told", [True, False])
def test_single_and_double_precision_give_one_profile(survey, told):
    """Brighter than 26 in magnitudes; in all rows within a twentieth of the row's own error."""
    images, centres, masks = survey
    how = {"centre": centres, "mask": masks} if told else {}
    single, double = measure(images, **how), measure(images.astype(np.float64), **how)
    assert torch.equal(single.n_valid, double.n_valid) and torch.equal(single.flags, double.flags)
    bright = double.mu < 26
    assert bright.sum(-1).median() > 60
    assert (single.mu - double.mu)[bright].abs().max() < 2e-3
    seen = torch.isfinite(double.intensity)
    assert torch.equal(seen, torch.isfinite(single.intensity))
    apart = (single.intensity - double.intensity).abs() / double.intensity_err
    assert apart[seen].max() < 0.05


def spot(x, y, peak, width=1.3):
    columns, lines = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    return peak * np.exp(-((columns - x) ** 2 + (lines - y) ** 2) / (2 * width**2))


@pytest.mark.parametrize("apart", [0.0, 2.0, 5.0, 9.0])
def test_a_star_on_the_nucleus_is_said(apart):
    star = spot(MIDDLE + 0.6 * apart, MIDDLE + 0.8 * apart, 10.0)
    said = Flag.POINT_LIKE_CORE | Flag.SECOND_PEAK | Flag.CENTRE_UNCERTAIN
    assert measure(noisy(galaxy() + star, 4)).flags.item() & said
    assert not measure(noisy(galaxy(), 4)).flags.item() & said


def test_a_star_without_a_galaxy_is_said():
    said = Flag.POINT_LIKE_CORE | Flag.NO_SIGNAL
    assert measure(noisy(spot(MIDDLE, MIDDLE, 5.0), 4)).flags.item() & said


@pytest.mark.parametrize("place", [(4.0, MIDDLE), (SIDE - 5.0, 6.0)])
@pytest.mark.parametrize("told", [True, False])
def test_a_galaxy_cut_by_the_edge_says_so(place, told):
    image = noisy(galaxy(0.3, 20.0, centre=place), 5)
    result = measure(image, centre=place) if told else measure(image)
    said = Flag.CUT_BY_EDGE | Flag.CENTRE_UNCERTAIN | Flag.NO_SIGNAL
    assert result.flags.item() & said


def test_two_galaxies_of_one_kind_are_said():
    pair = galaxy(0.3, 20.0, centre=(MIDDLE - 14, MIDDLE)) + galaxy(
        0.3, 70.0, centre=(MIDDLE + 14, MIDDLE)
    )
    said = Flag.SECOND_PEAK | Flag.CENTRE_UNCERTAIN
    assert measure(noisy(pair, 6)).flags.item() & said


@pytest.mark.parametrize("scale", [80.0, 300.0])
def test_an_image_that_is_all_galaxy_says_so(scale):
    result = measure(noisy(galaxy(scale=scale), 7))
    assert result.flags.item() & Flag.SKY_NOT_VISIBLE


def test_empty_images_say_so():
    rng = np.random.default_rng(8)
    empty = [np.zeros((SIDE, SIDE)), np.full((SIDE, SIDE), 3.0), rng.normal(1, 0.02, (SIDE, SIDE))]
    result = measure(np.stack(empty))
    assert (result.flags & Flag.NO_SIGNAL).bool().all()
