"""Reading FITS images of any kind, and bringing them to what the network knows."""

import gzip
import pickle
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import erf

from pix2prof.images.fits import ImageError
from pix2prof.images.image import Image, read_image, read_mask
from pix2prof.images.resampling import fill_missing, resample, resampled_pixels
from pix2prof.images.sources import border_sky, extended_sources
from pix2prof.images.stamps import make_stamp, stamp_side
from pix2prof.names import stem
from pix2prof.sdss import PIXSCALE

NOISE = 0.03


def gaussian(shape, centre, sigma, flux=1.0):
    y, x = np.indices(shape)
    r2 = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
    return flux * np.exp(-r2 / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def disc(size=80, centre=None, scale=6.0, peak=1.0, noise=NOISE, seed=0):
    """An exponential disc on sky noise [nanomaggies per pixel]."""
    centre = centre or ((size - 1) / 2, (size - 1) / 2)
    y, x = np.indices((size, size))
    light = peak * np.exp(-np.hypot(x - centre[0], y - centre[1]) / scale)
    return (light + noise * np.random.default_rng(seed).standard_normal(light.shape)).astype("f4")


def header(**keys):
    return fits.Header({"PIXSCALE": 0.396, "ZEROPT": 22.5, "BAND": "r", **keys})


def sky_header(pixscale=0.396, size=80):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [180.0, 30.0]
    wcs.wcs.crpix = [size / 2, size / 2]
    wcs.wcs.cd = np.diag([-pixscale, pixscale]) / 3600
    return wcs.to_header()


def write(path, data, head=None):
    fits.PrimaryHDU(data, head if head is not None else header()).writeto(path)
    return path


def as_image(data, **keys):
    return Image(**{"name": "a", "path": "a.fits", "data": data, "pixscale": 0.396, **keys})


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", "i2", "u2", "i4", "u4", "i8", "u1"])
def test_every_number_type_is_read(tmp_path, dtype):
    values = np.random.default_rng(0).uniform(1, 200, (40, 50)).astype(dtype)
    image = read_image(write(tmp_path / "a.fits", values))
    assert image.data.dtype.isnative and image.data.dtype.kind == "f"
    np.testing.assert_allclose(image.data, values.astype(float), rtol=1e-6)


def test_scaled_integers_are_physical_values(tmp_path):
    hdu = fits.PrimaryHDU(np.arange(1600, dtype="i2").reshape(40, 40), header())
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 0.5, 10.0, 7
    hdu.writeto(tmp_path / "a.fits", output_verify="ignore")
    with fits.open(tmp_path / "a.fits", mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header["BSCALE"], hdus[0].header["BZERO"] = 0.5, 10.0
    data = read_image(tmp_path / "a.fits").data
    assert data[0, 2] == 11.0 and data[39, 39] == 10 + 0.5 * 1599


@pytest.mark.parametrize("kind", ["gz", "fz", "extension", "plane", "after a cube"])
def test_containers(tmp_path, kind):
    data, path = disc(), tmp_path / "a.fits"
    if kind == "gz":
        write(path, data)
        path = tmp_path / "a.fits.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.fits").read_bytes()))
    elif kind == "fz":
        path = tmp_path / "a.fits.fz"
        hdu = fits.CompImageHDU(data, header(), compression_type="GZIP_1", quantize_level=0)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    elif kind == "extension":
        table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=np.zeros(3))])
        fits.HDUList(
            [fits.PrimaryHDU(), table, fits.ImageHDU(data, header()), fits.ImageHDU(-data)]
        ).writeto(path)
    elif kind == "plane":
        write(path, data[None])
    else:
        fits.HDUList(
            [fits.PrimaryHDU(np.zeros((3, 40, 40))), fits.ImageHDU(data, header())]
        ).writeto(path)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, data)
    assert image.name == "a" and image.pixscale == 0.396
    assert any("passed over" in flag for flag in image.flags) == (kind == "after a cube")


def test_hdu_is_chosen_by_number_or_name(tmp_path):
    path = tmp_path / "a.fits"
    other = fits.ImageHDU(disc(seed=1), header(BAND="g"), name="BLUE")
    fits.HDUList([fits.PrimaryHDU(disc(), header()), other]).writeto(path)
    assert read_image(path).band == "r"
    assert read_image(path, hdu=1).band == read_image(path, hdu="blue").band == "g"
    for missing in (7, "RED"):
        with pytest.raises(ImageError, match=r"no HDU .*choose one of: 0 PRIMARY, 1 BLUE"):
            read_image(path, hdu=missing)


