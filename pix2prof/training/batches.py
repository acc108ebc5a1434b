"""Image-profile pairs as the network takes them."""

from dataclasses import dataclass

import numpy as np
import torch

from ..isophote_network.network import IsophoteNetwork
from ..isophotes.background import pixel_noise
from .moves import Moves

TRIMMED = 16
CUT = 0.1


@dataclass(frozen=True)
class Batches:
    """Pairs as the network takes them.

    Parameters
    ----------
    pairs
        With ``len``, ``images(indices)`` and ``mu(indices)``, see `pix2prof.dataset.stored.Pairs`
        and `pix2prof.dataset.stored.Galaxies`.
    nodes : pix2prof.model.nodes.Nodes
    normalisation
        With ``normalise(images)``, see `pix2prof.dataset.normalisation.Normalisation`.
    crop : int
        Side of the network's images [px].
    ellipses : bool
        Whether the network learns the isophotes' shapes beside the profiles; then `pairs` also
        have ``ellipses(indices)``.
    """

    pairs: object
    nodes: object
    normalisation: object
    crop: int
    ellipses: bool = False

    def load(self, indices, config=None, generator=None):
        """Read a batch, shifted and turned where a configuration and a generator are given.

        Parameters
        ----------
        indices : numpy.ndarray of int, shape (B,)
        config : pix2prof.config.TrainConfig, optional
            For what is drawn, see `pix2prof.training.moves.Moves.draw`.
        generator : numpy.random.Generator, optional

        Returns
        -------
        images : torch.Tensor of float32, shape (G, n_bands, crop, crop)
            Of G = B pairs in one band, or G = B / n_bands galaxies in several.
        targets, counted, n_nodes
            Of B profiles, see `pix2prof.model.nodes.Nodes.targets`.
        ellipticity, pa : torch.Tensor of float32, shape (B, n_steps)
            Without unit; [deg] counter-clockwise from +x; NaN where not known. Where `ellipses`
            is set.

        Raises
        ------
        ValueError
            If an image of the batch is not finite; the message gives the pair's index.
        """
        images, moves = _moved(self.pairs, indices, self.crop, config, generator)
        images = self.normalisation.normalise(images).astype(np.float32)
        images = torch.from_numpy(images).view(len(images), -1, self.crop, self.crop)
        mu = self.pairs.mu(indices)
        each = (len(images), -1, mu.shape[-1])
        targets = self.nodes.targets(moves.of_mu(mu.reshape(each)).reshape(mu.shape))
        if not self.ellipses:
            return images, *targets
        ellipticity, pa = (x.reshape(each) for x in self.pairs.ellipses(indices))
        ellipticity = moves.of_profiles(ellipticity)
        pa = moves.of_angles(moves.of_profiles(pa, nearest=True))
        shapes = (x.reshape(mu.shape)[:, : self.nodes.n_steps] for x in (ellipticity, pa))
        return images, *targets, *(torch.from_numpy(np.ascontiguousarray(x)) for x in shapes)


