"""The methods that are held side by side, each as a function of one image."""

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import photutils
from astropy.convolution import Gaussian2DKernel, convolve
from astropy.stats import sigma_clipped_stats
from photutils.isophote import Ellipse, EllipseGeometry
from photutils.segmentation import SourceCatalog, detect_sources
from photutils.utils import circular_footprint

from pix2prof.compare import autoprof
from pix2prof.images.image import Image
from pix2prof.images.stamps import make_stamp, stamp_side
from pix2prof.isophotes import method as isophotes
from pix2prof.isophotes.measured import flag_words
from pix2prof.names import network_name
from pix2prof.predict import arrays as predict
from pix2prof.profiles import RowFlag, sma_grid
from pix2prof.sdss import PIXSCALE, intensity_to_mu

DETECTION = 1.5
SMOOTHING = 1.5
SMALLEST = 10
KNOWN_MASK = "known-mask"
STARTS = (1.0, 0.5, 2.0, 0.25)


@dataclass(frozen=True)
class Target:
    """One image of one galaxy, as every method gets it.

    Parameters
    ----------
    name : str
        The galaxy's.
    image : numpy.ndarray
        Shape (H, W) [nanomaggies per pixel], the galaxy near the middle.
    pixscale : float
        [arcsec per pixel].
    mask : numpy.ndarray or None
        True at other sources, shape (H, W), where somebody knows.
    picture : pix2prof.images.image.Image or None
        The file that it was read from, of which networks make their own stamps; by default they
        take `image` as it is.
    """

    name: str
    image: np.ndarray = field(repr=False)
    pixscale: float = PIXSCALE
    mask: np.ndarray | None = field(default=None, repr=False)
    picture: Image | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Outline:
    """What a method makes of an image.

    Parameters
    ----------
    sma, mu : numpy.ndarray
        Shape (N,) [arcsec, mag arcsec^-2].
    ellipticity, pa : numpy.ndarray or None
        Shape (N,); angles counter-clockwise from +x [deg].
    centre : numpy.ndarray or None
        (x, y) [px].
    seconds : float or None
        Wall time by the method's own clock; by default it is taken from outside.
    """

    sma: np.ndarray
    mu: np.ndarray
    ellipticity: np.ndarray | None = None
    pa: np.ndarray | None = None
    centre: np.ndarray | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Method:
    """A way to a profile.

    Parameters
    ----------
    key, label : str
        Its name on disk, and in words.
    version : str
        What its results depend on beside the image; results of another version are not used.
    measure : callable
        `Target` to `Outline`; raises where it fails. It is sent to other processes.
    warm : bool
        Whether its first call in a process is not timed, as it loads what the others use.
    """

    key: str
    label: str
    version: str
    measure: Callable
    warm: bool = False


def methods(models, python=None):
    """List the methods that can run here.

    Parameters
    ----------
    models : mapping of str to path-like
        Name of each trained network and its folder. Their labels are
        `pix2prof.names.network_name`'s.
    python : path-like, optional
        Python of AutoProf's environment; by default `pix2prof.compare.autoprof.environment`.

    Returns
    -------
    able : list of Method
    missing : dict of str to str
        Label of each method that cannot run, and what it lacks.
    """
    own = _digest(*sorted(Path(__file__).parents[1].rglob("*.py")))
    able, missing = [], {}
    for name, folder in models.items():
        card = json.loads((Path(folder) / "config.json").read_text())
        decoder = card["model"].get("decoder", "gru")
        label = network_name(decoder, name)
        weights = _digest(Path(folder) / "model.safetensors", Path(folder) / "config.json")
        measure = partial(network, folder=str(folder))
        able.append(Method(f"network-{name}", label, f"{own} {weights}", measure, warm=True))
    python = autoprof.environment() if python is None else Path(python)
    try:
        version = f"{autoprof.version(python)} {_digest(autoprof.__file__)}"
        measure = partial(from_autoprof, python=str(python))
        able.append(Method("autoprof", "AutoProf", version, measure))
    except autoprof.AutoProfError as error:
        missing["AutoProf"] = str(error)
    version = f"{photutils.__version__} {_digest(__file__)}"
    able += [
        Method("photutils", "photutils Ellipse", version, photutils_ellipse),
        Method("classical", "classical, automatic", own, classical, warm=True),
        Method(KNOWN_MASK, "classical, mask known", own, classical_masked, warm=True),
    ]
    return able, missing


