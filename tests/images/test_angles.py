import numpy as np
import pytest
from astropy import units as u
from astropy.wcs import WCS

from pix2prof.images.angles import array_angles, sky_angles, sky_axes, sky_place


def astropys_way(wcs, x, y, pa):
    """By offsets in astropy's own coordinates, slowly."""
    places = wcs.pixel_to_world([x, x + 1, x], [y, y, y + 1]).icrs
    east, north = places[0].spherical_offsets_to(places[1:])
    angle = np.arctan2(
        np.cos(pa) * east[0] + np.sin(pa) * east[1], np.cos(pa) * north[0] + np.sin(pa) * north[1]
    )
    return angle.to(u.deg) % (180 * u.deg)


def wcs_of(kinds, frame="ICRS", at=(359.99995, 41.0)):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"{kind:-<4}-TAN" for kind in kinds]
    wcs.wcs.crval, wcs.wcs.crpix = at, (30.0, 20.0)
    scale, turn = 0.396 / 3600, np.radians(37)
    wcs.wcs.cd = scale * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if frame:
        wcs.wcs.radesys = frame
    return wcs


@pytest.mark.parametrize(
    "wcs",
    [
        wcs_of(("RA", "DEC")),
        wcs_of(("DEC", "RA"), at=(-60.0, 0.0)),
        wcs_of(("RA", "DEC"), "FK5"),
        wcs_of(("RA", "DEC"), "FK4", at=(200.0, 89.9)),
        wcs_of(("GLON", "GLAT"), None),
    ],
    ids=["ICRS over RA 0", "DEC first", "FK5", "FK4 by the pole", "Galactic"],
)
def test_angles_and_places_on_the_sky_are_astropys(wcs):
    pa = np.linspace(0, 175, 36) * u.deg
    found, expected = sky_angles(wcs, 30.3, 18.7, pa), astropys_way(wcs, 30.3, 18.7, pa)
    off = (found - expected + 90 * u.deg) % (180 * u.deg) - 90 * u.deg
    assert found.unit == u.deg and np.abs(off.value).max() < 1e-4
    x_axis, y_axis = sky_axes(wcs, 30.3, 18.7)
    east, north = wcs.pixel_to_world(30.3, 18.7).icrs.spherical_offsets_to(
        wcs.pixel_to_world(31.3, 18.7).icrs
    )
    assert x_axis == pytest.approx(np.degrees(np.arctan2(east, north)).value % 360, abs=1e-4)
    assert y_axis % 180 == pytest.approx(found[18].value, abs=1e-4)
    assert abs((y_axis - x_axis) % 180 - 90) < 1e-3
    place, there = sky_place(wcs, 30.3, 18.7), wcs.pixel_to_world(30.3, 18.7).icrs
    assert place == pytest.approx((there.ra.deg, there.dec.deg), abs=1e-9)
    assert (found >= 0 * u.deg).all() and (found < 180 * u.deg).all()
    back = array_angles(wcs, 30.3, 18.7, found)
    off = (back - pa + 90 * u.deg) % (180 * u.deg) - 90 * u.deg
    assert back.unit == u.deg and np.abs(off.value).max() < 1e-6
