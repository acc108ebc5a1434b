"""Places and position angles: from the array to the sky, and angles back."""

import numpy as np
from astropy import units as u
from astropy.coordinates import ICRS, SkyCoord, position_angle
from astropy.wcs.utils import wcs_to_celestial_frame


def sky_angles(wcs, x, y, pa):
    """Turn position angles on the array to north through east (ICRS).

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial WCS of the image.
    x, y : float
        Where on it [pixel, 0-based].
    pa : astropy.units.Quantity
        Angles counter-clockwise from +x, any shape.

    Returns
    -------
    pa : astropy.units.Quantity
        In [0, 180) degrees, the same shape.
    """
    east, north = _directions(wcs, x, y)
    cosine, sine = np.cos(pa), np.sin(pa)
    angle = np.arctan2(cosine * east[0] + sine * east[1], cosine * north[0] + sine * north[1])
    return angle.to(pa.unit) % (180 * u.deg)


def array_angles(wcs, x, y, pa):
    """Turn position angles on the sky to the array, what `sky_angles` does the other way.

    Parameters
    ----------
    wcs, x, y
        As for `sky_angles`.
    pa : astropy.units.Quantity
        Angles north through east (ICRS), any shape.

    Returns
    -------
    pa : astropy.units.Quantity
        Counter-clockwise from +x, in [0, 180) degrees, the same shape.
    """
    east, north = _directions(wcs, x, y)
    cosine, sine = np.cos(pa), np.sin(pa)
    angle = np.arctan2(sine * north[0] - cosine * east[0], cosine * east[1] - sine * north[1])
    return angle.to(pa.unit) % (180 * u.deg)


def _directions(wcs, x, y):
    """East and north [rad], each along +x and along +y of the array, for a step of 1 px."""
    ra, dec = _icrs(wcs, [x, x + 1, x], [y, y, y + 1])
    across = ra[1:] - ra[0]
    east = np.cos(dec[1:]) * np.sin(across)
    north = np.sin(dec[1:] - dec[0]) + np.cos(dec[1:]) * np.sin(dec[0]) * (
        2 * np.sin(0.5 * across) ** 2
    )
    return east, north


def sky_place(wcs, x, y):
    """Turn a place on the array to one on the sky (ICRS).

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial WCS of the image.
    x, y : float
        Where on it [pixel, 0-based].

    Returns
    -------
    ra, dec : float
        [deg], the first in [0, 360); NaN where the WCS has no such place.
    """
    ra, dec = (float(np.degrees(angle[0])) for angle in _icrs(wcs, [x], [y]))
    return ra % 360, dec


def sky_axes(wcs, x, y):
    """Directions of the array's axes on the sky, north through east (ICRS).

    Parameters
    ----------
    wcs, x, y
        As for `sky_angles`.

    Returns
    -------
    x_axis, y_axis : float
        Of +x and of +y, in [0, 360) [deg].
    """
    ra, dec = _icrs(wcs, [x, x + 1, x], [y, y, y + 1])
    angles = position_angle(ra[0], dec[0], ra[1:], dec[1:])
    return tuple(float(angle) for angle in np.degrees(np.asarray(angles)) % 360)


def _icrs(wcs, x, y):
    """Right ascension and declination [rad] of pixels."""
    world = wcs.pixel_to_world_values(x, y)
    places = [np.radians(world[axis]) for axis in (wcs.wcs.lng, wcs.wcs.lat)]
    frame = wcs_to_celestial_frame(wcs)
    if not isinstance(frame, ICRS):  # coordinates are slow to make, and most need none
        places = SkyCoord(*places, unit="rad", frame=frame).icrs
        places = places.ra.rad, places.dec.rad
    return places
