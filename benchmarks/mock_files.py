"""Any number of FITS images to predict, made of a few mock galaxies."""

import os

import numpy as np
from astropy.io import fits

from pix2prof.images.fits import mock_hdus
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.sdss import BANDS

SHARED = 8


def make_images(folder, n, *, side=256, seed=1):
    """Write images, of `SHARED` galaxies in turn, each under fresh noise, turned and flipped.

    Parameters
    ----------
    folder : Path
        Files go to ``folder/<thousands>/n<number>-<band>.fits``; those that are there stay.
    n : int
        How many.
    side : int
        [px]
    seed : int
        Of galaxies and noise.
    """
    hdus = None
    for number in range(n):
        path = _path(folder, number)
        if path.exists():
            continue
        if hdus is None:
            galaxies = [mock_galaxy(seed, k, field=side) for k in range(SHARED)]
            hdus = [[mock_hdus(one, b)[0] for b in range(len(BANDS))] for one in galaxies]
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng((seed, number))
        hdu = hdus[number // len(BANDS) % SHARED][number % len(BANDS)]
        data = np.rot90(hdu.data, rng.integers(4))[:: 1 - 2 * rng.integers(2)]
        data = data + rng.normal(0, 0.5 * np.std(hdu.data[:16]), data.shape)
        aside = path.with_suffix(".partial")
        fits.PrimaryHDU(data.astype("f4"), hdu.header).writeto(aside, overwrite=True)
        aside.replace(path)


def link_images(source, folder, n):
    """Give the images of a folder `n` names in another, in turn, without copying them.

    Parameters
    ----------
    source, folder : Path
    n : int
    """
    paths = sorted(source.rglob("*.fits"))
    for number in range(n):
        path = _path(folder, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.link(paths[number % len(paths)], path)


def _path(folder, number):
    band = BANDS[number % len(BANDS)]
    return folder / f"{number // 1000:04d}" / f"n{number:07d}-{band}.fits"
