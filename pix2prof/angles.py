"""Position angles: from the array to the sky."""

import numpy as np
from astropy import units as u


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
    places = wcs.pixel_to_world([x, x + 1, x], [y, y, y + 1]).icrs
    east, north = places[0].spherical_offsets_to(places[1:])
    angle = np.arctan2(
        np.cos(pa) * east[0] + np.sin(pa) * east[1], np.cos(pa) * north[0] + np.sin(pa) * north[1]
    )
    return angle.to(pa.unit) % (180 * u.deg)