def test_pixel_scale_from_option_wcs_and_keyword(tmp_path):
    write(tmp_path / "key.fits", disc(), header(PIXSCALE=0.5))
    write(tmp_path / "wcs.fits", disc(), sky_header(0.262))
    assert read_image(tmp_path / "key.fits").pixscale == 0.5
    assert read_image(tmp_path / "wcs.fits").pixscale == pytest.approx(0.262, rel=1e-6)
    assert read_image(tmp_path / "wcs.fits", pixscale=0.3).pixscale == 0.3
    both = sky_header(0.262)
    both["PIXSCALE"] = 0.396
    image = read_image(write(tmp_path / "both.fits", disc(), both))
    assert image.pixscale == pytest.approx(0.262)
    assert any("PIXSCALE 0.396" in flag for flag in image.flags)


def test_zero_point_and_units(tmp_path):
    data = disc()
    given = read_image(write(tmp_path / "a.fits", data, header(ZEROPT=25.0)))
    np.testing.assert_allclose(given.data, data / 10, rtol=1e-6)
    option = read_image(tmp_path / "a.fits", zeropoint=20.0)
    np.testing.assert_allclose(option.data, data * 10, rtol=1e-6)
    plain = read_image(write(tmp_path / "b.fits", data, fits.Header({"PIXSCALE": 0.396})))
    np.testing.assert_array_equal(plain.data, data)
    assert any("22.5 assumed" in flag for flag in plain.flags)
    unit = fits.Header({"PIXSCALE": 0.396, "BUNIT": "nanomaggy", "BAND": "g"})
    assert read_image(write(tmp_path / "c.fits", data, unit)).flags == ()


@pytest.mark.parametrize(
    ("keys", "band", "flag"),
    [
        ({"BAND": "g"}, "g", None),
        ({"FILTER": "i"}, "i", None),
        ({"BAND": "r", "FILTER": "g"}, "r", None),
        ({"FILTER": "r DECam SDSS c0002 6415.0 1480.0"}, "r", None),
        ({"FILTER": "SDSS_g"}, "g", None),
        ({"FILTER": "Ha"}, "Ha", None),
        ({"BAND": "z"}, "z", None),
        ({}, "unknown", "no band"),
    ],
)
def test_band(tmp_path, keys, band, flag):
    head = fits.Header({"PIXSCALE": 0.396, "ZEROPT": 22.5, **keys})
    image = read_image(write(tmp_path / "a.fits", disc(), head))
    assert image.band == band
    assert image.flags == () if flag is None else any(flag in word for word in image.flags)
    assert read_image(tmp_path / "a.fits", band="i").band == "i"


def test_the_files_name_tells_the_band_where_the_header_does_not(tmp_path):
    keys = fits.Header({"PIXSCALE": 0.396, "ZEROPT": 22.5})
    path = write(tmp_path / "NGC1-g.fits", disc(), keys)
    image = read_image(path)
    assert (image.band, image.flags) == ("g", ("band g: from the file's name",))
    given = read_image(path, band="i")
    assert (given.band, given.flags) == ("i", ())
    assert read_image(write(tmp_path / "NGC1-r.fits", disc(), header(BAND="z"))).band == "z"


def test_keywords_of_the_primary_header_count(tmp_path):
    hdus = fits.HDUList([fits.PrimaryHDU(header=header(ZEROPT=25.0)), fits.ImageHDU(disc())])
    hdus.writeto(tmp_path / "a.fits")
    image = read_image(tmp_path / "a.fits")
    assert (image.zeropoint, image.band, image.pixscale) == (25.0, "r", 0.396)


