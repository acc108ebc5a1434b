import bz2
import io
import sys
import types

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from loopback import Loopback, instead, status, truncated
from photutils.aperture import CircularAperture
from scipy.ndimage import maximum_filter

from pix2prof.archives import places as archives
from pix2prof.archives import stand_ins
from pix2prof.archives.downloads import ArchiveError, NoNetwork, NotFound, OutOfFootprint
from pix2prof.archives.fetching import Addresses, Fetcher
from pix2prof.archives.sdss_fields import Field, find_fields, frame_path
from pix2prof.images.image import read_image
from pix2prof.mock import frames

PLACE = (150.0, 20.0)
FIELD = Field(4510, 4, 30)


def header(shape, crpix, scale=0.396, angle=40.0):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], PLACE
    wcs.wcs.crpix, wcs.wcs.cd = crpix, np.array([[-c, s], [s, c]]) * scale / 3600
    out = wcs.to_header()
    for i in (1, 2):
        for j in (1, 2):
            out[f"CD{i}_{j}"] = wcs.wcs.cd[i - 1, j - 1]
            out.remove(f"PC{i}_{j}", ignore_missing=True)
        out.remove(f"CDELT{i}", ignore_missing=True)
    return out


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.02, shape).astype(np.float32)


def packed(hdus):
    stream = io.BytesIO()
    hdus.writeto(stream)
    return stream.getvalue()


def frame(data, crpix, field=FIELD, band="r"):
    hdus = stand_ins.frame_hdus(data, header(data.shape, crpix), field, band)
    return bz2.compress(packed(hdus))


def cutout(data, band="r", bands=None):
    extra = header(data.shape, ((data.shape[1] + 1) / 2,) * 2, 0.262, 0.0)
    extra["BANDS"] = bands or band
    return packed(fits.HDUList([fits.PrimaryHDU(data, extra)]))


@pytest.fixture
def server():
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def fetcher(server, tmp_path):
    where = Addresses(f"{server.url}/sas", f"{server.url}/viewer/", f"{server.url}/api")
    return Fetcher(tmp_path / "cache", where, interval=0.0, sleep=lambda seconds: None)


def serve_frame(server, data, crpix, field=FIELD, band="r"):
    path = f"/sas/{frame_path(field, band)}"
    server.bodies[path] = frame(data, crpix, field, band)
    return path


@pytest.mark.parametrize(
    ("release", "folder"),
    [
        (12, "dr12/boss"),
        (13, "dr13/eboss"),
        (17, "dr17/eboss"),
        (18, "dr18/prior-surveys/sdss4-dr17-eboss"),
    ],
)
def test_frames_lie_where_the_archive_has_them(release, folder):
    assert frame_path(Field(94, 6, 11), "i", release) == (
        f"{folder}/photoObj/frames/301/94/6/frame-i-000094-6-0011.fits.bz2"
    )


def test_a_place_is_cut_out_of_its_frame(server, fetcher):
    data = noise((300, 320))
    path = serve_frame(server, data, (150.0, 160.0))
    hdu = archives.sdss_image(fetcher, *PLACE, "r", 128, fields=[FIELD])
    assert np.array_equal(hdu.data, data[95:223, 85:213])
    assert [asked for asked, _ in server.asked] == [path]
    assert hdu.header["COVERED"] == 1.0
    assert hdu.header["FRAME01"] == "frame-r-004510-4-0030"
    assert hdu.header["SOURCE"] == fetcher.addresses.sdss


def test_what_comes_is_an_image_for_the_commands_and_a_frame_for_the_sky(
    server, fetcher, tmp_path
):
    serve_frame(server, noise((300, 320)), (150.0, 160.0))
    hdu = archives.sdss_image(fetcher, *PLACE, "r", 128, fields=[FIELD])
    hdu.writeto(tmp_path / "one.fits")
    image = read_image(tmp_path / "one.fits")
    assert (image.band, image.zeropoint, image.flags) == ("r", 22.5, ())
    assert image.pixscale == pytest.approx(0.396, rel=1e-4)
    assert image.wcs.world_to_pixel_values(*PLACE) == pytest.approx((63.5, 63.5), abs=0.51)
    cached = next(fetcher.cache.rglob("frame-r-*.bz2"))
    assert frames.read_frame(cached)["sky"] == pytest.approx(0.75)


