"""The classical method: Courteau's (1996) isophote fitting with nobody at the keyboard.

One function a row of the paper's Table 1, on whole batches of images at once:

=============================  =========================================
identify galaxy centre         `pix2prof.centre.find_centre`
remove sky                     `pix2prof.sources.sky_outside`
remove foreground objects      `pix2prof.sources.source_mask`
fit contours                   `pix2prof.geometry.fit`
extend, smooth, interpolate    `pix2prof.geometry`
=============================  =========================================

`measure` runs them and reads the profile.
"""

import math
from dataclasses import dataclass, fields
from enum import IntFlag

import numpy as np
import torch

from . import profiles
from .centre import find_centre
from .ellipses import (
    ellipse_points,
    quantiles,
    sample,
    sample_cubic,
    sorted_last,
    trimmed_mean,
)
from .geometry import Geometry, fit, interpolate_rows, pyramid
from .sdss import PIXSCALE, ZEROPOINT
from .sources import elliptical_radius, pixel_noise, sky_outside, source_mask

STATISTIC = "median"
STATISTICS = ("median", "mean", "midmean")
N_SAMPLES = 128
CHUNK = 16
CUT_WINDOW = 40
CUT_THRESHOLD = 4.0
CUBIC_WITHIN = 8.0
BAND = 0.03


class Flag(IntFlag):
    """What is to be known of a whole profile."""

    CENTRE_UNCERTAIN = 1
    SKY_NOT_VISIBLE = 2
    CUT_BY_EDGE = 4
    NO_SIGNAL = 8
    CENTRE_MASKED = 16
    MOSTLY_MASKED = 32


class RowFlag(IntFlag):
    """What is to be known of one row."""

    EXTENDED = 1
    INTERPOLATED = 2
    PARTIAL = 4
    MASKED = 8
    BELOW_CUT = 16


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
        Flux within the ellipse, shape (B, T) [nanomaggies].
    n_used, n_masked : torch.Tensor
        Pixels behind a row and pixels excluded from it, int, shape (B, T).
    flag : torch.Tensor
        `RowFlag`, int, shape (B, T).
    centre, centre_err : torch.Tensor
        (x, y), shape (B, 2) [px].
    sky, sky_err : torch.Tensor
        Subtracted, shape (B,) [nanomaggies per pixel].
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
    n_valid: torch.Tensor
    flags: torch.Tensor
    pixscale: float = PIXSCALE
    statistic: str = STATISTIC

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
        for name in profiles.COLUMNS:
            if name != "sma":
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
            "nvalid": int(self.n_valid[i]),
            "flags": int(self.flags[i]),
        }
        return profiles.profile_table(columns, **{**provenance, **meta})


