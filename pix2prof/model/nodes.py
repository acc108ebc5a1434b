"""The decoders' own grids and units, and the way there and back."""

from dataclasses import dataclass

import numpy as np
import torch

from ..profiles import SMA_STEP


@dataclass(frozen=True)
class Nodes:
    """Where the decoder writes, in what units, and when it has ended.

    It writes standardised surface brightness, (mu - mu_mean) / mu_std, at nodes on
    ``0.2 + step * j`` arcsec: the first node is the first of the profile's grid of 0.2 arcsec, and
    at a `step` of 0.2 (the paper's) the two grids are one.

    Parameters
    ----------
    step : float
        Between nodes [arcsec], a multiple of 0.2.
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

    step: float = 1.0
    max_sma: float = 204.8
    halt_window: float = 20.0
    halt_std: float = 0.01
    mu_mean: float = 0.0
    mu_std: float = 1.0

    def __post_init__(self):
        if self.stride < 1 or abs(self.stride * SMA_STEP - self.step) > 1e-6:
            raise ValueError(
                f"model.step is {self.step} arcsec; it must be a multiple of {SMA_STEP}"
            )
        if self.window < 2:
            raise ValueError(
                f"model.halt_window is {self.halt_window} arcsec; it must be at least two steps "
                f"of model.step = {self.step} arcsec"
            )
        check_units(self.mu_mean, self.mu_std)

    @property
    def stride(self):
        """Steps of the profile's grid between nodes."""
        return round(self.step / SMA_STEP)

    @property
    def window(self):
        """Nodes in the halting window."""
        return round(self.halt_window / self.step)

    @property
    def n_steps(self):
        """Steps of the profile's grid."""
        return round(self.max_sma / SMA_STEP)

    @property
    def count(self):
        """Nodes that cover the profile's grid."""
        return -(-(self.n_steps - 1) // self.stride) + 1

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
            True where the loss is taken: on the profile and its held end.
        n_nodes : torch.Tensor of int, shape (B,)
            Nodes of the profile itself.

        Raises
        ------
        ValueError
            If a profile has no finite value; the message gives its index.
        """
        mu = np.asarray(mu, dtype=np.float32)[:, : self.n_steps]
        finite = np.isfinite(mu)
        refuse_empty(finite)
        last = mu.shape[1] - 1 - finite[:, ::-1].argmax(1)
        n_nodes = (2 * last + self.stride) // (2 * self.stride) + 1
        ends = np.minimum(n_nodes + self.window, self.count)
        at = np.arange(ends.max()) * self.stride  # (T,)
        grid = np.arange(mu.shape[1])
        values = np.stack(
            [np.interp(at, grid[ok], row[ok]) for row, ok in zip(mu, finite, strict=True)]
        )
        known = finite[:, np.minimum(at, mu.shape[1] - 1)] | (at >= last[:, None])
        counted = known & (np.arange(len(at)) < ends[:, None])
        standardised = (values - self.mu_mean) / self.mu_std
        return (
            torch.from_numpy(standardised.astype(np.float32)),
            torch.from_numpy(counted),
            torch.from_numpy(n_nodes),
        )

    def to_grid(self, outputs, n_nodes):
        """Bring the decoder's outputs to the profile's grid, linearly.

        Parameters
        ----------
        outputs : torch.Tensor, shape (B, count)
            Model units.
        n_nodes : torch.Tensor of int, shape (B,)
            Valid nodes of each, at least one.

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
        share = ((k % self.stride) / self.stride).to(outputs.dtype)
        between = torch.lerp(outputs[:, left], outputs[:, right], share)
        mu = torch.where(share == 0, outputs[:, left], between) * self.mu_std + self.mu_mean
        return mu.masked_fill(k >= n_valid[:, None], torch.nan), n_valid


@dataclass(frozen=True)
class Rows:
    """The profile's own grid, of a decoder that writes at any radius.

    Parameters
    ----------
    max_sma : float
        Where every profile ends [arcsec].
    mu_mean, mu_std : float
        Of the training set's profiles [mag arcsec^-2].

    Raises
    ------
    ValueError
        If a value is out of its range; the message names it.
    """

    max_sma: float = 204.8
    mu_mean: float = 0.0
    mu_std: float = 1.0

    def __post_init__(self):
        check_units(self.mu_mean, self.mu_std)

    @property
    def n_steps(self):
        """Steps of the profile's grid."""
        return round(self.max_sma / SMA_STEP)

    def targets(self, mu):
        """What the decoder shall write for given profiles.

        Parameters
        ----------
        mu : array_like, shape (B, n)
            Profiles on the grid of 0.2 arcsec [mag arcsec^-2], NaN beyond their ends.

        Returns
        -------
        targets : torch.Tensor of float32, shape (B, n_steps)
            Model units; 0 where not known.
        known : torch.Tensor of bool, shape (B, n_steps)
        n_rows : torch.Tensor of int, shape (B,)
            Rows up to the end of each profile.

        Raises
        ------
        ValueError
            If a profile has no finite value; the message gives its index.
        """
        mu = np.asarray(mu, dtype=np.float32)[:, : self.n_steps]
        known = np.isfinite(mu)
        refuse_empty(known)
        standardised = np.where(known, (mu - self.mu_mean) / self.mu_std, 0)
        n_rows = mu.shape[1] - known[:, ::-1].argmax(1)
        return (
            torch.from_numpy(standardised.astype(np.float32)),
            torch.from_numpy(known),
            torch.from_numpy(n_rows),
        )


def check_units(mu_mean, mu_std):
    """Refuse units that are none: ValueError."""
    if not (np.isfinite([mu_mean, mu_std]).all() and mu_std > 0):
        raise ValueError(
            f"mu_mean, mu_std are {mu_mean}, {mu_std}; they must be finite, the second above zero"
        )


def refuse_empty(known):
    """Refuse profiles (B, n) of which nothing is known: ValueError naming the first."""
    if not known.any(1).all():
        raise ValueError(
            f"profile {np.argmin(known.any(1))} of {len(known)} has no finite surface "
            "brightness; leave it out"
        )
