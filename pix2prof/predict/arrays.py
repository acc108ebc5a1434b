"""Images to profiles with a trained network, as arrays."""

from dataclasses import dataclass, field, fields

import numpy as np
import torch

from ..dataset.crops import centre_crop
from ..dataset.normalisation import Normalisation
from ..model.precision import choose_dtype
from ..networks import load_model
from ..released import find_model
from ..sdss import BANDS, PROBES_BANDS

RELEASED = "pix2prof"
BATCH = 32


@dataclass(frozen=True)
class Predictor:
    """A trained network with what its images must go through first.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    normalisation : pix2prof.dataset.normalisation.Normalisation
        Of the images it was trained on.
    crop : int
        Side of those images [pixel]: of all that a network takes, or, if its ``smallest`` is
        set, of the largest.
    sha256 : str
        Of the weights' file; empty for a network that never was on disk.
    name : str
        What to call it in a profile's provenance.
    bands : tuple of str
        Of the images it was trained on.
    """

    network: torch.nn.Module = field(repr=False)
    normalisation: Normalisation
    crop: int = 256
    sha256: str = ""
    name: str = ""
    bands: tuple[str, ...] = BANDS

    @property
    def together(self):
        """Bands of each galaxy that it takes at once, in their order; None: any one."""
        return self.network.bands

    @property
    def smallest(self):
        """Side of the smallest images that the network takes [pixel]."""
        return min(self.network.smallest or self.crop, self.crop)

    def side_within(self, side):
        """Side of the largest image that the network takes of one of `side` pixels.

        Raises
        ------
        ValueError
            If that is less than the smallest.
        """
        if side < self.smallest:
            raise ValueError(
                f"images of {side} px: the network wants at least {self.smallest}; pad them with "
                "pix2prof.images.stamps.make_stamp"
            )
        if self.network.smallest:
            side = max(side // self.network.multiple * self.network.multiple, self.smallest)
        return min(side, self.crop)


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
    folder = find_model(name)
    network, card = load_model(folder, device)
    try:
        normalisation = Normalisation(**card["normalisation"])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / 'config.json'}: no image normalisation ({error!r}); its keys are "
            f"{', '.join(field.name for field in fields(Normalisation))}"
        ) from error
    provenance = card.get("provenance", {})
    source = provenance.get("parameters", {}).get("data", {}).get("source")
    bands = PROBES_BANDS if source == "probes" else BANDS
    crop = int(provenance.get("crop", 256))
    return Predictor(network, normalisation, crop, card["sha256"], folder.name, bands)


def predict_images(images, model, *, batch_size=BATCH, precision="float32"):
    """Predict the profiles of images that are as the network knows them.

    Parameters
    ----------
    images : (N, H, W) or (H, W) array_like
        Sky-subtracted flux [nanomaggies per pixel], 0.396 arcsec a pixel, the galaxy in the
        middle; cropped to the size that the network takes, see `Predictor.side_within`.
        `pix2prof.images.stamps.make_stamp` makes such. For a network of several bands (N, bands,
        H, W) or (bands, H, W), in the order of `Predictor.together`.
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
        network that goes on beyond the image's S/N, only the part within it. Of a network of
        several bands (N, bands, T) or (bands, T).

    Raises
    ------
    ValueError
        If the shape is wrong, an image is smaller than the network's, or holds NaN.
    RuntimeError
        If the network is in training mode.
    """
    parts = [np.empty((0, model.network.n_steps), dtype=np.float32)]
    images = np.asarray(images)
    for batch, _, dtype in _batches(images, None, model, batch_size, precision):
        parts.append(model.network.predict(batch, dtype)[0].cpu().numpy())
    return np.concatenate(parts).reshape(*images.shape[:-2], model.network.n_steps)


def describe_images(images, model, *, covered=None, batch_size=BATCH, precision="float32"):
    """Predict everything that the network has to say of images.

    Parameters
    ----------
    images, model, batch_size, precision
        As for `predict_images`; `images` of shape (N, H, W), or (N, bands, H, W).
    covered : array_like of bool, optional
        Of the shape of `images`; False where an image was padded, see
        `pix2prof.images.stamps.Stamp`. Default: it was not.

    Returns
    -------
    dict of (N, T) numpy.ndarray
        By the names of the profile table's columns: ``mu``, and what else this network gives
        (``mu_err, ellipticity, pa, ...``); rows with `RowFlag.BELOW_CUT` in ``flag`` are
        inferred beyond the reach of the image. ``strangeness`` and ``signal``, if there, have
        shape (N,), and ``centre`` (N, 2), (x, y) on `images` [pixel, 0-based]. Of a
        network of several bands (N, bands, T).

    Raises
    ------
    ValueError, RuntimeError
        As `predict_images`, or if `covered` is of another shape than `images`.
    """
    images, parts = np.asarray(images), []
    if covered is not None and np.shape(covered) != images.shape:
        raise ValueError(f"covered of shape {np.shape(covered)} for images of {images.shape}")
    if len(images) == 0:
        one = describe_images(np.zeros((1, *images.shape[1:]), np.float32), model)
        return {name: values[:0] for name, values in one.items()}
    for batch, known, dtype in _batches(images, covered, model, batch_size, precision):
        said = model.network.describe(batch, known, dtype)
        parts.append({name: values.cpu().numpy() for name, values in said.items()})
    said = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if "centre" in said:
        sides = np.array(images.shape[:-3:-1])
        said["centre"] = said["centre"] + (sides - model.side_within(min(sides))) // 2
    if model.together is None:
        return said
    return {name: x.reshape(-1, len(model.together), *x.shape[1:]) for name, x in said.items()}


def _batches(images, covered, model, batch_size, precision):
    """Cut, check and normalise: yield (images, covered, dtype), batch by batch."""
    n_bands = 1 if model.together is None else len(model.together)
    if model.together is None and images.ndim not in (2, 3):
        raise ValueError(f"images of shape {images.shape}: expected (N, H, W) or (H, W)")
    if model.together is not None and (images.ndim not in (3, 4) or images.shape[-3] != n_bands):
        raise ValueError(
            f"images of shape {images.shape}: this network takes {', '.join(model.together)} of a "
            f"galaxy at once; expected (N, {n_bands}, H, W) or ({n_bands}, H, W)"
        )
    side = model.side_within(min(images.shape[-2:]))
    if model.network.training:
        raise RuntimeError("the network is in training mode; call model.network.eval() first")
    if covered is not None:
        covered = np.asarray(covered, dtype=bool)
        covered = covered.reshape(-1, *images.shape[-2 if model.together is None else -3 :])
    images = images.reshape(-1, n_bands, *images.shape[-2:])
    device, dtype = model.network.device, choose_dtype(precision, model.network.device)
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        batch = np.array(centre_crop(images[part], side), dtype=np.float32)
        bad = np.flatnonzero(~np.isfinite(batch).all(axis=(1, 2, 3)))
        if len(bad):
            raise ValueError(
                f"image {start + bad[0]} holds NaN or infinite pixels; "
                "fill them with pix2prof.images.resampling.fill_missing"
            )
        known = None
        if covered is not None:
            known = torch.from_numpy(np.array(centre_crop(covered[part], side))).to(device)
        batch = model.normalisation.normalise(torch.from_numpy(batch).to(device))
        yield batch, known, dtype