def measure(
    images,
    *,
    centre=None,
    mask=None,
    sky=None,
    geometry=None,
    pixscale=PIXSCALE,
    n_steps=profiles.MAX_STEPS,
    statistic=STATISTIC,
    device=None,
):
    """Measure the surface-brightness profiles of a batch of galaxies.

    Parameters
    ----------
    images : array_like or torch.Tensor
        Shape (B, H, W) or (H, W) [nanomaggies per pixel]; NaN pixels are left out.
    centre : array_like, optional
        (x, y) px, shape (B, 2) or (2,). Default: found.
    mask : array_like, optional
        True = excluded, shape (B, H, W) or (H, W). Default: other sources are found. An array
        of False means that nothing is to be excluded.
    sky : float or array_like, optional
        Level to subtract [nanomaggies per pixel], a number or shape (B,). Default: estimated.
    geometry : Isophotes, optional
        Take its ellipses (and, unless given, its centre) instead of fitting: forced photometry.
    pixscale : float
        [arcsec per pixel].
    n_steps : int
        Rows of the profile, 0.2 arcsec apart.
    statistic : {"median", "mean", "midmean"}
        How an isophote's intensity is read off the samples along it.
    device : str or torch.device, optional
        Where to compute. Default: where `images` is.

    Returns
    -------
    Isophotes
        On that device. `n_valid` is the paper's cut (section 2.2.3): a profile ends at the centre
        of the first window of 40 rows (8 arcsec) in which (mean / std)^2 of the intensity falls
        under 4. Since the standard deviation of a steep profile is its slope and not its noise,
        it is taken about a quadratic in radius, and the error of the sky is added in quadrature.

    Raises
    ------
    ValueError
        If shapes do not fit together, an image is smaller than 16 px, or `statistic` is unknown.
    """
    images, squeeze = _as_batch(images, device)
    if statistic not in STATISTICS:
        raise ValueError(f"statistic {statistic!r} is none of {STATISTICS}")
    batch, height, width = images.shape
    if min(height, width) < 16:
        raise ValueError(f"images of {height} x {width} px are too small; at least 16 x 16")
    centre = _expand(centre, (batch, 2), images, "centre")
    mask = _expand(mask, images.shape, images, "mask", torch.bool)
    sky = _expand(sky, (batch,), images, "sky")
    parts = []
    for start in range(0, batch, CHUNK):
        part = slice(start, start + CHUNK)
        forced = None
        if geometry is not None:
            forced = (geometry.ellipticity[part], torch.deg2rad(geometry.pa[part]), geometry)
        parts.append(
            _measure_chunk(
                images[part],
                geometry.centre[part].to(images)
                if centre is None and geometry is not None
                else _part(centre, part),
                _part(mask, part),
                _part(sky, part),
                forced,
                pixscale,
                n_steps,
                statistic,
            )
        )
    return _join(parts, pixscale, statistic)


def _as_batch(images, device):
    if not isinstance(images, torch.Tensor):
        array = np.asarray(images)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"images must be numbers, got dtype {array.dtype}")
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        images = torch.from_numpy(array.copy() if not array.flags.writeable else array)
    if images.dtype not in (torch.float32, torch.float64):
        images = images.to(torch.float32)
    if device is not None:
        images = images.to(device)
    squeeze = images.ndim == 2
    if squeeze:
        images = images.unsqueeze(0)
    if images.ndim != 3:
        raise ValueError(f"images must be (B, H, W) or (H, W), got {tuple(images.shape)}")
    return images, squeeze


def _expand(value, shape, images, name, dtype=None):
    if value is None:
        return None
    if not isinstance(value, torch.Tensor):
        value = torch.as_tensor(np.asarray(value))
    value = value.to(device=images.device, dtype=dtype or images.dtype)
    try:
        return value.expand(shape)
    except RuntimeError as error:
        raise ValueError(
            f"{name} of shape {tuple(value.shape)} does not fit images of shape "
            f"{tuple(images.shape)}; expected {tuple(shape)}"
        ) from error


def _part(value, part):
    return None if value is None else value[part]


def _join(parts, pixscale, statistic):
    joined = {}
    for field in fields(Isophotes):
        if field.name in ("pixscale", "statistic"):
            continue
        values = [getattr(p, field.name) for p in parts]
        joined[field.name] = values[0] if field.name == "sma" else torch.cat(values)
    return Isophotes(**joined, pixscale=pixscale, statistic=statistic)


def _measure_chunk(images, centre, mask, sky, forced, pixscale, n_steps, statistic):
    given_sky, given_mask, given_centre = sky, mask, centre
    images = torch.where(torch.isfinite(images), images, math.nan)
    if mask is not None:
        images = torch.where(mask, math.nan, images)
    noise = pixel_noise(images)
    if sky is None:
        sky, sky_err, visible = _first_sky(images)
    else:
        sky_err, visible = torch.zeros_like(sky), torch.ones_like(sky, dtype=torch.bool)
    flags = torch.zeros(len(images), dtype=torch.int32, device=images.device)
    clean = images - sky[:, None, None]
    if centre is None:
        centre, spread = find_centre(clean, noise)
        flags |= Flag.CENTRE_UNCERTAIN * (spread > 2.0).to(torch.int32)
        centre_err = spread.unsqueeze(-1).expand(-1, 2)
    else:
        centre_err = torch.zeros_like(centre)

    shapes = None
    if forced is None:
        shapes = fit(clean, centre)
    if given_mask is None:
        found = _find_sources(clean, centre, shapes, forced, noise)
        clean = torch.where(found, math.nan, clean)
        images = torch.where(found, math.nan, images)
    if given_sky is None:
        ellipticity, pa = _outer_shape(shapes, forced)
        sky, sky_err, visible = sky_outside(images, centre, ellipticity, pa, noise)
        clean = images - sky[:, None, None]
    flags |= Flag.SKY_NOT_VISIBLE * (~visible).to(torch.int32)
    if forced is None and (given_sky is None or given_mask is None):
        shapes = fit(clean, centre)
    return _extract(
        clean, centre, centre_err, shapes, forced, sky, sky_err, flags, pixscale, n_steps, statistic
    )


