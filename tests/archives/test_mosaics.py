import numpy as np
import pytest
from astropy.wcs import WCS

from pix2prof.archives.mosaics import Grid, mosaic, native_grid, nearest_first
from pix2prof.images.image import Image

PIXSCALE = 0.396
SKY = (200.0, 36.0)
STARS = [(-60.0, 12.0, 90.0), (10.0, -40.0, 40.0), (55.0, 30.0, 70.0), (0.0, 33.0, 25.0)]


def world(angle=0.0, crpix=(1.0, 1.0), scale=PIXSCALE, handed=-1):
    """A tangent plane turned by an angle [deg]."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = SKY, crpix
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = np.array([[handed * c, s], [-handed * s, c]]) * scale / 3600
    return wcs


def frame(name, wcs, shape, sigma=1.4, noise=0.0, sky=0.0, seed=0):
    """Stars at fixed places on the sky [px of the tangent plane from SKY], as `wcs` sees them."""
    data = np.full(shape, sky)
    y, x = np.indices(shape)
    plane = world()
    for east, north, flux in STARS:
        ra, dec = plane.pixel_to_world_values(east, north)
        cx, cy = wcs.world_to_pixel_values(ra, dec)
        light = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2))
        data += flux * light / (2 * np.pi * sigma**2)
    data += noise * np.random.default_rng(seed).standard_normal(shape)
    return Image(name, name, data.astype(np.float32), PIXSCALE, wcs=wcs)


def apertures(data, wcs, radius=9):
    y, x = np.indices(data.shape)
    out = []
    for east, north, _ in STARS:
        cx, cy = wcs.world_to_pixel_values(*world().pixel_to_world_values(east, north))
        out.append(float(np.nansum(data[np.hypot(x - cx, y - cy) < radius], dtype=float)))
    return np.array(out)


def test_one_frame_is_cut_and_not_touched():
    image = frame("one", world(20.0, (150.0, 140.0)), (280, 300), noise=0.02)
    grid = native_grid([image], *SKY, 101)
    data, used = mosaic([image], grid)
    assert data.shape == (101, 101) and used == [image]
    assert np.array_equal(data, image.data[89:190, 99:200])
    x, y = grid.wcs.world_to_pixel_values(*SKY)
    assert (x, y) == pytest.approx((50, 50), abs=0.51)


def test_two_frames_of_one_scan_make_the_picture_they_were_cut_from():
    whole = frame("whole", world(35.0, (150.0, 160.0)), (320, 300), noise=0.02)
    lower = frame("lower", world(35.0, (150.0, 160.0)), (200, 300))
    lower.data[:] = whole.data[:200]
    upper = frame("upper", world(35.0, (150.0, 30.0)), (190, 300))
    upper.data[:] = whole.data[130:]
    images = nearest_first([upper, lower], *SKY)
    assert [image.name for image in images] == ["lower", "upper"]
    data, used = mosaic(images, native_grid(images, *SKY, 200))
    assert np.array_equal(data, whole.data[59:259, 49:249])
    assert len(used) == 2


def test_a_scan_that_is_off_by_a_tenth_of_a_pixel_keeps_its_pixels():
    first = frame("first", world(0.0, (100.0, 100.0)), (200, 200), noise=0.02)
    second = frame("second", world(0.0, (100.1, -19.92)), (200, 200), noise=0.02, seed=1)
    data, _ = mosaic([first, second], Grid(first.wcs, (300, 200)))
    assert np.array_equal(data[200:], second.data[80:180])


@pytest.mark.parametrize("angle", [3.0, 40.0, 97.0, 200.0])
def test_a_turned_frame_keeps_the_flux_of_its_stars(angle):
    image = frame("turned", world(angle, (150.3, 140.7)), (300, 300))
    grid = Grid(world(0.0, (100.0, 90.0)), (180, 200))
    data, _ = mosaic([image], grid)
    assert np.isfinite(data).all()
    found = apertures(data, grid.wcs)
    assert found == pytest.approx(apertures(image.data, image.wcs), rel=2e-3)
    assert found == pytest.approx([flux for *_, flux in STARS], rel=2e-3)


def test_the_sky_stays_as_it_was_and_smaller_pixels_hold_less():
    image = frame("sky", world(12.0, (150.0, 150.0)), (300, 300), sky=0.05)
    image.data[:] = 0.05
    data, _ = mosaic([image], Grid(world(0.0, (60.0, 60.0), scale=PIXSCALE / 2), (120, 120)))
    assert data == pytest.approx(np.full((120, 120), 0.0125), rel=1e-4)


def test_noise_is_that_of_one_exposure_everywhere():
    frames = [
        frame(f"{angle}", world(angle, (90.0, 90.0)), (180, 180), noise=1.0, seed=int(angle))
        for angle in (0.0, 45.0)
    ]
    data, _ = mosaic(frames, Grid(world(0.0, (110.0, 110.0)), (220, 220)))
    middle = data[70:150, 70:150]
    assert np.array_equal(middle, frames[0].data[50:130, 50:130])
    corner = np.concatenate([data[:15, 100:120].ravel(), data[-15:, 100:120].ravel()])
    assert 0.75 < np.std(corner[np.isfinite(corner)]) < 1.05


def test_pixels_that_no_frame_has_are_missing_and_gaps_are_kept():
    image = frame("edge", world(30.0, (30.0, 30.0)), (120, 120))
    image.data[40:44, 40:44] = np.nan
    data, _ = mosaic([image], Grid(world(0.0, (60.0, 60.0)), (120, 120)))
    assert 0.2 < np.isnan(data).mean() < 0.9
    x, y = world(0.0, (60.0, 60.0)).world_to_pixel_values(
        *image.wcs.pixel_to_world_values(41.5, 41.5)
    )
    assert np.isnan(data[round(float(y)), round(float(x))])


def test_frames_elsewhere_are_not_used():
    near = frame("near", world(0.0, (100.0, 100.0)), (200, 200))
    far = frame("far", world(0.0, (9000.0, 100.0)), (200, 200))
    behind = frame("behind", world(), (200, 200))
    behind.wcs.wcs.crval = [20.0, -36.0]
    behind.wcs.wcs.set()
    data, used = mosaic([far, behind, near], Grid(near.wcs, (300, 200)))
    assert used == [near]
    assert np.isnan(data[200:]).all()


def test_a_place_on_no_frame_is_told():
    image = frame("one", world(0.0, (1000.0, 100.0)), (200, 200))
    with pytest.raises(ValueError, match=r"RA 200\.000000, Dec 36\.000000 is not on one"):
        native_grid([image], *SKY, 100)


def test_a_coarse_grid_is_refused():
    image = frame("one", world(0.0, (100.0, 100.0)), (200, 200))
    with pytest.raises(ValueError, match=r"2\.00 times as large as those of one"):
        mosaic([image], Grid(world(0.0, (50.0, 50.0), scale=2 * PIXSCALE), (100, 100)))
