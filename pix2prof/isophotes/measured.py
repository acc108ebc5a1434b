"""What a measurement gives: the profiles of a batch of galaxies, and their flags."""

from dataclasses import dataclass, fields
from enum import IntFlag

import torch

from pix2prof import profiles
from pix2prof.sdss import PIXSCALE, ZEROPOINT


class Flag(IntFlag):
    """What is to be known of a whole profile."""

    CENTRE_UNCERTAIN = 1
    SKY_NOT_VISIBLE = 2
    CUT_BY_EDGE = 4
    NO_SIGNAL = 8
    CENTRE_MASKED = 16
    MOSTLY_MASKED = 32
    SECOND_PEAK = 64
    POINT_LIKE_CORE = 128


def flag_words(flags):
    """`Flag`s in words.

    Parameters
    ----------
    flags : int or torch.Tensor of one
        Their sum.

    Returns
    -------
    list of str
    """
    return [flag.name.lower().replace("_", " ") for flag in Flag if flag & int(flags)]


@dataclass(frozen=True)
class Isophotes:
    """Profiles of a batch of galaxies.

    Attributes
    ----------
    sma : torch.Tensor
        Semi-major axes, shape (T,) [arcsec].
    intensity, intensity_err : torch.Tensor
        Shape (B, T) [nanomaggies arcsec^-2]; NaN beyond the image.
    mu, mu_err : torch.Tensor
        Shape (B, T) [mag arcsec^-2]; NaN where the intensity is not positive.
    ellipticity, ellipticity_err : torch.Tensor
        Shape (B, T).
    pa, pa_err : torch.Tensor
        Counter-clockwise from +x, in [0, 180), shape (B, T) [deg].
    growth, growth_err : torch.Tensor
        Flux within the ellipse, shape (B, T) [nanomaggies]; its error is against the truth, see
        `pix2prof.isophotes.extraction.curve_of_growth`.
    n_used, n_masked : torch.Tensor
        Pixels behind a row and pixels excluded from it, int, shape (B, T).
    flag : torch.Tensor
        `pix2prof.profiles.RowFlag`, int, shape (B, T).
    centre, centre_err : torch.Tensor
        (x, y), shape (B, 2) [px].
    sky, sky_err : torch.Tensor
        Subtracted, at the centre, shape (B,) [nanomaggies per pixel].
    sky_gradient : torch.Tensor
        Subtracted too, along x and y, shape (B, 2) [nanomaggies per pixel, a pixel].
    n_valid : torch.Tensor
        Rows up to the signal-to-noise cut, int, shape (B,).
    flags : torch.Tensor
        `Flag`, int, shape (B,).
    pixscale : float
        [arcsec per pixel].
    statistic : str
        How an isophote's intensity is read off its samples.
    """

    sma: torch.Tensor
    intensity: torch.Tensor
    intensity_err: torch.Tensor
    mu: torch.Tensor
    mu_err: torch.Tensor
    ellipticity: torch.Tensor
    ellipticity_err: torch.Tensor
    pa: torch.Tensor
    pa_err: torch.Tensor
    growth: torch.Tensor
    growth_err: torch.Tensor
    n_used: torch.Tensor
    n_masked: torch.Tensor
    flag: torch.Tensor
    centre: torch.Tensor
    centre_err: torch.Tensor
    sky: torch.Tensor
    sky_err: torch.Tensor
    sky_gradient: torch.Tensor
    n_valid: torch.Tensor
    flags: torch.Tensor
    pixscale: float = PIXSCALE
    statistic: str = "mean"

    def __len__(self):
        return len(self.centre)

    def table(self, i=0, *, cut=False, **meta):
        """Profile `i` as a table with units and provenance.

        Parameters
        ----------
        i : int
            Index in the batch.
        cut : bool
            End at the signal-to-noise cut rather than at the edge of the image.
        **meta
            Further metadata, e.g. ``object`` and ``band``.

        Returns
        -------
        astropy.table.QTable
        """
        inside = torch.isfinite(self.ellipticity[i])
        n = int(self.n_valid[i]) if cut else int(inside.sum())
        columns = {"sma": self.sma[:n].cpu().numpy()}
        measured = {field.name for field in fields(self)}
        for name in profiles.COLUMNS:
            if name != "sma" and name in measured:
                columns[name] = getattr(self, name)[i, :n].cpu().numpy()
        provenance = {
            "pixscale": self.pixscale,
            "zeropt": ZEROPOINT,
            "method": "isophotes",
            "stat": self.statistic,
            "xcen": float(self.centre[i, 0]),
            "ycen": float(self.centre[i, 1]),
            "sky": float(self.sky[i]),
            "skyerr": float(self.sky_err[i]),
            "skydx": float(self.sky_gradient[i, 0]),
            "skydy": float(self.sky_gradient[i, 1]),
            "nvalid": int(self.n_valid[i]),
            "flags": int(self.flags[i]),
        }
        return profiles.profile_table(columns, **{**provenance, **meta})


def join(parts):
    """One `Isophotes` of several over the same grid, galaxies in order."""
    joined = {}
    for field in fields(Isophotes):
        values = [getattr(part, field.name) for part in parts]
        one = field.name in ("sma", "pixscale", "statistic")
        joined[field.name] = values[0] if one else torch.cat(values)
    return Isophotes(**joined)


def given_rows(isophotes, n_steps, like):
    """The ellipses of measured profiles, without gaps, for forced photometry.

    Parameters
    ----------
    isophotes : Isophotes
    n_steps : int
        Rows to give.
    like : torch.Tensor
        Whose dtype and device to take.

    Returns
    -------
    ellipticity, pa, error, extended : torch.Tensor
        Shape (B, n_steps), pa in radians. A row without an ellipse takes the last before it, or
        the first of all where there is none; `extended` is True there.

    Raises
    ------
    ValueError
        If a profile holds no ellipse at all.
    """
    shape = (isophotes.ellipticity, torch.deg2rad(isophotes.pa), isophotes.ellipticity_err)
    shape = [z[:, :n_steps].to(like) for z in shape]
    known = torch.isfinite(torch.stack(shape)).all(0)
    empty = torch.nonzero(~known.any(-1)).flatten().tolist()
    if empty:
        raise ValueError(
            f"geometry holds no ellipse for galaxies {empty}; measure them on an image on which "
            "they are seen"
        )
    index = torch.arange(known.shape[-1], device=known.device).expand_as(known)
    first = known.int().argmax(-1, keepdim=True)
    last = torch.where(known, index, first).cummax(-1).values
    return *(z.gather(-1, last) for z in shape), ~known