def network(target, folder):
    """Predict a profile with the trained network in a folder; see `pix2prof.predict.arrays`.

    Of a network that goes on beyond the image's S/N, the part within it.
    """
    model, picture, image, covered = _load(folder), target.picture, target.image, None
    if picture is not None:
        stamp = make_stamp(picture, stamp_side(picture, model.smallest, model.crop))
        image, covered = stamp.data, stamp.covered[None]
    said = predict.describe_images(image[None], model, covered=covered)
    mu = said["mu"][0]
    if "flag" in said:
        mu = np.where(said["flag"][0] & RowFlag.BELOW_CUT, np.nan, mu)
    if not np.isfinite(mu).any():
        raise ValueError("the network gave no profile for it")
    if picture is not None or "centre" not in said:
        return Outline(sma_grid(len(mu)), mu)
    shapes = (said[name][0] for name in ("ellipticity", "pa"))
    return Outline(sma_grid(len(mu)), mu, *shapes, said["centre"][0])


@lru_cache(maxsize=8)
def _load(folder):
    return predict.load(folder)


def classical(target, mask=None):
    """Measure with `pix2prof.isophotes.method.measure`, given nothing but the image."""
    found = isophotes.measure(target.image, pixscale=target.pixscale, mask=mask)
    n = int(found.n_valid[0])
    if n == 0:
        raise ValueError(f"no signal above the cut ({', '.join(flag_words(found.flags))})")
    mu, ellipticity, pa = (z[0, :n].numpy() for z in (found.mu, found.ellipticity, found.pa))
    return Outline(found.sma[:n].numpy(), mu, ellipticity, pa, found.centre[0].numpy())


def classical_masked(target):
    """Measure with `pix2prof.isophotes.method.measure`, told which pixels are of other sources."""
    if target.mask is None:
        raise ValueError("nobody knows the mask of this image")
    return classical(target, target.mask)


def from_autoprof(target, python):
    """Measure with AutoProf; see `pix2prof.compare.autoprof.measure`."""
    profile, centre, seconds = autoprof.measure(target.image, python, pixscale=target.pixscale)
    columns = (profile[name].value for name in ("sma", "mu"))
    shape = (np.asarray(getattr(profile[z], "value", profile[z])) for z in ("ellipticity", "pa"))
    return Outline(*columns, *shape, centre, seconds)


def photutils_ellipse(target):
    """Fit with `photutils.isophote.Ellipse`, started and masked by photutils' own segmentation.

    Sources are connected pixels above 1.5 standard deviations of the sky on the smoothed image;
    the one at the middle is the galaxy, whose moments start the fit, the others are masked. A fit
    that does not take is begun again at half, twice and a quarter of that radius.

    Raises
    ------
    ValueError
        If no source is found, or no fit.
    """
    image = np.asarray(target.image, float)
    excluded = ~np.isfinite(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segments, sky = _segments(image, excluded)
        label = _nearest_to_middle(segments.data)
        row = SourceCatalog(image - sky, segments, mask=excluded).get_label(label)
        excluded |= (segments.data > 0) & (segments.data != label)
        masked = np.ma.masked_array(image - sky, excluded) if excluded.any() else image - sky
        for factor in STARTS:
            start = EllipseGeometry(
                float(row.x_centroid),
                float(row.y_centroid),
                max(factor * float(row.semimajor_axis.value), 3.0),
                min(float(row.ellipticity.value), 0.9),
                np.deg2rad(float(row.orientation.value)) % np.pi,
            )
            fitted = Ellipse(masked, start).fit_image(maxsma=max(image.shape) / 2)
            if len(fitted):
                break
    if len(fitted) == 0:
        raise ValueError("no meaningful fit was possible")
    return Outline(
        fitted.sma * target.pixscale,
        intensity_to_mu(fitted.intens / target.pixscale**2),
        fitted.eps,
        np.rad2deg(fitted.pa) % 180,
        np.array([np.median(fitted.x0), np.median(fitted.y0)]),
    )


def _segments(image, excluded):
    """Segments of an image and its sky level, found in two rounds."""
    sources = excluded
    for _ in range(2):
        _, sky, noise = sigma_clipped_stats(image, mask=sources, sigma=3.0)
        smooth = convolve(image - sky, Gaussian2DKernel(SMOOTHING), mask=excluded)
        segments = detect_sources(smooth, DETECTION * noise, n_pixels=SMALLEST, mask=excluded)
        if segments is None:
            raise ValueError("no source was found")
        sources = excluded | segments.make_source_mask(footprint=circular_footprint(5))
    return segments, sky


def _nearest_to_middle(labels):
    y, x = np.nonzero(labels)
    height, width = labels.shape
    nearest = np.argmin(np.hypot(x - (width - 1) / 2, y - (height - 1) / 2))
    return int(labels[y[nearest], x[nearest]])


def _digest(*files):
    digest = hashlib.sha256()
    for path in files:
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]
