"""Real calibrated SDSS frames as the sky of mock galaxies."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from galsim import Image
from galsim.hsm import FindAdaptiveMom
from scipy.ndimage import binary_dilation, gaussian_filter, maximum_filter

from pix2prof.mock.psf import survey_psf
from pix2prof.mock.sky import Conditions
from pix2prof.sdss import BANDS, DARK_VARIANCE, GAIN, PIXSCALE

EDGE = 24


@dataclass(frozen=True)
class FieldFrames:
    """One SDSS field in g, r and i, shifted to the pixels of its r frame.

    Attributes
    ----------
    images : numpy.ndarray
        Nanomaggies per pixel, shape (3, h, w), float32.
    mask : numpy.ndarray
        True on detected sources, shape (h, w), bool.
    calibration, gain, dark, sky : numpy.ndarray
        As in `pix2prof.mock.sky.Conditions`, shape (3,).
    fwhm : numpy.ndarray
        Full widths at half maximum of the field's stars [arcsec], shape (3,).
    camcol : int
        Camera column, 1 to 6.
    """

    images: np.ndarray
    mask: np.ndarray
    calibration: np.ndarray
    gain: np.ndarray
    dark: np.ndarray
    sky: np.ndarray
    fwhm: np.ndarray
    camcol: int


def list_fields(folder):
    """Fields of a folder that have a frame in g, r and i, sorted by name.

    Parameters
    ----------
    folder : path
        Holds ``frame-{band}-{run}-{camcol}-{field}.fits`` files, or ``.fits.bz2``.

    Returns
    -------
    fields : tuple of (g, r, i) paths as strings

    Raises
    ------
    FileNotFoundError
        When the folder is missing or has no complete field.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder of SDSS frames")
    found = {}
    for path in sorted(folder.glob("frame-[gri]-*.fits*")):
        _, band, rest = path.name.split("-", 2)
        found.setdefault(rest.split(".")[0], {})[band] = str(path)
    fields = tuple(
        tuple(paths[band] for band in BANDS)
        for _, paths in sorted(found.items())
        if len(paths) == len(BANDS)
    )
    if not fields:
        raise FileNotFoundError(
            f"{folder}: no field has frame-g-*, frame-r-* and frame-i-*.fits[.bz2] files; "
            "download them from https://data.sdss.org/sas/dr17/eboss/photoObj/frames/301/"
        )
    return fields


@lru_cache(maxsize=6)
def load_field(paths):
    """Read one field; `paths` is an entry of `list_fields`. The last six are kept in memory.

    Returns
    -------
    FieldFrames

    Raises
    ------
    ValueError
        When a file is not a calibrated frame, naming it.
    """
    frames = [read_frame(path) for path in paths]
    reference = frames[1]["sky_position"]
    shifts = [offset_to(reference, frame["sky_position"]) for frame in frames]
    images = overlap([frame["image"] for frame in frames], shifts)
    mask = detect(images[1])
    return FieldFrames(
        images=images,
        mask=mask,
        calibration=np.array([f["calibration"] for f in frames]),
        gain=np.array([GAIN[f["camcol"] - 1][k] for k, f in enumerate(frames)]),
        dark=np.array([DARK_VARIANCE[f["camcol"] - 1][k] for k, f in enumerate(frames)]),
        sky=np.array([f["sky"] for f in frames]),
        fwhm=PIXSCALE * np.array([star_widths(image, k) for k, image in enumerate(images)]),
        camcol=frames[1]["camcol"],
    )


def read_frame(path):
    """Image, calibration, sky level and position of one calibrated frame, as a dict."""
    with fits.open(path) as hdus:
        if len(hdus) < 3 or hdus[0].data is None or hdus[0].data.ndim != 2:
            raise ValueError(
                f"{path}: found {len(hdus)} HDUs; a calibrated SDSS frame has the image, the "
                "calibration vector and the sky as its first three"
            )
        header, calibration = hdus[0].header, float(np.median(hdus[1].data))
        counts = float(np.median(hdus[2].data["ALLSKY"][0]))
        return {
            "image": hdus[0].data.astype(np.float32),
            "calibration": calibration,
            "sky": counts * calibration,
            "camcol": int(header["CAMCOL"]),
            "sky_position": {
                k: float(header[k])
                for k in (
                    "CRPIX1",
                    "CRPIX2",
                    "CRVAL1",
                    "CRVAL2",
                    "CD1_1",
                    "CD1_2",
                    "CD2_1",
                    "CD2_2",
                )
            },
        }


def offset_to(reference, other):
    """Whole pixels (columns, rows) by which a frame's sky lies further along than another's.

    The tangent points of one field's bands are within arcminutes, so the plane is flat enough.
    """
    matrix = np.array([[other["CD1_1"], other["CD1_2"]], [other["CD2_1"], other["CD2_2"]]])
    cos_dec = np.cos(np.radians(reference["CRVAL2"]))
    east = (reference["CRVAL1"] - other["CRVAL1"]) * cos_dec
    step = np.linalg.solve(matrix, [east, reference["CRVAL2"] - other["CRVAL2"]])
    shift = step + np.array([other["CRPIX1"], other["CRPIX2"]])
    return np.round(shift - [reference["CRPIX1"], reference["CRPIX2"]]).astype(int)


