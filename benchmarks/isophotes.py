"""The classical method in one run: accuracy, centres, discs, repeatability and speed.

    python benchmarks/isophotes.py [--galaxies 100] [--peers 4]

Accuracy is the median over radii of |mu - mu_truth| where the truth is brighter than 26 and 25
mag arcsec^-2, on mock galaxies in g, r and i; the truth is the same measurement of the noise-free,
source-free image. "Photon noise alone" is the floor: no other sources, no residual of the sky,
the truth's own ellipses, and the noise of the same images; what was asked and lies below it is
said. Centres and outer ellipses are those of the mock's catalogue, from which dust, warps and the
PSF take the light itself: the noise-free images are measured too ("light itself"). Speed is
processor time of one thread. photutils runs on the first few of the same images, cleaned of other
sources, and its profiles are judged as ours are; `make compare` has it and AutoProf on 300 raw
ones.
"""

import argparse
import re
import time

import numpy as np
import torch
from agreement import LIMIT, deviation
from astropy.io import fits
from repeats import photons_alone, scatter_of_draws, shift_of_starts

from pix2prof.compare.peers import Target, photutils_ellipse
from pix2prof.compare.runs import on_grid
from pix2prof.isophotes.method import Flag, measure
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.paths import real_folder
from pix2prof.profile_files import read_profile
from pix2prof.profiles import MAX_STEPS

