"""What can be odd about an image: numbers that tell galaxies of the training kind from others."""

import math

import torch
from torch.nn import functional

NAMES = (
    "rows", "peak", "total", "scatter", "excess", "masked", "foreign", "correlation",
    "diagonal", "sharpness", "sources", "entropy", "asymmetry", "twist", "flattening",
    "sky", "sky_error", "centre", "halo",
)  # fmt: skip
ALONE = (("correlation", "diagonal"), ("sharpness",))
PARTS = [[NAMES.index(name) for name in part] for part in ALONE]
"""What the camera and the pixels do, whatever the galaxy."""
LOUD = 12.0
BLOCK = 16
FAINT = 0.3
SMALL = 1e-3


@torch.no_grad()
def oddities(images, found, measured, noise, covered=None):
    """Numbers that say what an image is like, of about unit scale.

    Parameters
    ----------
    images : torch.Tensor, shape (B, H, W)
        [nanomaggies per pixel]
    found : pix2prof.isophote_network.finder.Found
    measured : pix2prof.isophotes.method.Isophotes
        Of the same images.
    noise : torch.Tensor, shape (B,)
        Of a pixel [nanomaggies].
    covered : torch.Tensor of bool, shape (B, H, W), optional
        False where an image was padded, which counts for nothing. Default: it was not.

    Returns
    -------
    torch.Tensor of float32, shape (B, len(NAMES))
        Finite. Length, brightness and scatter of the isophotes, how much is masked, the noise's
        correlation between pixels, the sharpness of the sharpest sources, how sure the centre is,
        asymmetry about it, how much the isophotes turn and change shape, and the sky.
    """
    noise = noise.clamp(min=1e-6)
    if covered is None:
        covered = torch.ones_like(images, dtype=torch.bool)
    own = covered & (found.foreign <= 0)
    n = measured.n_valid.clamp(min=1)
    row = torch.arange(measured.mu.shape[1], device=images.device)
    within = (row < n[:, None]) & torch.isfinite(measured.intensity)
    area = measured.pixscale**2 / noise[:, None]
    light, error = measured.intensity * area, measured.intensity_err * area
    used, masked = measured.n_used.float(), measured.n_masked.float()
    spread = error * used.clamp(min=1).sqrt()
    last = (n - 1).long()[:, None]
    numbers = [
        n.float().log(),
        _middle(light, row < 3).clamp(min=SMALL).log(),
        (measured.growth.gather(1, last)[:, 0] / noise).clamp(min=SMALL).log(),
        _middle(spread / light.abs().clamp(min=SMALL), within).clamp(min=SMALL).log(),
        _middle(spread, row > 0.8 * n[:, None]).clamp(min=SMALL).log(),
        (masked * within).sum(1) / ((used + masked) * within).sum(1).clamp(min=1),
        (1 - own.sum((1, 2)) / covered.sum((1, 2)).clamp(min=1)).clamp(min=SMALL).log(),
        *_correlation(images, covered),
        *_sharpness(images / noise[:, None, None]),
        -(found.heat.exp() * found.heat).sum(1),
        _asymmetry(images, own, measured, noise),
        _turn(measured, within),
        _range(measured.ellipticity, within),
        (measured.sky / noise).asinh(),
        (measured.sky_err / noise).clamp(min=1e-5).log(),
        (measured.centre - _centre_of(images)).norm(dim=1).log1p(),
        _middle(light, row == last).clamp(min=SMALL).log(),
    ]
    return torch.nan_to_num(torch.stack([x.float() for x in numbers], 1), 0.0, 20.0, -20.0)


def _centre_of(images):
    height, width = images.shape[-2:]
    return torch.tensor([(width - 1) / 2, (height - 1) / 2], device=images.device)


def _middle(values, where):
    """Median of each row where it counts; NaN where nothing does."""
    return torch.where(where & torch.isfinite(values), values, math.nan).nanmedian(1).values


