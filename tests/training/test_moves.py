import numpy as np
import pytest

from pix2prof.config import ConfigError, TrainConfig
from pix2prof.dataset.crops import centre_crop
from pix2prof.profiles import sma_grid
from pix2prof.sdss import PIXSCALE
from pix2prof.training.moves import Moves


def drawn(n, wobble, seed, mirror=True, **options):
    config = TrainConfig(wobble=wobble, mirror=mirror, **options)
    return Moves.draw(n, 20, 12, config, np.random.default_rng(seed))


def test_moves_turn_and_shift_and_keep_every_pixel_value():
    ramp = np.arange(20 * 20, dtype=np.float32).reshape(1, 20, 20).repeat(200, axis=0)
    moves = drawn(200, 2.0, seed=0)
    out = moves.of_images(ramp)
    assert out.shape == (200, 12, 12)
    steps = {(int(o[0, 1] - o[0, 0]), int(o[1, 0] - o[0, 0])) for o in out}
    turned = {(1, 20), (20, -1), (-1, -20), (-20, 1)}
    assert steps == turned | {(-x, y) for x, y in turned}
    centres = np.array([o[5:7, 5:7].mean() for o in out])
    rows, columns = centres // 20, centres % 20
    assert 1.5 < np.std(rows) < 2.5 and np.ptp(columns) > 4


def test_points_go_where_their_pixels_go():
    images = np.zeros((60, 20, 20))
    points = np.random.default_rng(1).integers(8, 12, (60, 2))
    images[np.arange(60), points[:, 1], points[:, 0]] = 1
    moves = drawn(60, 1.0, seed=2)
    assert set(moves.turns) == {0, 1, 2, 3} and set(moves.mirrored) == {False, True}
    _, rows, columns = np.nonzero(moves.of_images(images))
    assert np.array_equal(moves.of_points(points.astype(float)), np.stack((columns, rows), 1))


def test_moves_without_wobble_or_turn_are_the_central_crop():
    images = np.random.default_rng(0).normal(size=(3, 20, 20))
    still = drawn(3, 0.0, seed=1, rotate=False, mirror=False)
    for moves in (still, Moves.none(3, 20, 12)):
        assert np.array_equal(moves.of_images(images), centre_crop(images, 12))


def test_moves_come_from_their_generator():
    first, second = (drawn(5, 3.0, seed=4) for _ in range(2))
    assert np.array_equal(first.corners, second.corners)
    assert np.array_equal(first.turns, second.turns)
    assert np.array_equal(first.mirrored, second.mirrored)


@pytest.mark.parametrize("mirror, shares", [(True, (0.4, 0.6)), (False, (0.0, 0.0))])
def test_half_of_the_images_are_mirrored_where_asked(mirror, shares):
    mirrored = drawn(400, 0.0, seed=5, mirror=mirror).mirrored
    assert shares[0] <= mirrored.mean() <= shares[1]


def test_a_crop_beyond_the_image_is_refused():
    with pytest.raises(ValueError, match="20 x 20 px cannot give a crop of 21"):
        centre_crop(np.zeros((20, 20)), 21)


def test_angles_turn_with_their_pixels():
    pa = np.random.default_rng(3).uniform(0, 180, 40)
    moves = drawn(40, 1.0, seed=2)
    turn = np.radians(pa)
    tip = moves.of_points(10 + np.stack((np.cos(turn), np.sin(turn)), 1))
    x, y = (tip - moves.of_points(np.full((40, 2), 10.0))).T
    angles = moves.of_angles(np.repeat(pa[:, None], 3, 1))
    assert angles.shape == (40, 3)
    assert np.allclose((angles[:, 0] - np.degrees(np.arctan2(y, x)) + 90) % 180, 90)


def test_the_bands_of_a_galaxy_move_together():
    images = np.random.default_rng(0).normal(size=(30, 3, 20, 20))
    moves = drawn(30, 2.0, seed=1)
    for band in range(3):
        alone = moves.of_images(images[:, band])
        assert np.array_equal(moves.of_images(images)[:, band], alone)


FREE = {"tilt": True, "zoom": 0.15}


def blob(points, size=64, width=3.0):
    y, x = np.mgrid[:size, :size]
    distance = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    return np.exp(-distance / (2 * width**2)).astype(np.float32)


def free(n, seed, **options):
    config = TrainConfig(wobble=2.0, mirror=True, **(FREE | options))
    return Moves.draw(n, 64, 48, config, np.random.default_rng(seed))


def test_enlarged_and_tilted_light_goes_where_its_points_go_and_keeps_its_brightness():
    points = np.random.default_rng(0).uniform(26, 37, (40, 2))
    moves = free(40, seed=1)
    images = moves.of_images(blob(points))
    assert images.shape == (40, 48, 48) and images.dtype == np.float32
    expected = moves.of_points(points)
    y, x = np.mgrid[:48, :48]
    found = np.stack([(images * axis).sum((1, 2)) / images.sum((1, 2)) for axis in (x, y)], 1)
    assert np.abs(found - expected).max() < 0.05
    area = images.sum((1, 2)) / (2 * np.pi * 3.0**2)
    assert np.allclose(area, moves.enlarged**2, rtol=0.01)
    assert images.max((1, 2)) == pytest.approx(1, abs=0.08)


