"""The classical method: Courteau's (1996) isophote fitting with nobody at the keyboard.

One function a row of the paper's Table 1, on whole batches of images at once:

=============================  ===========================================
identify galaxy centre         `pix2prof.isophotes.centre.find_centre`
remove sky                     `pix2prof.isophotes.background.sky_outside`
remove foreground objects      `pix2prof.isophotes.masking.source_mask`
fit contours                   `pix2prof.isophotes.contours.fit`
extend contours                `pix2prof.isophotes.geometry.extend`
smooth isophotes               `pix2prof.isophotes.geometry.uncross`
interpolate poorly fitted      `pix2prof.isophotes.geometry.interpolate`
=============================  ===========================================

`measure` runs them and reads the profile (`pix2prof.isophotes.readout`).
"""

import math

import numpy as np
import torch

from pix2prof import profiles
from pix2prof.isophotes.background import first_sky, pixel_noise, sky_outside, without_sky
from pix2prof.isophotes.centre import find_centre, second_peak
from pix2prof.isophotes.contours import fit, pyramid
from pix2prof.isophotes.ellipses import present
from pix2prof.isophotes.extraction import STATISTICS
from pix2prof.isophotes.geometry import extend, interpolate, uncross
from pix2prof.isophotes.masking import source_mask
from pix2prof.isophotes.measured import Flag, Isophotes, given_rows, join
from pix2prof.isophotes.readout import read_profiles
from pix2prof.sdss import PIXSCALE

__all__ = ["Flag", "Isophotes", "measure"]

STATISTIC = "mean"
CHUNK = 16
FIRST = 10
REFIT = 12
CENTRE_LIMIT = 0.75
OFF_MIDDLE = 10.0
NEAR = 3.0
SMALLEST = 16


