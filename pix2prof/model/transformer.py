"""A transformer in place of the GRU: every radius at once, with errors, shapes and an end."""

import math

import torch

from ..profiles import SMA_STEP, sma_grid
from ..sdss import PIXSCALE
from .base import EncoderNetwork
from .calibration import ERRORS, N_BINS, Calibration, in_order, radial_bins
from .growth import light
from .nodes import Rows
from .queries import RadiusQueries
from .resnet import WIDTHS, binned

N_DRAWN = 48
N_ASKED = 96
N_MAPS = 2
SHAPE_UNIT = 0.2


class TransformerNetwork(EncoderNetwork):
    """The paper's encoder, and radii that ask its last two maps and its pooled vector.

    The surface brightnesses at the radii are those of a Laplace distribution, and so is the
    logarithm of the profile's length, where it ends. Beside them stand the isophotes' shapes.

    Parameters
    ----------
    stem : {"standard", "small"}
        Of the encoder, see `pix2prof.model.resnet.ResNet18`.
    latent, layers, dropout
        See `pix2prof.model.resnet.ResNet18` and `pix2prof.model.queries.RadiusQueries`.
    max_sma : float
        Where every profile ends [arcsec].
    binning : int
        Pixels of an image are averaged in squares of this side before the encoder; 1: as is.
    mu_mean, mu_std : float
        Of the training set's profiles [mag arcsec^-2].
    bands : sequence of str, optional
        See `EncoderNetwork`.

    Raises
    ------
    ValueError
        If a value is out of its range; the message names it.
    """

    ellipses = True

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
        bands=None,
    ):
        nodes = Rows(max_sma, float(mu_mean), float(mu_std))
        super().__init__(
            nodes,
            decoder="transformer",
            stem=stem,
            latent=latent,
            layers=layers,
            dropout=dropout,
            max_sma=max_sma,
            binning=binning,
            mu_mean=nodes.mu_mean,
            mu_std=nodes.mu_std,
            bands=bands,
        )
        self.decoder = RadiusQueries(WIDTHS[-N_MAPS:], latent, layers, dropout)
        self.calibration = Calibration(N_BINS + 1)
        sma = torch.as_tensor(sma_grid(self.n_steps), dtype=torch.float32)
        self.register_buffer("sma", sma, persistent=False)
        rows = torch.logspace(0, math.log10(self.n_steps), N_ASKED).round().long()
        self.register_buffer("rows", torch.unique(rows) - 1, persistent=False)

    def forward(self, images, radius, generator=None, dtype=torch.float32):
        """Answers at radii, of B = G n_bands profiles: galaxy by galaxy, in each its bands.

        Parameters
        ----------
        images : torch.Tensor, shape (G, n_bands, H, W)
            Normalised.
        radius : torch.Tensor, shape (K,) or (B, K)
            Semi-major axes, of any number and in any order [arcsec].
        generator : torch.Generator, optional
            Of the dropout.
        dtype : torch.dtype
            Of convolutions and matrix products.

        Returns
        -------
        pix2prof.model.queries.Answers
        """
        maps = self.encoder.maps(binned(images, self.binning), dtype)
        z = self.encoder.pooled(maps[-1])
        alike = [x[:, None].expand(-1, self.n_bands, *[-1] * 3) for x in maps[-N_MAPS:]]
        maps = [x.flatten(0, 1) for x in alike]
        scales = [PIXSCALE * images.shape[-1] / features.shape[-1] for features in maps]
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            return self.decoder(maps, z, scales, radius, generator)

    def loss(self, batch, config, generator, of_dropout=None, dtype=torch.float32):
        """Loss of a training step: negative logarithms of the Laplace likelihoods of mu and end.

        To them are added the absolute errors of the ellipticity and, times the ellipticity, since
        a round isophote has none, of the doubled position angle, in units of `SHAPE_UNIT`. Of
        each profile `N_DRAWN` radii are drawn, half of them evenly spread along it and half along
        its logarithm.

        Parameters
        ----------
        batch : sequence of torch.Tensor
            Images, targets, which of them are known, rows, ellipticities, position angles: as
            `pix2prof.training.batches.Batches` loads them with `pix2prof.model.nodes.Rows`.
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
        images, targets, known, n_rows, ellipticity, pa = batch
        share = (torch.arange(N_DRAWN) + torch.from_numpy(generator.random(N_DRAWN))) / N_DRAWN
        share = share.to(self.device, torch.float32)
        even, length = torch.arange(N_DRAWN, device=self.device) % 2 == 0, n_rows[:, None].float()
        rows = torch.where(even, share * length, length**share - 1).long()
        rows = torch.minimum(rows, n_rows[:, None] - 1)
        said = self(images, self.sma[rows], of_dropout, dtype)
        error = (said.mu - targets.gather(1, rows)).abs()
        there = known.gather(1, rows)
        loss = (error * torch.exp(-said.log_scale) + said.log_scale)[there].mean()
        off = (said.end - self.sma[n_rows - 1].log()).abs()
        loss = loss + (off * torch.exp(-said.end_log_scale) + said.end_log_scale).mean()
        loss = (
            loss + shape_error(said, ellipticity.gather(1, rows), pa.gather(1, rows)) / SHAPE_UNIT
        )
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
        images, targets, known = batch[:3]
        mu = self._on_grid(images, dtype)[0][:, : targets.shape[1]]
        error = (mu - targets * self.nodes.mu_std - self.nodes.mu_mean)[known]
        deviations = torch.full(targets.shape, math.nan, device=self.device)
        deviations[known] = error.abs()
        return error.double().square().sum().item(), len(error), deviations.nanmedian(1).values

    def calibrate(self, train, validation, dtype=torch.float32):
        """Scale the errors so that they hold on the validation set; the other is not used."""
        self.scale_errors(validation, dtype)

    @torch.no_grad()
    def scale_errors(self, batches, dtype=torch.float32):
        """Scale the errors so that they hold on a set that was not trained on.

        Parameters
        ----------
        batches : pix2prof.training.batches.Batches
        dtype : torch.dtype
        """
        ratios, places = [], []
        for batch in in_order(batches):
            images, targets, known = (x.to(self.device) for x in batch[:3])
            mu, scale, *_, n_valid = self._on_grid(images, dtype)
            width = targets.shape[1]
            off = mu[:, :width] - targets * self.nodes.mu_std - self.nodes.mu_mean
            ratios.append((off.abs() / scale[:, :width])[known])
            places.append(radial_bins(n_valid, self.n_steps)[:, :width][known])
        self.calibration.learn(torch.cat(ratios), torch.cat(places))

    def _on_grid(self, images, dtype):
        """Surface brightness, its scale, ellipticity, pa on the profile's grid; its length."""
        said = self(images.to(self.device), self.sma[self.rows], None, dtype)
        at = torch.arange(self.n_steps, device=self.device)
        right = torch.searchsorted(self.rows, at).clamp(min=1)
        left = right - 1
        share = (at - self.rows[left]) / (self.rows[right] - self.rows[left])
        mu, log_scale, ellipticity, cosine, sine = (
            torch.lerp(x[:, left], x[:, right], share)
            for x in (said.mu, said.log_scale, said.ellipticity, *said.double.unbind(-1))
        )
        n_valid = (said.end.exp() / SMA_STEP).round().long().clamp(1, self.n_steps)
        scale = log_scale.exp() * self.nodes.mu_std
        pa = torch.rad2deg(0.5 * torch.atan2(sine, cosine)) % 180
        return mu * self.nodes.mu_std + self.nodes.mu_mean, scale, ellipticity, pa, n_valid

    def predict(self, images, dtype=torch.float32):
        """Profiles of images, each up to its end.

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
            Valid grid steps.

        Raises
        ------
        RuntimeError
            If the model is in training mode, where its output would be random.
        """
        mu, *_, n_valid = self._ended(images, dtype)
        return mu, n_valid

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
            ``mu``, ``mu_err``, ``mu_err_95`` [mag arcsec^-2], ``ellipticity``, ``pa`` [deg,
            counter-clockwise from +x], and what follows from them, see
            `pix2prof.model.growth.light`; NaN from the end on.
        """
        mu, scale, ellipticity, pa, n_valid = self._ended(images, dtype)
        errors = self.calibration(scale, radial_bins(n_valid, self.n_steps))
        said = {"mu": mu, **dict(zip(ERRORS, errors, strict=True))}
        shapes = {"ellipticity": ellipticity, "pa": pa}
        return {**said, **shapes, **light(mu, said["mu_err"], ellipticity)}

    @torch.no_grad()
    def _ended(self, images, dtype):
        self.refuse_training()
        *values, n_valid = self._on_grid(images, dtype)
        beyond = torch.arange(self.n_steps, device=self.device) >= n_valid[:, None]
        return *(x.masked_fill(beyond, math.nan) for x in values), n_valid


def shape_error(said, ellipticity, pa):
    """Mean error of the shapes of isophotes.

    Parameters
    ----------
    said : pix2prof.model.queries.Answers
    ellipticity, pa : torch.Tensor, shape (B, K)
        What they should be, the angles in degrees; NaN where not known.

    Returns
    -------
    torch.Tensor
        Of the ellipticity's absolute error, and of the distance between cosine and sine of twice
        the angle and those said, times the ellipticity; 0 where nothing is known.
    """
    known, turned = torch.isfinite(ellipticity), torch.isfinite(pa)
    ellipticity, twice = torch.nan_to_num(ellipticity), torch.deg2rad(2 * torch.nan_to_num(pa))
    double = torch.stack((twice.cos(), twice.sin()), -1)
    off = (said.ellipticity - ellipticity).abs()
    off = off + ellipticity * turned * (said.double - double).norm(dim=-1)
    return (off * known).sum() / known.sum().clamp(min=1)