def bad_file(kind, folder):
    path, data = folder / "bad.fits", disc()
    if kind == "no image":
        fits.PrimaryHDU().writeto(path)
    elif kind == "table":
        column = fits.Column("image", "100E", array=np.ones((10, 100)))
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column])]).writeto(path)
    elif kind == "spectrum":
        write(path, np.ones(100))
    elif kind == "cube":
        write(path, np.ones((3, 40, 40)))
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not FITS at all\n" * 100)
    elif kind == "png":
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))
    elif kind in ("truncated", "truncated header", "truncated gzip"):
        whole = write(folder / "whole.fits", data).read_bytes()
        if kind == "truncated gzip":
            path = folder / "bad.fits.gz"
            path.write_bytes(gzip.compress(whole)[:3000])
        else:
            path.write_bytes(whole[: 9000 if kind == "truncated" else 700])
    elif kind == "huge":
        head = write(folder / "whole.fits", data).read_bytes()
        path.write_bytes(
            head.replace(b"NAXIS1  =                   80", b"NAXIS1  =             99999999")
        )
    elif kind == "lie":
        head = write(folder / "whole.fits", data).read_bytes()
        path.write_bytes(
            head.replace(b"BITPIX  =                  -32", b"BITPIX  =                    7")
        )
    elif kind == "constant":
        write(path, np.full((40, 40), 3.0))
    elif kind == "nan":
        data[:60] = np.nan
        write(path, data)
    elif kind == "infinite":
        data[:60] = np.inf
        write(path, data)
    elif kind == "small":
        write(path, data[:31])
    elif kind == "no scale":
        write(path, data, fits.Header({"ZEROPT": 22.5}))
    elif kind == "scale in degrees":
        write(path, data, header(PIXSCALE=1.1e-4))
    elif kind == "scale in words":
        write(path, data, header(PIXSCALE="fine"))
    elif kind == "oblong":
        head = sky_header(0.3)
        head["CDELT1"] *= 1.2
        write(path, data, head)
    elif kind == "zero point":
        write(path, data, header(ZEROPT="AB"))
    elif kind == "zero point absurd":
        write(path, data, header(ZEROPT=1e4))
    return path


BAD = {
    "no image": ("no 2-D image: HDU 0 holds no data", "give a file with one 2-D image"),
    "table": ("HDU 1 is a table", "2-D image"),
    "spectrum": ("HDU 0 has 1 dimension", "2-D image"),
    "cube": ("3 dimension.* 3 x 40 x 40", "every plane of a cube"),
    "missing": ("no such file", "check the name"),
    "folder": ("folder", "name the FITS files"),
    "empty": ("empty", "download it again"),
    "text": ("not a FITS file", "convert"),
    "png": ("not a FITS file", "convert"),
    "truncated": ("truncated", "download it again"),
    "truncated header": ("truncated|corrupt|not a FITS file", "again|fitsverify|convert"),
    "truncated gzip": ("truncated", "download it again"),
    "huge": ("claims .* pixels", "cut the galaxy out"),
    "lie": ("corrupt", "fitsverify"),
    "constant": ("constant", "galaxy on it"),
    "nan": ("75% of its pixels are NaN", "most of its pixels"),
    "infinite": ("75% of its pixels are NaN or infinite", "most of its pixels"),
    "small": ("80 x 31 px, under 32 px", "larger cut-out"),
    "no scale": ("no pixel scale", "--pixscale"),
    "scale in degrees": ("0.00011 arcsec a pixel, outside", "--pixscale"),
    "scale in words": ("PIXSCALE is 'fine', not a number", "--pixscale"),
    "oblong": ("not square", "resample"),
    "zero point": ("ZEROPT is 'AB', not a number", "--zeropoint"),
    "zero point absurd": ("no AB zero point", "--zeropoint"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_with_file_finding_and_remedy(tmp_path, kind):
    path = bad_file(kind, tmp_path)
    found, remedy = BAD[kind]
    with pytest.raises(ImageError, match=found) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match=remedy):
        raise caught.value


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_may_lack_its_padding_but_no_pixel(tmp_path, packed):
    whole = write(tmp_path / "whole.fits", disc()).read_bytes()
    end = 2880 + 4 * 80 * 80
    path = tmp_path / "a.fits"
    pack = gzip.compress if packed else bytes
    path.write_bytes(pack(whole[:end]))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, disc())
    assert packed or any("shorter than its headers say" in flag for flag in image.flags)
    for short in (1, 4, 320):
        path.write_bytes(pack(whole[: end - short]))
        with pytest.raises(ImageError, match="truncated"):
            read_image(path)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(ImageError("a.fits", "found", "remedy")))
    assert str(error) == "a.fits: found; remedy"


