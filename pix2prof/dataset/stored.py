"""The survey on disk, and its split into image-profile pairs."""

import json
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import QTable

from pix2prof.dataset.normalisation import Normalisation
from pix2prof.sdss import BANDS

SPLITS = ("train", "validation", "test")
PROFILE_KEYS = (
    "expert_mu",
    "expert_mu_err",
    "expert_ellipticity",
    "expert_pa",
    "truth_mu",
    "truth_ellipticity",
    "truth_pa",
)
OFFSETS = ("x_offset", "y_offset")


@dataclass(frozen=True)
class Survey:
    """Images and profiles of N galaxies in three bands.

    Parameters
    ----------
    images : numpy.ndarray
        Float32 memory map of shape (N, 3, S, S) [nanomaggies per pixel].
    masks : numpy.ndarray
        Pixels of other sources, packed along the last axis: uint8 of shape (N, S, S // 8).
    profiles : dict of numpy.ndarray
        `PROFILE_KEYS`, each float32 of shape (N, 3, 1024) on the grid of
        `pix2prof.profiles.sma_grid`; NaN beyond the end of the profile.
    catalogue : astropy.table.QTable
        One row a galaxy, with its ``name``, ``redshift``, ``kpc_per_arcsec`` and ``split``.
    normalisation : pix2prof.dataset.normalisation.Normalisation
        Found from the training galaxies.
    """

    images: np.ndarray
    masks: np.ndarray
    profiles: dict
    catalogue: QTable
    normalisation: Normalisation

    @property
    def bands(self):
        """The bands of the second axis: g, r, i, unless the catalogue's ``bands`` say others."""
        return tuple(self.catalogue.meta.get("bands", BANDS))

    def mask(self, galaxy):
        """Unpack the mask of one galaxy: bool of shape (S, S), True where not the galaxy."""
        return np.unpackbits(self.masks[galaxy], axis=-1, count=self.images.shape[-1]).astype(bool)


def load_survey(folder):
    """Open a survey built by `pix2prof.dataset.building.build_survey`.

    Parameters
    ----------
    folder : path-like
        Where it lies.

    Returns
    -------
    survey : Survey

    Raises
    ------
    FileNotFoundError
        When a file of the survey is missing; the message names it.
    """
    folder = Path(folder)
    for name in (
        "images.npy",
        "masks.npy",
        "profiles.npz",
        "catalogue.ecsv",
        "normalisation.json",
    ):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name}: there is no such file, so {folder} holds no survey; "
                "run the stage that builds it: dvc repro data"
            )
    with np.load(folder / "profiles.npz") as stored:
        profiles = {key: stored[key] for key in PROFILE_KEYS}
    return Survey(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        masks=np.load(folder / "masks.npy", mmap_mode="r"),
        profiles=profiles,
        catalogue=QTable.read(folder / "catalogue.ecsv"),
        normalisation=Normalisation(**json.loads((folder / "normalisation.json").read_text())),
    )


def assign_splits(n_galaxies, n_validation, n_test, seed):
    """Draw each galaxy's split, its three bands together (section 2.2.3).

    Parameters
    ----------
    n_galaxies, n_validation, n_test : int
        Galaxies in all, and in the validation and test sets; the rest trains.
    seed : int
        The draw's seed.

    Returns
    -------
    split : numpy.ndarray of str
        One of ``train``, ``validation``, ``test`` for each galaxy, shape (n_galaxies,).
    """
    split = np.full(n_galaxies, "train", dtype="<U10")
    order = np.random.default_rng([seed, 1]).permutation(n_galaxies)
    split[order[:n_test]] = "test"
    split[order[n_test : n_test + n_validation]] = "validation"
    return split


