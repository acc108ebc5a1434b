"""A transformer in place of the GRU: every radius at once, an end, and errors."""

import math

import torch
from torch import nn

from .calibration import LAPLACE_68, N_BINS, error_factors, in_order, radial_bins
from .nodes import Rows
from .profiles import SMA_STEP, sma_grid
from .queries import RadiusQueries
from .resnet import WIDTHS, ResNet18, binned
from .sdss import PIXSCALE

N_DRAWN = 48
N_ASKED = 96
N_MAPS = 2


class TransformerNetwork(nn.Module):
    """The paper's encoder, and radii that ask its last two maps and its pooled vector.

    The values at the radii are those of a Laplace distribution, and so is the logarithm of the
    profile's length, where it ends.

    Parameters
    ----------
    stem : {"standard", "small"}
        Of the encoder, see `pix2prof.resnet.ResNet18`.
    latent, layers, dropout
        See `pix2prof.resnet.ResNet18` and `pix2prof.queries.RadiusQueries`.
    max_sma : float
        Where every profile ends [arcsec].
    binning : int
        Pixels of an image are averaged in squares of this side before the encoder; 1: as is.
    mu_mean, mu_std : float
        Of the training set's profiles [mag arcsec^-2].

    Raises
    ------
    ValueError
        If a value is out of its range; the message names it.
    """

    normalise = None
    smallest = None

    def __init__(
        self,
        stem="standard",
        latent=512,
        layers=3,
        dropout=0.2,
        max_sma=204.8,
        binning=1,
        mu_mean=0.0,
        mu_std=1.0,
    ):
        super().__init__()
        self.nodes = Rows(max_sma, float(mu_mean), float(mu_std))
        self.kwargs = {
            "decoder": "transformer",
            "stem": stem,
            "latent": latent,
            "layers": layers,
            "dropout": dropout,
            "max_sma": max_sma,
            "binning": binning,
            "mu_mean": float(mu_mean),
            "mu_std": float(mu_std),
        }
        self.binning = binning
        self.encoder = ResNet18(latent, stem)
        self.decoder = RadiusQueries(WIDTHS[-N_MAPS:], latent, layers, dropout)
        self.register_buffer("calibration", torch.ones(N_BINS + 1))
        sma = torch.as_tensor(sma_grid(self.n_steps), dtype=torch.float32)
        self.register_buffer("sma", sma, persistent=False)
        rows = torch.logspace(0, math.log10(self.n_steps), N_ASKED).round().long()
        self.register_buffer("rows", torch.unique(rows) - 1, persistent=False)

    @property
    def device(self):
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def n_steps(self):
        """Rows of the profile's grid."""
        return self.nodes.n_steps

    def forward(self, images, radius, generator=None, dtype=torch.float32):
        """Answers at radii.

        Parameters
        ----------
        images : torch.Tensor, shape (B, 1, H, W)
            Normalised.
        radius : torch.Tensor, shape (K,) or (B, K)
            Semi-major axes, of any number and in any order [arcsec].
        generator : torch.Generator, optional
            Of the dropout.
        dtype : torch.dtype
            Of convolutions and matrix products.

        Returns
        -------
        mu, log_scale, end, end_log_scale
            See `pix2prof.queries.RadiusQueries`.
        """
        maps = self.encoder.maps(binned(images, self.binning), dtype)
        z, maps = self.encoder.pooled(maps[-1]), maps[-N_MAPS:]
        scales = [PIXSCALE * images.shape[-1] / features.shape[-1] for features in maps]
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            return self.decoder(maps, z, scales, radius, generator)

    def begin_epoch(self):
        """Nothing is kept from batch to batch."""

    def observe(self, batch, dtype=torch.float32):
        """Pass a batch, as for `loss`, through the layers that take statistics of it."""
        self.encoder.maps(binned(batch[0], self.binning), dtype)

    def loss(self, batch, config, generator, of_dropout=None, dtype=torch.float32):
        """Loss of a training step: negative logarithms of the Laplace likelihoods of mu and end.

        Of each profile `N_DRAWN` radii are drawn, half of them evenly spread along it and half
        along its logarithm.

        Parameters
        ----------
        batch : sequence of torch.Tensor
            Images, targets, which of them are known, rows: as `pix2prof.batches.Batches` loads
            them with `pix2prof.nodes.Rows`.
        config : pix2prof.config.TrainConfig
            Not used: there is nothing to feed back.
        generator : numpy.random.Generator
            Draws the radii.
        of_dropout : torch.Generator, optional
        dtype : torch.dtype

        Returns
        -------
        loss : torch.Tensor
            In model units.
        squares : float
            Sum of the squared errors at the radii drawn [mag^2 arcsec^-4].
        n_nodes : int
            How many they are.
        """
        images, targets, known, n_rows = batch
        share = (torch.arange(N_DRAWN) + torch.from_numpy(generator.random(N_DRAWN))) / N_DRAWN
        share = share.to(self.device, torch.float32)
        even, length = torch.arange(N_DRAWN, device=self.device) % 2 == 0, n_rows[:, None].float()
        rows = torch.where(even, share * length, length**share - 1).long()
        rows = torch.minimum(rows, n_rows[:, None] - 1)
        mu, log_scale, end, end_log_scale = self(images, self.sma[rows], of_dropout, dtype)
        error = (mu - targets.gather(1, rows)).abs()
        there = known.gather(1, rows)
        loss = (error * torch.exp(-log_scale) + log_scale)[there].mean()
        off = (end - self.sma[n_rows - 1].log()).abs()
        loss = loss + (off * torch.exp(-end_log_scale) + end_log_scale).mean()
        error = error[there].detach() * self.nodes.mu_std
        return loss, error.square().sum().item(), error.numel()

    def judge(self, batch, dtype=torch.float32):
        """Errors of a batch.

        Parameters
        ----------
        batch : sequence of torch.Tensor
            As for `loss`.
        dtype : torch.dtype

        Returns
        -------
        squares : float
            Sum of the squared errors over the profiles' rows [mag^2 arcsec^-4].
        n_nodes : int
            How many they are.
        deviations : torch.Tensor, shape (B,)
            Median absolute deviation of each profile up to its end [mag arcsec^-2].
        """
        images, targets, known, _ = batch
        mu = self._on_grid(images, dtype)[0][:, : targets.shape[1]]
        error = (mu - targets * self.nodes.mu_std - self.nodes.mu_mean)[known]
        deviations = torch.full(targets.shape, math.nan, device=self.device)
        deviations[known] = error.abs()
        return error.double().square().sum().item(), len(error), deviations.nanmedian(1).values

    @torch.no_grad()
    def calibrate(self, train, validation, dtype=torch.float32):
        """Scale the errors so that they hold on the validation set.

        Parameters
        ----------
        train, validation : pix2prof.batches.Batches
            The first is not used.
        dtype : torch.dtype
        """
        self.calibration.fill_(1.0)
        ratios, places = [], []
        for batch in in_order(validation):
            images, targets, known, _ = (x.to(self.device) for x in batch)
            mu, mu_err, n_valid = self._on_grid(images, dtype)
            width = targets.shape[1]
            off = mu[:, :width] - targets * self.nodes.mu_std - self.nodes.mu_mean
            ratios.append((off.abs() / mu_err[:, :width])[known])
            places.append(radial_bins(n_valid, self.n_steps)[:, :width][known])
        self.calibration.copy_(error_factors(torch.cat(ratios), torch.cat(places)))

    def _on_grid(self, images, dtype):
        """Surface brightness and error on the profile's grid, and its length in rows."""
        mu, log_scale, end, _ = self(images.to(self.device), self.sma[self.rows], None, dtype)
        at = torch.arange(self.n_steps, device=self.device)
        right = torch.searchsorted(self.rows, at).clamp(min=1)
        left = right - 1
        share = (at - self.rows[left]) / (self.rows[right] - self.rows[left])
        mu, log_scale = (torch.lerp(x[:, left], x[:, right], share) for x in (mu, log_scale))
        n_valid = (end.exp() / SMA_STEP).round().long().clamp(1, self.n_steps)
        factor = self.calibration[radial_bins(n_valid, self.n_steps)]
        mu_err = log_scale.exp() * LAPLACE_68 * self.nodes.mu_std * factor
        return mu * self.nodes.mu_std + self.nodes.mu_mean, mu_err, n_valid

    def predict(self, images, dtype=torch.float32):
        """Profiles of images, each up to its end.

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
            Valid grid steps.

        Raises
        ------
        RuntimeError
            If the model is in training mode, where its output would be random.
        """
        mu, _, n_valid = self._ended(images, dtype)
        return mu, n_valid

    def describe(self, images, covered=None, dtype=torch.float32):
        """All that the network says of images, by the names of the profile table's columns.

        Parameters
        ----------
        images : torch.Tensor, shape (B, 1, H, W)
            Normalised.
        covered : torch.Tensor of bool, shape (B, H, W), optional
            Not used: this network takes what the image was padded with as it is.
        dtype : torch.dtype

        Returns
        -------
        dict of torch.Tensor, shape (B, n_steps)
            ``mu``, ``mu_err`` [mag arcsec^-2], NaN from the end on.
        """
        mu, mu_err, _ = self._ended(images, dtype)
        return {"mu": mu, "mu_err": mu_err}

    @torch.no_grad()
    def _ended(self, images, dtype):
        if self.training:
            raise RuntimeError("the model is in training mode: call model.eval() before predict")
        mu, mu_err, n_valid = self._on_grid(images, dtype)
        beyond = torch.arange(self.n_steps, device=self.device) >= n_valid[:, None]
        return mu.masked_fill(beyond, math.nan), mu_err.masked_fill(beyond, math.nan), n_valid
