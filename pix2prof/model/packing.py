"""Weights laid out once for the processor's kernels, with what follows them folded in.

For prediction only: no gradient flows, and a network's later change shows in a new packing, which
`packed` makes by itself.
"""

from itertools import chain
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn import functional

ROWS = 32
"""Rows that a matrix is laid out for. One layout for all, so that a row's result does not depend
on how many there are."""

_KEPT = WeakKeyDictionary()


def packed(module, dtype, make):
    """What `make` made of a module, made anew where its weights have changed.

    Parameters
    ----------
    module : torch.nn.Module
    dtype : torch.dtype
    make : callable
        From (module, dtype) to anything that does not hold the module.

    Returns
    -------
    object
    """
    tensors = chain(module.parameters(), module.buffers())
    state = [(x.data_ptr(), 0 if x.is_inference() else x._version) for x in tensors]
    kept = _KEPT.setdefault(module, {})
    if dtype not in kept or kept[dtype][0] != state:
        kept[dtype] = state, make(module, dtype)
    return kept[dtype][1]


@torch.no_grad()
def pack_linear(weight, bias, dtype):
    """Make a matrix product of a weight that stays.

    Parameters
    ----------
    weight : torch.Tensor, shape (n_out, n_in)
    bias : torch.Tensor, shape (n_out,)
    dtype : torch.dtype
        Of the product.

    Returns
    -------
    callable
        (B, n_in) -> (B, n_out), of the dtype of what it is given.
    """
    weight, bias = weight.detach().to(dtype), bias.detach().to(dtype)
    if _has_kernels(weight):
        weight = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)

        def product(x):
            low = x.to(dtype).contiguous()
            made = torch.ops.mkldnn._linear_pointwise(low, weight, bias, "none", [], "")
            return made.to(x.dtype)
    else:

        def product(x):
            return functional.linear(x.to(dtype), weight, bias).to(x.dtype)

    return product


def fold(convolution, norm):
    """Fold a batch normalisation with its running statistics into the convolution before it.

    Parameters
    ----------
    convolution : torch.nn.Conv2d
        Without a bias.
    norm : torch.nn.BatchNorm2d

    Returns
    -------
    weight : torch.Tensor, shape (n_out, n_in, h, w)
    bias : torch.Tensor, shape (n_out,)
    """
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)  # (n_out,)
    weight = convolution.weight * scale[:, None, None, None]
    return weight.detach(), (norm.bias - norm.running_mean * scale).detach()


@torch.no_grad()
def pack_convolution(convolution, norm, dtype):
    """Make a convolution of kernels that stay, with its normalisation folded in.

    Parameters
    ----------
    convolution, norm
        As `fold` takes them.
    dtype : torch.dtype
        Of the product and of what it is given.

    Returns
    -------
    callable
        Of (x, relu=True, onto=None): the convolution of x (B, n_in, H, W); where `onto` is given,
        (B, n_out, H', W'), added to it, and then the ReLU. `onto` may be overwritten.
    """
    weight, bias = (x.to(dtype) for x in fold(convolution, norm))
    weight = weight.contiguous(memory_format=torch.channels_last)
    stride, padding, dilation = convolution.stride, convolution.padding, convolution.dilation
    if _has_kernels(weight):
        shape = padding, stride, dilation, 1
        weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *shape)
        kernels = torch.ops.mkldnn

        def convolve(x, relu=True, onto=None):
            given, after = (x, weight, bias, *shape), "relu" if relu else "none"
            if onto is None:
                return kernels._convolution_pointwise(*given, after, [], "")
            after = after if relu else None
            add = kernels._convolution_pointwise_.binary
            return add(onto, *given, "add", 1.0, after, [], "")
    else:

        def convolve(x, relu=True, onto=None):
            y = functional.conv2d(x, weight, bias, stride, padding, dilation)
            y = y if onto is None else y.add_(onto)
            return y.relu_() if relu else y

    return convolve


def pack_encoder(encoder, dtype):
    """Make of a `pix2prof.model.resnet.ResNet18` in evaluation mode a function that does the same.

    Parameters
    ----------
    encoder : pix2prof.model.resnet.ResNet18
    dtype : torch.dtype
        Of the convolutions after the stem, which stays in float32.

    Returns
    -------
    callable
        Images (G, n_bands, H, W), float32, to latent vectors (G n_bands, latent), float32:
        galaxy by galaxy, in each its bands.
    """
    stem = pack_convolution(*encoder.stem[:2], torch.float32)
    pool, blocks = encoder.pool, [_pack_block(block, dtype) for block in encoder.blocks]
    latent, dense = (
        encoder.latent,
        pack_linear(encoder.dense.weight, encoder.dense.bias, torch.float32),
    )

    def encode(images):
        x = pool(stem(images).to(dtype))
        for first, second, shortcut in blocks:
            beside = x if shortcut is None else shortcut(x, relu=False)
            x = second(first(x), onto=beside)
        return dense(x.float().mean((2, 3))).view(-1, latent)

    return encode


def _pack_block(block, dtype):
    shortcut = None
    if not isinstance(block.shortcut, nn.Identity):
        shortcut = pack_convolution(*block.shortcut, dtype)
    first = pack_convolution(block.conv1, block.norm1, dtype)
    return first, pack_convolution(block.conv2, block.norm2, dtype), shortcut


def _has_kernels(weight):
    """Whether torch has oneDNN's kernels for weights of this kind, as on x86 processors."""
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    names = "_linear_pointwise", "_convolution_pointwise", "_is_mkldnn_bf16_supported"
    if not all(hasattr(torch.ops.mkldnn, name) for name in names):
        return False
    if weight.dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return weight.dtype == torch.float32