def overlap(images, shifts):
    """Cut images (h, w) to the sky they share; `shifts` as `offset_to` gives them; (n, h', w')."""
    height, width = images[0].shape
    left, low = (max(0, max(-int(s[axis]) for s in shifts)) for axis in (0, 1))
    w = min(width - left - int(s[0]) for s in shifts)
    h = min(height - low - int(s[1]) for s in shifts)
    w, h = min(w, width - left), min(h, height - low)
    return np.stack(
        [
            image[low + s[1] : low + s[1] + h, left + s[0] : left + s[0] + w]
            for image, s in zip(images, shifts, strict=True)
        ]
    )


def detect(image, smooth=1.5, threshold=2.5, grow=4):
    """Mask of the sources of an image (h, w): smoothed pixels over `threshold` sigma, grown."""
    smoothed = gaussian_filter(image, smooth)
    sample = smoothed[::4, ::4]
    middle = np.median(sample)
    sigma = 1.4826 * np.median(np.abs(sample - middle))
    core = smoothed > middle + threshold * sigma
    return binary_dilation(core, iterations=grow)


def star_widths(image, band, low=1.0, high=50.0):
    """Full width at half maximum of an image's stars [pixels].

    Adaptive moments (Hirata & Seljak 2003, MNRAS 343, 459, through GalSim) of isolated peaks
    between `low` and `high` nanomaggies, brought to the width of the survey's PSF that has the
    same moments. Galaxies are wider: the mode of the sharp end counts, taken as the median of the
    peaks within a tenth of their 25th percentile.

    Parameters
    ----------
    image : numpy.ndarray
        Nanomaggies per pixel, shape (h, w).
    band : int
        Of the PSF's shape, in `pix2prof.sdss.BANDS`.

    Raises
    ------
    ValueError
        With fewer than six peaks.
    """
    peaks = (image == maximum_filter(image, 25)) & (image > low) & (image < high)
    rows, columns = np.nonzero(peaks[16:-16, 16:-16])
    sigmas = [
        adaptive_sigma(image[y : y + 33, x : x + 33]) for y, x in zip(rows, columns, strict=True)
    ]
    sigmas = np.sort([s for s in sigmas if s is not None])
    if sigmas.size < 6:
        raise ValueError(f"only {sigmas.size} stars between {low} and {high} nanomaggies a pixel")
    sharp = np.percentile(sigmas, 25)
    sigma = float(np.median(sigmas[np.abs(sigmas / sharp - 1) < 0.1]))
    return sigma * fwhm_per_sigma(band, 2.5 * sigma)


def adaptive_sigma(stamp):
    """Adaptive-moment sigma [pixels] of a stamp's source, or None where it has no answer."""
    moments = FindAdaptiveMom(Image(np.ascontiguousarray(stamp, float)), strict=False)
    return None if moments.error_message else moments.moments_sigma


def fwhm_per_sigma(band, fwhm):
    """Ratio of full width to adaptive sigma of the survey's PSF of `fwhm` [pixels] in a band."""
    axis = np.arange(-16, 17) ** 2.0
    return fwhm / adaptive_sigma(survey_psf(fwhm * PIXSCALE, band)(axis + axis[:, None]))


def draw_cut(rng, fields, field, attempts=40):
    """Draw a square of real sky whose middle is free of sources.

    Parameters
    ----------
    rng : numpy.random.Generator
    fields : sequence
        As `list_fields` gives them.
    field : int
        Side F [pixels].

    Returns
    -------
    images : numpy.ndarray
        Shape (3, F, F), float32, turned by a random multiple of 90 degrees.
    mask : numpy.ndarray
        Shape (F, F), bool.
    conditions : pix2prof.mock.sky.Conditions

    Raises
    ------
    ValueError
        When the field is larger than the frames.
    """
    paths = fields[int(rng.integers(len(fields)))]
    frames = load_field(paths)
    height, width = frames.mask.shape
    if field > min(height, width):
        raise ValueError(
            f"{paths[1]}: field is {field} pixels, the frames share only {width} x {height}"
        )
    middle = slice(field // 2 - EDGE // 2, field // 2 + EDGE // 2)
    for _ in range(attempts):
        y, x = int(rng.integers(height - field + 1)), int(rng.integers(width - field + 1))
        mask = frames.mask[y : y + field, x : x + field]
        if not mask[middle, middle].any():
            break
    turns = int(rng.integers(4))
    images = np.rot90(frames.images[:, y : y + field, x : x + field], turns, axes=(1, 2)).copy()
    conditions = Conditions(
        psfs=tuple(survey_psf(f, k) for k, f in enumerate(frames.fwhm)),
        fwhm=frames.fwhm,
        sky=frames.sky,
        calibration=frames.calibration,
        gain=frames.gain,
        dark=frames.dark,
        camcol=frames.camcol,
    )
    return images, np.rot90(mask, turns).copy(), conditions