@dataclass(frozen=True)
class AnnotatedBatches:
    """Pairs with what the mock survey knows of them, as `IsophoteNetwork` takes them.

    The profile to be written is the expert's up to its S/N cut, and the truth beyond. Where a
    generator is given, images have the sizes and edges that users' images have: each batch has a
    side of its own, from `IsophoteNetwork.smallest` to `crop` px and the less often the larger,
    half of its images are narrower by up to `TRIMMED` px on each edge, and one in ten is cut up
    to a quarter from one edge, with sky noise in place.

    Parameters
    ----------
    pairs : pix2prof.dataset.stored.Pairs
    crop : int
        Side of the network's largest images [px].
    """

    pairs: object
    crop: int

    def load(self, indices, config=None, generator=None):
        """Read a batch, shifted and turned as by `Batches.load`.

        Parameters
        ----------
        indices, config, generator
            As for `Batches.load`; a generator alone draws sizes and edges.

        Returns
        -------
        images : torch.Tensor of float32, shape (B, S, S)
            [nanomaggies per pixel], `crop` px a side where no generator is given.
        covered : torch.Tensor of bool, shape (B, S, S)
            False where there is nothing to read.
        masks : torch.Tensor of bool, shape (B, S, S)
            True on other sources.
        centres : torch.Tensor of float32, shape (B, 2)
            (x, y) [px]; NaN where not known.
        mu, ellipticity : torch.Tensor of float32, shape (B, 1024)
            NaN where there is nothing to learn from.
        n_within : torch.Tensor of int, shape (B,)
            Rows of the expert's profile.
        """
        side = self.crop
        if generator is not None and side > IsophoteNetwork.smallest:
            sides = np.arange(side, IsophoteNetwork.smallest - 1, -IsophoteNetwork.multiple)
            side = int(generator.choice(sides, p=(1 / sides) / (1 / sides).sum()))
        images, moves = _moved(self.pairs, indices, side, config, generator)
        covered = np.ones(images.shape, dtype=bool)
        if generator is not None:
            covered = _covered(len(images), side, generator)
            noise = pixel_noise(torch.from_numpy(images)).numpy()[:, None, None]
            sky = noise * generator.standard_normal(images.shape, dtype=np.float32)
            images = np.where(covered, images, sky)
        masks = moves.of_images(self.pairs.masks(indices)) & covered
        centres = moves.of_points(self.pairs.centres(indices))
        expert = moves.of_mu(self.pairs.profiles("expert_mu", indices))
        known = np.isfinite(expert)
        n_within = np.where(known.any(1), expert.shape[1] - known[:, ::-1].argmax(1), 0)
        beyond = np.arange(expert.shape[1]) >= n_within[:, None]
        mu = np.where(beyond, moves.of_mu(self.pairs.profiles("truth_mu", indices)), expert)
        ellipticity = moves.of_profiles(self.pairs.profiles("expert_ellipticity", indices))
        values = images, covered, masks, centres.astype(np.float32), mu, ellipticity, n_within
        return tuple(torch.from_numpy(np.ascontiguousarray(x)) for x in values)


def _covered(n, side, generator):
    """Where n images of `side` px reach, some of them cut at their edges."""
    edges = generator.integers(0, TRIMMED, (n, 4)) * (generator.random((n, 1)) < 0.5)
    cut = generator.integers(0, side // 4, n) * (generator.random(n) < CUT)
    edges[np.arange(n), generator.integers(0, 4, n)] += cut
    place = np.arange(side)
    first, last = edges[:, ::2, None], side - edges[:, 1::2, None]
    rows, columns = ((place >= first) & (place < last)).swapaxes(0, 1)
    return rows[:, :, None] & columns[:, None, :]


def _moved(pairs, indices, crop, config, generator):
    """Images of a batch, cut from the middle or at random, and the moves that were made."""
    images = pairs.images(indices)
    n, size = len(images), images.shape[-1]
    if config is None or generator is None:
        moves = Moves.none(n, size, crop)
    else:
        moves = Moves.draw(n, size, crop, config, generator)
    images = moves.of_light(images)
    bad = ~np.isfinite(images).all(tuple(range(1, images.ndim)))
    if bad.any():
        raise ValueError(f"the image of pair {indices[bad][0]} holds values that are not finite")
    return images, moves


def batches_for(model, pairs, normalisation, crop):
    """Pairs as a network takes them.

    Parameters
    ----------
    model : torch.nn.Module
        A network of `pix2prof.networks`.
    pairs, normalisation, crop
        See `Batches`.

    Returns
    -------
    Batches or AnnotatedBatches
        What `load` gives is what the network's ``loss`` and ``judge`` take.
    """
    if isinstance(model, IsophoteNetwork):
        return AnnotatedBatches(pairs, crop)
    return Batches(pairs, model.nodes, normalisation, crop, model.ellipses)
