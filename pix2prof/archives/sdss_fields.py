"""SDSS fields: the one of a place, and the frames of one from the Science Archive Server."""

from collections import Counter
from dataclasses import dataclass
from functools import partial

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from ..images.fits import open_image
from ..sdss import PIXSCALE
from .downloads import ArchiveError, OutOfFootprint

RERUN = 301
RELEASE = 17
SDSS_BANDS = ("u", "g", "r", "i", "z")
CONE = 180.0

# The camera's rows see a place one after the other, two frames apart: the ``FRAME`` of a field's
# frame in a band is that much later than the field's number.
LAG = {"r": 0, "i": 2, "u": 4, "z": 6, "g": 8}


@dataclass(frozen=True)
class Field:
    """One SDSS field.

    Parameters
    ----------
    run, camcol, field : int
        As in the frames' names; `camcol` is 1 to 6.
    """

    run: int
    camcol: int
    field: int

    @classmethod
    def parse(cls, text):
        """Read ``RUN-CAMCOL-FIELD``, as in ``4510-4-30``; ValueError if it is not that."""
        try:
            run, camcol, field = (int(part) for part in text.split("-"))
        except ValueError:
            raise ValueError(
                f"{text!r} is no field; write RUN-CAMCOL-FIELD, as 4510-4-30"
            ) from None
        if not (run > 0 and 1 <= camcol <= 6 and field > 0):
            raise ValueError(f"{text!r} is no field: camcol is 1 to 6, the others above zero")
        return cls(run, camcol, field)

    def frame(self, band):
        """Name of its frame in a band."""
        return f"frame-{band}-{self.run:06d}-{self.camcol}-{self.field:04d}.fits.bz2"


def frame_path(field, band, release=RELEASE):
    """Where a frame lies on the Science Archive Server, below its address.

    Parameters
    ----------
    field : Field
        The field.
    band : {"u", "g", "r", "i", "z"}
        The band.
    release : int
        SDSS data release, 8 or later.

    Returns
    -------
    path : str
    """
    if band not in SDSS_BANDS:
        raise ValueError(f"found the band {band!r}; SDSS has {', '.join(SDSS_BANDS)}")
    where = "boss" if release <= 12 else "eboss"
    where = where if release <= 17 else "prior-surveys/sdss4-dr17-eboss"
    folder = f"dr{release}/{where}/photoObj/frames/{RERUN}/{field.run}/{field.camcol}"
    return f"{folder}/{field.frame(band)}"


def fetch_frame(fetcher, field, band, release=RELEASE):
    """Fetch one calibrated SDSS frame.

    Parameters
    ----------
    fetcher : pix2prof.archives.fetching.Fetcher
        Fetches and keeps.
    field, band, release
        As `frame_path` takes them.

    Returns
    -------
    path : pathlib.Path
        The frame as served, in the cache: `pix2prof.mock.frames.list_fields` takes its folder.

    Raises
    ------
    ArchiveError
        As `pix2prof.archives.fetching.Fetcher.get` raises it.
    """
    path = frame_path(field, band, release)
    url = f"{fetcher.addresses.sdss.rstrip('/')}/{path}"
    return fetcher.get(url, f"sdss/{path}", check=partial(_check_frame, field=field, band=band))


def find_fields(ra, dec, size, release=RELEASE):
    """Ask the SDSS catalogue, by astroquery, which fields cover a square.

    Parameters
    ----------
    ra, dec : float
        Its middle [deg].
    size : int
        Its side [px of 0.396 arcsec].
    release : int
        SDSS data release.

    Returns
    -------
    fields : list of Field
        Those with the most catalogued objects on the square first.

    Raises
    ------
    OutOfFootprint
        If there is none.
    ArchiveError
        Without astroquery, or if the catalogue cannot be asked.
    """
    try:
        from astroquery.sdss import SDSS
    except ModuleNotFoundError as error:
        raise ArchiveError(
            "to find the fields of a place takes astroquery: pip install 'pix2prof[archives]', "
            "or give the fields (RUN-CAMCOL-FIELD)"
        ) from error
    radius = min(size * PIXSCALE / np.sqrt(2), CONE) * u.arcsec
    names = ["run", "camcol", "field"]
    try:
        found = SDSS.query_region(
            SkyCoord(ra, dec, unit="deg"), radius=radius, fields=names, data_release=release
        )
    except Exception as error:  # astroquery lets through whatever its network library raises
        raise ArchiveError(
            f"RA {ra:.6f}, Dec {dec:.6f}: the SDSS catalogue gave no answer ({error}); check the "
            "network, or give the fields (RUN-CAMCOL-FIELD)"
        ) from error
    if found is None or len(found) == 0:
        raise OutOfFootprint(f"RA {ra:.6f}, Dec {dec:.6f}: the SDSS has no object there")
    counts = Counter(Field(*(int(row[name]) for name in names)) for row in found)
    return [field for field, _ in counts.most_common()]


def _check_frame(path, field, band):
    data, headers, wcs, _ = open_image(path)
    run, camcol, number = (headers[0].get(key) for key in ("RUN", "CAMCOL", "FRAME"))
    said = (run, camcol, number, str(headers[0].get("FILTER")).strip())
    if said != (field.run, field.camcol, field.field + LAG[band], band):
        raise ValueError(f"it is the frame of RUN, CAMCOL, FRAME and FILTER {said}")
    if wcs is None:
        raise ValueError(f"a frame of {data.shape} px without a celestial WCS")