def test_over_an_edge_the_next_frame_goes_on(server, fetcher):
    whole, after = noise((320, 300)), Field(4510, 4, 31)
    serve_frame(server, whole[:200], (150.0, 160.0))
    second = serve_frame(server, whole[130:], (150.0, 30.0), after)
    hdu = archives.sdss_image(fetcher, *PLACE, "r", 60, fields=[FIELD, after])
    assert np.array_equal(hdu.data, whole[129:189, 119:179])
    assert second not in [asked for asked, _ in server.asked]
    hdu = archives.sdss_image(fetcher, *PLACE, "r", 200, fields=[FIELD, after])
    assert np.array_equal(hdu.data, whole[59:259, 49:249])
    assert {hdu.header["FRAME01"], hdu.header["FRAME02"]} == {
        "frame-r-004510-4-0030",
        "frame-r-004510-4-0031",
    }


def test_where_no_frame_reaches_it_is_missing(server, fetcher):
    serve_frame(server, noise((300, 320)), (30.0, 160.0))
    hdu = archives.sdss_image(fetcher, *PLACE, "r", 129, fields=[FIELD])
    assert np.isnan(hdu.data).any(axis=0).sum() == 35
    assert hdu.header["COVERED"] == pytest.approx(94 / 129)


def test_another_band_on_the_same_pixels(server, fetcher):
    serve_frame(server, noise((300, 320)), (150.0, 160.0))
    serve_frame(server, noise((300, 320), 1), (154.4, 163.7), band="g")
    r = archives.sdss_image(fetcher, *PLACE, "r", 128, fields=[FIELD])
    g = archives.sdss_image(fetcher, *PLACE, "g", fields=[FIELD], grid=archives.grid_of(r))
    assert g.data.shape == r.data.shape
    for key in ("CRPIX1", "CRPIX2", "CRVAL1", "PC1_1", "PC1_2"):
        assert g.header[key] == pytest.approx(r.header[key])
    assert np.isfinite(g.data).all()


def test_a_place_off_the_frame_is_told(server, fetcher):
    serve_frame(server, noise((300, 320)), (1500.0, 160.0))
    with pytest.raises(ValueError, match=r"Dec 20\.000000 is not on frame-r-004510-4-0030"):
        archives.sdss_image(fetcher, *PLACE, "r", 128, fields=[FIELD])


@pytest.mark.parametrize(
    "misbehaviour",
    [
        status(503, Retry_After="1"),
        truncated(0.9),
        instead(b"<html>maintenance</html>"),
        instead(frame(noise((300, 320)), (150.0, 160.0), band="g")),
        instead(frame(noise((300, 320)), (150.0, 160.0), Field(4510, 4, 31))),
        instead(frame(noise((300, 320)), (150.0, 160.0))[:-9999]),
        instead(cutout(noise((64, 64)))),
    ],
    ids=["busy", "cut", "words", "other band", "other field", "cut unseen", "no frame"],
)
def test_a_frame_that_is_not_the_one_is_asked_for_again(server, fetcher, misbehaviour):
    path = serve_frame(server, noise((300, 320)), (150.0, 160.0))
    server.script[path] = [misbehaviour]
    hdu = archives.sdss_image(fetcher, *PLACE, "r", 128, fields=[FIELD])
    assert hdu.header["BAND"] == "r" and len(server.asked) == 2


def test_a_frame_that_is_not_there_is_named(fetcher):
    with pytest.raises(NotFound, match=r"frame-r-004510-4-0030\.fits\.bz2: HTTP 404"):
        archives.sdss_image(fetcher, *PLACE, "r", fields=[FIELD])


@pytest.mark.parametrize("text", ["4510-4", "a-b-c", "4510-7-30", "0-1-1", "4510-4-0"])
def test_what_is_no_field_is_refused(text):
    with pytest.raises(ValueError, match=f"'{text}' is no field"):
        Field.parse(text)


def test_fields_are_read_as_written():
    assert Field.parse("4510-4-30") == FIELD


