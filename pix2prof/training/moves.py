"""What training does to its images at random: shifted, turned, mirrored, enlarged, dimmed."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

LARGEST = 2.0


@dataclass(frozen=True)
class Moves:
    """How B images of a field are changed, and the profiles with them (section 2.2.5).

    In this order: enlarged and tilted about the field's middle, cut, mirrored, turned, dimmed.
    Surface brightness stays as it is when an image is enlarged. What is enlarged or tilted is
    interpolated between pixels; the rest keeps every pixel's value, but for `dimmed`.

    Parameters
    ----------
    size : int
        Side of the fields [px].
    crop : int
        Side of the cuts [px].
    corners : numpy.ndarray of int, shape (B, 2)
        Column and row where the cut begins [px].
    mirrored : numpy.ndarray of bool, shape (B,)
        Whether the cut's left and right are exchanged, before it is turned.
    turns : numpy.ndarray of int, shape (B,)
        Turns by 90 degrees, counter-clockwise with rows counted downwards.
    enlarged : numpy.ndarray of float, shape (B,)
        Factor.
    tilts : numpy.ndarray of float, shape (B,)
        [deg], in the direction of `turns`.
    dimmed : numpy.ndarray of float, shape (B,)
        [mag].
    """

    size: int
    crop: int
    corners: np.ndarray
    mirrored: np.ndarray
    turns: np.ndarray
    enlarged: np.ndarray
    tilts: np.ndarray
    dimmed: np.ndarray

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
            often, and ``tilt``, by any angle besides; ``mirror``, whether to mirror one in two;
            ``zoom`` and ``dim``, the standard deviations of the factor's natural logarithm, which
            ends at `LARGEST` of them, and of the dimming [mag].
        generator : numpy.random.Generator
            Source of the draws.
        """
        margin = (size - crop) // 2
        still = cls.none(n, size, crop)
        shifts = np.rint(generator.normal(0.0, config.wobble, (n, 2))).astype(int)
        turns = generator.integers(0, 4 if config.rotate else 1, n)
        mirrored = generator.integers(0, 2 if config.mirror else 1, n) == 1
        enlarged, tilts, dimmed = still.enlarged, still.tilts, still.dimmed
        if config.zoom:
            scatter = generator.standard_normal(n).clip(-LARGEST, LARGEST)
            enlarged = np.exp(config.zoom * scatter)
        if config.tilt:
            tilts = generator.uniform(0.0, 90.0, n)
        if config.dim:
            dimmed = generator.normal(0.0, config.dim, n)
        corners = shifts.clip(-margin, margin)[:, ::-1] + margin
        return cls(size, crop, corners, mirrored, turns, enlarged, tilts, dimmed)

    @classmethod
    def none(cls, n, size, crop):
        """The central cut, as it is."""
        corners = np.full((n, 2), (size - crop) // 2)
        mirrored, turns = np.zeros(n, dtype=bool), np.zeros(n, dtype=int)
        return cls(size, crop, corners, mirrored, turns, np.ones(n), np.zeros(n), np.zeros(n))

    def of_images(self, images):
        """Enlarge, cut, mirror and turn images: (B, ..., S, S) -> (B, ..., crop, crop).

        Where a field ends within the cut it is mirrored at its edge. Booleans stay booleans.
        """
        moved = self._sampled(images) if self._interpolates else self._cut(images)
        cuts = []
        for cut, mirrored, turn in zip(moved, self.mirrored, self.turns, strict=True):
            cuts.append(np.rot90(cut[..., ::-1] if mirrored else cut, turn, axes=(-2, -1)))
        return np.stack(cuts)

    def of_light(self, images):
        """What `of_images` gives, dimmed."""
        images = self.of_images(images)
        if not self.dimmed.any():
            return images
        factor = (10 ** (-0.4 * self.dimmed)).astype(images.dtype)
        return images * _over(factor, images)

    def of_points(self, points):
        """Where points (x, y) of the fields come to lie in the cuts: (B, 2) -> (B, 2) [px]."""
        middle = (self.size - 1) / 2
        x, y = (np.asarray(points, dtype=float) - middle).T
        cosine, sine = np.cos(np.radians(self.tilts)), np.sin(np.radians(self.tilts))
        x, y = self.enlarged * (cosine * x + sine * y), self.enlarged * (cosine * y - sine * x)
        x, y = (np.stack((x, y), -1) + middle - self.corners).T
        last = self.crop - 1
        x = np.where(self.mirrored, last - x, x)
        ways = np.array([(x, y), (y, last - x), (last - x, last - y), (last - y, x)])
        return ways[self.turns, :, np.arange(len(points))]

    def of_angles(self, angles):
        """What position angles (B, ...) become [deg], counter-clockwise from +x, in [0, 180)."""
        angles = angles - _over(self.tilts, angles)
        mirrored = np.where(_over(self.mirrored, angles), -angles, angles)
        return (mirrored - 90 * _over(self.turns, angles)) % 180

    def of_profiles(self, profiles, nearest=False):
        """What profiles (B, ..., n), one value a row of the survey, become; NaN at their ends.

        A row between two others is interpolated, and is not known where one of them is not; or it
        is that of the nearer one, for what cannot be interpolated.
        """
        if np.all(self.enlarged == 1):
            return profiles
        n = profiles.shape[-1]
        place = np.arange(1, n + 1) / self.enlarged[:, None] - 1
        place[place > n - 1] = np.nan
        if nearest:
            place = np.rint(place)
        inner = np.nan_to_num(place).astype(int).clip(0, n - 2)
        share = (place - inner).clip(0, 1).astype(profiles.dtype)
        inner, share = (
            np.broadcast_to(_over(x, profiles), profiles.shape) for x in (inner, share)
        )
        low, high = (np.take_along_axis(profiles, inner + k, -1) for k in (0, 1))
        return np.where(share == 0, low, low * (1 - share) + high * share)

    def of_mu(self, mu):
        """What profiles of surface brightness (B, ..., n) [mag arcsec^-2] become."""
        mu = self.of_profiles(mu)
        return mu + _over(self.dimmed, mu).astype(mu.dtype) if self.dimmed.any() else mu

    @property
    def _interpolates(self):
        return bool(np.any(self.enlarged != 1) or np.any(self.tilts != 0))

    def _cut(self, images):
        for image, (x, y) in zip(images, self.corners, strict=True):
            yield image[..., y : y + self.crop, x : x + self.crop]

    def _sampled(self, images):
        """The cuts of enlarged and tilted fields, before they are mirrored and turned."""
        images = np.ascontiguousarray(images)
        layers = torch.from_numpy(images).view(len(images), -1, self.size, self.size)
        cuts = functional.grid_sample(
            layers.float(),
            self._grid(),
            mode="nearest" if images.dtype == bool else "bilinear",
            padding_mode="reflection",
            align_corners=True,
        )
        shape = (*images.shape[:-2], self.crop, self.crop)
        return cuts.numpy().reshape(shape).astype(images.dtype, copy=False)

    def _grid(self):
        """Where each pixel of the cuts lies in its field, from -1 to 1 along each axis."""
        middle = (self.size - 1) / 2
        scale = 1 / (self.enlarged * middle)
        cosine, sine = (f(np.radians(self.tilts)) * scale for f in (np.cos, np.sin))
        cosine, sine = (torch.from_numpy(t.astype(np.float32))[:, None] for t in (cosine, sine))
        corners = torch.from_numpy((self.corners - middle).astype(np.float32))
        x, y = (corners[:, k, None] + torch.arange(self.crop) for k in (0, 1))
        grid = torch.empty(len(x), self.crop, self.crop, 2)
        torch.sub((cosine * x)[:, None], (sine * y)[:, :, None], out=grid[..., 0])
        torch.add((sine * x)[:, None], (cosine * y)[:, :, None], out=grid[..., 1])
        return grid


def _over(values, like):
    """Values (B, ...) with axes put in after the first, to go with an array of more axes."""
    missing = np.ndim(like) - np.ndim(values)
    return np.reshape(values, (len(values), *[1] * missing, *np.shape(values)[1:]))
