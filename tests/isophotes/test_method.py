import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from astropy.io import fits

from pix2prof.isophotes.contours import fit, pyramid
from pix2prof.isophotes.measured import flag_words
from pix2prof.isophotes.method import Flag, measure
from pix2prof.profile_files import read_profile
from pix2prof.profiles import RowFlag
from pix2prof.sdss import PIXSCALE

SIDE = 160
MIDDLE = (SIDE - 1) / 2


def galaxy(
    ellipticity=0.4, pa=30.0, scale=14.0, index=1.0, centre=(MIDDLE, MIDDLE), peak=1.0, side=SIDE
):
    """A Sersic ellipse, 4 x 4 times oversampled; `scale` is that of exp(-(r / scale)^(1/n))."""
    fine = (np.arange(4 * side) + 0.5) / 4 - 0.5
    x, y = np.meshgrid(fine - centre[0], fine - centre[1])
    cos, sin = np.cos(np.radians(pa)), np.sin(np.radians(pa))
    radius = np.hypot(x * cos + y * sin, (y * cos - x * sin) / (1 - ellipticity))
    image = peak * np.exp(-((radius / scale) ** (1 / index)))
    return image.reshape(side, 4, side, 4).mean((1, 3)).astype(np.float32)


def truth_mu(sma, scale=14.0, index=1.0, peak=1.0):
    intensity = peak * np.exp(-((sma / PIXSCALE / scale) ** (1 / index))) / PIXSCALE**2
    return 22.5 - 2.5 * np.log10(intensity)


def known(image, **more):
    return measure(
        image, centre=(MIDDLE, MIDDLE), mask=np.zeros(image.shape[-2:], bool), sky=0.0, **more
    )


def noisy(image, seed=0, sigma=0.02):
    rng = np.random.default_rng(seed)
    return (image + rng.normal(0.0, sigma, image.shape)).astype(np.float32)


def twist(a, b):
    return (a - b + 90) % 180 - 90