@pytest.fixture
def catalogue(monkeypatch):
    """A stand-in for astroquery.sdss with the signature of `SDSS.query_region`."""
    asked = []

    class SDSS:
        answer = None

        @classmethod
        def query_region(cls, coordinates, *, radius=None, fields=None, data_release=17):
            asked.append((coordinates, radius, fields, data_release))
            if isinstance(cls.answer, Exception):
                raise cls.answer
            return cls.answer

    module = types.ModuleType("astroquery.sdss")
    module.SDSS = SDSS
    monkeypatch.setitem(sys.modules, "astroquery", types.ModuleType("astroquery"))
    monkeypatch.setitem(sys.modules, "astroquery.sdss", module)
    SDSS.asked = asked
    return SDSS


def test_the_catalogue_gives_the_fields_fullest_first(catalogue):
    rows = [(4510, 4, 31), (4510, 4, 30), (4510, 4, 30), (94, 1, 7), (4510, 4, 30), (94, 1, 7)]
    catalogue.answer = Table(rows=rows, names=("run", "camcol", "field"))
    assert find_fields(*PLACE, 512) == [FIELD, Field(94, 1, 7), Field(4510, 4, 31)]
    coordinates, radius, fields, release = catalogue.asked[0]
    assert (coordinates.ra.deg, coordinates.dec.deg) == pytest.approx(PLACE)
    assert radius.to_value("arcsec") == pytest.approx(512 * 0.396 / np.sqrt(2))
    assert (fields, release) == (["run", "camcol", "field"], 17)


def test_a_wide_cut_asks_for_no_wider_cone_than_the_server_allows(catalogue):
    catalogue.answer = Table(rows=[(94, 1, 7)], names=("run", "camcol", "field"))
    find_fields(*PLACE, 4000)
    assert catalogue.asked[0][1].to_value("arcmin") <= 3


def test_a_place_without_fields_is_looked_up(server, fetcher, catalogue):
    serve_frame(server, noise((300, 320)), (150.0, 160.0))
    catalogue.answer = Table(rows=[(4510, 4, 30)], names=("run", "camcol", "field"))
    assert archives.sdss_image(fetcher, *PLACE, "r", 64).data.shape == (64, 64)


def test_a_place_outside_the_sdss_is_told(catalogue):
    with pytest.raises(OutOfFootprint, match="the SDSS has no object there"):
        find_fields(*PLACE, 512)


def test_a_catalogue_out_of_reach_is_told(catalogue):
    catalogue.answer = ConnectionError("no route")
    with pytest.raises(ArchiveError, match=r"gave no answer \(no route\); check the network"):
        find_fields(*PLACE, 512)


def test_without_astroquery_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "astroquery.sdss", None)
    with pytest.raises(ArchiveError, match=r"pip install 'pix2prof\[archives\]'"):
        find_fields(*PLACE, 512)


CUT = "/viewer/fits-cutout"


def test_a_cutout_is_asked_for_as_the_viewer_wants(server, tmp_path, fetcher):
    data = noise((96, 96))
    server.answer = lambda path: cutout(data)
    hdu = archives.legacy_image(fetcher, *PLACE, "r", 96)
    assert np.array_equal(hdu.data, data)
    assert server.asked[0][0] == (
        f"{CUT}?ra=150.000000&dec=20.000000&layer=ls-dr10&pixscale=0.262&bands=r&size=96"
    )
    hdu.writeto(tmp_path / "one.fits")
    image = read_image(tmp_path / "one.fits")
    assert image.pixscale == pytest.approx(0.262, rel=1e-4) and image.flags == ()
    archives.legacy_image(fetcher, *PLACE, "r", 96)
    assert len(server.asked) == 1


def test_a_cube_of_one_plane_is_a_cutout_too(server, fetcher):
    data = noise((1, 96, 96))
    flat = fits.open(io.BytesIO(cutout(data[0])))
    server.answer = lambda path: packed(fits.HDUList([fits.PrimaryHDU(data, flat[0].header)]))
    assert archives.legacy_image(fetcher, *PLACE, "r", 96).data.shape == (96, 96)


