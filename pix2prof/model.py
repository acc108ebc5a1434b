"""Pix2Prof: an image in, a surface-brightness profile out; and its weights on disk."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from . import __version__
from .decoders import DECODERS
from .profiles import SMA_STEP
from .resnet import ResNet18

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


class Pix2Prof(nn.Module):
    """Encoder and decoder (section 2.2.4), with the profile's grid and units around them.

    The decoder works in standardised surface brightness, (mu - mu_mean) / mu_std, at nodes on
    ``0.2 + step * j`` arcsec, so that no node lies outside the profile's grid of 0.2 arcsec; at a
    `step` of 0.2 (the paper's) the two grids are one.

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
            raise ValueError(f"model.decoder is {decoder!r}: it must be one of {', '.join(DECODERS)}")
        if not (np.isfinite(mu_mean) and np.isfinite(mu_std) and mu_std > 0):
            raise ValueError(f"mu_mean, mu_std are {mu_mean}, {mu_std}: finite, the latter above 0")
        self.stride = round(step / SMA_STEP)
        if self.stride < 1 or abs(self.stride * SMA_STEP - step) > 1e-6:
            raise ValueError(f"model.step is {step} arcsec: it must be a multiple of {SMA_STEP}")
        self.window = round(halt_window / step)
        if self.window < 2:
            raise ValueError(f"model.halt_window is {halt_window} arcsec: at least two steps, please")
        self.n_steps = round(max_sma / SMA_STEP)
        self.n_nodes = -(-(self.n_steps - 1) // self.stride) + 1
        self.halt_std = halt_std
        self.mu_mean, self.mu_std = float(mu_mean), float(mu_std)
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
            "mu_mean": self.mu_mean,
            "mu_std": self.mu_std,
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
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            return self.encoder(images).float()

    def forward(self, images, targets, teacher, generator=None, dtype=torch.float32):
        """Outputs of a training step.

        Parameters
        ----------
        images : torch.Tensor, shape (B, 1, H, W)
        targets : torch.Tensor, shape (B, T)
            As `targets` gives them.
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

    def targets(self, mu):
        """What the decoder shall write for given profiles.

        Beyond its end a profile is held at its last value for the length of the halting window,
        so that the halting rule finds the end. Gaps are bridged linearly and not counted.

        Parameters
        ----------
        mu : array_like, shape (B, n)
            Profiles on the grid of 0.2 arcsec [mag arcsec^-2], NaN beyond their ends.

        Returns
        -------
        targets : torch.Tensor of float32, shape (B, T)
            Model units; T is that of the longest profile.
        counted : torch.Tensor of bool, shape (B, T)
            True where the loss is taken: profile and held end.
        n_nodes : torch.Tensor of int, shape (B,)
            Nodes of the profile itself.

        Raises
        ------
        ValueError
            If a profile has no finite value; the message gives its index.
        """
        mu = np.asarray(mu, dtype=np.float32)[:, : self.n_steps]
        finite = np.isfinite(mu)
        if not finite.any(1).all():
            index = int(np.argmin(finite.any(1)))
            raise ValueError(f"profile {index} has no finite surface brightness: leave it out")
        last = mu.shape[1] - 1 - finite[:, ::-1].argmax(1)
        n_nodes = (2 * last + self.stride) // (2 * self.stride) + 1
        ends = np.minimum(n_nodes + self.window, self.n_nodes)
        at = np.arange(ends.max()) * self.stride  # (T,)
        grid = np.arange(mu.shape[1])
        values = np.stack(
            [np.interp(at, grid[ok], row[ok]) for row, ok in zip(mu, finite, strict=True)]
        )
        inside = finite[:, np.minimum(at, mu.shape[1] - 1)] | (at >= last[:, None])
        counted = inside & (np.arange(len(at)) < ends[:, None])
        standardised = (values - self.mu_mean) / self.mu_std
        return (
            torch.from_numpy(standardised.astype(np.float32)),
            torch.from_numpy(counted),
            torch.from_numpy(n_nodes),
        )

    def to_grid(self, outputs, n_nodes):
        """Bring the decoder's nodes to the profile's grid, linearly.

        Parameters
        ----------
        outputs : torch.Tensor, shape (B, n_nodes)
            Model units.
        n_nodes : torch.Tensor of int, shape (B,)
            Valid nodes of each.

        Returns
        -------
        mu : torch.Tensor, shape (B, n_steps)
            On ``0.2 (k + 1)`` arcsec [mag arcsec^-2], NaN from the end on.
        n_valid : torch.Tensor of int, shape (B,)
            Valid grid steps.
        """
        n_valid = ((n_nodes - 1) * self.stride + 1).clamp(max=self.n_steps)
        k = torch.arange(self.n_steps, device=outputs.device)
        left = k // self.stride
        right = (left + 1).clamp(max=outputs.shape[1] - 1)
        weight = (k % self.stride) / self.stride
        on_grid = torch.where(
            weight == 0,
            outputs[:, left],
            torch.lerp(outputs[:, left], outputs[:, right], weight.to(outputs.dtype)),
        )
        mu = on_grid * self.mu_std + self.mu_mean
        return mu.masked_fill(k >= n_valid[:, None], torch.nan), n_valid

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
        outputs, n_outputs, halted = self.decoder.generate(
            z, self.n_nodes, self.window, self.halt_std / self.mu_std, dtype
        )
        return self.to_grid(outputs, n_outputs - halted * (self.window - 1))


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
    tensors = {name: x.detach().cpu().contiguous() for name, x in model.state_dict().items()}
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
            f"{path}: its SHA-256 is {digest[:12]}..., but {CONFIG_FILE} gives {expected[:12]}...; "
            "the file is damaged or of another model: copy both files again"
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
