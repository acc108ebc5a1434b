"""Pix2Prof: an image in, a surface-brightness profile out; and its weights on disk."""

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from . import __version__
from .decoders import DECODERS
from .nodes import Nodes
from .resnet import ResNet18

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


class Pix2Prof(nn.Module):
    """Encoder and decoder (section 2.2.4), with the profile's grid and units around them.

    The decoder works on the grid and in the units of `nodes`, a `pix2prof.nodes.Nodes`.

    Parameters
    ----------
    stem : {"standard", "small"}
        Of the encoder, see `ResNet18`.
    decoder : str
        A key of `DECODERS`.
    latent, layers, dropout
        See `ResNet18` and the decoder.
    step : float
        The decoder's step [arcsec], a multiple of 0.2.
    max_sma : float
        Where every profile ends [arcsec].
    halt_window : float
        Length of constant output after which a profile has ended [arcsec].
    halt_std : float
        Standard deviation up to which output is constant [mag arcsec^-2].
    mu_mean, mu_std : float
        Of the training set's profiles [mag arcsec^-2].

    Raises
    ------
    ValueError
        If a value is out of its range; the message names it.
    """

    def __init__(
        self,
        stem="standard",
        decoder="gru",
        latent=512,
        layers=3,
        dropout=0.2,
        step=1.0,
        max_sma=204.8,
        halt_window=20.0,
        halt_std=0.01,
        mu_mean=0.0,
        mu_std=1.0,
    ):
        super().__init__()
        if decoder not in DECODERS:
            raise ValueError(
                f"model.decoder is {decoder!r}: it must be one of {', '.join(DECODERS)}"
            )
        self.nodes = Nodes(step, max_sma, halt_window, halt_std, float(mu_mean), float(mu_std))
        self.kwargs = {
            "stem": stem,
            "decoder": decoder,
            "latent": latent,
            "layers": layers,
            "dropout": dropout,
            "step": step,
            "max_sma": max_sma,
            "halt_window": halt_window,
            "halt_std": halt_std,
            "mu_mean": float(mu_mean),
            "mu_std": float(mu_std),
        }
        self.encoder = ResNet18(latent, stem)
        self.decoder = DECODERS[decoder](latent, layers, dropout)

    @property
    def device(self):
        """Where the weights are."""
        return next(self.parameters()).device

    def encode(self, images, dtype=torch.float32):
        """Latent vectors.

        Parameters
        ----------
        images : torch.Tensor, shape (B, 1, H, W)
            Normalised, of any size.
        dtype : torch.dtype
            Of the convolutions: float32 or bfloat16.

        Returns
        -------
        torch.Tensor of float32, shape (B, latent)
        """
        return self.encoder(images.contiguous(memory_format=torch.channels_last), dtype)

    def forward(self, images, targets, teacher, generator=None, dtype=torch.float32):
        """Outputs of a training step.

        Parameters
        ----------
        images : torch.Tensor, shape (B, 1, H, W)
        targets : torch.Tensor, shape (B, T)
            As ``nodes.targets`` gives them.
        teacher : torch.Tensor of bool, shape (B,)
            Where True, targets are fed back in place of outputs.
        generator : torch.Generator, optional
            Of the dropout.
        dtype : torch.dtype
            Of convolutions and matrix products.

        Returns
        -------
        torch.Tensor, shape (B, T)
            In model units.
        """
        return self.decoder(self.encode(images, dtype), targets, teacher, generator, dtype)

    @torch.no_grad()
    def predict(self, images, dtype=torch.float32):
        """Profiles of images, free-running, each until it halts.

        Parameters
        ----------
        images : torch.Tensor, shape (B, 1, H, W)
            Normalised.
        dtype : torch.dtype
            Of convolutions and matrix products.

        Returns
        -------
        mu : torch.Tensor of float32, shape (B, n_steps)
            On ``0.2 (k + 1)`` arcsec [mag arcsec^-2], NaN from the end on.
        n_valid : torch.Tensor of int, shape (B,)
            Valid grid steps: up to the first output of the window that made it halt.

        Raises
        ------
        RuntimeError
            If the model is in training mode, where its output would be random.
        """
        if self.training:
            raise RuntimeError("the model is in training mode: call model.eval() before predict")
        z = self.encode(images.to(self.device), dtype)
        nodes = self.nodes
        outputs, n_outputs, halted = self.decoder.generate(
            z, nodes.count, nodes.window, nodes.halt_std / nodes.mu_std, dtype
        )
        return nodes.to_grid(outputs, n_outputs - halted * (nodes.window - 1))


def build_model(config, mu_mean, mu_std, seed):
    """Make an untrained network.

    Parameters
    ----------
    config : pix2prof.config.ModelConfig
    mu_mean, mu_std : float
        Of the training set's profiles [mag arcsec^-2].
    seed : int
        Of the initial weights; the global generator is left as it was.

    Returns
    -------
    Pix2Prof
        In channels-last layout.
    """
    names = ("stem", "decoder", "latent", "layers", "dropout")
    names += ("step", "max_sma", "halt_window", "halt_std")
    kwargs = {name: getattr(config, name) for name in names}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Pix2Prof(**kwargs, mu_mean=mu_mean, mu_std=mu_std)
    return model.to(memory_format=torch.channels_last)


def choose_dtype(precision="auto", device="cpu"):
    """Arithmetic for convolutions and matrix products.

    Parameters
    ----------
    precision : {"auto", "bf16", "float32"}
        `auto`: bfloat16 where the device has instructions for it (without them it is slower).
    device : str or torch.device

    Returns
    -------
    torch.dtype

    Raises
    ------
    ValueError
        If `precision` is none of these.
    """
    if precision not in ("auto", "bf16", "float32"):
        raise ValueError(f"train.precision is {precision!r}: it must be auto, bf16 or float32")
    if precision == "auto":
        if torch.device(device).type == "cuda":
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            processor = torch.cpu.get_capabilities()
            has_bf16 = any(processor.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
        precision = "bf16" if has_bf16 else "float32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def save_model(model, folder, *, normalisation, **provenance):
    """Write a network's weights and what is needed to use them.

    Matrices and kernels are written as float16, which halves the file; the rest, where small
    numbers matter, as float32.

    Parameters
    ----------
    model : Pix2Prof
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
    folder.mkdir(parents=True, exist_ok=True)
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
    _replace(folder / WEIGHTS_FILE, weights)
    _replace(folder / CONFIG_FILE, (json.dumps(card, indent=2) + "\n").encode())
    return digest


def load_model(folder, device="cpu"):
    """Read a network that `save_model` wrote.

    Parameters
    ----------
    folder : path-like
    device : str or torch.device

    Returns
    -------
    model : Pix2Prof
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
        model = Pix2Prof(**card["model"])
        expected = card["sha256"]
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


def _replace(path, content):
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)
