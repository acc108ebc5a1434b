"""From ellipses to a profile: intensity along each, its error, the cut, the curve of growth."""

import math

import torch

from pix2prof.isophotes.ellipses import (
    components,
    ellipse_points,
    present,
    quantiles,
    sample,
    sample_cubic,
    sorted_last,
    trimmed_mean,
)
from pix2prof.photometry.propagation import Rows, growth_deviations
from pix2prof.profiles import TO_TRUTH

STATISTICS = ("mean", "median", "midmean")
N_SAMPLES = 128
CUBIC_WITHIN = 8.0
BILINEAR = 0.44
LEAST_SHARE = 0.35
BAND = 0.1
CUT_WINDOW = 40
CUT_THRESHOLD = 4.0
BRIGHT = 10.0


def read_rows(images, centre, radius, ellipticity, pa, statistic):
    """Read the intensity along each ellipse.

    Samples that are missing are replaced by those half a turn away where there are such, since
    bars and two-armed spirals look the same there.

    Parameters
    ----------
    images : torch.Tensor
        Sky-subtracted, NaN where excluded, shape (B, H, W).
    centre : torch.Tensor
        Shape (B, 2) [px].
    radius : torch.Tensor
        Semi-major axes, shape (T,) [px].
    ellipticity, pa : torch.Tensor
        Shape (B, T), pa in radians.
    statistic : {"mean", "median", "midmean"}
        The last is the mean of the middle half.

    Returns
    -------
    value : torch.Tensor
        Shape (B, T); NaN where under `LEAST_SHARE` of the samples are there.
    spread : torch.Tensor
        Half the distance between the 16th and the 84th percentile, shape (B, T).
    share, masked : torch.Tensor
        Shares of the ellipse used, and inside the image but excluded, shape (B, T).
    """
    height, width = images.shape[-2:]
    k = torch.arange(N_SAMPLES, dtype=torch.float64, device=images.device)
    turn = torch.arange(len(radius), dtype=torch.float64, device=images.device) * 0.618034
    angles = ((k + (turn % 1.0)[:, None]) * (2 * math.pi / N_SAMPLES)).to(images.dtype)
    x, y = ellipse_points(centre, radius, *components(ellipticity, pa), angles)
    n_cubic = int((radius < CUBIC_WITHIN).sum())
    values = torch.cat(
        (
            sample_cubic(images, x[:, :n_cubic], y[:, :n_cubic]),
            sample(images, x[:, n_cubic:], y[:, n_cubic:]),
        ),
        1,
    )
    seen = present(values)
    share = seen.sum(-1) / N_SAMPLES
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    masked = inside.sum(-1) / N_SAMPLES - share
    whole = torch.where(seen, values, values.roll(N_SAMPLES // 2, -1))
    there = present(whole)
    count = there.sum(-1)
    ordered = sorted_last(whole)
    low, middle, high = quantiles(ordered, count, (0.16, 0.5, 0.84)).unbind(-1)
    if statistic == "mean":
        value = torch.where(there, whole, 0).sum(-1) / count
    elif statistic == "midmean":
        value = trimmed_mean(ordered, count, 0.25)
    else:
        value = middle
    value = torch.where(share < LEAST_SHARE, math.nan, value)
    return value, 0.5 * (high - low), share, masked


def row_error(spread, share, circumference, step, half, statistic):
    """Error of the mean of a band of rows from the spread of their samples.

    The noise of bilinear samples is correlated: their variance is `BILINEAR` of the pixels', and
    what averages out is the number of pixels in the band, 1 px wider than its rows, or the number
    of samples, whichever is less.

    Parameters
    ----------
    spread, share, circumference : torch.Tensor
        Shape (B, T), the last in pixels.
    step : float
        Distance of rows [px].
    half : torch.Tensor
        Rows taken on either side, int, broadcastable to (B, T).
    statistic : {"mean", "median", "midmean"}

    Returns
    -------
    error : torch.Tensor
        Shape (B, T), in the unit of `spread`.
    """
    factor = {"mean": 1.0, "median": 1.25, "midmean": 1.1}[statistic]
    rows = 2 * half + 1
    pixels = BILINEAR * circumference * share * (step * rows + 1)
    samples = N_SAMPLES * share * rows
    return factor * spread / torch.minimum(pixels, samples).clamp(min=1).sqrt()


def bridge(raw):
    """Fill rows without enough pixels between rows that have them, linearly in intensity.

    Parameters
    ----------
    raw : torch.Tensor
        Shape (B, T), NaN where missing.

    Returns
    -------
    filled : torch.Tensor
        Shape (B, T); missing rows at the centre follow the slope of the first ten known ones.
    bridged, lost : torch.Tensor
        Bool, shape (B, T): rows filled, and rows beyond the last known one, which stay NaN.
    """
    rows = raw.shape[-1]
    known = present(raw)
    index = torch.arange(rows, device=raw.device).expand_as(raw)
    before = torch.where(known, index, -1).cummax(-1).values
    after = torch.where(known, index, rows).flip(-1).cummin(-1).values.flip(-1)
    lost = after == rows
    low, high = torch.where(before < 0, after, before), torch.where(lost, before, after)
    low, high = low.clamp(0, rows - 1), high.clamp(0, rows - 1)
    t = (index - low) / (high - low).clamp(min=1)
    start, end = raw.gather(-1, low), raw.gather(-1, high)
    filled = torch.where(known, raw, start + t.to(raw.dtype) * (end - start))
    first = after[:, :1].clamp(max=rows - 1)
    near = filled.gather(-1, first)
    far = filled.gather(-1, (first + 10).clamp(max=rows - 1))
    steep = torch.nan_to_num(torch.log(near / far) / 10).clamp(0, 0.2)
    inward = near * torch.exp(steep * (first - index))
    filled = torch.where(before < 0, inward, filled)
    return torch.where(lost, math.nan, filled), ~known & ~lost, lost


def signal_cut(raw, row_err, sky_err):
    """Number of rows before the signal drowns, shape (B,): the paper's cut (section 2.2.3).

    The profile ends in the middle of the first window of `CUT_WINDOW` rows whose (mean / std)^2
    is under `CUT_THRESHOLD`. The standard deviation is taken about a quadratic in radius, with
    the error of the sky added in quadrature. Windows whose median row is over `BRIGHT` times its
    own error pass in any case: there the deviations are the galaxy's core, not noise.

    Parameters
    ----------
    raw, row_err : torch.Tensor
        Intensities of single rows and their errors, shape (B, T), NaN beyond the last.
    sky_err : torch.Tensor
        In the same unit, shape (B,).

    Returns
    -------
    n_valid : torch.Tensor
        Int, shape (B,).
    """
    rows = raw.shape[-1]
    window = min(CUT_WINDOW, rows)
    t = torch.linspace(-1, 1, window, dtype=torch.float64, device=raw.device)
    basis = torch.linalg.qr(torch.stack((t**0, t, t**2), -1)).Q
    windows = raw.double().unfold(-1, window, 1)
    mean = windows.mean(-1)
    residual = windows - (windows @ basis) @ basis.T
    variance = residual.square().sum(-1) / max(window - 3, 1)
    variance = variance + sky_err.double()[:, None].square()
    loud = (raw > BRIGHT * row_err).to(torch.float64).unfold(-1, window, 1).mean(-1) > 0.5
    good = (mean > 0) & ((mean.square() >= CUT_THRESHOLD * variance) | loud)
    n_good = good.to(torch.int32).cumprod(-1).sum(-1)
    last = present(raw).sum(-1)
    to_the_end = n_good >= (last - window + 1).clamp(min=1)
    n_valid = torch.where(n_good > 0, n_good + window // 2, 0)
    return torch.where(to_the_end, last, torch.minimum(n_valid, last)).to(torch.int32)


def half_band(rows, *, device=None):
    """Rows to average on either side of each, `BAND` of its number, int, shape (rows,)."""
    return (BAND * torch.arange(1, rows + 1, device=device)).floor().long()


def band_average(raw, half, noise):
    """Mean of neighbouring rows, corrected for the slope across them.

    The mean of an exponential over a window is larger than its middle by sinh(x) / x, where
    exp(-x) is the ratio of the means of the outer and the inner half; that factor is taken off.

    Parameters
    ----------
    raw : torch.Tensor
        Row intensities, NaN beyond the last, shape (B, T).
    half : torch.Tensor
        `half_band`, shape (T,).
    noise : torch.Tensor
        Error of the mean of each band, shape (B, T).

    Returns
    -------
    mean : torch.Tensor
        Shape (B, T).
    slope : torch.Tensor
        ``-d ln I / d ln a``, 0 where it cannot be told from noise, shape (B, T).
    """
    rows = raw.shape[-1]
    good = present(raw)
    last = good.sum(-1, keepdim=True) - 1
    index = torch.arange(rows, device=raw.device).expand_as(raw)
    half = torch.minimum(torch.minimum(half, last - index), index).clamp(min=0)
    sums = torch.nn.functional.pad(torch.where(good, raw, 0).double().cumsum(-1), (1, 0))

    def total(start, stop):
        return sums.gather(-1, stop.clamp(0, rows)) - sums.gather(-1, start.clamp(0, rows))

    mean = total(index - half, index + half + 1) / (2 * half + 1)
    inner = total(index - half, index) / half.clamp(min=1)
    outer = total(index + 1, index + half + 1) / half.clamp(min=1)
    usable = (half > 0) & (inner > 0) & (outer > 0) & (mean > 0)
    x = torch.where(usable, torch.log(torch.where(usable, inner / outer, 1)), 0)
    variance = 8 * (noise / mean.clamp(min=1e-30)).square()
    x = x.clamp(-2, 2) * x.square() / (x.square() + variance + 1e-12)
    factor = torch.where(x.abs() > 1e-3, x / torch.sinh(x), 1)
    slope = x * (index + 1) / (half + 1)
    mean = torch.where(good, mean * factor, math.nan)
    return mean.to(raw.dtype), slope.to(raw.dtype)


def curve_of_growth(intensity, error, sma, ellipticity, ellipticity_err):
    """Flux within each ellipse and its error, by the trapezium rule over the ellipses' areas.

    Errors of rows hang together, see `pix2prof.photometry.propagation.SOURCES`, and that of their
    sum is against the truth, see `pix2prof.profiles.TO_TRUTH`, as the structural parameters' are.

    Parameters
    ----------
    intensity, error, ellipticity : torch.Tensor
        Shape (B, T), NaN counting as nothing.
    sma : torch.Tensor
        Shape (T,) [arcsec], as in the unit of `intensity`.
    ellipticity_err : torch.Tensor or float
        Shape (B, T) or a number.

    Returns
    -------
    growth, growth_err : torch.Tensor
        Shape (B, T).
    """
    round_area = math.pi * sma[None].square()
    area = round_area * (1 - ellipticity)
    ring = torch.diff(area, dim=-1, prepend=torch.zeros_like(area[:, :1]))
    filled = torch.nan_to_num(intensity)
    inner = torch.cat((filled[:, :1], filled[:, :-1]), 1)
    mean = 0.5 * (filled + inner)
    off = growth_deviations(round_area, ring, mean, torch.nan_to_num(error), ellipticity_err)
    return (mean * ring).cumsum(-1), TO_TRUTH * Rows(sma[None]).running_error(*off)
