import numpy as np
import pytest

from pix2prof.config import TrainConfig
from pix2prof.dataset.crops import Moves, centre_crop


def drawn(n, wobble, seed, rotate=True, mirror=True):
    config = TrainConfig(wobble=wobble, rotate=rotate, mirror=mirror)
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
