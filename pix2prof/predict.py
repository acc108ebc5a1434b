"""Images to profiles with a trained network: arrays, one file, any number of files."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import torch
from astropy import units as u
from astropy.table import QTable

from .angles import sky_angles
from .dataset import Normalisation, centre_crop
from .fits import ImageError
from .images import read_image
from .measured import RowFlag
from .networks import load_model
from .precision import choose_dtype
from .profiles import COLUMNS, PA_SKY, profile_table, sma_grid
from .sdss import PIXSCALE
from .stamps import Stamp, make_stamp

WEIGHTS = Path(__file__).parent / "weights"
RELEASED = "pix2prof"
BATCH = 32
SHORT = 10


@dataclass(frozen=True)
class Predictor:
    """A trained network with what its images must go through first.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    normalisation : pix2prof.dataset.Normalisation
        Of the images it was trained on.
    crop : int
        Side of those images [pixel].
    sha256 : str
        Of the weights' file; empty for a network that never was on disk.
    name : str
        What to call it in a profile's provenance.
    """

    network: torch.nn.Module = field(repr=False)
    normalisation: Normalisation
    crop: int = 256
    sha256: str = ""
    name: str = ""


@dataclass(frozen=True)
class Prediction:
    """What came of one file: a profile, or an error that says why not.

    Parameters
    ----------
    path : str
        The file.
    profile : astropy.table.QTable or None
        Columns ``sma`` [arcsec], ``mu`` [mag arcsec^-2], and what else the network gives.
    stamp : pix2prof.stamps.Stamp or None
        The image as the network saw it.
    error : pix2prof.fits.ImageError or None
        Set when there is no profile.
    ellipses : astropy.table.QTable or None
        Isophotes on the stamp, where the network gives them: ``sma`` [arcsec], ``ellipticity``,
        ``pa`` [deg, counter-clockwise from +x]; their centre (x, y) [pixel] in ``meta``.
    """

    path: str
    profile: QTable | None = None
    stamp: Stamp | None = field(default=None, repr=False)
    error: ImageError | None = None
    ellipses: QTable | None = field(default=None, repr=False)


def load(name=RELEASED, device="cpu"):
    """Load a trained network: the isophote network unless another is named.

    Parameters
    ----------
    name : str or Path
        A released model's name (``pix2prof``, the isophote network; ``paper``, the paper's), or a
        folder with ``model.safetensors`` and ``config.json``.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    model : Predictor

    Raises
    ------
    FileNotFoundError
        If there is no such model; the message says how to train one.
    ValueError
        If its files are damaged or do not fit together.
    """
    folder = WEIGHTS / str(name)
    folder = folder if folder.is_dir() else Path(name)
    if not folder.is_dir():
        released = sorted(path.parent.name for path in WEIGHTS.glob("*/config.json"))
        raise FileNotFoundError(
            f"there is no model {str(name)!r}: neither a released one (there "
            f"{'are ' + ', '.join(released) if released else 'are none here'}) nor a folder; "
            "`make repro` trains one, then give the folder with its model.safetensors"
        )
    network, card = load_model(folder, device)
    try:
        normalisation = Normalisation(**card["normalisation"])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / 'config.json'}: no image normalisation ({error!r})"
        ) from error
    crop = int(card.get("provenance", {}).get("crop", 256))
    return Predictor(network, normalisation, crop, card["sha256"], folder.name)


def predict_images(images, model, *, batch_size=BATCH, precision="float32"):
    """Predict the profiles of images that are as the network knows them.

    Parameters
    ----------
    images : (N, H, W) or (H, W) array_like
        Sky-subtracted flux [nanomaggies per pixel], 0.396 arcsec a pixel, the galaxy in the
        middle; cropped to the network's size. `pix2prof.stamps.make_stamp` makes such.
    model : Predictor
        As `load` gives it.
    batch_size : int
        Images computed at once.
    precision : {"float32", "bf16", "auto"}
        Of the arithmetic; `auto` is bfloat16 where the processor has it.

    Returns
    -------
    mu : (N, T) or (T,) numpy.ndarray of float32
        Surface brightness [mag arcsec^-2] on 0.2 (k + 1) arcsec, NaN beyond the end; of a
        network that goes on beyond the image's S/N, only the part within it.

    Raises
    ------
    ValueError
        If the shape is wrong, an image is smaller than the network's, or holds NaN.
    """
    parts = [np.empty((0, model.network.n_steps), dtype=np.float32)]
    images = np.asarray(images)
    for batch, _, dtype in _batches(images, None, model, batch_size, precision):
        parts.append(model.network.predict(batch, dtype)[0].cpu().numpy())
    mu = np.concatenate(parts)
    return mu[0] if images.ndim == 2 else mu


def describe_images(images, model, *, covered=None, batch_size=BATCH, precision="float32"):
    """Predict everything that the network has to say of images.

    Parameters
    ----------
    images, model, batch_size, precision
        As for `predict_images`; `images` of shape (N, H, W).
    covered : (N, H, W) array_like of bool, optional
        False where an image was padded, see `pix2prof.stamps.Stamp`. Default: it was not.

    Returns
    -------
    dict of (N, T) numpy.ndarray
        By the names of the profile table's columns: ``mu``, and what else this network gives
        (``mu_err, ellipticity, pa, ...``); rows with `RowFlag.BELOW_CUT` in ``flag`` are
        inferred beyond the reach of the image. ``strangeness``, if there, has shape (N,), and
        ``centre`` (N, 2).

    Raises
    ------
    ValueError
        As `predict_images`.
    """
    parts = []
    for batch, known, dtype in _batches(np.asarray(images), covered, model, batch_size, precision):
        said = model.network.describe(batch, known, dtype)
        parts.append({name: values.cpu().numpy() for name, values in said.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _batches(images, covered, model, batch_size, precision):
    """Cut, check and normalise: yield (images, covered, dtype), batch by batch."""
    if images.ndim not in (2, 3):
        raise ValueError(f"images of shape {images.shape}: expected (N, H, W) or (H, W)")
    if min(images.shape[-2:]) < model.crop:
        raise ValueError(
            f"images of {images.shape[-1]} x {images.shape[-2]} px: the network wants at least "
            f"{model.crop}; pad them with pix2prof.stamps.make_stamp"
        )
    images = images[None] if images.ndim == 2 else images
    device, dtype = model.network.device, choose_dtype(precision, model.network.device)
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        batch = np.array(centre_crop(images[part], model.crop), dtype=np.float32)
        bad = np.flatnonzero(~np.isfinite(batch).all(axis=(1, 2)))
        if len(bad):
            raise ValueError(
                f"image {start + bad[0]} holds NaN or infinite pixels; "
                "fill them with pix2prof.resampling.fill_missing"
            )
        known = None
        if covered is not None:
            known = torch.from_numpy(np.array(centre_crop(covered[part], model.crop))).to(device)
        batch = model.normalisation.normalise(torch.from_numpy(batch).to(device))
        yield batch[:, None], known, dtype


def predict_file(path, model, **options):
    """Predict the profile of the galaxy on one FITS image.

    Parameters
    ----------
    path : str or Path
        The file.
    model : Predictor
        As `load` gives it.
    **options
        ``hdu, pixscale, zeropoint, band, centre`` as in `pix2prof.images.read_image`.

    Returns
    -------
    profile : astropy.table.QTable
        Columns ``sma`` [arcsec], ``mu`` [mag arcsec^-2], and of the isophote network ``mu_err``,
        ``ellipticity``, ``pa``, ``growth`` and more; provenance in ``meta``, everything
        odd in ``meta["flags"]``.

    Raises
    ------
    ImageError
        If the file cannot be used.
    """
    prediction = next(predict_files([path], model, **options))
    if prediction.error is not None:
        raise prediction.error
    return prediction.profile


def predict_files(paths, model, *, batch_size=BATCH, precision="float32", **options):
    """Predict the profiles of the galaxies on any number of FITS images.

    Parameters
    ----------
    paths : iterable of str or Path
        The files.
    model : Predictor
        As `load` gives it.
    batch_size, precision
        As in `predict_images`.
    **options
        ``hdu, pixscale, zeropoint, band, centre`` as in `pix2prof.images.read_image`, for all.

    Yields
    ------
    prediction : Prediction
        One for each path, in order; a file that cannot be used has its ``error`` set and stops
        no other.
    """
    batch = []
    for path in paths:
        batch.append(_prepare(path, model.crop, options))
        if len(batch) == batch_size:
            yield from predict_stamps(batch, model, precision=precision)
            batch = []
    yield from predict_stamps(batch, model, precision=precision)


def _prepare(path, crop, options):
    try:
        image = read_image(path, **options)
        return image, make_stamp(image, crop)
    except ImageError as error:
        return error
    except OSError as error:
        return ImageError(path, f"it cannot be read ({error})", "check the disk")


def predict_stamps(batch, model, *, precision="float32"):
    """Predict the profiles of images that were prepared elsewhere.

    Parameters
    ----------
    batch : sequence of (pix2prof.images.Image, pix2prof.stamps.Stamp) or ImageError
        What `pix2prof.stamps.make_stamp` made of each image, whose pixels are not used; or why
        there is none.
    model : Predictor
        As `load` gives it.
    precision : {"float32", "bf16", "auto"}
        Of the arithmetic.

    Yields
    ------
    prediction : Prediction
        One for each, in order.
    """
    stamps = [item[1] for item in batch if not isinstance(item, ImageError)]
    columns, place = {}, count()
    if stamps:
        data, covered = (np.stack([getattr(x, k) for x in stamps]) for k in ("data", "covered"))
        columns = describe_images(data, model, covered=covered, precision=precision)
    for item in batch:
        if isinstance(item, ImageError):
            yield Prediction(item.path, error=item)
            continue
        image, stamp = item
        try:
            number = next(place)
            said = {name: values[number] for name, values in columns.items()}
            ellipses = _ellipses(said)
            yield Prediction(image.path, _table(image, stamp, said, model), stamp, None, ellipses)
        except ImageError as error:
            yield Prediction(image.path, stamp=stamp, error=error)


def _ellipses(said):
    """Isophotes within the S/N cut on the stamp, of a network that gives them."""
    if "centre" not in said:
        return None
    rows = np.flatnonzero(np.isfinite(said["mu"]) & (said["flag"] & RowFlag.BELOW_CUT == 0))
    if len(rows) == 0:
        return None
    table = QTable({name: said[name][rows] for name in ("ellipticity", "pa")})
    table["sma"] = sma_grid(len(said["mu"]))[rows] * u.arcsec
    table["pa"].unit = u.deg
    table.meta["x"], table.meta["y"] = (float(x) for x in said["centre"])
    return table


def _table(image, stamp, columns, model):
    mu, strangeness = columns["mu"], columns.get("strangeness")
    columns = {name: values for name, values in columns.items() if name in COLUMNS}
    valid = np.isfinite(mu)
    n = int(np.argmin(valid)) if not valid.all() else len(mu)
    if n == 0:
        raise ImageError(
            image.path, "the network gave no profile for it", "look at the image, and its flags"
        )
    sma, flags = sma_grid(n), list(stamp.flags)
    if n == len(mu):
        flags.append("the profile did not end by itself")
    if n < SHORT:
        flags.append(f"the profile has only {n} rows")
    if strangeness is not None and strangeness > 1:
        flags.append(f"unlike the training set (distance {strangeness:.1f} times the limit)")
    sides = stamp.covered.any(axis=0).sum(), stamp.covered.any(axis=1).sum()
    corner = 0.5 * float(np.hypot(*sides)) * PIXSCALE
    if sma[-1] > corner:
        flags.append(f"extrapolated beyond {corner:.0f} arcsec, where the image ends")
    table = profile_table(
        {"sma": sma} | {name: values[:n] for name, values in columns.items()},
        object=image.object,
        band=image.band,
        file=Path(image.path).name,
        filezp=image.zeropoint,
        filescal=image.pixscale,
        sky=stamp.sky,
        noise=stamp.noise,
        method="pix2prof network",
        model=model.name,
        weights=model.sha256,
        flags=flags,
    )
    if "pa" not in table.colnames:
        del table.meta["paconv"]
    elif image.wcs is not None:
        table["pa"] = sky_angles(image.wcs, *_centre(image), table["pa"])
        table["pa"].info.description = COLUMNS["pa"][1]
        table.meta["paconv"] = PA_SKY
    if "flag" in columns:
        measured = int((columns["flag"][:n] & RowFlag.BELOW_CUT == 0).sum())
        table.meta["sn_sma"] = float(sma_grid(n)[measured - 1]) if measured else 0.0
    return table


def _centre(image):
    """Where the galaxy is said to be (x, y) [px]: the middle, if nobody says."""
    height, width = image.data.shape
    return image.centre or (0.5 * (width - 1), 0.5 * (height - 1))