@pytest.mark.parametrize("ellipticity", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("pa", [0.0, 33.0, 90.0, 171.0])
def test_exponential_ellipses_are_recovered(ellipticity, pa):
    side, scale = 320, 28.0
    image = galaxy(ellipticity, pa, scale, centre=(159.5, 159.5), side=side)
    result = measure(image, centre=(159.5, 159.5), mask=np.zeros((side, side), bool), sky=0.0)
    rows = slice(30, 260)
    deviation = np.abs(result.mu[0, rows].numpy() - truth_mu(result.sma.numpy()[rows], scale))
    assert np.median(deviation) < 0.01 and deviation.max() < 0.015
    assert (result.ellipticity[0, rows] - ellipticity).abs().max() < 0.005
    assert twist(result.pa[0, rows], pa).abs().max() < 0.5


def test_a_sersic_ellipse_is_recovered():
    result = known(galaxy(0.3, 60.0, scale=0.05, index=3.0, peak=300.0))
    rows = slice(25, 150)
    expected = truth_mu(result.sma.numpy()[rows], 0.05, 3.0, 300.0)
    assert np.abs(result.mu[0, rows].numpy() - expected).max() < 0.015
    assert (result.ellipticity[0, rows] - 0.3).abs().max() < 0.005


@pytest.mark.parametrize("batch", [1, 3, 17])
def test_shapes_and_batches(batch):
    images = np.stack([noisy(galaxy(pa=10.0 * i), i) for i in range(batch)])
    result = measure(images, n_steps=300)
    assert result.mu.shape == result.flag.shape == (batch, 300)
    assert result.centre.shape == (batch, 2) and result.n_valid.shape == (batch,)
    assert result.sma.shape == (300,)
    alone = measure(images[-1], n_steps=300)
    rows = slice(0, int(0.8 * alone.n_valid))
    assert torch.allclose(alone.mu[0, rows], result.mu[-1, rows], atol=0.05)
    assert (alone.mu[0, rows] - result.mu[-1, rows]).abs().median() < 1e-3
    assert result.table(batch - 1)["mu"].unit == "mag / arcsec2"


def test_forced_photometry_takes_the_ellipses():
    red, blue = noisy(galaxy(), 1), noisy(0.5 * galaxy(), 2)
    first = measure(red)
    second = measure(blue, geometry=first)
    assert torch.equal(second.centre, first.centre)
    assert torch.allclose(second.ellipticity, first.ellipticity, equal_nan=True)
    difference = (second.mu - first.mu)[0, 5:60]
    assert difference.median().item() == pytest.approx(2.5 * np.log10(2), abs=0.02)


def test_forced_photometry_goes_on_along_the_last_ellipse():
    """Where the given ellipses end, and for the sky around the galaxy."""
    red, blue = noisy(galaxy(0.7, scale=20.0), 1), noisy(0.5 * galaxy(0.7, scale=20.0), 2)
    first = measure(red)
    cut = replace(
        first,
        **{
            name: torch.where(first.sma < 12, getattr(first, name), torch.nan)
            for name in ("ellipticity", "pa", "ellipticity_err")
        },
    )
    second = measure(blue, geometry=cut)
    last = int((first.sma < 12).sum()) - 1
    inside = torch.isfinite(second.ellipticity[0])
    assert inside.sum() > last + 50
    beyond = inside & (second.sma >= 12)
    assert (second.ellipticity[0, beyond] == first.ellipticity[0, last]).all()
    assert (second.pa[0, beyond] - first.pa[0, last]).abs().max() < 1e-3
    assert (second.flag[0, beyond] & RowFlag.EXTENDED).bool().all()
    whole = measure(blue, geometry=first)
    assert (second.sky - whole.sky).abs() < whole.sky_err


def test_forced_photometry_without_any_ellipse_is_refused():
    nothing = measure(np.full((SIDE, SIDE), np.nan))
    with pytest.raises(ValueError, match=r"no ellipse for galaxies \[0\]"):
        measure(noisy(galaxy()), geometry=nothing)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns(turns):
    image = noisy(galaxy(ellipticity=0.5))
    straight, turned = measure(image), measure(np.rot90(image, turns).copy())
    rows = slice(5, 90)
    assert (straight.mu - turned.mu)[0, rows].abs().max() < 0.03
    assert (straight.mu - turned.mu)[0, rows].abs().median() < 0.005
    assert twist(straight.pa - 90 * turns, turned.pa)[0, rows].abs().max() < 1.0


@pytest.mark.parametrize("axis", [0, 1])
def test_mirror_images(axis):
    image = noisy(galaxy(ellipticity=0.5))
    straight, turned = measure(image), measure(np.flip(image, axis).copy())
    rows = slice(5, 90)
    assert (straight.mu - turned.mu)[0, rows].abs().median() < 0.005
    assert twist(180 - straight.pa, turned.pa)[0, rows].abs().max() < 1.0


def test_flux_scaling_and_constant_sky():
    image = noisy(galaxy())
    plain = measure(image)
    brighter = measure(100 * image)
    raised = measure(image + 0.25)
    rows = slice(0, 90)
    assert (plain.mu - brighter.mu - 5)[0, rows].abs().max() < 2e-3
    assert (plain.mu - raised.mu)[0, rows].abs().max() < 5e-3
    assert (raised.sky - plain.sky).item() == pytest.approx(0.25, abs=1e-4)
    assert (plain.n_valid - brighter.n_valid).abs() <= 10


def test_a_plane_of_sky_is_taken_off():
    image = noisy(galaxy(scale=8.0))
    y, x = np.mgrid[:SIDE, :SIDE] - MIDDLE
    tilted = (image + 0.1 + 4e-4 * x - 2e-4 * y).astype(np.float32)
    plain, level = measure(image), measure(tilted)
    assert level.sky_gradient[0].tolist() == pytest.approx([4e-4, -2e-4], abs=4e-5)
    assert plain.sky_gradient.abs().max() < 4e-5
    assert (level.sky - plain.sky).item() == pytest.approx(0.1, abs=2e-3)
    rows = slice(5, int((plain.mu[0] < 25).sum()))
    assert (plain.mu - level.mu)[0, rows].abs().median() < 0.01


@pytest.mark.parametrize("start", [0.05, 0.5, 0.8])
def test_the_start_does_not_matter(start):
    levels = pyramid(torch.from_numpy(noisy(galaxy(0.55, 120.0)))[None])
    centre = torch.tensor([[MIDDLE, MIDDLE]])
    reference = fit(levels, centre, iterations=60)
    other = fit(levels, centre, start=start, iterations=60)
    good = reference.weight > 1000
    assert good.sum() > 25
    assert (reference.e1 - other.e1)[good].abs().max() < 0.01
    assert (reference.e2 - other.e2)[good].abs().max() < 0.01


def test_precision_does_not_matter():
    image = noisy(galaxy())
    single, double = measure(image), measure(image.astype(np.float64))
    assert double.mu.dtype == torch.float64 and single.mu.dtype == torch.float32
    assert (single.mu - double.mu)[0, :90].abs().max() < 2e-3


def test_noise_scatters_as_the_errors_say():
    images = np.stack([noisy(galaxy(), seed) for seed in range(12)])
    result = known(images)
    bright = slice(10, int((result.mu.median(0).values < 25).sum()))
    scatter = result.mu[:, bright].std(0)
    ratio = (scatter / result.mu_err[:, bright].median(0).values).median()
    assert 0.5 < ratio < 1.5


def test_stars_are_masked():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE]
    stars = np.zeros((SIDE, SIDE))
    for _ in range(12):
        px, py = rng.uniform(5, SIDE - 5, 2)
        if np.hypot(px - MIDDLE, py - MIDDLE) > 20:
            stars += rng.uniform(0.3, 5) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.5**2))
    clean, crowded = measure(noisy(galaxy())), measure(noisy(galaxy() + stars))
    rows = slice(5, int((clean.mu[0] < 24.5).sum()))
    assert (clean.mu - crowded.mu)[0, rows].abs().median() < 0.02
    assert crowded.n_masked.sum() > 200
    assert (crowded.centre - clean.centre).norm() < 0.1


