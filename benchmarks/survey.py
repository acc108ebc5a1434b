"""Many images: rate, memory, efficiency against the model alone, what Dask costs, and a soak.

    python benchmarks/survey.py [-n 10000] [--model paper] [--json survey.json] [--log survey.log]
    python benchmarks/survey.py --only soak -n 20000

Makes `n` FITS images of 256 x 256 px and runs ``pix2prof predict`` on half of them and on all: the
rate, its ratio to that of the bare model on images in memory, and the peak memory of the whole
process tree, which should be the same. Then half of them on 1 to 4 local Dask workers, over the
same without. The soak replaces 2 per cent of the files by malformed ones, made in the ways of
``tests/malformed.py`` in turn, kills a working process every minute, and then asks that every file
is accounted for: each once, none but malformed ones failed, no profile without a finite value.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from mock_files import link_images, make_images
from printing import Log, show
from watched import watch

from pix2prof.cores import available_cores
from pix2prof.inputs import find_items
from pix2prof.parts import PROFILES, read_results
from pix2prof.predict import load, predict_images
from pix2prof.progress import duration
from pix2prof.runner import BATCH, predict_task

DAMAGED = 50
COLUMNS = (
    "run",
    "images",
    "s",
    "images/s",
    "of the bare model",
    "over one process",
    "GB",
    "kills",
)


def parts_of_the_work(images, model, seconds):
    """Rates of what a prediction is made of.

    Parameters
    ----------
    images : Path
        Folder of images.
    model : str
        As `pix2prof.predict.load` takes it.
    seconds : float
        For each.

    Returns
    -------
    dict of float
        Images a second: ``bare``, the model alone on all cores, on images in memory; ``read`` and
        ``tables``, reading and making stamps, and making rows, on one core.
    """
    task, found = predict_task(model), load(model)
    items = list(find_items([images]))[:BATCH]
    prepared = task.prepare(items)
    stamps = np.stack([stamp.data for _, stamp in prepared])
    every = {
        "bare": _rate(lambda: predict_images(stamps, found), len(items), seconds),
        "read": _rate(lambda: task.prepare(items), len(items), seconds),
    }
    whole = _rate(lambda: task.finish(prepared), len(items), seconds)
    return every | {"tables": 1 / max(1 / whole - 1 / every["bare"], 1e-6)}


def _rate(function, n, seconds):
    function()
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        function()
        calls += 1
    return n * calls / (time.perf_counter() - start)


def damage(folder):
    """Replace one file of `DAMAGED` by a malformed one, the ways in turn; {file: way}."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from malformed import WAYS

    made = {}
    for number, path in enumerate(sorted(folder.rglob("*.fits"))[::DAMAGED]):
        way = list(WAYS)[number % len(WAYS)]
        path.unlink()
        path.write_bytes(WAYS[way](np.random.default_rng(number)))
        made[str(path.relative_to(folder))] = way
    return made


def account(folder, out, malformed=()):
    """Check that every file has its rows or its failure, and none twice.

    Parameters
    ----------
    folder, out : Path
        Images and results.
    malformed : dict
        Files that may fail.

    Returns
    -------
    rows, failures : pyarrow.Table

    Raises
    ------
    AssertionError
        Naming the files for which it is not so.
    """
    rows, failures = read_results(out)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.fits")}
    done, failed = set(rows["item"].to_pylist()), set(failures["item"].to_pylist())
    _none(files - done - failed, "no result")
    _none((done | failed) - files, "no file")
    _none(failed - set(malformed), "failed, though sound")
    keys = zip(*(rows[name].to_pylist() for name in ("item", "hdu", "plane")), strict=True)
    _none({key for key, count in Counter(keys).items() if count > 1}, "done twice")
    mu = zip(rows["item"].to_pylist(), rows["mu"].to_pylist(), strict=True)
    _none({item for item, values in mu if not np.isfinite(values).any()}, "nothing but NaN")
    return rows, failures


def _none(files, what):
    if files:
        raise AssertionError(f"{len(files)} files: {what}, for instance {sorted(files)[:3]}")