@pytest.mark.parametrize("centre", [(-1, 5), (80, 5), (5, np.nan), ("a", 5)])
def test_centre_must_be_on_the_image(tmp_path, centre):
    with pytest.raises(ImageError, match="centre"):
        read_image(write(tmp_path / "a.fits", disc()), centre=centre)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/NGC 1.fits", "NGC 1"),
        ("NGC1.fit", "NGC1"),
        ("x.y.FITS.gz", "x.y"),
        ("frame.fits.bz2", "frame"),
        ("a.fits.fz", "a"),
        ("plain", "plain"),
        (".fits", ".fits"),
    ],
)
def test_stem(name, expected):
    assert stem(name) == expected


def test_mask_is_read_and_must_fit(tmp_path):
    mask = np.zeros((40, 50), dtype="u1")
    mask[3, 4] = 1
    hdus = [fits.PrimaryHDU(np.ones((40, 50))), fits.ImageHDU(mask, name="MASK")]
    fits.HDUList(hdus).writeto(tmp_path / "named.fits")
    fits.PrimaryHDU(mask).writeto(tmp_path / "plain.fits")
    for name in ("named.fits", "plain.fits"):
        read = read_mask(tmp_path / name, (40, 50))
        assert read.dtype == bool and read.sum() == 1 and read[3, 4]
    with pytest.raises(ImageError, match="the mask is 50 x 40 px, the image 40 x 40"):
        read_mask(tmp_path / "plain.fits", (40, 40))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1),
    damage=st.sampled_from(["flip", "cut", "card", "value", "insert", "zero"]),
)
def test_damaged_files_give_an_image_or_an_image_error(tmp_path_factory, seed, damage):
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.getbasetemp()
    whole = bytearray(fits_bytes())
    if damage == "flip":
        for place in rng.integers(0, 5760, 20):
            whole[place] ^= 1 << int(rng.integers(8))
    elif damage == "cut":
        whole = whole[: rng.integers(len(whole))]
    elif damage in ("card", "value"):
        place = 80 * int(rng.integers(12)) + (0 if damage == "card" else 10)
        text = rng.choice(
            [b"NAXIS1", b"-1", b"1E400", b"'str", b"T", b"999999", b"GCOUNT", b"NaN"]
        )
        whole[place : place + 20] = bytes(text).ljust(20)
    elif damage == "insert":
        place = int(rng.integers(len(whole)))
        whole[place:place] = rng.bytes(int(rng.integers(1, 200)))
    else:
        place = int(rng.integers(len(whole)))
        whole[place : place + 3000] = bytes(3000)
    path = folder / "damaged.fits"
    path.write_bytes(bytes(whole))
    try:
        stamp = make_stamp(read_image(path, pixscale=0.396), 64)
    except ImageError as error:
        assert str(error).startswith(str(path)) and error.remedy
    else:
        assert stamp.data.shape == (64, 64) and np.isfinite(stamp.data).all()


