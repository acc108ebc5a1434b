"""Speed and numbers of the mock survey: one command, tables out.

    python benchmarks/mock.py [--galaxies 40] [--field 512] [--cores 1 2]

Seconds per galaxy on one core and on several, peak memory, and the flux, noise and PSF of what was
rendered beside what was asked.
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np
from printing import show

from pix2prof.mock.frames import adaptive_sigma, fwhm_per_sigma
from pix2prof.mock.galaxies import Galaxy, Spheroid, total_flux
from pix2prof.mock.psf import survey_psf
from pix2prof.mock.realism import sky_statistics
from pix2prof.mock.rendering import render
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.mock.sky import add_noise, draw_conditions
from pix2prof.mock.sources import add_stars
from pix2prof.sdss import BANDS, PIXSCALE, flux_to_mag


def timed(arguments):
    """Processor seconds of one galaxy and the process's peak memory [MiB]."""
    seed, index, field = arguments
    start = time.process_time()
    mock_galaxy(seed, index, field=field)
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed(galaxies, field, cores):
    """Rows of (cores, wall seconds a galaxy, median and longest processor seconds, peak MiB)."""
    rows = []
    for count in cores:
        jobs = [(1, index, field) for index in range(galaxies)]
        with multiprocessing.get_context("spawn").Pool(count) as pool:
            pool.map(timed, [(2, index, field) for index in range(2 * count)], chunksize=1)
            start = time.perf_counter()
            found = np.array(pool.map(timed, jobs, chunksize=1))
            wall = time.perf_counter() - start
        seconds = found[:, 0]
        rows.append((count, wall / galaxies, np.median(seconds), seconds.max(), found[:, 1].max()))
    return rows


def flux_errors(indices=(0.5, 1.0, 2.0, 3.0, 4.0), size=2048):
    """Rows of (Sersic index, rendered minus analytic magnitude) on a noise-free image."""
    rows = []
    for index in indices:
        spheroid = Spheroid(np.full(3, 1e3), np.full(3, 3.0), index, 0.7, 20.0)
        galaxy = Galaxy("elliptical", "E", 0.0, 0.7, 20.0, spheroid=spheroid)
        image, _ = render(galaxy, size, (size / 2, size / 2), [survey_psf(1.3, 1)] * 3)
        rows.append(
            (index, float(flux_to_mag(image[1].sum()) - flux_to_mag(total_flux(galaxy)[1])))
        )
    return rows


def psf_errors(asked=(0.9, 1.1, 1.3, 1.6)):
    """Rows of (band, asked FWHM, FWHM of a rendered star) [arcsec]."""
    conditions = draw_conditions(np.random.default_rng(0))
    rows = []
    for fwhm in asked:
        psfs = tuple(survey_psf(fwhm, band) for band in range(3))
        images = np.zeros((3, 65, 65), np.float32)
        add_stars(
            images,
            np.array([32.3]),
            np.array([31.9]),
            np.full((3, 1), 500.0),
            type(conditions)(**{**vars(conditions), "psfs": psfs}),
        )
        for band, image in enumerate(images):
            width = adaptive_sigma(image) * fwhm_per_sigma(band, fwhm / PIXSCALE) * PIXSCALE
            rows.append((BANDS[band], fwhm, width))
    return rows


def noise(draws=400):
    """Rows of (band, mean sigma of draws, its scatter, std of rendered sky over sigma)."""
    drawn = [draw_conditions(np.random.default_rng(k)) for k in range(draws)]
    sigma = np.array([c.sigma for c in drawn])
    empty = np.zeros((3, 512, 512), np.float32)
    images = add_noise(np.random.default_rng(1), empty, drawn[0])
    ratio = [sky_statistics(image)["std"] for image in images] / drawn[0].sigma
    return list(zip(BANDS, sigma.mean(axis=0), sigma.std(axis=0), ratio, strict=True))


def main():
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--galaxies", type=int, default=40)
    parser.add_argument("--field", type=int, default=512)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    show(
        f"{options.galaxies} galaxies, g, r and i, {options.field} x {options.field} pixels",
        ("cores", "wall s/galaxy", "median cpu s", "longest cpu s", "peak MiB"),
        speed(options.galaxies, options.field, options.cores),
    )
    show("Total magnitude, 2048 pixels", ("Sersic index", "error [mag]"), flux_errors())
    show("PSF", ("band", "asked [arcsec]", "found [arcsec]"), psf_errors())
    show("Noise [nmgy]", ("band", "mean sigma", "scatter", "found / asked"), noise())


if __name__ == "__main__":
    main()