LIMITS = (26.0, 25.0)
PERCENTILES = (50, 90, 99)
ASKED = {
    "centre and mask known": {50: 0.010, 99: 0.05},
    "automatic": {50: 0.013, 90: 0.04, 99: 0.15},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--galaxies", type=int, default=100)
    parser.add_argument("--peers", type=int, default=4, help="images photutils runs on")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--drawn", type=int, default=4, help="galaxies of ten draws of the noise")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    mocks = [mock_galaxy(arguments.seed, k) for k in range(arguments.galaxies)]
    images = np.concatenate([g.images for g in mocks])
    truths = np.concatenate([g.truth for g in mocks])
    masks = np.repeat(np.stack([g.mask for g in mocks]), 3, axis=0)
    centres = np.repeat(np.array([g.centre for g in mocks], np.float32), 3, axis=0)
    clear = np.zeros_like(masks[:1])
    truth = measure(truths, centre=centres, mask=clear, sky=0.0)
    pure = np.concatenate(
        [photons_alone(arguments.seed, k, mock.truth) for k, mock in enumerate(mocks)]
    )
    runs = {
        "photon noise alone": measure(pure, mask=clear, sky=0.0, geometry=truth),
        "all known": measure(images, centre=centres, mask=masks, geometry=truth),
        "centre and mask known": measure(images, centre=centres, mask=masks),
        "automatic": measure(images),
    }
    print(f"mock galaxies: {len(images)} images of {images.shape[-1]} px")
    del pure
    for name, result in runs.items():
        for limit in LIMITS:
            print_deviations(f"{name}, mu < {limit:g}", deviations(result.mu, truth.mu, limit))
    print_asked({k: deviations(z.mu, truth.mu, LIMITS[0]) for k, z in runs.items()})
    print_centres("automatic", runs["automatic"], centres)
    print_centres("light itself", measure(truths, mask=clear, sky=0.0), centres)
    print_discs("centre and mask known", runs["centre and mask known"], truth, mocks)
    print_discs("light itself", truth, truth, mocks)
    few = range(min(arguments.drawn, len(mocks)))
    print_repeats(arguments.seed, [mocks[k].truth for k in few], images, centres, masks)
    print_real()
    print_speed(images, truths, truth, centres, arguments.peers)


def deviations(mu, truth, limit):
    """Median |mu - truth| of each profile where the truth is brighter than `limit`."""
    difference = torch.where(truth < limit, (mu - truth).abs(), torch.nan)
    return difference.nanmedian(-1).values.numpy()


def print_deviations(name, values):
    good = values[np.isfinite(values)]
    median, p90, p99 = np.percentile(good, PERCENTILES)
    lost = len(values) - len(good)
    print(f"  {name:34s} median {median:.4f}  90% {p90:.4f}  99% {p99:.4f}  lost {lost}")


def print_asked(values):
    """What was asked against what was got and what photon noise alone leaves."""
    floor = np.nanpercentile(values["photon noise alone"], PERCENTILES)
    for name, asked in ASKED.items():
        got = np.nanpercentile(values[name], PERCENTILES)
        for percentile, limit in asked.items():
            i = PERCENTILES.index(percentile)
            verdict = "met" if got[i] <= limit else "not met"
            if floor[i] > limit:
                verdict = "cannot be had: below photon noise alone"
            print(
                f"  asked, {name}, mu < {LIMITS[0]:g}, {percentile}%: {limit:.3f}; got "
                f"{got[i]:.4f}, photon noise alone {floor[i]:.4f}: {verdict}"
            )


def print_repeats(seed, truths, images, centres, masks):
    """Scatter over draws of the noise, and over starts of the fit."""
    to_photons, to_error = scatter_of_draws(seed, range(len(truths)), truths)
    print(
        f"repeatability, mu < 25.5: scatter of ten draws of the noise over that along fixed "
        f"ellipses {np.nanmedian(to_photons):.2f} (90% {np.nanpercentile(to_photons, 90):.2f}), "
        f"over the error said {np.nanmedian(to_error):.2f} "
        f"(90% {np.nanpercentile(to_error, 90):.2f}), {len(to_error)} galaxies and bands"
    )
    some = slice(0, 60)
    shift = shift_of_starts(images[some], centre=centres[some], mask=masks[some])
    print_deviations("starts at e = 0.05, 0.4, 0.8", shift)


def print_centres(name, result, centres):
    offset = np.linalg.norm(result.centre.numpy() - centres, axis=1)
    flagged = (result.flags & Flag.CENTRE_UNCERTAIN).bool().numpy()
    print(
        f"  {name}: centre within 0.5 px {100 * np.mean(offset < 0.5):.1f}%, 2 px "
        f"{100 * np.mean(offset < 2):.1f}%; flagged {100 * flagged.mean():.1f}%; over 2 px and "
        f"not flagged {100 * np.mean((offset > 2) & ~flagged):.1f}%"
    )


def print_discs(name, result, truth, mocks):
    """Outer ellipse, at the last row brighter than 25.5 in truth, against the disc's own."""
    ellipticity, angle = [], []
    for i in range(len(truth)):
        p = mocks[i // 3].parameters
        bright = np.flatnonzero(truth.mu[i].numpy() < 25.5)
        if p["kind"] == "elliptical" or not len(bright):
            continue
        row = bright[-1]
        ellipticity.append(result.ellipticity[i, row].item() - p["disc_ellipticity"])
        if p["disc_ellipticity"] > 0.15:
            angle.append((result.pa[i, row].item() - p["disc_pa"] + 90) % 180 - 90)
    print(
        f"  {name}, outer disc: median |d ellipticity| {np.nanmedian(np.abs(ellipticity)):.3f}, "
        f"|d pa| {np.nanmedian(np.abs(angle)):.2f} deg"
    )


def print_real():
    """Agreement with AutoProf's profiles of real galaxies, where the folder is there."""
    folder = real_folder()
    if not folder.is_dir():
        print(f"real galaxies: no folder at {folder}")
        return
    rows, came_out = [], 0
    paths = sorted((folder / "images").glob("*.fits"))
    for path in paths:
        header, data = fits.getheader(path), fits.getdata(path)
        image = data.astype(np.float32) * 10 ** (-0.4 * (header["ZEROPT"] - 22.5))
        result = measure(image, pixscale=header["PIXSCALE"])
        came_out += int(result.n_valid[0] > 0)
        reference = folder / "autoprof" / f"{path.stem}.prof"
        if reference.is_file():
            profile = read_profile(reference)
            eta = deviation(result.sma.numpy(), result.mu[0].numpy(), profile)
            aux = reference.with_suffix(".aux").read_text()
            found = re.search(r"center x: ([\d.]+) pix, y: ([\d.]+)", aux).groups()
            apart = np.linalg.norm(result.centre[0].numpy() - np.array(found, float))
            rows.append((eta, path.stem, apart))
    eta = np.array([row[0] for row in rows])
    print(
        f"real galaxies: {came_out} of {len(paths)} above the cut; against AutoProf, "
        f"mu < {LIMIT:g}"
    )
    print_deviations("", eta)
    for value, name, apart in sorted(rows, reverse=True)[:4]:
        print(f"    {name:32s} {value:.3f}, centres {apart:.1f} px apart")


def print_speed(images, truths, truth, centres, n_peers):
    ours = timed(measure, np.resize(images, (64, *images.shape[1:])), 3)
    large = timed(measure, np.resize(images, (1024, *images.shape[1:])), 1)
    print(f"speed, one thread: {1e3 * ours:.1f} ms an image in a batch of 64, ", end="")
    print(f"{1e3 * large:.1f} ms in one of 1024")
    if not n_peers:
        return
    seconds, mu = [], []
    for i in range(0, 3 * n_peers, 3):
        start = time.process_time()
        mu.append(photutils_mu(truths[i] + (images[i] - truths[i]).clip(-0.2, 0.2)))
        seconds.append(time.process_time() - start)
    print(
        f"  photutils Ellipse {np.mean(seconds):.2f} s, {np.mean(seconds) / ours:.0f} times ours"
    )
    chosen = slice(0, 3 * n_peers, 3)
    mu = torch.from_numpy(np.stack(mu))
    print_deviations("photutils, mu < 25", deviations(mu, truth.mu[chosen].double(), 25.0))
    same = measure(images[chosen])
    print_deviations("ours, automatic, same images", deviations(same.mu, truth.mu[chosen], 25.0))


def timed(function, batch, repeats):
    """Processor time an image [s], the best of `repeats`."""
    function(batch[:16])
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        function(batch)
        seconds.append(time.process_time() - start)
    return min(seconds) / len(batch)


def photutils_mu(image):
    """photutils' fit as in stage `compare`, on our grid; NaN where there is none."""
    try:
        found = photutils_ellipse(Target("", image))
    except ValueError:
        return np.full(MAX_STEPS, np.nan)
    return on_grid(found.sma, found.mu).astype(float)


if __name__ == "__main__":
    main()