def fits_bytes():
    hdus = fits.HDUList([fits.PrimaryHDU(disc(40), header()), fits.ImageHDU(disc(36), header())])
    return b"".join(
        np.frombuffer(part, dtype="u1").tobytes()
        for hdu in hdus
        for part in (
            hdu.header.tostring(padding=True).encode(),
            hdu.data.astype(">f4").tobytes().ljust(-(-hdu.data.nbytes // 2880) * 2880, b"\0"),
        )
    )


def test_the_undamaged_file_is_read(tmp_path):
    (tmp_path / "a.fits").write_bytes(fits_bytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.fits").data, disc(40))


@settings(max_examples=100, deadline=None)
@given(
    shape=st.tuples(st.integers(32, 90), st.integers(32, 90)),
    scale=st.floats(0.1, 2.0),
    seed=st.integers(0, 1000),
    dirt=st.sampled_from([0.0, 1e-30, 1e11, np.nan, np.inf, -np.inf]),
    share=st.floats(0, 0.4),
)
def test_stamps_are_finite_or_refused(shape, scale, seed, dirt, share):
    rng = np.random.default_rng(seed)
    data = rng.normal(0, NOISE, shape).astype("f4")
    data += gaussian(shape, (shape[1] / 2, shape[0] / 2), 5.0, 100.0).astype("f4")
    data[rng.random(shape) < share] = dirt if np.isfinite(dirt) else np.nan
    try:
        stamp = make_stamp(as_image(data, pixscale=scale), 64)
    except ImageError as error:
        assert error.found and error.remedy
    else:
        assert stamp.data.dtype == np.float32 and np.isfinite(stamp.data).all()


def pixel_gaussian(size, centre, sigma, flux):
    """A Gaussian integrated over each pixel, exactly."""
    edges = (np.arange(size + 1) - 0.5)[None] - np.array(centre)[:, None]
    x, y = np.diff(0.5 * erf(edges / (sigma * np.sqrt(2))), axis=1)
    return flux * np.outer(y, x)


@pytest.mark.parametrize("factor", [1 / 4, 1 / 2.53, 0.262 / 0.396, 1.0, 1.3, 2.0, 3.7])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.3, -0.45)])
def test_resampling_conserves_flux_place_and_shape(factor, offset):
    size, sigma = 121, 6.0
    data = pixel_gaussian(size, (60 + offset[0], 60 + offset[1]), sigma, 50.0)
    out, covered = resample(data, 0.396 * factor, 0.396)
    assert covered.all() and abs(len(out) - size * factor) < 1
    assert out.sum() == pytest.approx(data.sum(), rel=1e-6)
    middle = [o * factor + (len(out) - 1) / 2 for o in offset]
    expected = pixel_gaussian(len(out), middle, sigma * factor, 50.0)
    np.testing.assert_allclose(out, expected, atol=1e-3 * expected.max())
    first, step = resampled_pixels(0.396 * factor, (60, 60), out.shape, 0.396)
    assert [a + step * m for a, m in zip(first, middle, strict=True)] == pytest.approx(
        [60 + o for o in offset], abs=1e-9
    )


@pytest.mark.parametrize("pixscale", [0.262, 0.396, 0.3958, 0.75])
@pytest.mark.parametrize("corner", [(0, 0), (1000, 30)])
def test_a_place_on_the_stamp_is_one_in_the_file(pixscale, corner):
    place, sigma = (70.3, 98.6), 1.6 / pixscale
    data = pixel_gaussian(180, place, sigma, 200.0).astype("f4")
    image = as_image(data, pixscale=pixscale, centre=(73.0, 95.2), corner=corner)
    stamp = make_stamp(image, 64)
    y, x = np.indices(stamp.data.shape)
    centroid = [(axis * stamp.data).sum() / stamp.data.sum() for axis in (x, y)]
    expected = [c + p for c, p in zip(corner, place, strict=True)]
    assert stamp.in_file(*centroid) == pytest.approx(expected, abs=0.01)


def test_resampling_a_sampled_star_is_right_within_a_per_cent():
    """A star with a full width of 2.5 px, the coarsest sampling of a sensible survey."""
    data = pixel_gaussian(41, (20.2, 19.7), 2.5 / 2.355, 1.0)
    out, _ = resample(data, 1.0)
    middle = [o / 0.396 + (len(out) - 1) / 2 for o in (0.2, -0.3)]
    expected = pixel_gaussian(len(out), middle, 2.5 / 2.355 / 0.396, 1.0)
    np.testing.assert_allclose(out, expected, atol=0.01 * expected.max())
    assert out.sum() == pytest.approx(1.0, rel=1e-3)


def test_resampling_a_sersic_keeps_its_surface_brightness():
    size = 401
    y, x = np.indices((size, size)) - (size - 1) / 2
    radius = np.hypot(x, y / 0.6) * 0.15
    light = np.exp(-((radius / 4.0) ** 0.5)) * 0.15**2
    out, _ = resample(light, 0.15)
    y, x = np.indices(out.shape) - (np.array(out.shape)[:, None, None] - 1) / 2
    radius = np.hypot(x, y / 0.6) * 0.396
    ratio = out / 0.396**2 / np.exp(-((radius / 4.0) ** 0.5))
    assert np.abs(2.5 * np.log10(ratio[radius > 2.0])).max() < 0.01