class Pairs:
    """The image-profile pairs of one split: galaxy by galaxy, in each its three bands.

    Parameters
    ----------
    survey : Survey
        The whole survey.
    split : {"train", "validation", "test"}
        The part of it.
    target : {"expert", "truth"}
        Which profile is paired with the image.

    Raises
    ------
    ValueError
        When `split` is not one of the three or holds no pair.
    """

    def __init__(self, survey, split, target="expert"):
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}; it must be one of {', '.join(SPLITS)}")
        galaxies = np.flatnonzero(np.asarray(survey.catalogue["split"]) == split)
        present = np.isfinite(survey.profiles[f"{target}_mu"][galaxies]).any(axis=-1)
        self.survey = survey
        self.target = target
        self.galaxy = np.repeat(galaxies, len(survey.bands))[present.ravel()]
        self.band = np.tile(np.arange(len(survey.bands)), len(galaxies))[present.ravel()]
        if len(self.galaxy) == 0:
            raise ValueError(f"the survey has no {split} pair with a {target} profile")

    def complete(self):
        """Give the pairs of those galaxies alone that have one in every band.

        Raises
        ------
        ValueError
            When there is no such galaxy.
        """
        n_bands = len(self.survey.bands)
        _, place, count = np.unique(self.galaxy, return_inverse=True, return_counts=True)
        kept = copy(self)
        kept.galaxy, kept.band = (x[count[place] == n_bands] for x in (self.galaxy, self.band))
        if len(kept) == 0:
            raise ValueError(
                f"none of {len(count)} galaxies has {self.target} profiles in all of "
                f"{', '.join(self.survey.bands)}, as model.bands: all needs them"
            )
        return kept

    def __len__(self):
        return len(self.galaxy)

    def images(self, indices):
        """Give images of shape (B, S, S), float32 [nanomaggies per pixel]."""
        images = self.survey.images
        return np.stack([images[self.galaxy[i], self.band[i]] for i in np.atleast_1d(indices)])

    def profiles(self, key, indices=slice(None)):
        """Give one of `PROFILE_KEYS` of shape (B, 1024), float32; NaN beyond its end."""
        return self.survey.profiles[key][self.galaxy[indices], self.band[indices]]

    def mu(self, indices=slice(None)):
        """Give the target profiles of shape (B, 1024) [mag arcsec^-2]; NaN beyond the end."""
        return self.profiles(f"{self.target}_mu", indices)

    def ellipses(self, indices):
        """Give the target profiles' ellipticity and position angle [deg], (B, 1024) each."""
        return tuple(
            self.profiles(f"{self.target}_{name}", indices) for name in ("ellipticity", "pa")
        )

    def masks(self, indices):
        """Give masks of shape (B, S, S), True on other sources."""
        return np.stack([self.survey.mask(self.galaxy[i]) for i in np.atleast_1d(indices)])

    def centres(self, indices):
        """Give the galaxies' centres (x, y) [px] of shape (B, 2); NaN where not known."""
        rows, middle = self.galaxy[indices], (self.survey.images.shape[-1] - 1) / 2
        known = set(OFFSETS) <= set(self.survey.catalogue.colnames)
        if not known:
            return np.full((len(rows), 2), np.nan)
        return middle + np.stack([self.survey.catalogue[name][rows] for name in OFFSETS], -1)

    def table(self):
        """Give a QTable with the galaxy's catalogue row and the ``band`` of each pair."""
        table = self.survey.catalogue[self.galaxy]
        table["band"] = np.array(self.survey.bands)[self.band]
        return table


class Galaxies:
    """Pairs taken together by galaxy, as a network of several bands learns from them.

    Parameters
    ----------
    pairs : Pairs
        With one in every band of each galaxy, see `Pairs.complete`.

    Raises
    ------
    ValueError
        When a galaxy lacks one.
    """

    def __init__(self, pairs):
        if len(pairs.complete()) < len(pairs):
            raise ValueError("some galaxies lack a pair in some band; give Pairs.complete()")
        self.pairs = pairs
        self.rows = np.arange(len(pairs)).reshape(-1, len(pairs.survey.bands))

    def __len__(self):
        return len(self.rows)

    def images(self, indices):
        """Give images of shape (G, bands, S, S), float32 [nanomaggies per pixel]."""
        images = self.pairs.images(self.rows[indices].ravel())
        return images.reshape(-1, self.rows.shape[1], *images.shape[1:])

    def mu(self, indices=slice(None)):
        """Give the target profiles of shape (G bands, 1024), galaxy by galaxy; see `Pairs.mu`."""
        return self.pairs.mu(self.rows[indices].ravel())

    def ellipses(self, indices):
        """Give the target profiles' shapes as `mu` gives the profiles; see `Pairs.ellipses`."""
        return self.pairs.ellipses(self.rows[indices].ravel())


def examples(survey, split, bands="one"):
    """Give what a network learns from.

    Parameters
    ----------
    survey : Survey
    split : {"train", "validation", "test"}
    bands : {"one", "all"}
        As ``model.bands``.

    Returns
    -------
    Pairs or Galaxies
    """
    pairs = Pairs(survey, split)
    return Galaxies(pairs.complete()) if bands == "all" else pairs