def _first_sky(images):
    from .sources import block_medians, clipped_level

    medians, _, _ = block_medians(images)
    level, scatter, count = clipped_level(medians.flatten(1))
    level = torch.nan_to_num(level)
    return level, torch.nan_to_num(scatter) / count.clamp(min=1).sqrt(), count > 0


def _outer_shape(shapes, forced):
    if shapes is None:
        ellipticity, pa, _ = forced
        last = torch.isfinite(ellipticity).sum(-1).clamp(min=1) - 1
        row = torch.arange(len(last), device=last.device)
        return ellipticity[row, last], pa[row, last]
    fitted = shapes.weight > 0
    index = torch.arange(fitted.shape[-1], device=fitted.device)
    last = torch.where(fitted, index, 0).amax(-1)
    row = torch.arange(len(last), device=last.device)
    return shapes.ellipticity[row, last], shapes.pa[row, last]


def _find_sources(clean, centre, shapes, forced, noise):
    half = pyramid(clean, (1, 2))[-1]
    if shapes is None:
        return torch.zeros_like(clean, dtype=torch.bool)
    angles = torch.arange(64, dtype=clean.dtype, device=clean.device) * (2 * math.pi / 64)
    x, y = ellipse_points(centre, shapes.sma, shapes.ellipticity, shapes.pa, angles)
    values = sample(half, (x - 0.5) / 2, (y - 0.5) / 2)
    count = torch.isfinite(values).sum(-1)
    low, middle, high = quantiles(sorted_last(values), count, (0.16, 0.5, 0.84)).unbind(-1)
    spread = torch.maximum(middle - low, high - middle)
    noisy = (noise / 2 * 0.7)[:, None]
    own = (spread.square() - noisy.square()).clamp(min=0).sqrt()
    own = torch.nan_to_num(torch.hypot(own, 0.1 * middle))
    middle = torch.nan_to_num(middle)
    model, scatter = _paint(half.shape, centre, shapes, middle, own)
    found = source_mask(half, model, scatter, noise)
    full = found.repeat_interleave(2, -1).repeat_interleave(2, -2)
    height, width = clean.shape[-2:]
    pad = (0, width - full.shape[-1], 0, height - full.shape[-2])
    return torch.nn.functional.pad(full, pad)


def _paint(shape, centre, shapes, *profiles_of):
    """Images at half resolution of quantities known against radius."""
    _, height, width = shape
    dtype, device = centre.dtype, centre.device
    x = 2 * torch.arange(width, dtype=dtype, device=device)[None, None, :] + 0.5
    y = 2 * torch.arange(height, dtype=dtype, device=device)[None, :, None] + 0.5
    zero = torch.zeros(len(centre), 1, 1, dtype=dtype, device=device)
    radius = elliptical_radius(x, y, centre, zero, zero)
    first, step = torch.log(shapes.sma[0]), torch.log(shapes.sma[1] / shapes.sma[0])
    last = len(shapes.sma) - 1
    for _ in range(2):
        index = ((torch.log(radius.clamp(min=1e-3)) - first) / step).clamp(0, last)
        nearest = index.round().long().flatten(1)
        e = shapes.ellipticity.gather(1, nearest).reshape(radius.shape)
        pa = shapes.pa.gather(1, nearest).reshape(radius.shape)
        radius = elliptical_radius(x, y, centre, e, pa)
    position = ((torch.log(radius.clamp(min=1e-3)) - first) / step).clamp(0, last)
    below = position.floor().clamp(max=last - 1)
    t = position - below
    below = below.long().flatten(1)
    out = []
    for values in profiles_of:
        low = values.gather(1, below).reshape(radius.shape)
        high = values.gather(1, below + 1).reshape(radius.shape)
        out.append(low + t * (high - low))
    return out


