"""Image-profile pairs as the network takes them."""

from dataclasses import dataclass

import numpy as np
import torch

from .dataset import augment, centre_crop


@dataclass(frozen=True)
class Batches:
    """Pairs as the network takes them.

    Parameters
    ----------
    pairs
        With ``len``, ``images(indices)`` and ``mu(indices)``, see `pix2prof.dataset.Pairs`.
    nodes : pix2prof.nodes.Nodes
    normalisation
        With ``normalise(images)``, see `pix2prof.dataset.Normalisation`.
    crop : int
        Side of the network's images [px].
    """

    pairs: object
    nodes: object
    normalisation: object
    crop: int

    def load(self, indices, config=None, generator=None):
        """Read a batch, augmented where a generator is given.

        Parameters
        ----------
        indices : numpy.ndarray of int, shape (B,)
        config : pix2prof.config.TrainConfig, optional
            For ``wobble`` and ``rotate``.
        generator : numpy.random.Generator, optional

        Returns
        -------
        images : torch.Tensor of float32, shape (B, 1, crop, crop)
        targets, counted, n_nodes
            See `pix2prof.nodes.Nodes.targets`.

        Raises
        ------
        ValueError
            If an image of the batch is not finite; the message gives the pair's index.
        """
        images = self.pairs.images(indices)
        if generator is None:
            images = centre_crop(images, self.crop)
        else:
            images = augment(images, self.crop, config.wobble, config.rotate, generator)
        images = self.normalisation.normalise(images).astype(np.float32)
        if not np.isfinite(images).all():
            bad = indices[~np.isfinite(images).all((1, 2))]
            raise ValueError(f"the image of pair {bad[0]} holds values that are not finite")
        return torch.from_numpy(images)[:, None], *self.nodes.targets(self.pairs.mu(indices))
