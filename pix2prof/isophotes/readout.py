"""The profiles of a batch of images along known ellipses, with their errors and flags."""

import math

import torch

from pix2prof import profiles
from pix2prof.isophotes.extraction import (
    BAND,
    band_average,
    bridge,
    curve_of_growth,
    half_band,
    read_rows,
    row_error,
    signal_cut,
)
from pix2prof.isophotes.geometry import interpolate_rows
from pix2prof.isophotes.measured import Flag, Isophotes
from pix2prof.profiles import RowFlag
from pix2prof.sdss import ZEROPOINT

CORE = 1.99
CORE_FALL = 10.0


def read_profiles(images, scale, centre, sky, shapes, forced, flags, pixscale, n_steps, statistic):
    """Read the profiles off sky-subtracted images, ellipses known.

    Parameters
    ----------
    images : torch.Tensor
        Shape (B, H, W), in units of `scale`, NaN where excluded.
    scale : torch.Tensor
        Unit of the images, shape (B,) [nanomaggies per pixel].
    centre : tuple of torch.Tensor
        Centre and its error, each of shape (B, 2) [px].
    sky : tuple of torch.Tensor
        Level (B,), its error (B,) and gradient (B, 2) that were subtracted, in units of `scale`.
    shapes : pix2prof.isophotes.geometry.Geometry or None
        Fitted ellipses; None with `forced`.
    forced : list of torch.Tensor or None
        `pix2prof.isophotes.measured.given_rows` to take instead.
    flags : torch.Tensor
        `Flag`s known so far, int, shape (B,).
    pixscale, n_steps, statistic
        As in `pix2prof.isophotes.method.measure`.

    Returns
    -------
    Isophotes
    """
    (centre, centre_err), (sky, sky_err, gradient) = centre, sky
    sma = torch.as_tensor(profiles.sma_grid(n_steps)).to(images)
    reach = 0.5 * math.hypot(*images.shape[-2:]) * pixscale / profiles.SMA_STEP
    rows = int(min(n_steps, max(4, reach)))
    radius = sma[:rows] / pixscale
    if forced is None:
        ellipticity, pa, shape_err, row_flag = interpolate_rows(shapes, radius)
    else:
        ellipticity, pa, shape_err, extended = (z[:, :rows] for z in forced)
        row_flag = RowFlag.EXTENDED * extended.int()
    raw, spread, share, masked = read_rows(images, centre, radius, ellipticity, pa, statistic)
    raw, bridged, lost = bridge(raw)
    circumference = math.pi * radius * (2 - ellipticity)
    step = float(radius[0])
    half = half_band(rows, device=images.device)
    row_err = row_error(spread, share, circumference, step, 0 * half, statistic)
    n_valid = signal_cut(raw, row_err, sky_err)
    error = row_error(spread, share, circumference, step, half, statistic)
    smooth, slope = band_average(raw, half, error)
    tilt = 0.5 * slope * shape_err / (1 - ellipticity).clamp(min=0.05)
    error = torch.hypot(error, (smooth * tilt).abs())
    error = torch.where(bridged, torch.hypot(error, torch.nan_to_num(spread)), error)

    unit = (scale / pixscale**2).unsqueeze(-1)
    intensity = smooth * unit
    intensity_err = torch.hypot(error, sky_err[:, None].expand_as(error)) * unit
    growth, growth_err = curve_of_growth(
        intensity, intensity_err, sma[:rows], ellipticity, shape_err
    )
    positive = intensity > 0
    mu = ZEROPOINT - 2.5 * torch.log10(torch.where(positive, intensity, math.nan))
    mu_err = 2.5 / math.log(10) * intensity_err / torch.where(positive, intensity, math.nan)
    pa_err = torch.rad2deg(0.5 * shape_err / ellipticity.clamp(min=1e-3)).clamp(max=90)
    width = circumference * (1 + 2 * BAND * radius)
    row = torch.arange(rows, device=images.device)
    row_flag = row_flag | (RowFlag.INTERPOLATED * bridged.int())
    row_flag = row_flag | RowFlag.PARTIAL * (share + masked < 0.999).int()
    row_flag = row_flag | RowFlag.MASKED * (masked > 0.3).int()
    row_flag = row_flag | RowFlag.BELOW_CUT * (row >= n_valid[:, None]).int()
    flags = flags + _flags_of(n_valid, share, masked, bridged)
    core = point_like(intensity, sma) & ~bridged[:, 0] & (n_valid > 0)
    flags = flags + Flag.POINT_LIKE_CORE * core.int()

    def fill(values, missing=math.nan):
        values = torch.where(lost, missing, values).to(values.dtype)
        return torch.nn.functional.pad(values, (0, n_steps - rows), value=missing)

    return Isophotes(
        sma=sma,
        intensity=fill(intensity),
        intensity_err=fill(intensity_err),
        mu=fill(mu),
        mu_err=fill(mu_err),
        ellipticity=fill(ellipticity),
        ellipticity_err=fill(shape_err),
        pa=fill(torch.rad2deg(pa)),
        pa_err=fill(pa_err),
        growth=fill(growth),
        growth_err=fill(growth_err),
        n_used=fill((width * share).round().int(), 0),
        n_masked=fill((width * masked).round().int(), 0),
        flag=fill(row_flag.int(), 0),
        centre=centre.clone(),
        centre_err=centre_err.clone(),
        sky=sky * scale,
        sky_err=sky_err * scale,
        sky_gradient=gradient * scale.unsqueeze(-1),
        n_valid=n_valid,
        flags=flags.int(),
        pixscale=pixscale,
        statistic=statistic,
    )


def point_like(intensity, sma):
    """Whether the core falls as steeply as a star, on the nucleus or in its place, bool (B,).

    That is by a factor of `CORE_FALL` within `CORE` arcsec, which a star does in any seeing under
    2 arcsec; an active nucleus or a very compact bulge may do so too.
    """
    outside = min(int((sma < CORE).sum()), intensity.shape[-1] - 1)
    return intensity[:, 0] > CORE_FALL * intensity[:, outside].clamp(min=0)


def _flags_of(n_valid, share, masked, bridged):
    """Flags that show in the profile itself, int, shape (B,)."""
    last = (n_valid - 1).clamp(min=0).long().unsqueeze(-1)
    at_cut = (share + masked).gather(-1, last).squeeze(-1)
    rows = torch.arange(share.shape[-1], device=share.device) < n_valid.unsqueeze(-1)
    hidden = ((masked > 0.5) & rows).sum(-1) > 0.5 * n_valid
    return (
        Flag.CENTRE_MASKED * bridged[:, 0].int()
        + Flag.NO_SIGNAL * (n_valid == 0).int()
        + Flag.CUT_BY_EDGE * ((at_cut < 0.98) & (n_valid > 0)).int()
        + Flag.MOSTLY_MASKED * (hidden & (n_valid > 0)).int()
    )