def _extract(
    clean, centre, centre_err, shapes, forced, sky, sky_err, flags, pixscale, n_steps, statistic
):
    dtype, device = clean.dtype, clean.device
    sma = torch.as_tensor(profiles.sma_grid(n_steps), dtype=dtype, device=device)
    batch, height, width = clean.shape
    reach = 0.5 * math.hypot(height, width)
    rows = int(min(n_steps, max(4, reach * pixscale / profiles.SMA_STEP)))
    radius = sma[:rows] / pixscale
    if forced is None:
        ellipticity, pa, shape_err, row_flag = interpolate_rows(shapes, radius)
    else:
        ellipticity, pa = (torch.nan_to_num(z[:, :rows]).to(clean) for z in forced[:2])
        shape_err = torch.nan_to_num(forced[2].ellipticity_err[:batch, :rows]).to(clean)
        row_flag = torch.zeros_like(ellipticity, dtype=torch.int32)
    ellipticity = ellipticity.clamp(max=0.95)
    raw, spread, n_samples, share, masked = _read_rows(clean, centre, radius, ellipticity, pa, statistic)
    q = 1 - ellipticity
    circumference = math.pi * radius * (1 + q)
    independent = torch.minimum(n_samples.to(dtype), 0.7 * circumference * share).clamp(min=1)
    row_err = (1.25 if statistic == "median" else 1.0) * spread / independent.sqrt()
    lost = share < 0.5
    raw = torch.where(lost, math.nan, raw)
    n_valid = _signal_cut(raw, row_err, sky_err, pixscale)
    smooth, error = _band_average(raw, row_err, radius)

    area = pixscale**2
    intensity = smooth / area
    intensity_err = torch.hypot(error, sky_err[:, None].expand_as(error)) / area
    growth, growth_err = _curve_of_growth(intensity, intensity_err, sma[:rows], q)
    positive = intensity > 0
    mu = torch.where(
        positive, ZEROPOINT - 2.5 * torch.log10(torch.where(positive, intensity, 1)), math.nan
    )
    mu_err = torch.where(positive, 2.5 / math.log(10) * intensity_err / intensity.abs(), math.nan)
    used = (circumference * share * (1 + 2 * BAND * radius / (profiles.SMA_STEP / pixscale))).round()
    row_flag = row_flag | (RowFlag.PARTIAL * (share + masked < 0.999)).to(torch.int32)
    row_flag = row_flag | (RowFlag.MASKED * (masked > 0.3)).to(torch.int32)
    row = torch.arange(rows, device=device)
    row_flag = row_flag | (RowFlag.BELOW_CUT * (row >= n_valid[:, None])).to(torch.int32)
    flags = flags | (Flag.NO_SIGNAL * (n_valid == 0)).to(torch.int32)
    last = (n_valid - 1).clamp(min=0).long()
    at_cut = share.gather(1, last[:, None]).squeeze(1) + masked.gather(1, last[:, None]).squeeze(1)
    flags = flags | (Flag.CUT_BY_EDGE * (at_cut < 0.98)).to(torch.int32)

    def fill(values, missing=math.nan):
        pad = torch.full((batch, n_steps - rows), missing, dtype=values.dtype, device=device)
        return torch.cat((torch.where(lost, missing, values).to(values.dtype), pad), 1)

    pa_err = torch.rad2deg(0.5 * shape_err / ellipticity.clamp(min=0.02)).clamp(max=90)
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
        n_used=fill(used.to(torch.int32), 0),
        n_masked=fill((circumference * masked).round().to(torch.int32), 0),
        flag=fill(row_flag, 0),
        centre=centre.clone(),
        centre_err=centre_err.clone(),
        sky=sky.clone(),
        sky_err=sky_err.clone(),
        n_valid=n_valid.to(torch.int32),
        flags=flags,
    )