@pytest.mark.parametrize(("share", "said"), [(0.0, False), (1.0, True)])
def test_a_second_nucleus_or_a_star_beside_the_first_is_said(share, said):
    y, x = np.mgrid[:SIDE, :SIDE] - MIDDLE
    nuclei = np.exp(-(x**2 + y**2) / 8) + share * np.exp(-((x - 9) ** 2 + (y + 4) ** 2) / 8)
    result = measure(noisy(galaxy(scale=10.0) + 3 * nuclei))
    assert bool(result.flags.item() & Flag.SECOND_PEAK) == said
    assert ("second peak" in flag_words(result.flags)) == said


def test_missing_pixels_are_left_out():
    image = galaxy()
    image[90:104, 60:75] = np.nan
    image[20, 30] = np.inf
    result = known(image)
    rows = slice(25, 140)
    assert np.abs(result.mu[0, rows].numpy() - truth_mu(result.sma.numpy()[rows])).max() < 0.02
    assert result.n_masked[0].max() > 10


def test_a_masked_core_is_bridged_and_said():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[76:84, 76:84] = True
    result = measure(galaxy(), centre=(MIDDLE, MIDDLE), mask=mask, sky=0.0)
    assert result.flags.item() & Flag.CENTRE_MASKED
    assert result.flag[0, 0] & RowFlag.INTERPOLATED
    assert torch.isfinite(result.mu[0, :100]).all()


@pytest.mark.parametrize("offset", [(0.0, 0.0), (4.3, -2.7), (-7.5, 6.1)])
def test_the_centre_is_found_beside_a_star(offset):
    centre = (MIDDLE + offset[0], MIDDLE + offset[1])
    image = galaxy(ellipticity=0.6, centre=centre)
    y, x = np.mgrid[:SIDE, :SIDE]
    image += 8 * np.exp(-((x - centre[0] - 15) ** 2 + (y - centre[1] - 12) ** 2) / 4.5)
    result = measure(noisy(image))
    assert (result.centre[0] - torch.tensor(centre)).norm() < 0.2


def test_an_image_without_a_galaxy_says_so():
    rng = np.random.default_rng(0)
    result = measure(np.stack([np.zeros((64, 64)), rng.normal(0, 1, (64, 64))]))
    assert (result.flags & Flag.NO_SIGNAL).bool().all()
    assert (result.n_valid == 0).all()


def test_a_galaxy_over_the_edge_says_so():
    result = measure(noisy(galaxy(scale=60.0)))
    assert result.flags.item() & (Flag.CUT_BY_EDGE | Flag.SKY_NOT_VISIBLE)
    assert torch.isnan(result.mu[0, -1])


def test_rows_beyond_the_image_are_nan():
    result = known(galaxy())
    reach = np.hypot(SIDE, SIDE) / 2 * PIXSCALE
    assert torch.isnan(result.intensity[0, result.sma > reach]).all()
    assert (result.flag[0] & RowFlag.PARTIAL).any()


def test_the_cut_comes_where_noise_takes_over():
    quiet, loud = (known(noisy(galaxy(), sigma=s)) for s in (0.005, 0.05))
    assert 0 < loud.n_valid < quiet.n_valid
    assert (loud.flag[0, : loud.n_valid] & RowFlag.BELOW_CUT).sum() == 0


