"""The paper's own way of predicting, as a slow reference: one image and one step at a time.

After the code released with the paper: a batch of one in single precision, the GRU called once for
each output, and after each the standard deviation over the last 100 outputs (20 arcsec). What the
package does in batches must give the same profiles.
"""

import copy

import numpy as np
import torch
from astropy.io import fits
from torch.nn import functional

from pix2prof.dataset.crops import centre_crop
from pix2prof.profiles import SMA_STEP


def plainly(network):
    """Give a copy of a network with its kernels in torch's usual layout."""
    return copy.deepcopy(network).to(memory_format=torch.contiguous_format).eval()


@torch.no_grad()
def profile(network, image):
    """Profile of one image.

    Parameters
    ----------
    network : pix2prof.model.paper.Pix2Prof
        Of decoder ``gru``, see `plainly`.
    image : numpy.ndarray of float32, shape (H, W)
        Normalised.

    Returns
    -------
    mu : numpy.ndarray, shape (n,)
        On ``0.2 (k + 1)`` arcsec up to the end [mag arcsec^-2].
    """
    nodes, decoder = network.nodes, network.decoder
    image = torch.from_numpy(np.ascontiguousarray(image))[None, None]
    if network.binning > 1:
        image = functional.avg_pool2d(image, network.binning, ceil_mode=True)
    z = network.encoder(image)  # (1, latent)
    states, x, outputs = [z] * len(decoder.cells), torch.zeros(1, 1), []
    while len(outputs) < nodes.count:
        for layer, cell in enumerate(decoder.cells):
            x = states[layer] = cell(x, states[layer])
        x = decoder.dense(x.relu())
        outputs.append(x.item())
        if len(outputs) >= nodes.window:
            if np.std(outputs[-nodes.window :]) * nodes.mu_std <= nodes.halt_std:
                outputs = outputs[: len(outputs) - nodes.window + 1]
                break
    n = min((len(outputs) - 1) * nodes.stride + 1, nodes.n_steps)
    at = np.arange(len(outputs)) * nodes.stride
    return nodes.mu_mean + nodes.mu_std * np.interp(np.arange(n), at, outputs)


def predict(path, network, normalisation, crop, out):
    """Read one FITS image, predict, write a table of text.

    Parameters
    ----------
    path, out : path-like
    network : pix2prof.model.paper.Pix2Prof
        See `plainly`.
    normalisation : pix2prof.dataset.normalisation.Normalisation
    crop : int
        Side of the network's images [px].
    """
    image = centre_crop(fits.getdata(path).astype(np.float32), crop)
    mu = profile(network, normalisation.normalise(image))
    sma = SMA_STEP * (1 + np.arange(len(mu)))
    np.savetxt(out, np.stack((sma, mu), 1), header="sma [arcsec], mu [mag arcsec^-2]")
