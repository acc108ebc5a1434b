"""A tiny untrained model and images of a galaxy, for tests that need any."""

from dataclasses import asdict

import numpy as np
import torch
from astropy.io import fits

from pix2prof.dataset.normalisation import Normalisation
from pix2prof.model.paper import Pix2Prof
from pix2prof.networks import save_model


def save_tiny_model(folder):
    """Write a model that is fast and wants 64 px; the folder is given back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = Pix2Prof("standard", latent=16, layers=1, step=2.0, max_sma=60.0, mu_mean=23.0)
    save_model(network, folder, normalisation=asdict(Normalisation(-1.0, 20.0)), crop=64)
    return folder


def galaxy(size=80, seed=0, shift=(0.0, 0.0), ellipticity=0.0):
    """An exponential disc on noise [nanomaggies per pixel]."""
    y, x = np.indices((size, size)) - (size - 1) / 2
    light = 5 * np.exp(-np.hypot(x - shift[0], (y - shift[1]) / (1 - ellipticity)) / 6)
    return light + 0.03 * np.random.default_rng(seed).standard_normal(light.shape)


def save(path, data, **keys):
    """Write an image with the keywords that the reader looks for; the path is given back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = {"PIXSCALE": 0.396, "ZEROPT": 22.5, "BAND": "r", **keys}
    fits.PrimaryHDU(data.astype("f4"), fits.Header(keys)).writeto(path)
    return path