def one_run(title, folder, out, words, reference, bare, **watching):
    """One row of the table; the `reference` is the rate without Dask, None if this is it."""
    shutil.rmtree(out, ignore_errors=True)
    seen = watch(["predict", folder, "-o", out, *words], **watching)
    rows, failures = account(folder, out)
    n = rows.num_rows + failures.num_rows
    rate = n / seen.seconds
    ratio = "" if reference is None else f"{rate / reference:.1%}"
    share = f"{rate / bare:.1%}"
    return title, n, seen.seconds, rate, share, ratio, seen.memory, seen.kills


def rates(options, home, kept):
    """Half of the images, all of them, and half of them on Dask: rows of `COLUMNS`."""
    images, half, out = home / "images", home / "half", home / "out"
    link_images(images, half, options.n // 2)
    model = ["--model", options.model]
    watching = {"log": home / "run.log"}
    bare = kept["bare"]
    first = one_run("half of them", half, out, model, None, bare, **watching)
    yield first
    row = one_run("all of them", images, out, model, None, bare, **watching)
    size = sum(path.stat().st_size for path in (out / PROFILES).glob("*.parquet"))
    files = [path.stat().st_size for path in images.rglob("*.fits")]
    kept |= {"rate": row[3], "memory": row[6], "bytes_in": float(np.mean(files))}
    kept |= {"bytes_out": size / row[1], "images": row[1]}
    yield row
    for workers in options.workers:
        words = [*model, "--workers", str(workers)]
        yield one_run(f"{workers} Dask workers", half, out, words, first[3], bare, **watching)


def soak(options, home):
    """Malformed files and killed workers: every one is accounted for, or AssertionError."""
    images, out = home / "soak", home / "out"
    shutil.rmtree(images, ignore_errors=True)
    link_images(home / "images", images, options.n)
    malformed = damage(images)
    shutil.rmtree(out, ignore_errors=True)
    words = ["predict", images, "-o", out, "--model", options.model]
    seen = watch(words, kill_every=options.kill_every, log=home / "run.log")
    rows, failures = account(images, out, malformed)
    n = len(set(rows["item"].to_pylist()) | set(failures["item"].to_pylist()))
    ways = Counter(malformed.values())
    failed = Counter(malformed[item] for item in set(failures["item"].to_pylist()))
    show(
        f"Malformed, {len(malformed)} of {n} files in {len(ways)} ways",
        ("way", "files", "failed", "gave a profile, with flags"),
        [(way, count, failed[way], count - failed[way]) for way, count in ways.items()],
    )
    show("Failures by step", ("step", "failures"), Counter(failures["step"].to_pylist()).items())
    print(
        f"\nsoak: {n} files, {rows.num_rows} rows, {failures.num_rows} failures, {seen.kills} "
        f"workers killed, {seen.seconds:.0f} s, {seen.memory:.2f} GB; every one accounted for"
    )


def main():
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--model", default="paper", help="paper is several times the faster")
    parser.add_argument("--only", nargs="+", choices=("rates", "soak"), default=["rates"])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 3, 4])
    parser.add_argument("--kill-every", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each bare rate")
    parser.add_argument("--folder", type=Path, help="for images and results; else a temporary one")
    parser.add_argument("--json", type=Path, help="where to keep the numbers, for plan.py")
    parser.add_argument("--log", type=Path, help="where to keep what is printed")
    options = parser.parse_args()
    home = options.folder or Path(tempfile.mkdtemp(prefix="pix2prof-survey-"))
    with contextlib.redirect_stdout(Log(options.log)):
        cores = available_cores()
        torch.set_num_threads(cores)
        print(f"{cores} cores; model {options.model}; {options.n} images below {home}")
        start = time.monotonic()
        make_images(home / "images", options.n)
        print(f"images made in {time.monotonic() - start:.0f} s")
        kept = {"model": options.model, "cores": cores}
        kept |= parts_of_the_work(home / "images", options.model, options.seconds)
        print(
            f"the model alone {kept['bare']:.1f} images a second; reading {kept['read']:.0f} and "
            f"tables {kept['tables']:.0f} a second of one core"
        )
        runs = {"rates": 1.5 + 0.5 * len(options.workers), "soak": 1.0}
        images = options.n * sum(runs[part] for part in options.only)
        print(f"about {duration(images / (0.8 * kept['bare']))} from here on")
        if "rates" in options.only:
            show(f"{options.n} images", COLUMNS, rates(options, home, kept))
            if options.json:
                options.json.write_text(json.dumps(kept, indent=1) + "\n")
        if "soak" in options.only:
            soak(options, home)
    if options.folder is None:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