def test_tilted_angles_turn_with_their_pixels():
    pa = np.random.default_rng(3).uniform(0, 180, 40)
    moves = free(40, seed=2)
    turn = np.radians(pa)
    tip = moves.of_points(30 + np.stack((np.cos(turn), np.sin(turn)), 1))
    ray = tip - moves.of_points(np.full((40, 2), 30.0))
    assert np.allclose(np.hypot(*ray.T), moves.enlarged)
    angles = moves.of_angles(np.repeat(pa[:, None], 3, 1))
    degrees = np.degrees(np.arctan2(ray[:, 1], ray[:, 0]))
    assert np.allclose((angles[:, 0] - degrees + 90) % 180, 90)
    assert np.ptp(moves.tilts) > 60


def test_masks_stay_masks_when_they_are_enlarged_and_tilted():
    points = np.full((20, 2), 31.5)
    moves = free(20, seed=3)
    masks, light = moves.of_images(blob(points) > 0.5), moves.of_images(blob(points))
    assert masks.dtype == bool and masks.any((1, 2)).all()
    assert np.all(masks[light > 0.6]) and not np.any(masks[light < 0.4])


@pytest.mark.parametrize("leading", [(), (3,)])
def test_a_profile_is_stretched_with_its_image_and_ends_where_it_ends(leading):
    sma = sma_grid()
    mu = np.where(sma < 60, 20 + 0.05 * sma, np.nan).astype(np.float32)
    moves = free(30, seed=4)
    stretched = moves.of_mu(np.broadcast_to(mu, (30, *leading, len(mu))))
    assert stretched.dtype == np.float32 and stretched.shape == (30, *leading, len(mu))
    first = stretched.reshape(30, -1, len(mu))[:, -1]
    expected = 20 + 0.05 * sma / moves.enlarged[:, None]
    ends = sma[np.isfinite(first).sum(1) - 1]
    assert np.all(np.abs(ends - 60 * moves.enlarged) < 0.6)
    known = np.isfinite(first) & (sma >= 0.2 * moves.enlarged[:, None])
    assert np.abs(first - expected)[known].max() < 1e-3
    inner = sma < 0.2 * moves.enlarged[:, None]
    assert np.all(first[inner] == mu[0]) and inner.any()


def test_position_angles_are_not_averaged_over_their_seam():
    pa = np.where(np.arange(1024) % 2, 179.0, 1.0)[None].repeat(20, 0)
    stretched = free(20, seed=5).of_profiles(pa, nearest=True)
    assert set(stretched[np.isfinite(stretched)]) == {1.0, 179.0}


def test_dimmed_images_and_profiles_agree():
    images = np.random.default_rng(6).normal(size=(20, 64, 64)).astype(np.float32)
    moves = free(20, seed=6, tilt=False, zoom=0.0, dim=0.3)
    assert np.std(moves.dimmed) > 0.1
    ratio = moves.of_light(images) / moves.of_images(images)
    mu = moves.of_mu(np.full((20, 1024), 22.0, dtype=np.float32))
    assert np.allclose(-2.5 * np.log10(ratio), moves.dimmed[:, None, None], atol=1e-4)
    assert np.allclose(mu - 22.0, moves.dimmed[:, None], atol=1e-4)


def test_what_is_not_asked_for_draws_nothing_and_changes_no_pixel():
    images = np.random.default_rng(7).normal(size=(10, 64, 64)).astype(np.float32)
    mu = np.full((10, 1024), 22.0, dtype=np.float32)
    plain = free(10, seed=8, tilt=False, zoom=0.0)
    full = free(10, seed=8, dim=0.2)
    assert np.array_equal(plain.corners, full.corners)
    assert np.array_equal(plain.turns, full.turns)
    assert np.isin(plain.of_light(images), images).all()
    assert plain.of_mu(mu) is mu
    assert np.isin(full.of_light(images), images).mean() < 0.01


def test_a_field_that_ends_within_the_cut_is_mirrored_at_its_edge():
    images = np.full((30, 64, 64), 3.0, dtype=np.float32)
    moves = free(30, seed=9, zoom=0.3)
    assert moves.enlarged.min() < 48 / 64
    assert np.allclose(moves.of_images(images), 3.0, rtol=1e-5)


def test_the_profile_of_a_moved_image_is_the_moved_profile():
    scale, centre = 4.0, np.full((12, 2), 31.5)
    y, x = np.mgrid[:64, :64] - 31.5
    disc = np.exp(-np.hypot(x, y) * PIXSCALE / scale).astype(np.float32)
    mu = (20 + 2.5 * np.log10(np.e) * sma_grid() / scale).astype(np.float32)
    moves = free(12, seed=10, dim=0.3)
    images = moves.of_light(np.repeat(disc[None], 12, 0))
    expected = moves.of_mu(np.repeat(mu[None], 12, 0))
    y, x = np.mgrid[:48, :48]
    for image, (x0, y0), profile in zip(images, moves.of_points(centre), expected, strict=True):
        radius = np.hypot(x - x0, y - y0) * PIXSCALE
        ring = np.abs(radius - 6) < 1.5
        found = 20 - 2.5 * np.log10(image[ring])
        assert np.abs(found - np.interp(radius[ring], sma_grid(), profile)).max() < 0.03


def test_no_move_is_asked_for_that_cannot_be():
    with pytest.raises(ConfigError, match=r"train\.tilt is True; it must be false where"):
        TrainConfig(rotate=False, tilt=True)
    with pytest.raises(ConfigError, match=r"train\.zoom is -0\.1; it must be zero or more"):
        TrainConfig(zoom=-0.1)