def test_same_scale_is_the_same_pixels():
    data = disc(60)
    out, covered = resample(data, 0.396)
    assert covered.all()
    np.testing.assert_array_equal(out, data)
    np.testing.assert_array_equal(resample(data, 0.3958)[0], data)
    crop, _ = resample(data, 0.396, shape=(20, 30))
    np.testing.assert_array_equal(crop, data[20:40, 15:45])
    padded, covered = resample(data, 0.396, shape=(64, 70))
    np.testing.assert_array_equal(padded[2:62, 5:65], data)
    assert covered.sum() == data.size and (padded[~covered] == 0).all()


def test_shrinking_by_a_whole_number_sums_blocks():
    data = np.random.default_rng(0).normal(size=(60, 90))
    out, _ = resample(data, 0.132)
    np.testing.assert_allclose(out, data.reshape(20, 3, 30, 3).sum(axis=(1, 3)), atol=1e-12)


def test_resampling_is_linear_and_turns_with_the_image():
    data = np.random.default_rng(0).normal(size=(50, 50))
    out, _ = resample(data, 0.25)
    np.testing.assert_allclose(resample(3 * data + 1, 0.25)[0], 3 * out + (0.396 / 0.25) ** 2)
    np.testing.assert_allclose(resample(np.rot90(data), 0.25)[0], np.rot90(out), atol=1e-12)


def test_missing_pixels_are_filled_from_their_neighbours():
    data = 5.0 + 0.1 * np.add.outer(np.arange(60.0), np.arange(60.0))
    holed = data.copy()
    holed[30, 30] = holed[10:12, 40:43] = np.nan
    filled = fill_missing(holed)
    missing = np.isnan(holed)
    assert np.abs(filled - data)[missing].max() < 0.1
    np.testing.assert_array_equal(filled[~missing], data[~missing])
    wide = data.copy()
    wide[:, :30] = np.nan
    assert fill_missing(wide, noise=0.5)[:, :15].std() == pytest.approx(0.5, rel=0.1)
    assert fill_missing(data) is data


def test_border_sky():
    rng = np.random.default_rng(0)
    level, noise = border_sky(rng.normal(2.0, 0.1, (200, 300)))
    assert level == pytest.approx(2.0, abs=0.02) and noise == pytest.approx(0.1, rel=0.05)
    empty = np.full((64, 64), np.nan)
    empty[20:40, 20:40] = 1.0
    assert np.isnan(border_sky(empty)).all()


