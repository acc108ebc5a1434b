"""The networks by name: made from parameters, written to disk, read back."""

import hashlib
import json
from dataclasses import asdict
from inspect import signature
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from . import __version__
from .isophote_network.network import IsophoteNetwork
from .model.decoders import DECODERS
from .model.paper import Pix2Prof
from .model.transformer import TransformerNetwork
from .output import replacing
from .released import WEIGHTS_FILE

CONFIG_FILE = "config.json"
CARD = ("version", "model", "normalisation", "provenance", "sha256")
NETWORKS = {
    **dict.fromkeys(DECODERS, Pix2Prof),
    "transformer": TransformerNetwork,
    "isophote": IsophoteNetwork,
}
"""``model.decoder`` -> class."""


def make_network(decoder="gru", **kwargs):
    """Make a network.

    Parameters
    ----------
    decoder : str
        A key of `NETWORKS`.
    **kwargs
        Of its class.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If there is no such decoder, or its class has no such parameter; the message names it
        and those that there are.
    """
    known = _parameters(decoder)
    for name in kwargs:
        if name not in known:
            raise ValueError(
                f"model.{name} is no parameter of the decoder {decoder!r}; known are decoder, "
                f"{', '.join(known)}"
            )
    cls = NETWORKS[decoder]
    return cls(**({"decoder": decoder} if cls is Pix2Prof else {}), **kwargs)


def _parameters(decoder):
    """List the parameters, beside ``decoder``, of the class that a decoder names."""
    if decoder not in NETWORKS:
        raise ValueError(f"model.decoder is {decoder!r}: it must be one of {', '.join(NETWORKS)}")
    return [name for name in signature(NETWORKS[decoder]).parameters if name != "decoder"]


def build_model(config, mu_mean, mu_std, seed, bands=None):
    """Make an untrained network.

    Parameters
    ----------
    config : pix2prof.config.ModelConfig
        What the decoder's class has no use for is not looked at.
    mu_mean, mu_std : float
        Of the training set's profiles [mag arcsec^-2].
    seed : int
        Of the initial weights; the global generator is left as it was.
    bands : sequence of str, optional
        Of the survey; needed where ``config.bands`` is ``all``.

    Returns
    -------
    torch.nn.Module
        In channels-last layout.

    Raises
    ------
    ValueError
        If all bands are to be taken and nobody says which there are.
    """
    if config.bands == "all" and bands is None:
        raise ValueError("model.bands is 'all': give build_model the bands of the survey")
    bands = list(bands) if config.bands == "all" else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        values = asdict(config) | {"mu_mean": mu_mean, "mu_std": mu_std, "bands": bands}
        wanted = [name for name in _parameters(config.decoder) if name in values]
        model = make_network(config.decoder, **{name: values[name] for name in wanted})
    return model.to(memory_format=torch.channels_last)


def save_model(model, folder, *, normalisation, **provenance):
    """Write a network's weights and what is needed to use them.

    Matrices and kernels are written as float16, which halves the file; the rest, where small
    numbers matter, as float32.

    Parameters
    ----------
    model : torch.nn.Module
        Of `make_network`.
    folder : path-like
        Made if it is not there; gets ``model.safetensors`` and ``config.json``.
    normalisation : dict
        Of the images, as plain values.
    **provenance
        Plain values to keep beside it (training set, results, versions).

    Returns
    -------
    str
        SHA-256 of the weights' file.
    """
    folder = Path(folder)
    tensors = {
        name: (x.half() if x.ndim > 1 else x).detach().cpu().contiguous()
        for name, x in model.state_dict().items()
    }
    weights = save_tensors(tensors)
    digest = hashlib.sha256(weights).hexdigest()
    card = {
        "version": __version__,
        "model": model.kwargs,
        "normalisation": normalisation,
        "provenance": provenance,
        "sha256": digest,
    }
    for name, content in (
        (WEIGHTS_FILE, weights),
        (CONFIG_FILE, (json.dumps(card, indent=2) + "\n").encode()),
    ):
        with replacing(folder / name) as aside:
            aside.write_bytes(content)
    return digest


def load_model(folder, device="cpu"):
    """Read a network that `save_model` wrote.

    Parameters
    ----------
    folder : path-like
    device : str or torch.device

    Returns
    -------
    model : torch.nn.Module
        Of `make_network`.
        In evaluation mode.
    card : dict
        ``config.json``: version, model, normalisation, provenance, sha256.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If one is damaged, or they do not belong together; the message names the file.
    """
    folder = Path(folder)
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name}: no such file; a model is a folder with {CONFIG_FILE} and "
                f"{WEIGHTS_FILE}"
            )
    path = folder / CONFIG_FILE
    try:
        card = json.loads(path.read_text())
        model = make_network(**card["model"])
        expected = card["sha256"]
        unknown = sorted(card.keys() - CARD)
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not known; known are {', '.join(CARD)}")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a model's configuration ({error!r})") from error
    path = folder / WEIGHTS_FILE
    weights = path.read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    if digest != expected:
        raise ValueError(
            f"{path}: its SHA-256 is {digest[:12]}..., but {CONFIG_FILE} gives "
            f"{str(expected)[:12]}...; it is damaged or of another model: copy both files again"
        )
    try:
        model.load_state_dict(load_tensors(weights))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{path}: does not fit {CONFIG_FILE} ({error})") from error
    return model.to(device, memory_format=torch.channels_last).eval(), card