def test_pixels_without_an_exposure_are_missing(server, fetcher):
    data = noise((96, 96))
    data[:, :20], data[0, 50] = 0.0, np.nan
    server.answer = lambda path: cutout(data)
    hdu = archives.legacy_image(fetcher, *PLACE, "r", 96)
    assert np.isnan(hdu.data).sum() == 20 * 96 + 1
    assert hdu.header["COVERED"] == pytest.approx(1 - (20 * 96 + 1) / 96**2)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_outside_the_footprint_is_told_and_not_asked_again(server, fetcher, value):
    data = noise((96, 96))
    data[:40] = value
    server.answer = lambda path: cutout(data)
    for _ in range(2):
        with pytest.raises(OutOfFootprint, match=r"42% of the r cut-out of ls-dr10 are blank"):
            archives.legacy_image(fetcher, *PLACE, "r", 96)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (b"No such layer", "not a FITS file.*begins 'No such layer'"),
        (cutout(noise((256, 256))), "256 x 256 px, not 96 x 96"),
        (cutout(noise((96, 96)), bands="g"), "of the band 'g', not r"),
        (packed(fits.HDUList([fits.PrimaryHDU(noise((96, 96)))])), "no celestial WCS"),
        (packed(fits.HDUList([fits.PrimaryHDU()])), "no 2-D image"),
    ],
    ids=["words", "another size", "another band", "no WCS", "no image"],
)
def test_what_is_no_such_cutout_is_told(server, fetcher, other, words):
    server.answer = lambda path: other
    with pytest.raises(ArchiveError, match=words):
        archives.legacy_image(fetcher, *PLACE, "r", 96)
    assert not list(fetcher.cache.rglob("*.fits"))


def test_cutouts_are_asked_for_within_reason(fetcher):
    with pytest.raises(ValueError, match="at most 512, for more sky give a larger pixscale"):
        archives.legacy_image(fetcher, *PLACE, "r", 513)
    with pytest.raises(ValueError, match="found the band 'u'; the Legacy Surveys have g, r, i"):
        archives.legacy_image(fetcher, *PLACE, "u")
    with pytest.raises(ValueError, match="found the band 'y'; SDSS has u, g, r, i, z"):
        archives.sdss_image(fetcher, *PLACE, "y", fields=[FIELD])


def test_what_is_in_the_cache_needs_no_network(server, fetcher):
    serve_frame(server, noise((300, 320)), (150.0, 160.0))
    archives.sdss_image(fetcher, *PLACE, "r", 64, fields=[FIELD])
    fetcher.offline = True
    assert archives.sdss_image(fetcher, *PLACE, "r", 96, fields=[FIELD]).data.shape == (96, 96)
    with pytest.raises(NoNetwork, match="offline"):
        archives.sdss_image(fetcher, *PLACE, "g", 64, fields=[FIELD])


def test_a_real_frame_on_other_pixels_keeps_its_flux(server, fetcher, real):
    """The frames of two bands of one field are some pixels apart and a little turned."""
    field, place = Field(4510, 4, 30), (200.45450136, 36.80833611)
    for band in "gr":
        path = real / "frames" / field.frame(band)
        server.bodies[f"/sas/{frame_path(field, band)}"] = path.read_bytes()
    r = archives.sdss_image(fetcher, *place, "r", 600, fields=[field])
    g = archives.sdss_image(fetcher, *place, "g", fields=[field], grid=archives.grid_of(r))
    own = archives.sdss_image(fetcher, *place, "g", 700, fields=[field])
    stars = (g.data == maximum_filter(g.data, 25)) & (g.data > 0.5)
    y, x = (part + 30 for part in np.nonzero(stars[30:-30, 30:-30]))
    sky = archives.grid_of(g).wcs.pixel_to_world_values(x, y)
    there = archives.grid_of(own).wcs.world_to_pixel_values(*sky)
    after = fluxes(g.data, x, y)
    before = fluxes(own.data, *there)
    assert len(before) > 1
    assert after == pytest.approx(before, rel=3e-3)


def fluxes(data, x, y):
    circles = CircularAperture(np.column_stack([x, y]), 8)
    return circles.do_photometry(data.astype(float))[0]
