"""Stand-ins for the archives: mock galaxies, served on this computer in the archives' layouts.

For trying out the way from an archive to a profile without network. What comes is simulated,
and says so in its headers.
"""

import bz2
import hashlib
import io
import json
import tempfile
import threading
import urllib.parse
import zipfile
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits

from ..images.fits import mock_hdus
from ..images.resampling import resample
from ..isophotes import method as isophotes
from ..mock.simulation import mock_galaxy
from ..profile_files import write_profile
from ..sdss import BANDS, PIXSCALE
from .fetching import Addresses
from .probes import PROFILES, RECORD, TABLE
from .sdss_fields import LAG, Field, frame_path

ORIGIN = "pix2prof stand-in: simulated"
SIDE = 360
OVERLAP = 64
FILES = f"records/{RECORD}/files"
FIELDS = (Field(1, 3, 10), Field(1, 3, 11))
Z_OVER_I = 1.2
LIGHT = 299792.458
NEAR = 5e-3


class StandIn(ThreadingHTTPServer):
    """The three archives on one loopback port, with a few mock galaxies.

    Parameters
    ----------
    n_galaxies : int
        How many; the first lies where two SDSS fields meet, and all are in PROBES.
    seed : int
        Of the mock galaxies.
    """

    daemon_threads = True

    def __init__(self, n_galaxies=4, seed=8):
        self.galaxies = [
            mock_galaxy(seed, k, field=SIDE, small_share=0) for k in range(n_galaxies)
        ]
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def addresses(self):
        """Where its archives are."""
        root = f"http://127.0.0.1:{self.server_port}"
        return Addresses(f"{root}/sas", f"{root}/viewer", f"{root}/api")

    @property
    def place(self):
        """RA and Dec [deg] of the galaxy on the frames of `FIELDS`."""
        return tuple(self.galaxies[0].parameters[key] for key in ("ra", "dec"))

    def close(self):
        """Stop serving."""
        self.shutdown()
        self.server_close()

    def answer(self, target):
        """Give the body for a request's path and query, or None where there is no such thing."""
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query))
        root, _, path = url.path.lstrip("/").partition("/")
        if root == "viewer" and path == "fits-cutout":
            return self._cutout(query)
        if root == "sas":
            for number, field in enumerate(FIELDS):
                for band in BANDS:
                    if path == frame_path(field, band):
                        return self._frame(number, band)
        if root == "api" and path == f"records/{RECORD}":
            return self._record()
        if root == "api" and path.startswith(f"{FILES}/"):
            return self._release.get(path.split("/")[3])
        return None

    def _frame(self, number, band):
        image, header = _observed(self.galaxies[0], band)
        rows = SIDE // 2 + OVERLAP // 2
        start = number * (SIDE - rows)
        return bz2.compress(
            _bytes(frame_hdus(image[start : start + rows], header, FIELDS[number], band, start))
        )

    def _cutout(self, query):
        ra, dec, scale = (float(query[key]) for key in ("ra", "dec", "pixscale"))
        shape, band = (int(query["size"]),) * 2, query["bands"]
        header = fits.Header({"BANDS": band, "BAND0": band, "ORIGIN": ORIGIN})
        header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec})
        header.update({f"CRPIX{k}": (shape[0] + 1) / 2 for k in (1, 2)})
        header.update(_north_up(scale))
        data = np.zeros(shape, np.float32)
        for galaxy in self.galaxies:
            if np.hypot(galaxy.parameters["ra"] - ra, galaxy.parameters["dec"] - dec) < NEAR:
                image, _ = _observed(galaxy, band)
                data, _ = resample(image, PIXSCALE, scale, galaxy.centre, shape)
        return _bytes(fits.HDUList([fits.PrimaryHDU(data, header)]))

    def _record(self):
        files = [
            {
                "key": name,
                "size": len(body),
                "checksum": f"md5:{hashlib.md5(body).hexdigest()}",
                "links": {"self": f"{self.addresses.zenodo}/{FILES}/{name}/content"},
            }
            for name, body in self._release.items()
        ]
        return json.dumps({"id": RECORD, "files": files}).encode()

    @cached_property
    def _release(self):
        return _release(self.galaxies)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.answer(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args):
        """Keep quiet."""


def frame_hdus(image, header, field, band, first_row=0):
    """Lay an image out as a calibrated SDSS frame.

    Parameters
    ----------
    image : (H, W) numpy.ndarray
        Nanomaggies per pixel.
    header : astropy.io.fits.Header
        With a WCS that has a CD matrix.
    field : pix2prof.archives.sdss_fields.Field
        The field.
    band : str
        The band.
    first_row : int
        Row that `image` begins at in the picture that the WCS is of.

    Returns
    -------
    hdus : astropy.io.fits.HDUList
        The image, the calibration vector and the sky, as the data model of frames has them.
    """
    header = header.copy()
    header["CRPIX2"] -= first_row
    header["RUN"], header["CAMCOL"], header["FRAME"] = field.run, field.camcol, field.field
    header["FRAME"] += LAG[band]
    header["FILTER"], header["BUNIT"], header["ORIGIN"] = band, "nanomaggy", ORIGIN
    calibration = np.full(image.shape[1], 5e-3, np.float32)
    sky = np.full((1, 4, 4), 150.0, np.float32)
    columns = fits.ColDefs([fits.Column("ALLSKY", "16E", dim="(4,4)", array=sky)])
    return fits.HDUList(
        [
            fits.PrimaryHDU(np.asarray(image, np.float32), header),
            fits.ImageHDU(calibration),
            fits.BinTableHDU.from_columns(columns),
        ]
    )


def _north_up(scale):
    return {"CD1_1": -scale / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": scale / 3600}


def _observed(galaxy, band):
    """A mock galaxy's image in a band, of which z is a brighter i, and a header with its WCS."""
    number = BANDS.index("i" if band == "z" else band)
    header = fits.Header()
    for key, value in mock_hdus(galaxy, number)[0].header.items():
        if key[:5] in ("CTYPE", "CRVAL", "CRPIX"):
            header[key] = value
    header.update(_north_up(PIXSCALE))
    return galaxy.images[number] * np.float32(Z_OVER_I if band == "z" else 1), header


def _release(galaxies):
    """Table and profiles of PROBES for mock galaxies, measured by the classical method."""
    lines, packed = ["none,deg,deg,Mpc,km/s", "name,RA,DEC,distance,redshift_helio"], io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for k, galaxy in enumerate(galaxies):
            name, known = f"MOCK{k:03d}", galaxy.parameters
            distance = known["kpc_per_arcsec"] / 1e3 / u.arcsec.to(u.rad)
            lines.append(
                f"{name},{known['ra']:.6f},{known['dec']:.6f},{distance:.3f},"
                f"{known['redshift'] * LIGHT:.1f}"
            )
            for band, text in _profiles(galaxy).items():
                archive.writestr(f"profiles/profiles/{name}_{band}.prof", text)
    return {TABLE: ("\n".join(lines) + "\n").encode(), PROFILES: packed.getvalue()}


def _profiles(galaxy):
    """Give the text of the ``.prof`` files of a mock galaxy, by band."""
    found = {}
    for band in ("g", "r", "z"):
        image, _ = _observed(galaxy, band)
        measured = isophotes.measure(image, centre=galaxy.centre, mask=galaxy.mask)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "one.prof"
            write_profile(measured.table(), path)
            found[band] = path.read_text()
    return found


def _bytes(hdus):
    stream = io.BytesIO()
    hdus.writeto(stream)
    return stream.getvalue()
