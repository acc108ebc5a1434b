"""The image encoder: ResNet-18, of images in one band or in several."""

import torch
from torch import nn
from torch.nn import functional

STEMS = ("standard", "small")
WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al. 2015, Fig. 5 left, shortcut option B).

    Parameters
    ----------
    n_in, n_out : int
        Channels in and out.
    stride : int
        Stride of the first convolution and of the shortcut.
    """

    def __init__(self, n_in, n_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x):
        """(B, n_in, H, W) -> (B, n_out, H / stride, W / stride)."""
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += self.shortcut(x)
        return self.relu(y)


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2015, Table 1) for images of any size, in one band or in several.

    Eight basic blocks of 64 to 512 channels, global average pooling and one dense layer, which
    gives the latent vector in place of the class scores; of images in several bands it gives one
    for each band, out of all of them.

    Parameters
    ----------
    latent : int
        Length of the latent vector z.
    stem : {"standard", "small"}
        `standard`: 7 x 7 convolution of stride 2, then 3 x 3 max-pooling of stride 2, as
        published. `small`: 3 x 3 convolution of stride 1 and no pooling, as in the code released
        with Pix2Prof; 16 times the arithmetic.
    n_bands : int
        Images of each galaxy, and latent vectors.

    Raises
    ------
    ValueError
        If `stem` is neither.
    """

    def __init__(self, latent=512, stem="standard", n_bands=1):
        super().__init__()
        self.latent = latent
        if stem not in STEMS:
            raise ValueError(f"model.stem is {stem!r}: it must be one of {', '.join(STEMS)}")
        if stem == "standard":
            convolution = nn.Conv2d(n_bands, WIDTHS[0], 7, 2, 3, bias=False)
            self.pool = nn.MaxPool2d(3, 2, 1)
        else:
            convolution = nn.Conv2d(n_bands, WIDTHS[0], 3, 1, 1, bias=False)
            self.pool = nn.Identity()
        self.stem = nn.Sequential(convolution, nn.BatchNorm2d(WIDTHS[0]), nn.ReLU(inplace=True))
        blocks, n_in = [], WIDTHS[0]
        for i, width in enumerate(WIDTHS):
            blocks += [BasicBlock(n_in, width, 1 if i == 0 else 2), BasicBlock(width, width)]
            n_in = width
        self.blocks = nn.Sequential(*blocks)
        self.dense = nn.Linear(WIDTHS[-1], n_bands * latent)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, images, dtype=torch.float32):
        """Maps of features after each width, before pooling.

        The stem stays in float32 whatever the `dtype`: the faint parts of a galaxy are a small
        step on the level of the sky, which the first normalisation takes away.

        Parameters
        ----------
        images : torch.Tensor of float32, shape (B, n_bands, H, W)
            Normalised images.
        dtype : torch.dtype
            Of the convolutions after the stem: float32 or bfloat16.

        Returns
        -------
        list of torch.Tensor of `dtype`
            Of `WIDTHS` channels. With the standard stem the first is of H / 4 x W / 4, the last
            of H / 32 x W / 32; with the small one of H x W and H / 8 x W / 8; rounded up.
        """
        x, maps = self.stem(images).to(dtype), []  # (B, 64, H / 2, W / 2) or (B, 64, H, W)
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            x = self.pool(x)
            for first in range(0, len(self.blocks), 2):
                x = self.blocks[first + 1](self.blocks[first](x))
                maps.append(x)
        return maps

    def features(self, images, dtype=torch.float32):
        """Last of the `maps`."""
        return self.maps(images, dtype)[-1]

    def pooled(self, features):
        """Latent vectors z (B n_bands, latent), float32, from the last of the `maps`."""
        return self.dense(features.float().mean((2, 3))).view(-1, self.latent)

    def forward(self, images, dtype=torch.float32):
        """Encode images.

        Parameters
        ----------
        images : torch.Tensor of float32, shape (B, n_bands, H, W)
            Normalised images.
        dtype : torch.dtype
            Of the convolutions after the stem.

        Returns
        -------
        torch.Tensor of float32, shape (B n_bands, latent)
            The latent vectors z, galaxy by galaxy, in each its bands.
        """
        return self.pooled(self.features(images, dtype))


def binned(images, side):
    """Images (B, C, H, W) with pixels averaged in squares of `side`, as an encoder takes them."""
    if side > 1:
        images = functional.avg_pool2d(images, side, ceil_mode=True)
    return images.contiguous(memory_format=torch.channels_last)