def _range(values, where):
    chosen = torch.where(where & torch.isfinite(values), values, math.nan)
    low, high = (torch.nanquantile(chosen, q, dim=1) for q in (0.1, 0.9))
    return high - low


def _turn(measured, within):
    """How far the doubled position angle wanders, weighed by the ellipticity."""
    angle = torch.deg2rad(2 * measured.pa)
    there = within & torch.isfinite(angle) & torch.isfinite(measured.ellipticity)
    x, y = (
        torch.where(there, measured.ellipticity * f(angle), 0).sum(1)
        for f in (torch.cos, torch.sin)
    )
    whole = torch.where(there, measured.ellipticity, 0).sum(1)
    return 1 - torch.hypot(x, y) / whole.clamp(min=SMALL)


def _correlation(images, covered):
    """Logarithms of the ratios of differences of near and of less near pixels: white noise 0.

    Taken in the faintest whole blocks of the image, where there is little else than noise.
    """
    whole = functional.avg_pool2d(covered[:, None].float(), BLOCK) == 1
    means = functional.avg_pool2d(images[:, None], BLOCK).masked_fill(~whole, math.nan)
    level = means.flatten(1).nanquantile(FAINT, dim=1)[:, None, None, None]
    faint = functional.interpolate((means <= level).float(), scale_factor=BLOCK)[:, 0] > 0.5
    height, length = faint.shape[1:]
    images = images[:, :height, :length]

    def width(dy, dx):
        off = images[:, dy:, dx:] - images[:, : height - dy, : length - dx]
        there = faint[:, dy:, dx:] & faint[:, : height - dy, : length - dx]
        return torch.where(there, off.abs(), math.nan).flatten(1).nanmedian(1).values + 1e-12

    far = width(0, 4) * width(4, 0)
    return 0.5 * (width(0, 1) * width(1, 0) / far).log(), (width(1, 1) / far.sqrt()).log()


def _sharpness(signal):
    """How peaked the sharpest bright maxima are, and how many maxima there are."""
    signal = signal[:, None]
    top = functional.max_pool2d(signal, 7, 1, 3)
    around = -functional.max_pool2d(-signal, 9, 1, 4)
    height = signal - around
    near = functional.avg_pool2d(signal, 3, 1, 1) - around
    bright = (signal == top) & (height > LOUD)
    peaked = torch.where(bright, height / near.clamp(min=1), math.nan).flatten(1)
    sharp = torch.nan_to_num(torch.nanquantile(peaked, 0.8, dim=1), 1.0)
    return sharp, bright.flatten(1).sum(1).float().log1p()


def _asymmetry(images, own, measured, noise):
    """Light that a half turn about the centre does not find again, over all within the cut."""
    batch, height, width = images.shape
    y = torch.arange(height, device=images.device, dtype=images.dtype)[:, None]
    x = torch.arange(width, device=images.device, dtype=images.dtype)[None]
    cx, cy = (c[:, None, None].to(images.dtype) for c in measured.centre.unbind(1))
    partner = torch.stack(
        ((2 * cx - x).expand(batch, height, -1), (2 * cy - y).expand(batch, -1, width)), -1
    )
    size = torch.tensor([width - 1, height - 1], device=images.device, dtype=images.dtype)
    grid = 2 * partner / size - 1
    light = images - measured.sky[:, None, None].to(images.dtype)
    layers = torch.stack((light, own.to(images.dtype)), 1)
    turned = functional.grid_sample(layers, grid, mode="nearest", align_corners=True)
    radius = torch.hypot(x - cx, y - cy) * measured.pixscale
    reach = 0.2 * measured.n_valid[:, None, None]
    there = (radius < reach) & (turned[:, 1] > 0.5) & own
    off = ((layers[:, 0] - turned[:, 0]).abs() * there).sum((1, 2))
    chance = 2 / math.sqrt(math.pi) * noise * there.sum((1, 2))
    total = (layers[:, 0] * there).sum((1, 2)).clamp(min=1e-3)
    return ((off - chance) / total).clamp(-1, 3)