@pytest.mark.parametrize("statistic", ["mean", "median", "midmean"])
def test_every_statistic_agrees_on_a_smooth_galaxy(statistic):
    result = known(galaxy(), statistic=statistic)
    rows = slice(25, 140)
    assert np.abs(result.mu[0, rows].numpy() - truth_mu(result.sma.numpy()[rows])).max() < 0.015
    assert result.statistic == result.table().meta["stat"] == statistic


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros((4, 4))}, "too small"),
        ({"images": np.zeros(5)}, "must be"),
        ({"images": np.zeros((0, 32, 32))}, "must be"),
        ({"images": np.full((32, 32), "a")}, "numbers"),
        ({"images": np.zeros((32, 32)), "statistic": "mode"}, "mode"),
        ({"images": np.zeros((32, 32)), "centre": (1, 2, 3)}, "centre"),
        ({"images": np.zeros((32, 32)), "centre": (np.nan, 2)}, "finite"),
        ({"images": np.zeros((32, 32)), "mask": np.zeros((16, 16), bool)}, "mask"),
        ({"images": np.zeros((2, 32, 32)), "sky": [1.0, 2.0, 3.0]}, "sky"),
    ],
)
def test_bad_arguments_are_refused_with_a_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure(**arguments)


def malformed(rng, side):
    """An image that no galaxy survey would deliver on a good day."""
    image = rng.normal(0, rng.choice([0.0, 1e-6, 0.03, 1e6]), (side, side))
    kind = rng.integers(8)
    if kind == 0:
        image += rng.normal() * 10.0 ** rng.integers(-20, 20)
    elif kind == 1:
        image[rng.random(image.shape) < rng.random()] = np.nan
    elif kind == 2:
        image[rng.integers(side), :] = rng.choice([np.inf, -np.inf, 1e30, -1e30])
    elif kind == 3:
        image[:] = np.nan
    elif kind == 4:
        image += rng.normal() * np.arange(side)
    elif kind == 5:
        image[rng.integers(side), rng.integers(side)] = 10.0 ** rng.integers(0, 12)
    elif kind == 6:
        image[: rng.integers(1, side)] = 0.0
    else:
        image = -np.abs(image) - rng.random()
    return image.astype(np.float32)


@pytest.mark.parametrize("side", [16, 33, 64])
def test_malformed_images_never_raise(side):
    rng = np.random.default_rng(side)
    images = np.stack([malformed(rng, side) for _ in range(180)])
    result = measure(images, n_steps=200)
    assert torch.isfinite(result.centre).all() and torch.isfinite(result.sky).all()
    assert not torch.isinf(result.mu).any()
    assert ((result.n_valid >= 0) & (result.n_valid <= 200)).all()
    trusted = torch.arange(200) < result.n_valid[:, None]
    assert (result.intensity[trusted] > 0).float().mean() > 0.95 if trusted.any() else True
    blank = torch.from_numpy(np.isnan(images).all((1, 2)))
    assert (result.flags[blank] & Flag.NO_SIGNAL).bool().all()
    assert (result.flags == 0).float().mean() < 0.1


def test_real_galaxies_agree_with_autoprof(real):
    deviations = []
    for path in sorted((real / "images").glob("*.fits")):
        header, data = fits.getheader(path), fits.getdata(path)
        image = data.astype(np.float32) * 10 ** (-0.4 * (header["ZEROPT"] - 22.5))
        result = measure(image, pixscale=header["PIXSCALE"])
        assert result.n_valid > 0 or result.flags, path.name
        reference = real / "autoprof" / f"{path.stem}.prof"
        if not reference.is_file():
            continue
        text = reference.with_suffix(".aux").read_text()
        centre = re.search(r"center x: ([\d.]+) pix, y: ([\d.]+)", text).groups()
        if np.linalg.norm(result.centre[0].numpy() - np.array(centre, dtype=float)) > 3:
            continue
        profile = read_profile(reference)
        bright = profile["mu"].value < 25
        mu = np.interp(profile["sma"].value, result.sma.numpy(), result.mu[0].numpy())
        deviations.append(np.nanmedian(np.abs(mu - profile["mu"].value)[bright]))
    assert len(deviations) >= 21
    assert np.median(deviations) < 0.035
    assert np.percentile(deviations, 90) < 0.12
