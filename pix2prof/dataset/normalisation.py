"""The fixed normalisation of images: found from the training set, applied, kept."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pix2prof.dataset.crops import centre_crop


@dataclass(frozen=True)
class Normalisation:
    r"""The fixed normalisation of images (equation 2.1).

    Parameters
    ----------
    low, high : float
        :math:`A` and :math:`B` [nanomaggies per pixel]: the floor of the training set's
        minimum and the ceiling of its 99.9th percentile.
    kind : {"minmax", "asinh", "none"}
        ``minmax`` is the paper's :math:`(x - A) / (B - A)` of the image clipped to
        :math:`[A, B]`; ``asinh`` is :math:`\mathrm{asinh}(x / s) / \mathrm{asinh}(B / s)`
        with `softening` :math:`s`, unclipped.
    softening : float
        The asinh stretch's scale [nanomaggies per pixel]; about the sky noise.
    """

    low: float
    high: float
    kind: str = "minmax"
    softening: float = 0.02

    def normalise(self, images):
        """Map images [nanomaggies per pixel], arrays or tensors, to the network's input."""
        if self.kind == "none":
            return images
        if self.kind == "asinh":
            scale = 1.0 / math.asinh(self.high / self.softening)  # a numpy float would widen
            scaled = images / self.softening
            return (
                np.arcsinh(scaled) if isinstance(images, np.ndarray) else scaled.asinh()
            ) * scale
        return (images.clip(self.low, self.high) - self.low) / (self.high - self.low)


def find_normalisation(images, crop):
    """Find A and B of equation 2.1 by the paper's rule (section 2.2.3), exactly, in flat memory.

    Parameters
    ----------
    images : iterable of numpy.ndarray
        Arrays of shape (..., S, S) [nanomaggies per pixel].
    crop : int
        The central part that counts [px].

    Returns
    -------
    normalisation : Normalisation
        Floor of the minimum, and ceiling of the 99.9th percentile.
    """
    images = list(images)
    count = sum(int(np.prod(image.shape[:-2])) for image in images) * crop**2
    below, fraction = divmod(0.999 * (count - 1), 1)
    keep = count - int(below)
    low, top = np.inf, np.empty(0, dtype=np.float32)
    for image in images:
        values = centre_crop(image, crop).ravel()
        low = min(low, values.min())
        top = np.concatenate([top, values])
        if len(top) > keep:
            top = np.partition(top, len(top) - keep)[-keep:]
    first, second = np.sort(top)[[0, min(1, keep - 1)]]
    percentile = first + fraction * (second - first)
    return Normalisation(float(np.floor(low)), float(np.ceil(percentile)))


def save_normalisation(normalisation, path):
    """Write a `Normalisation` as JSON."""
    Path(path).write_text(json.dumps(asdict(normalisation), indent=2) + "\n")
