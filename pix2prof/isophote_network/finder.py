"""The finder: from an image, where the galaxy's centre is and which pixels are not its own."""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ..isophotes.background import pixel_noise

WIDTHS = (16, 32, 64, 96, 128)
SPREAD = 2.0
RARE = -4.0
DISTANCE = 128.0


def stretched(images):
    """Images in units of their noise, asinh-stretched.

    Parameters
    ----------
    images : torch.Tensor, shape (B, H, W)
        Finite [any flux unit].

    Returns
    -------
    torch.Tensor, shape (B, H, W)
        asinh(x / sigma) / 4, with the pixel noise sigma of each image.
    """
    noise = pixel_noise(images).clamp(min=1e-12)
    return (images / noise[:, None, None]).asinh() / 4


class Found(NamedTuple):
    """What the finder says of B images of H x W px.

    Attributes
    ----------
    centre : torch.Tensor, shape (B, 2)
        (x, y) [px].
    heat : torch.Tensor, shape (B, H W / 4)
        Logarithm of the probability that the centre lies in a square of 2 x 2 px.
    offset : torch.Tensor, shape (B, 2, H W / 4)
        Of the centre from the middle of the square, if it lies there [px].
    foreign : torch.Tensor, shape (B, H, W)
        Logits of a pixel's belonging to another source.
    pooled : torch.Tensor, shape (B, width)
        Mean and maximum of the deepest map.
    """

    centre: torch.Tensor
    heat: torch.Tensor
    offset: torch.Tensor
    foreign: torch.Tensor
    pooled: torch.Tensor


class Level(nn.Sequential):
    """Two 3 x 3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, n_in, n_out):
        layers = []
        for n in (n_in, n_out):
            layers += [
                nn.Conv2d(n, n_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


class Finder(nn.Module):
    """A U-Net (Ronneberger, Fischer & Brox 2015) over the stretched image.

    Beside the image it sees each pixel's distance from the middle, since the galaxy that is
    meant is the one there.
    """

    def __init__(self, widths=WIDTHS):
        super().__init__()
        self.stem = nn.Conv2d(2, widths[0], 5, 2, 2)
        self.down = nn.ModuleList(
            Level(n_in, n) for n_in, n in zip((widths[0], *widths[:-1]), widths, strict=True)
        )
        self.up = nn.ModuleList(
            Level(n_in + n, n) for n_in, n in zip(widths[1:], widths[:-1], strict=True)
        )
        self.maps = nn.Conv2d(widths[0], 7, 1)
        with torch.no_grad():
            self.maps.weight.mul_(0.1)
            self.maps.bias.zero_()
            self.maps.bias[3:] = RARE
        self.width = 2 * widths[-1]
        self.multiple = 2 ** len(widths)

    def forward(self, images, dtype=torch.float32):
        """Find centres and foreign pixels.

        Parameters
        ----------
        images : torch.Tensor of float32, shape (B, H, W)
            H and W multiples of 32 [nanomaggies per pixel].
        dtype : torch.dtype
            Of the convolutions.

        Returns
        -------
        Found

        Raises
        ------
        ValueError
            If a side is not such a multiple.
        """
        batch, height, width = images.shape
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"images of {width} x {height} px: the finder needs sides that are multiples of "
                f"{self.multiple}; pad them, or choose such a data.crop"
            )
        x, y = (
            (torch.arange(n, device=images.device) - (n - 1) / 2) / DISTANCE
            for n in (width, height)
        )
        distance = torch.hypot(x[None, :], y[:, None]).expand(batch, -1, -1)
        layers = torch.stack((stretched(images), distance), 1)
        layers = layers.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            z, kept = self.stem(layers), []
            for number, level in enumerate(self.down):
                z = level(z if number == 0 else functional.max_pool2d(z, 2))
                kept.append(z)
            pooled = torch.cat((z.mean((2, 3)), z.amax((2, 3))), 1)
            for level, skip in zip(reversed(self.up), reversed(kept[:-1]), strict=True):
                z = functional.interpolate(z, scale_factor=2.0, mode="nearest")
                z = level(torch.cat((z, skip), 1))
            maps = self.maps(z)
        maps = maps.float()  # (B, 7, H / 2, W / 2)
        heat = maps[:, 0].flatten(1).log_softmax(1)  # (B, H W / 4)
        square = heat.argmax(1)
        offset = maps[:, 1:3].flatten(2)  # (B, 2, H W / 4)
        centre = _corner(square, width // 2) + offset[torch.arange(batch), :, square]
        foreign = functional.pixel_shuffle(maps[:, 3:], 2)[:, 0]
        return Found(centre, heat, offset, foreign, pooled.float())


def _corner(square, columns):
    """Middle (x, y) [px] of squares of 2 x 2 px, of which `columns` stand in a row."""
    return torch.stack((square % columns, square // columns), 1) * 2 + 0.5


def finder_loss(found, centre, mask):
    """Loss of what `Finder` gives.

    Parameters
    ----------
    found : Found
    centre : torch.Tensor, shape (B, 2)
        The true centre (x, y) [px]; NaN where it is not known.
    mask : torch.Tensor of bool, shape (B, H, W)
        True on other sources.

    Returns
    -------
    torch.Tensor
        Cross-entropy of the centre's square, against a Gaussian of 2 px around it + smooth
        absolute error of the centre in that square [px] + ten times the cross-entropy of the
        mask.
    """
    pixels = functional.binary_cross_entropy_with_logits(found.foreign, mask.float())
    known = torch.isfinite(centre).all(1)
    if not known.any():
        return 10 * pixels
    heat, offset, centre = found.heat[known], found.offset[known], centre[known]
    columns = mask.shape[-1] // 2
    squares = _corner(torch.arange(heat.shape[1], device=heat.device), columns)
    target = (-(squares - centre[:, None]).square().sum(-1) / (2 * SPREAD**2)).softmax(1)
    place = -(target * heat).sum(1).mean()
    off = squares + offset.transpose(1, 2) - centre[:, None]
    position = functional.smooth_l1_loss(off, torch.zeros_like(off), reduction="none", beta=0.3)
    return place + (position.sum(-1) * target).sum(1).mean() + 10 * pixels
