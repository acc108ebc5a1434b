"""Images of an item: planes, places on frames, bands."""

import bz2
import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from tiny import galaxy, save

from pix2prof.images.inputs import Item
from pix2prof.images.stamps import make_stamp
from pix2prof.predict.cutouts import MAX_IMAGES, list_images, read_item
from pix2prof.predict.measuring import measure_image

SIDE = 64


def read(path, **options):
    place = {k: options.pop(k) for k in ("ra", "dec", "name") if k in options}
    return read_item(Item(str(path), str(path), **place), SIDE, **options)


def cube(path, planes, **keys):
    fits.PrimaryHDU(
        np.stack(planes).astype("f4"), fits.Header({"PIXSCALE": 0.396, **keys})
    ).writeto(path)
    return path


def frame(path):
    """Three galaxies on 400 px with a TAN WCS; their places come too."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, 2.0], [200.5, 200.5]
    wcs.wcs.cdelt = [-0.396 / 3600, 0.396 / 3600]
    places = [(100, 120), (300, 250), (390, 200)]
    data = np.random.default_rng(0).normal(0, 0.03, (400, 400))
    y, x = np.indices(data.shape)
    for k, (column, row) in enumerate(places):
        data += (k + 2) * np.exp(-np.hypot(x - column, y - row) / 4)
    fits.PrimaryHDU(data.astype("f4"), wcs.to_header()).writeto(path)
    sky = [wcs.pixel_to_world(*place) for place in places]
    return path, data, [(s.ra.deg, s.dec.deg) for s in sky], places


def test_places_are_cut_out_of_a_frame(tmp_path):
    path, data, sky, places = frame(tmp_path / "frame-r-1.fits")
    for (ra, dec), (x, y) in zip(sky, places, strict=True):
        (one,) = read(path, ra=ra, dec=dec)
        assert one.error is None and one.image.band == "r" and one.ra == ra
        left, top = round(x - one.image.centre[0]), round(y - one.image.centre[1])
        height, width = one.image.data.shape
        np.testing.assert_allclose(
            one.image.data, data[top : top + height, left : left + width], atol=1e-6
        )
        assert one.image.corner == (left, top)
        assert max(height, width) <= 1.5 * SIDE + 4
        back = one.image.wcs.world_to_pixel_values(ra, dec)
        np.testing.assert_allclose(back, one.image.centre, atol=1e-3)


def test_what_is_said_of_a_cut_out_is_in_pixels_of_the_file(tmp_path):
    path, _, sky, (_, (x, y), _) = frame(tmp_path / "frame-r-1.fits")
    ra, dec = sky[1][0], sky[1][1] + 35 * 0.396 / 3600
    (one,) = read(path, ra=ra, dec=dec)
    assert one.image.corner[0] > 0 and one.image.corner[1] > 0
    (flag,) = (flag for flag in make_stamp(one.image, 128).flags if "off centre" in flag)
    found = re.search(r"at x=(\d+), y=(\d+) of the file", flag).groups()
    assert [int(one) for one in found] == pytest.approx((x, y), abs=2)
    (one,) = read(path, ra=ra, dec=sky[1][1])
    meta = measure_image(one.image).meta
    assert (meta["xcen"], meta["ycen"]) == pytest.approx((x, y), abs=0.1)


@pytest.mark.parametrize(
    ("place", "words"),
    [((151.0, 2.0), "outside its 400 x 400 px"), ((150, 95), "between -90 and 90"),
     ((np.nan, 2.0), "give both in degrees"), ((330.0, -2.0), "")],
)  # fmt: skip
def test_places_off_the_frame_are_failures(tmp_path, place, words):
    path = frame(tmp_path / "f.fits")[0]
    (one,) = read(path, ra=place[0], dec=place[1])
    assert one.image is None and words in str(one.error)


def test_a_place_without_wcs_or_pixels_is_a_failure(tmp_path):
    (one,) = read(save(tmp_path / "a.fits", galaxy()), ra=1.0, dec=1.0)
    assert "no celestial WCS" in str(one.error)
    path, _, sky, _ = frame(tmp_path / "f.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[0].data[:220, :220] = 0
    (one,) = read(path, ra=sky[0][0], dec=sky[0][1])
    assert "constant" in str(one.error)


@pytest.mark.parametrize(
    ("keys", "bands"),
    [({"BANDS": "grz"}, "grz"), ({"BAND0": "g", "BAND1": "r", "BAND2": "z"}, "grz"),
     ({"FILTER1": "u", "FILTER2": "g", "FILTER3": "i"}, "ugi"), ({"BAND": "r"}, "rrr")],
)  # fmt: skip
def test_a_cube_is_its_planes(tmp_path, keys, bands):
    planes = [galaxy(seed=k) for k in range(3)]
    found = read(cube(tmp_path / "a.fits", planes, **keys))
    assert [one.image.band for one in found] == list(bands)
    assert [(one.hdu, one.plane) for one in found] == [(0, 0), (0, 1), (0, 2)]
    for one, plane in zip(found, planes, strict=True):
        np.testing.assert_allclose(one.image.data, plane, atol=1e-6)


def test_a_bad_plane_leaves_the_others(tmp_path):
    planes = [galaxy(), np.full((80, 80), np.nan), galaxy(seed=1)]
    found = read(cube(tmp_path / "a.fits", planes))
    assert [one.error is None for one in found] == [True, False, True]


def test_every_image_of_a_file_on_request(tmp_path):
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(galaxy(), name="SCI"), fits.ImageHDU(galaxy())]
    hdus.append(fits.ImageHDU(np.stack([galaxy(), galaxy()])))
    for hdu in hdus:
        hdu.header["PIXSCALE"] = 0.396
    path = tmp_path / "a.fits"
    fits.HDUList(hdus).writeto(path)
    packed = tmp_path / "a.fits.bz2"
    packed.write_bytes(bz2.compress(path.read_bytes()))
    for file in (path, packed):
        assert [(c.hdu, c.plane) for c in read(file, hdu="all")] == [
            (1, None), (2, None), (3, 0), (3, 1)
        ]  # fmt: skip
        assert [(c.hdu, c.plane) for c in read(file)] == [(None, None)]
        assert [(c.hdu, c.plane) for c in read(file, hdu="3")] == [(3, 0), (3, 1)]
        assert [c.hdu for c in read(file, hdu="SCI")] == ["SCI"]


def test_a_file_of_too_many_images_is_refused(tmp_path):
    fits.PrimaryHDU(np.zeros((MAX_IMAGES + 1, 2, 2), "u1")).writeto(tmp_path / "a.fits")
    (one,) = read(tmp_path / "a.fits")
    assert f"more than {MAX_IMAGES}" in str(one.error)
    fits.PrimaryHDU(np.zeros((MAX_IMAGES, 2, 2), "u1")).writeto(tmp_path / "b.fits")
    assert len(list_images(tmp_path / "b.fits")) == MAX_IMAGES


def test_band_and_galaxy_of_the_name(tmp_path):
    (one,) = read(save(tmp_path / "NGC1-g.fits", galaxy(), BAND=""))
    assert (one.image.band, one.name) == ("g", "NGC1")
    assert "band g: from the file's name" in one.image.flags
    (one,) = read(save(tmp_path / "NGC2-g.fits", galaxy(), BAND="r"))
    assert (one.image.band, one.name) == ("r", "NGC2-g")
    (one,) = read(save(tmp_path / "NGC3-r.fits", galaxy()), band="i")
    assert (one.image.band, one.name) == ("i", "NGC3-r")