def _read_rows(clean, centre, radius, ellipticity, pa, statistic):
    height, width = clean.shape[-2:]
    k = torch.arange(N_SAMPLES, dtype=clean.dtype, device=clean.device)
    phase = (torch.arange(len(radius), device=clean.device) * 0.618034) % 1.0
    angles = (k + phase[:, None]) * (2 * math.pi / N_SAMPLES)
    x, y = ellipse_points(centre, radius, ellipticity, pa, angles)
    n_cubic = int((radius < CUBIC_WITHIN).sum())
    values = torch.cat(
        (
            sample_cubic(clean, x[:, :n_cubic], y[:, :n_cubic]),
            sample(clean, x[:, n_cubic:], y[:, n_cubic:]),
        ),
        1,
    )
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    count = torch.isfinite(values).sum(-1)
    ordered = sorted_last(values)
    low, middle, high = quantiles(ordered, count, (0.16, 0.5, 0.84)).unbind(-1)
    if statistic == "mean":
        value = torch.where(torch.isfinite(ordered), ordered, 0).sum(-1) / count
    elif statistic == "midmean":
        value = trimmed_mean(ordered, count, 0.25)
    else:
        value = middle
    share = count / N_SAMPLES
    return value, 0.5 * (high - low), count, share, inside.sum(-1) / N_SAMPLES - share


def _signal_cut(raw, row_err, sky_err, pixscale):
    """Rows before the first window whose (mean / std)^2 is under the threshold, shape (B,)."""
    batch, rows = raw.shape
    window = min(CUT_WINDOW, rows)
    t = torch.linspace(-1, 1, window, dtype=torch.float64, device=raw.device)
    basis = torch.linalg.qr(torch.stack((t**0, t, t**2), -1)).Q
    windows = raw.double().unfold(-1, window, 1)
    mean = windows.mean(-1)
    residual = windows - (windows @ basis) @ basis.T
    variance = residual.square().sum(-1) / max(window - 3, 1)
    variance = variance + sky_err.double()[:, None].square()
    good = (mean > 0) & (mean.square() >= CUT_THRESHOLD * variance)
    n_good = good.to(torch.int32).cumprod(-1).sum(-1)
    finite = torch.isfinite(raw).to(torch.int32).cumprod(-1).sum(-1)
    n_valid = torch.where(n_good > 0, n_good + window // 2, 0)
    return torch.where(n_good == windows.shape[1], finite, n_valid).clamp(max=rows)


def _band_average(raw, error, radius):
    """Mean of neighbouring rows within a few per cent of the radius."""
    rows = raw.shape[-1]
    index = torch.arange(rows, device=raw.device)
    half = (BAND * (index + 1)).floor().long()
    half = torch.minimum(torch.minimum(half, rows - 1 - index), index)
    good = torch.isfinite(raw)
    sums = []
    for values in (torch.where(good, raw, 0), torch.where(good, error.square(), 0), good):
        total = torch.nn.functional.pad(values.double().cumsum(-1), (1, 0))
        sums.append(total[:, index + half + 1] - total[:, index - half])
    value, variance, count = sums
    mean = torch.where(good, value / count, math.nan)
    return mean.to(raw.dtype), (variance.clamp(min=0).sqrt() / count).to(raw.dtype)


def _curve_of_growth(intensity, error, sma, q):
    area = math.pi * sma.square() * q
    ring = torch.diff(area, dim=-1, prepend=torch.zeros_like(area[:, :1]))
    filled = torch.nan_to_num(intensity)
    inner = torch.cat((filled[:, :1], filled[:, :-1]), 1)
    growth = (0.5 * (filled + inner) * ring).cumsum(-1)
    variance = (torch.nan_to_num(error) * ring).square().cumsum(-1)
    return growth, variance.sqrt()


__all__ = ["Flag", "Geometry", "Isophotes", "RowFlag", "measure"]
