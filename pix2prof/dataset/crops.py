"""The part of an image that the network sees: its centre, or moved and turned at random."""

from dataclasses import dataclass

import numpy as np


def centre_crop(images, crop):
    """Cut the central (crop, crop) pixels of images of shape (..., S, S)."""
    height, width = images.shape[-2:]
    if min(height, width) < crop:
        raise ValueError(f"an image of {height} x {width} px cannot give a crop of {crop} px")
    top, left = (height - crop) // 2, (width - crop) // 2
    return images[..., top : top + crop, left : left + crop]


@dataclass(frozen=True)
class Moves:
    """Random shifts, mirrorings and turns of B images (section 2.2.5).

    Parameters
    ----------
    corners : numpy.ndarray of int, shape (B, 2)
        Column and row where the cut begins [px].
    mirrored : numpy.ndarray of bool, shape (B,)
        Whether the cut's left and right are exchanged, before it is turned.
    turns : numpy.ndarray of int, shape (B,)
        Turns by 90 degrees, counter-clockwise with rows counted downwards.
    crop : int
        Side of the cut [px].
    """

    corners: np.ndarray
    mirrored: np.ndarray
    turns: np.ndarray
    crop: int

    @classmethod
    def draw(cls, n, size, crop, config, generator):
        """Draw for `n` images of `size` x `size` px.

        Parameters
        ----------
        n, size, crop : int
            `size` at least `crop`.
        config : pix2prof.config.TrainConfig
            For ``wobble``, the standard deviation of the shift along each axis [px], which ends
            at the image's edge; ``rotate``, whether to turn by 0, 90, 180 or 270 degrees, alike
            often; and ``mirror``, whether to mirror one in two.
        generator : numpy.random.Generator
            Source of the draws.
        """
        margin = (size - crop) // 2
        shifts = np.rint(generator.normal(0.0, config.wobble, (n, 2))).astype(int)
        turns = generator.integers(0, 4 if config.rotate else 1, n)
        mirrored = generator.integers(0, 2 if config.mirror else 1, n) == 1
        return cls(shifts.clip(-margin, margin)[:, ::-1] + margin, mirrored, turns, crop)

    @classmethod
    def none(cls, n, size, crop):
        """The central cut, as it is."""
        corners = np.full((n, 2), (size - crop) // 2)
        return cls(corners, np.zeros(n, dtype=bool), np.zeros(n, dtype=int), crop)

    def of_images(self, images):
        """Cut, mirror and turn images: (B, ..., S, S) -> (B, ..., crop, crop)."""
        crop = self.crop
        moves = zip(images, self.corners, self.mirrored, self.turns, strict=True)
        cuts = []
        for image, (x, y), mirrored, turn in moves:
            cut = image[..., y : y + crop, x : x + crop]
            cuts.append(np.rot90(cut[..., ::-1] if mirrored else cut, turn, axes=(-2, -1)))
        return np.stack(cuts)

    def of_points(self, points):
        """Where points (x, y) of the images come to lie: (B, 2) -> (B, 2) [px]."""
        x, y = (points - self.corners).T
        last = self.crop - 1
        x = np.where(self.mirrored, last - x, x)
        ways = np.array([(x, y), (y, last - x), (last - x, last - y), (last - y, x)])
        return ways[self.turns, :, np.arange(len(points))]

    def of_angles(self, angles):
        """What position angles (B, ...) become [deg], counter-clockwise from +x, in [0, 180)."""
        each = (-1, *[1] * (np.ndim(angles) - 1))
        mirrored, turns = self.mirrored.reshape(each), self.turns.reshape(each)
        return (np.where(mirrored, -angles, angles) - 90 * turns) % 180
