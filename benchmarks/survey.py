"""Many images: rate, memory, efficiency against the model alone, and what Dask costs.

    python benchmarks/survey.py [-n 10000] [--workers 1 2 3 4] [--folder FOLDER]

Makes `n` FITS images of 256 x 256 px (a few mock galaxies, each time under fresh noise, turned
and flipped), runs ``pix2prof predict`` on half of them and on all, and prints for both the rate
and the peak memory of the whole process tree, which should be the same. Then the rate of the
bare model on the same images in memory (the efficiency is the ratio), and the rate on 1 to 4 local
Dask workers. ``--soak`` also damages 2 per cent of the files, in twenty ways, and kills a
reading process every minute.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

import pix2prof
from pix2prof.fits import mock_hdus
from pix2prof.mock import mock_galaxy
from pix2prof.parts import read_results
from pix2prof.sdss import BANDS

SIDE = 256
SHARED = 8
DAMAGED = 50
KILL_EVERY = 60.0


def make_images(folder, n, seed=1):
    """Write `n` images, of `SHARED` galaxies in turn; those that are there stay.

    Parameters
    ----------
    folder : Path
        Files go to ``folder/<thousands>/n<number>-<band>.fits``.
    n : int
        How many.
    seed : int
        Of galaxies and noise.
    """
    galaxies = [mock_galaxy(seed, k, field=SIDE) for k in range(SHARED)]
    hdus = [[mock_hdus(one, b)[0] for b in range(len(BANDS))] for one in galaxies]
    for number in range(n):
        band = number % len(BANDS)
        home = folder / f"{number // 1000:04d}"
        path = home / f"n{number:07d}-{BANDS[band]}.fits"
        if path.exists():
            continue
        home.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng((seed, number))
        hdu = hdus[number // len(BANDS) % SHARED][band]
        data = np.rot90(hdu.data, rng.integers(4))
        data = data + rng.normal(0, 0.5 * np.std(hdu.data[:16]), data.shape)
        fits.PrimaryHDU(data.astype("f4"), hdu.header).writeto(path)


def damage(folder, seed=2):
    """Damage one file of `DAMAGED`, by cutting, overwriting or emptying it."""
    for path in sorted(folder.rglob("*.fits"))[::DAMAGED]:
        rng = np.random.default_rng((seed, int(path.stem[1:8])))
        content = bytearray(path.read_bytes())
        way = rng.integers(20)
        if way < 5:
            content = content[: rng.integers(len(content))]
        elif way < 19:
            start = 160 * (way - 5)
            content[start : start + 160] = rng.bytes(160)
        else:
            content = b""
        path.write_bytes(bytes(content))


def tree(process):
    """Processes below one, as {number: resident memory in kB}."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    )
    rows = [tuple(map(int, line.split())) for line in listing.stdout.splitlines()]
    found = {process: 0}
    for pid, parent, rss in sorted(rows):
        if pid in found or parent in found:
            found[pid] = rss
    return found


def run(folder, out, *words, kill=False):
    """Run the program and watch it.

    Parameters
    ----------
    folder, out : Path
        Images, and results.
    *words : str
        More options of ``pix2prof predict``.
    kill : bool
        Kill the newest of its processes every `KILL_EVERY` seconds.

    Returns
    -------
    seconds : float
        From start to end, loading included.
    memory : float
        Largest sum of the resident memory of all of its processes [GB].
    """
    command = [sys.executable, "-m", "pix2prof.cli", "predict", folder, "-o", out, *words]
    start, memory, killed = time.monotonic(), 0, time.monotonic()
    process = subprocess.Popen(command)
    while process.poll() is None:
        below = tree(process.pid)
        memory = max(memory, sum(below.values()))
        if kill and time.monotonic() - killed > KILL_EVERY and len(below) > 1:
            os.kill(max(below), signal.SIGKILL)
            killed = time.monotonic()
        time.sleep(0.5)
    if process.returncode not in (0, 1):
        raise SystemExit(f"the run ended with status {process.returncode}")
    return time.monotonic() - start, memory / 1e6


def bare_rate(folder, seconds=30.0):
    """Images a second of the model alone, on images in memory."""
    model = pix2prof.load()
    paths = sorted(folder.rglob("*.fits"))[:32]
    images = np.stack([fits.getdata(path) for path in paths]).astype("f4")
    pix2prof.predict_images(images, model)
    start, n = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        pix2prof.predict_images(images, model)
        n += len(images)
    return n / (time.monotonic() - start)


def accounted(folder, out):
    """Check that every file has a row or a failure, and none twice; how many of each."""
    rows, failures = read_results(out)
    items = sorted(rows["item"].to_pylist() + failures["item"].to_pylist())
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.fits"))
    if items != files:
        raise SystemExit(f"{len(files)} files, {len(items)} results: not the same")
    return rows.num_rows, failures.num_rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 3, 4])
    parser.add_argument("--folder", type=Path, help="for images and results; else a temporary one")
    parser.add_argument("--soak", action="store_true")
    options = parser.parse_args()
    home = options.folder or Path(tempfile.mkdtemp(prefix="pix2prof-survey-"))
    print(f"{os.cpu_count()} cores; model paper; {options.n} images below {home}")
    images, half = home / "images", home / "half"
    make_images(images, options.n)
    make_images(half, options.n // 2)
    bare = bare_rate(images)
    print(f"the model alone, images in memory: {bare:.1f} a second")
    jobs = [("half of them", half, []), ("all of them", images, [])]
    jobs += [(f"{k} Dask workers", images, ["--workers", str(k)]) for k in options.workers]
    for name, folder, words in jobs:
        out = home / "out"
        shutil.rmtree(out, ignore_errors=True)
        seconds, memory = run(folder, out, *words)
        rows, failed = accounted(folder, out)
        rate = (rows + failed) / seconds
        size = sum(path.stat().st_size for path in (out / "profiles").iterdir())
        print(
            f"{name}: {rows} rows, {failed} failures, {seconds:.0f} s, {rate:.1f} a second = "
            f"{rate / bare:.0%} of the model alone, {memory:.2f} GB, {size / rows:.0f} B a row"
        )
    if options.soak:
        damage(images)
        shutil.rmtree(home / "out", ignore_errors=True)
        seconds, memory = run(images, home / "out", kill=True)
        rows, failed = accounted(images, home / "out")
        print(f"soak: {rows} rows, {failed} failures, {seconds:.0f} s, {memory:.2f} GB; all there")
    if options.folder is None:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
