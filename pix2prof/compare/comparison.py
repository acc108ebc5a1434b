"""Methods side by side on the same images: the test set's, and real ones."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import QTable

from pix2prof.compare import runs as peer_runs
from pix2prof.compare.peers import Target
from pix2prof.dataset.stored import Pairs
from pix2prof.images.fits import ImageError
from pix2prof.images.image import read_image
from pix2prof.profiles import MAX_STEPS


@dataclass(frozen=True)
class Comparison:
    """What M methods made of P images.

    Parameters
    ----------
    images : astropy.table.QTable
        One row an image: `name`, `band`, and what else is known of it.
    keys, labels : numpy.ndarray of str
        The methods' names on disk and in words, shape (M,).
    mu, ellipticity, pa : numpy.ndarray
        Shape (M, P, 1024), on the grid of `pix2prof.profiles.sma_grid`; NaN beyond a profile's
        ends [mag arcsec^-2, -, deg counter-clockwise from +x].
    centre : numpy.ndarray
        (x, y), shape (M, P, 2) [px].
    seconds : numpy.ndarray
        Wall time on one core, shape (M, P) [s].
    failure : numpy.ndarray of str
        Why there is no profile, else empty, shape (M, P).
    expert, truth : numpy.ndarray
        Shape (P, 1024) [mag arcsec^-2], NaN where nobody knows.
    hardware : str
        What it ran on.
    missing : dict of str to str
        Label of each method that could not run here, and what it lacked.
    """

    images: QTable
    keys: np.ndarray
    labels: np.ndarray
    mu: np.ndarray
    ellipticity: np.ndarray
    pa: np.ndarray
    centre: np.ndarray
    seconds: np.ndarray
    failure: np.ndarray
    expert: np.ndarray
    truth: np.ndarray
    hardware: str
    missing: dict = field(default_factory=dict)


def mock_targets(survey, n_galaxies, seed):
    """Choose galaxies of the test set, each in all its bands.

    Parameters
    ----------
    survey : pix2prof.dataset.stored.Survey
        The survey.
    n_galaxies : int
        How many, at most; a larger choice holds every smaller one.
    seed : int
        Of the choice.

    Returns
    -------
    targets : list of P pix2prof.compare.peers.Target
        The stored images, with the known masks.
    images : astropy.table.QTable
        Their rows of the catalogue with `band` and `galaxy`, the row of the survey.
    expert, truth : numpy.ndarray, shape (P, 1024)
        [mag arcsec^-2].
    """
    pairs = Pairs(survey, "test")
    galaxies = np.unique(pairs.galaxy)
    chosen = np.random.default_rng(seed).permutation(galaxies)[:n_galaxies]
    rows = np.flatnonzero(np.isin(pairs.galaxy, chosen))
    images = pairs.table()[rows]
    images["galaxy"] = pairs.galaxy[rows]
    targets = [
        Target(str(name), pairs.images(row)[0], mask=survey.mask(pairs.galaxy[row]))
        for name, row in zip(images["name"], rows, strict=True)
    ]
    return targets, images, pairs.mu(rows), pairs.profiles("truth_mu", rows)


def real_targets(folder, n_images):
    """Read real galaxies from ``images/*.fits`` of a folder.

    Parameters
    ----------
    folder : path-like
        May be missing.
    n_images : int
        How many, at most, in the order of their names.

    Returns
    -------
    targets : list of pix2prof.compare.peers.Target
        On the files' own pixels. Files that cannot be used are left out.
    images : astropy.table.QTable
        `name`, `band` and `pixscale` of each.
    """
    targets, rows = [], []
    for path in sorted(Path(folder).glob("images/*.fits"))[:n_images]:
        try:
            image = read_image(path)
        except ImageError as error:
            print(f"left out: {error}")
            continue
        data = np.ascontiguousarray(image.data, np.float32)
        targets.append(Target(image.name, data, image.pixscale, picture=image))
        rows.append((image.name, image.band, image.pixscale))
    names, dtype = ("name", "band", "pixscale"), ("U64", "U16", float)
    images = QTable(rows=rows or None, names=names, dtype=dtype)
    images["pixscale"].unit = u.arcsec
    return targets, images


def compare(methods, targets, images, expert=None, truth=None, *, folder, timeout):
    """Run methods on images, as far as their results are not on disk.

    Parameters
    ----------
    methods : sequence of pix2prof.compare.peers.Method
        M of them.
    targets : sequence of pix2prof.compare.peers.Target
        P images.
    images : astropy.table.QTable
        What is known of them, P rows.
    expert, truth : numpy.ndarray, optional
        Shape (P, 1024) [mag arcsec^-2].
    folder : path-like
        Where results are kept.
    timeout : float
        Seconds that a method may take on one image.

    Returns
    -------
    comparison : Comparison
    """
    found = peer_runs.run(methods, targets, folder, timeout=timeout)
    results = [result for method in methods for result in found[method.key]]
    shape, blank = (len(methods), len(targets)), peer_runs.failed("", 0.0)

    def gather(name):
        values = np.array([getattr(result, name) for result in [*results, blank]])[:-1]
        return values.reshape(*shape, *values.shape[1:])

    nothing = np.full((len(targets), MAX_STEPS), np.nan, np.float32)
    names = ("mu", "ellipticity", "pa", "centre", "seconds", "failure")
    return Comparison(
        images=images,
        keys=np.array([method.key for method in methods]),
        labels=np.array([method.label for method in methods]),
        **{name: gather(name) for name in names},
        expert=nothing if expert is None else expert,
        truth=nothing if truth is None else truth,
        hardware=", ".join(sorted({result.hardware for result in results})),
    )


def save_comparison(comparison, folder, name):
    """Write a comparison as ``<name>.npz`` and ``<name>.ecsv`` of a folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f.name: getattr(comparison, f.name) for f in fields(comparison)}
    comparison.images.write(folder / f"{name}.ecsv", overwrite=True)
    arrays |= {"missing": json.dumps(arrays["missing"])}
    arrays.pop("images")
    np.savez_compressed(folder / f"{name}.npz", **arrays)


def load_comparison(folder, name):
    """Read what `save_comparison` wrote.

    Raises
    ------
    FileNotFoundError
        When it is not there; the message says how to make it.
    """
    folder = Path(folder)
    for path in (folder / f"{name}.npz", folder / f"{name}.ecsv"):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: there is no such file; run the stage that writes it: dvc repro compare"
            )
    with np.load(folder / f"{name}.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    missing, hardware = json.loads(arrays.pop("missing").item()), arrays.pop("hardware").item()
    images = QTable.read(folder / f"{name}.ecsv")
    return Comparison(images=images, missing=missing, hardware=hardware, **arrays)