def measure(
    images,
    *,
    centre=None,
    near=None,
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
    near : array_like, optional
        About where the centre is, as `centre`; it is then found within `NEAR` px of there, or
        taken to be there. Default: about the middle.
    mask : array_like, optional
        True = excluded, shape (B, H, W) or (H, W). Default: other sources are found. An array
        of False means that nothing is to be excluded.
    sky : float or array_like, optional
        Level to subtract [nanomaggies per pixel], a number or shape (B,). Default: estimated.
    geometry : Isophotes, optional
        Take its ellipses (and, unless given, its centre) instead of fitting: forced photometry.
        Beyond the last ellipse it holds, that one is taken.
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
        On that device; `n_valid` as in `pix2prof.isophotes.extraction.signal_cut`.

    Raises
    ------
    ValueError
        If shapes do not fit together, an image is smaller than 16 px, `statistic` is unknown, or
        `geometry` holds a galaxy without a single ellipse.
    """
    images = _as_batch(images, device)
    if statistic not in STATISTICS:
        raise ValueError(f"statistic {statistic!r} is none of {STATISTICS}")
    batch = len(images)
    if geometry is not None:
        if len(geometry) != batch:
            raise ValueError(f"geometry of {len(geometry)} galaxies for {batch} images")
        if geometry.sma.shape[0] < n_steps or geometry.pixscale != pixscale:
            raise ValueError(
                f"geometry has {len(geometry.sma)} rows at {geometry.pixscale} arcsec per pixel; "
                f"{n_steps} rows at {pixscale} were asked for"
            )
        centre = geometry.centre if centre is None else centre
        shapes = given_rows(geometry, n_steps, images)
    centre = _expand(centre, (batch, 2), images, "centre")
    near = _expand(near, (batch, 2), images, "near")
    mask = _expand(mask, images.shape, images, "mask", torch.bool)
    sky = _expand(sky, (batch,), images, "sky")
    parts = []
    for start in range(0, batch, CHUNK):
        part = slice(start, start + CHUNK)
        given = [None if z is None else z[part] for z in (centre, near, mask, sky)]
        forced = None
        if geometry is not None:
            forced = [z[part] for z in shapes]
        parts.append(_measure_chunk(images[part], *given, forced, pixscale, n_steps, statistic))
    return join(parts)


def _as_batch(images, device):
    if not isinstance(images, torch.Tensor):
        array = np.asarray(images)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"images must be numbers, got dtype {array.dtype}")
        wide = np.float64 if array.dtype == np.float64 else np.float32
        images = torch.from_numpy(np.require(array, wide, ("C", "W")))
    if images.dtype not in (torch.float32, torch.float64):
        images = images.to(torch.float32)
    if device is not None:
        images = images.to(device)
    if images.ndim == 2:
        images = images.unsqueeze(0)
    if images.ndim != 3 or len(images) == 0:
        raise ValueError(f"images must be (B, H, W) or (H, W), got {tuple(images.shape)}")
    height, width = images.shape[-2:]
    if min(height, width) < SMALLEST:
        raise ValueError(
            f"images of {height} x {width} px are too small; at least {SMALLEST} x {SMALLEST}"
        )
    return images


def _expand(value, shape, images, name, dtype=None):
    if value is None:
        return None
    if not isinstance(value, torch.Tensor):
        value = torch.as_tensor(np.array(value))
    value = value.to(device=images.device, dtype=dtype or images.dtype)
    try:
        value = value.expand(shape)
    except RuntimeError as error:
        raise ValueError(
            f"{name} of shape {tuple(value.shape)} does not fit images of shape "
            f"{tuple(images.shape)}; expected {tuple(shape)}"
        ) from error
    if not bool(torch.isfinite(value).all()):
        raise ValueError(f"{name} holds values that are not finite")
    return value


def _measure_chunk(images, centre, near, mask, sky, forced, pixscale, n_steps, statistic):
    given_sky, given_mask = sky, mask
    if mask is not None:
        images = torch.where(mask, math.nan, images)
    exact, noise, scale = _normalised(images)
    images = exact.to(torch.float32)
    centre, near = (None if z is None else z.to(images) for z in (centre, near))
    sky = None if sky is None else (sky / scale).to(images)
    if sky is None:
        sky, sky_err, visible = first_sky(images)
    else:
        sky_err, visible = torch.zeros_like(sky), torch.ones_like(sky, dtype=torch.bool)
    levels = pyramid(images - sky[:, None, None])
    astray = torch.zeros_like(visible)
    gradient = torch.zeros(len(images), 2).to(images)
    centre_err = torch.zeros(len(images), 2).to(images)
    if centre is None:
        centre, spread = find_centre(levels, noise, start=near)
        if near is not None:
            strayed = (centre - near).norm(dim=-1) > NEAR
            centre = torch.where(strayed[:, None], near, centre)
            spread = torch.where(strayed, NEAR, spread)
        centre_err = spread.unsqueeze(-1).expand(-1, 2)
        astray = (spread > CENTRE_LIMIT) | (_off_middle(centre, images) > OFF_MIDDLE)
    beside = second_peak(levels[0], centre, noise)
    shapes = None
    if forced is None or given_mask is None:
        whole = given_mask is not None and given_sky is not None
        shapes = fit(levels, centre) if whole else fit(levels, centre, iterations=FIRST, fine=0)
    if given_mask is None:
        found = source_mask(levels, centre, shapes, noise)
        levels = pyramid(torch.where(found, math.nan, levels[0]))
    if given_sky is None:
        ellipticity, pa = _outer_shape(shapes, forced)
        more, sky_err, gradient, visible = sky_outside(levels, centre, ellipticity, pa, noise)
        levels = without_sky(levels, more, gradient, centre)
        sky = sky + more
    if forced is None:
        if given_sky is None or given_mask is None:
            shapes = fit(levels, centre, start=shapes, iterations=REFIT)
        shapes = uncross(extend(interpolate(shapes)))
    flags = Flag.CENTRE_UNCERTAIN * astray.int() + Flag.SKY_NOT_VISIBLE * (~visible).int()
    flags = flags + Flag.SECOND_PEAK * beside.int()
    image = levels[0]
    if exact.dtype != image.dtype:
        there = torch.where(present(image), exact, math.nan)
        image = without_sky([there], sky, gradient, centre)[0]
    return read_profiles(
        image,
        scale,
        [z.to(exact) for z in (centre, centre_err)],
        [z.to(exact) for z in (sky, sky_err, gradient)],
        shapes,
        forced,
        flags,
        pixscale,
        n_steps,
        statistic,
    )


def _normalised(images):
    """Images, NaN where not finite, in units that keep squares in range; their noise; the unit.

    The unit is near the noise, or a millionth of the brightest pixel where that is more. It is a
    power of two, by which nothing is rounded: all that is decided before the profile is read is
    decided in single precision, on the same numbers whatever the precision of the images.
    """
    if not bool(torch.isfinite(images.sum())):
        images = torch.where(images.abs() < math.inf, images, math.nan)
    whole = torch.nan_to_num(images).flatten(1)
    peak = torch.maximum(whole.amax(-1), -whole.amin(-1))
    peak = _power_of_two(torch.where(peak > 0, peak, 1))
    finite = images / peak[:, None, None]
    noise = pixel_noise(finite.to(torch.float32))
    unit = _power_of_two(noise.clamp(min=1e-6))
    return finite.div_(unit[:, None, None]), noise / unit, unit * peak


def _power_of_two(values):
    """The largest that is not over each value."""
    return values / (2 * torch.frexp(values).mantissa)


def _off_middle(centre, images):
    height, width = images.shape[-2:]
    middle = torch.tensor([0.5 * (width - 1), 0.5 * (height - 1)]).to(centre)
    return (centre - middle).norm(dim=-1)


def _outer_shape(shapes, forced):
    """Ellipticity and position angle [rad] of the outermost good ellipse, shapes (B,)."""
    if forced is not None:
        return [z[:, -1].to(torch.float32) for z in forced[:2]]
    outer = extend(shapes)
    return outer.ellipticity[:, -1], outer.pa[:, -1]
