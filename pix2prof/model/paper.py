"""The paper's network: an image in, a surface-brightness profile out."""

import torch

from .base import EncoderNetwork
from .decoders import make_decoder
from .nodes import Nodes
from .packing import pack_encoder, packed
from .resnet import binned


class Pix2Prof(EncoderNetwork):
    """Encoder and decoder (section 2.2.4), with the profile's grid and units around them.

    The decoder works on the grid and in the units of `nodes`, a `pix2prof.model.nodes.Nodes`.

    Parameters
    ----------
    stem : {"standard", "small"}
        Of the encoder, see `ResNet18`.
    decoder : str
        One of `pix2prof.model.decoders.DECODERS`.
    latent, layers, dropout
        See `ResNet18` and the decoder.
    step : float
        The decoder's step [arcsec], a multiple of 0.2.
    max_sma : float
        Where every profile ends [arcsec].
    binning : int
        Pixels of an image are averaged in squares of this side before the encoder; 1: as is.
    halt_window : float
        Length of constant output after which a profile has ended [arcsec].
    halt_std : float
        Standard deviation up to which output is constant [mag arcsec^-2].
    mu_mean, mu_std : float
        Of the training set's profiles [mag arcsec^-2].
    bands : sequence of str, optional
        See `EncoderNetwork`.

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
        binning=1,
        halt_window=20.0,
        halt_std=0.01,
        mu_mean=0.0,
        mu_std=1.0,
        bands=None,
    ):
        nodes = Nodes(step, max_sma, halt_window, halt_std, float(mu_mean), float(mu_std))
        super().__init__(
            nodes,
            stem=stem,
            decoder=decoder,
            latent=latent,
            layers=layers,
            dropout=dropout,
            step=step,
            max_sma=max_sma,
            binning=binning,
            halt_window=halt_window,
            halt_std=halt_std,
            mu_mean=nodes.mu_mean,
            mu_std=nodes.mu_std,
            bands=bands,
        )
        self.decoder = make_decoder(decoder, nodes.count, latent, layers, dropout)

    def encode(self, images, dtype=torch.float32):
        """Latent vectors.

        Parameters
        ----------
        images : torch.Tensor, shape (G, n_bands, H, W)
            Normalised, of any size.
        dtype : torch.dtype
            Of the convolutions: float32 or bfloat16.

        Returns
        -------
        torch.Tensor of float32, shape (B, latent)
            With B = G n_bands, galaxy by galaxy, in each its bands.
        """
        return self.encoder(binned(images, self.binning), dtype)

    def forward(self, images, targets, teacher, generator=None, dtype=torch.float32):
        """Outputs of a training step.

        Parameters
        ----------
        images : torch.Tensor, shape (G, n_bands, H, W)
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

    def calibrate(self, train, validation, dtype=torch.float32):
        """The paper's network gives no errors."""

    def loss(self, batch, config, generator, of_dropout=None, dtype=torch.float32):
        """Loss of a training step: the mean squared error over all nodes (section 2.2.5).

        Parameters
        ----------
        batch : sequence of torch.Tensor
            Images, targets, which of them count, nodes: as `pix2prof.training.batches.Batches`
            loads them.
        config : pix2prof.config.TrainConfig
            For ``teacher_forcing``, the probability of feeding an image's targets back.
        generator : numpy.random.Generator
            Draws who is teacher-forced.
        of_dropout : torch.Generator, optional
        dtype : torch.dtype

        Returns
        -------
        loss : torch.Tensor
            In model units.
        squares : float
            Sum of the squared errors [mag^2 arcsec^-4].
        n_nodes : int
            How many they are.
        """
        images, targets, counted, _ = batch
        teacher = torch.from_numpy(generator.random(len(targets)) < config.teacher_forcing)
        outputs = self(images, targets, teacher.to(self.device), of_dropout, dtype)
        error = (outputs - targets)[counted].square()
        loss = error.mean()
        return loss, loss.item() * error.numel() * self.nodes.mu_std**2, error.numel()

    def judge(self, batch, dtype=torch.float32):
        """Errors of a batch, free-running.

        Parameters
        ----------
        batch : sequence of torch.Tensor
            As for `loss`.
        dtype : torch.dtype

        Returns
        -------
        squares : float
            Sum of the squared errors, held ends included [mag^2 arcsec^-4].
        n_nodes : int
            How many they are.
        deviations : torch.Tensor, shape (B,)
            Median absolute deviation of each profile up to its end [mag arcsec^-2].
        """
        images, targets, counted, n_nodes = batch
        teacher = torch.zeros(len(targets), dtype=torch.bool, device=self.device)
        error = (self(images, targets, teacher, dtype=dtype) - targets) * self.nodes.mu_std
        at = torch.arange(error.shape[1], device=self.device)
        inside = counted & (at < n_nodes[:, None])
        deviations = error.abs().masked_fill(~inside, torch.nan).nanmedian(1).values
        return error[counted].double().square().sum().item(), int(counted.sum()), deviations

    @torch.no_grad()
    def predict(self, images, dtype=torch.float32):
        """Profiles of images, free-running, each until it halts.

        Parameters
        ----------
        images : torch.Tensor, shape (G, n_bands, H, W)
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
        self.refuse_training()
        images = binned(images.to(self.device), self.binning)
        z = packed(self.encoder, dtype, pack_encoder)(images)
        nodes = self.nodes
        outputs, n_outputs, halted = self.decoder.generate(
            z, nodes.count, nodes.window, nodes.halt_std / nodes.mu_std, dtype
        )
        return nodes.to_grid(outputs, n_outputs - halted * (nodes.window - 1))

    def describe(self, images, covered=None, dtype=torch.float32):
        """All that the network says of images, by the names of the profile table's columns.

        Parameters
        ----------
        images : torch.Tensor, shape (G, n_bands, H, W)
            Normalised.
        covered : torch.Tensor of bool, shape (G, H, W), or (G, n_bands, H, W) with bands, optional
            Not used: this network takes what the image was padded with as it is.
        dtype : torch.dtype

        Returns
        -------
        dict of torch.Tensor, shape (B, n_steps)
            ``mu`` [mag arcsec^-2], NaN from the end on.
        """
        return {"mu": self.predict(images, dtype)[0]}
