"""What the networks with the paper's encoder share: their set-up, and which bands they take."""

import torch
from torch import nn

from .resnet import ResNet18, binned


class EncoderNetwork(nn.Module):
    """A network of one encoder, and of a decoder that its heirs add.

    Parameters
    ----------
    nodes : pix2prof.model.nodes.Nodes or pix2prof.model.nodes.Rows
        The decoder's grid and units.
    **kwargs
        What the network is made again from, as plain values; of them ``stem``, ``latent``,
        ``binning`` and ``bands`` are for the encoder.

    Attributes
    ----------
    bands : tuple of str or None
        The bands of each galaxy's images, in their order; None: any one band. Of images in
        ``n_bands`` bands there are as many profiles: galaxy by galaxy, in each its bands.
    ellipses : bool
        Whether it learns the isophotes' shapes beside the profiles.
    smallest : None
        It takes images of one size, that of its training.

    Raises
    ------
    ValueError
        If `bands` are none, or hold one twice.
    """

    normalise = None
    ellipses = False
    smallest = None

    def __init__(self, nodes, **kwargs):
        super().__init__()
        bands = kwargs["bands"]
        if bands is not None and not (bands and len(set(bands)) == len(bands)):
            raise ValueError(
                f"model.bands is {bands!r}: it must be null, for any one band, or name different "
                "bands"
            )
        self.nodes = nodes
        self.bands = None if bands is None else tuple(bands)
        self.kwargs = kwargs | {"bands": None if bands is None else list(bands)}
        self.binning = kwargs["binning"]
        self.encoder = ResNet18(kwargs["latent"], kwargs["stem"], self.n_bands)

    @property
    def n_bands(self):
        """Images of each galaxy, and its profiles."""
        return 1 if self.bands is None else len(self.bands)

    @property
    def device(self):
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def n_steps(self):
        """Rows of the profile's grid."""
        return self.nodes.n_steps

    def begin_epoch(self):
        """Nothing is kept from batch to batch."""

    def observe(self, batch, dtype=torch.float32):
        """Pass a batch, as for `loss`, through the layers that take statistics of it."""
        self.encoder.maps(binned(batch[0], self.binning), dtype)

    def refuse_training(self):
        """Raise RuntimeError in training mode, where the output would be random."""
        if self.training:
            raise RuntimeError("the model is in training mode: call model.eval() before predict")
