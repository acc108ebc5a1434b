"""The WCS of an image: the short way through its header gives what astropy's long one does."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from pix2prof.images import celestial
from pix2prof.images.celestial import celestial_wcs

PLACE = {"CRVAL1": 150.0, "CRVAL2": 62.5, "CRPIX1": 50.5, "CRPIX2": 41.25}
TANGENT = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", **PLACE}
CD = {"CD1_1": -1e-4, "CD1_2": 2e-5, "CD2_1": 2.1e-5, "CD2_2": 1.1e-4}
SCALE = {"CDELT1": -1e-4, "CDELT2": 1e-4}
PLAIN = {
    "matrix": TANGENT | CD,
    "half a matrix": TANGENT | {"CD1_2": 1e-4, "CD2_1": 1e-4, "EQUINOX": 2000.0},
    "scale": TANGENT | SCALE | {"CUNIT1": "deg", "CUNIT2": "deg", "WCSAXES": 2},
    "turned": TANGENT | SCALE | {"PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
    "poles": TANGENT | SCALE | {"LONPOLE": 170.0, "LATPOLE": 62.5, "RADESYS": "ICRS"},
    "of 1975": TANGENT | CD | {"RADESYS": "FK5", "EQUINOX": 1975.0, "DATE-OBS": "2001-02-03"},
    "whole numbers": TANGENT | CD | {"CRVAL1": 150, "CRPIX1": 50},
}
OTHER = {
    "sine": TANGENT | CD | {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"},
    "galactic": TANGENT | CD | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
    "declination first": TANGENT | CD | {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN",
                                         "CRVAL1": 62.5, "CRVAL2": 150.0},
    "an old angle": TANGENT | SCALE | {"CROTA2": 30.0},
    "two scales": TANGENT | SCALE | CD,
    "seconds": TANGENT | {"CDELT1": -0.4, "CDELT2": 0.4, "CUNIT1": "arcsec", "CUNIT2": "arcsec"},
    "B1950": TANGENT | CD | {"RADESYS": "FK4", "EQUINOX": 1950.0},
    "an epoch": TANGENT | CD | {"EPOCH": 1950.0},
    "distorted": TANGENT | CD | {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP",
                                 "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-3, "B_0_2": 1e-3},
    "polynomial": TANGENT | CD | {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.01},
    "a second one": TANGENT | CD | {"CTYPE1A": "LINEAR", "CTYPE2A": "LINEAR", "CRPIX1A": 3.0},
}  # fmt: skip


def header(cards):
    """Header of an image of 100 x 80 px; as text and back, as from a file."""
    made = fits.ImageHDU(np.zeros((80, 100), np.float32), fits.Header(cards)).header
    return fits.Header.fromstring(made.tostring())


def full(cards):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WCS(header(cards))


@pytest.mark.parametrize("name", [*PLAIN, *OTHER])
def test_every_wcs_is_astropys(name, monkeypatch):
    cards = (PLAIN | OTHER)[name]
    expected = full(cards).celestial
    if name in PLAIN:
        monkeypatch.setattr(celestial, "WCS", lambda header=None, **options: WCS(**options))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = celestial_wcs(header(cards))
    x, y = np.meshgrid([0.0, 17.3, 99.0], [0.0, 40.2, 79.0])
    np.testing.assert_array_equal(
        found.pixel_to_world_values(x, y), expected.pixel_to_world_values(x, y)
    )
    here, there = (wcs.pixel_to_world(x, y) for wcs in (found, expected))
    assert here.frame.is_equivalent_frame(there.frame)
    np.testing.assert_array_equal(
        proj_plane_pixel_scales(found), proj_plane_pixel_scales(expected)
    )
    assert found.pixel_shape == (100, 80)


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
        TANGENT | CD | {"CRVAL1": "east"},
        TANGENT | {"CD1_1": 0.0, "CD2_2": 0.0},
        TANGENT | CD | {"CRVAL2": 1e9},
    ],
)
def test_none_or_a_broken_one_is_none(cards):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = celestial_wcs(header(cards))
        try:
            expected = WCS(header(cards))
            expected = expected.celestial if expected.has_celestial else None
        except Exception:
            expected = None
    assert (found is None) == (expected is None)
    if found is not None:
        np.testing.assert_array_equal(found.wcs.crval, expected.wcs.crval)
