"""What the isophote network says of galaxies, and how it reads as a table's columns."""

import math
from dataclasses import dataclass, replace

import torch

from ..model.calibration import ERRORS
from ..model.growth import light
from ..profiles import RowFlag


@dataclass(frozen=True)
class Profiles:
    """What the network says of B galaxies, on the profile's grid of T steps.

    Attributes
    ----------
    mu, mu_err, mu_err_95 : torch.Tensor, shape (B, T)
        And half-widths of the intervals that hold 68.27 and 95 per cent [mag arcsec^-2]; NaN from
        the end on.
    ellipticity, pa : torch.Tensor, shape (B, T)
        Without unit; [deg] counter-clockwise from +x.
    n_within : torch.Tensor of int, shape (B,)
        Rows that the image's S/N supports; further out the profile is inferred.
    centre : torch.Tensor, shape (B, 2)
        (x, y) [px].
    foreign : torch.Tensor of bool, shape (B, H, W)
        Pixels taken to be other sources.
    strangeness : torch.Tensor, shape (B,)
        How unlike the training set the images are, see `Familiarity` and
        `pix2prof.isophote_network.oddities.oddities`; over 1 is strange, NaN is not known.
    signal : torch.Tensor of bool, shape (B,)
        Whether the isophotes have any, see `pix2prof.isophotes.measured.Flag.NO_SIGNAL`; the
        network writes a profile in any case.
    """

    mu: torch.Tensor
    mu_err: torch.Tensor
    mu_err_95: torch.Tensor
    ellipticity: torch.Tensor
    pa: torch.Tensor
    n_within: torch.Tensor
    centre: torch.Tensor
    foreign: torch.Tensor
    strangeness: torch.Tensor
    signal: torch.Tensor

    @property
    def below_cut(self):
        """True on rows beyond the S/N cut, shape (B, T)."""
        row = torch.arange(self.mu.shape[1], device=self.mu.device)
        return row >= self.n_within[:, None]

    def ended(self, beyond):
        """The same with NaN where there is no profile any more.

        Parameters
        ----------
        beyond : torch.Tensor of bool, shape (B, T)
        """
        names = ("mu", *ERRORS, "ellipticity", "pa")
        columns = {name: getattr(self, name).masked_fill(beyond, math.nan) for name in names}
        return replace(self, **columns)

    def columns(self):
        """All of it by the names of the profile table's columns.

        Returns
        -------
        dict of torch.Tensor
            See `pix2prof.isophote_network.network.IsophoteNetwork.describe`.
        """
        return {
            "mu": self.mu,
            **{name: getattr(self, name) for name in ERRORS},
            "ellipticity": self.ellipticity,
            "pa": self.pa,
            **light(self.mu, self.mu_err, self.ellipticity),
            "flag": self.below_cut.int() * int(RowFlag.BELOW_CUT),
            "strangeness": self.strangeness,
            "signal": self.signal,
            "centre": self.centre,
        }


def last_known(values):
    """Index of each element along the rows of (B, T), or of the last finite one before it."""
    at = torch.arange(values.shape[1], device=values.device)
    return torch.where(torch.isfinite(values), at, 0).cummax(1).values