@pytest.mark.parametrize("shape", [(64, 64), (81, 67), (256, 200)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_border_sky_is_that_of_its_definition(shape, dtype, share):
    rng = np.random.default_rng(1)
    data = rng.normal(0.3, 0.1, shape).astype(dtype)
    data[rng.random(shape) < share] = rng.choice([np.nan, np.inf])
    width = max(4, min(shape) // 16)
    strips = (data[:width], data[-width:], data[:, :width].T, data[:, -width:].T)
    pieces = [piece for strip in strips for piece in np.array_split(strip, 4, axis=1)]
    pieces = [piece[np.isfinite(piece)] for piece in pieces]
    pieces = [piece for piece in pieces if len(piece) >= 8]
    levels = [np.median(piece) for piece in pieces]
    apart = [np.median(np.abs(p - level)) for p, level in zip(pieces, levels, strict=True)]
    expected = (min(levels), 1.4826 * np.median(apart)) if pieces else (np.nan, np.nan)
    np.testing.assert_allclose(border_sky(data), expected, rtol=1e-6)


def test_far_sky_is_subtracted_and_said():
    clean = make_stamp(as_image(disc(100)), 64)
    stamp = make_stamp(as_image(disc(100) + np.float32(1.7)), 64)
    np.testing.assert_allclose(stamp.data, clean.data, atol=0.02)
    assert stamp.sky == pytest.approx(1.7, rel=0.02)
    assert any("subtracted (border)" in flag for flag in stamp.flags)
    assert clean.sky == 0 and clean.flags == ()
    faint = make_stamp(as_image(disc(100) + np.float32(2 * NOISE)), 64)
    assert faint.sky == 0 and any("not subtracted" in flag for flag in faint.flags)


def test_small_images_are_padded_with_noise_like_their_own():
    stamp = make_stamp(as_image(disc(100)), 256)
    assert stamp.data.shape == (256, 256) and stamp.covered.sum() == 100**2
    np.testing.assert_array_equal(stamp.data[78:178, 78:178], disc(100))
    outside = stamp.data[~stamp.covered]
    assert outside.std() == pytest.approx(NOISE, rel=0.1)
    assert abs(outside.mean()) < 5 * NOISE / np.sqrt(outside.size)
    assert any("100 x 100 px of 256" in flag for flag in stamp.flags)
    np.testing.assert_array_equal(stamp.data, make_stamp(as_image(disc(100)), 256).data)


def test_large_images_are_cropped_about_the_centre():
    data = disc(300, centre=(200.0, 90.0))
    stamp = make_stamp(as_image(data, centre=(200.0, 90.0)), 64)
    np.testing.assert_array_equal(stamp.data, data[58:122, 168:232])
    assert stamp.covered.all() and stamp.flags == ()


@pytest.mark.parametrize("pixscale", [0.2, 0.396, 0.7])
def test_off_centre_by_more_than_the_crop_is_refused_unless_asked_for(pixscale):
    size = round(160 / pixscale)
    place = (0.15 * size, 0.8 * size)
    data = disc(size, place, scale=3.0 / pixscale, peak=4.0)
    image = as_image(data, pixscale=pixscale)
    with pytest.raises(ImageError, match=r"outside the 128 px .*--centre \d+ \d+") as caught:
        make_stamp(image, 128)
    words = str(caught.value).split("--centre ")[1].split()[:2]
    assert np.hypot(int(words[0]) - place[0], int(words[1]) - place[1]) * pixscale < 1.5
    stamp = make_stamp(as_image(data, pixscale=pixscale, centre=place), 128)
    assert stamp.data.argmax() // 128 in (62, 63, 64, 65)
    middle = ((size - 1) / 2, (size - 1) / 2)
    asked = make_stamp(as_image(data, pixscale=pixscale, centre=middle), 128)
    assert any("no bright extended source" in flag for flag in asked.flags)


def test_off_centre_within_the_crop_is_said():
    flags = make_stamp(as_image(disc(256, (180.0, 127.0))), 256).flags
    assert any("px off centre, at x=180, y=127" in flag for flag in flags)
    assert make_stamp(as_image(disc(256, (140.0, 127.0))), 256).flags == ()


def test_a_bright_star_outside_is_no_galaxy():
    data = disc(400) + gaussian((400, 400), (30, 370), 1.5, 5000.0).astype("f4")
    assert make_stamp(as_image(data), 128).flags == ()
    sources = extended_sources(disc(400), NOISE)
    assert len(sources) == 1 and sources[0].x == pytest.approx(199.5, abs=1)
    assert extended_sources(np.zeros((64, 64)), 0.0) == []


def test_missing_pixels_are_said_and_the_centre_must_be_there():
    data = disc(80)
    data[10:14, 20:24] = np.nan
    stamp = make_stamp(as_image(data), 64)
    assert any("16 missing pixels" in flag for flag in stamp.flags)
    data[30:50, 30:50] = np.nan
    with pytest.raises(ImageError, match="pixels at its centre are NaN"):
        make_stamp(as_image(data), 64)


def test_an_image_of_too_few_survey_pixels_is_refused():
    with pytest.raises(ImageError, match="under 32 px"):
        make_stamp(as_image(disc(40), pixscale=0.1), 64)


def test_noise_alone_is_said():
    assert "no extended source found" in make_stamp(as_image(disc(80, peak=0.0)), 64).flags


def test_reading_warns_about_nothing(tmp_path):
    path = write(tmp_path / "a.fits", disc(), sky_header())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_stamp(read_image(path), 64)


@pytest.mark.parametrize(
    ("shape", "pixscale", "centre", "side"),
    [
        ((256, 256), PIXSCALE, None, 256),
        ((257, 256), PIXSCALE, None, 256),
        ((150, 150), PIXSCALE, None, 160),
        ((60, 90), PIXSCALE, None, 128),
        ((2000, 2000), PIXSCALE, None, 448),
        ((200, 200), 2 * PIXSCALE, None, 416),
        ((256, 256), PIXSCALE, (100.0, 127.5), 320),
    ],
)
def test_a_stamp_is_as_large_as_the_image_within_what_a_network_takes(
    shape, pixscale, centre, side
):
    image = as_image(np.zeros(shape, np.float32), pixscale=pixscale, centre=centre)
    assert stamp_side(image, 128, 448) == side
    assert stamp_side(image, 256, 256) == 256
