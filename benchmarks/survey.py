"""Many images: rate, memory, efficiency against the model alone, what Dask costs, and a soak.

    python benchmarks/survey.py [-n 10000] [--model paper] [--json survey.json] [--log survey.log]
    python benchmarks/survey.py --only soak -n 20000

Makes FITS images of 256 x 256 px, `DISTINCT` different ones under `n` names, and runs
``pix2prof predict`` on half of them and on all: the rate, its ratio to that of the bare model on
images in memory, processor time an image, and the memory of the whole process tree after a tenth
of the run, in the middle and before the end, which should be the same. Then all of them by 1 to 4
local Dask workers, over as many processes without Dask, or over a process a core where there are
more workers than cores; start-up is in both. The soak replaces 2 per
cent of the files by malformed ones, made in the ways of ``tests/malformed.py`` in turn, kills a
working process every minute, and then asks that every file is accounted for: each once, none but
malformed ones failed, no profile without a finite value. What was measured is kept as JSON after
every run.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from mock_files import link_images, make_images
from printing import Log, show
from watched import watch

from pix2prof.cores import available_cores
from pix2prof.images.inputs import find_items
from pix2prof.many.parts import PROFILES, read_results
from pix2prof.many.progress import duration
from pix2prof.many.runner import predict_task
from pix2prof.predict.arrays import load, predict_images

DAMAGED = 50
DISTINCT = 2000
COLUMNS = (
    "run",
    "images",
    "s",
    "images/s",
    "of the bare model",
    "over processes",
    "core ms an image",
    "GB: start, middle, end",
)


def parts_of_the_work(images, model, seconds):
    """Rates of what a prediction is made of.

    Parameters
    ----------
    images : Path
        Folder of images.
    model : str
        As `pix2prof.predict.arrays.load` takes it.
    seconds : float
        For each.

    Returns
    -------
    dict of float
        Images a second: ``bare``, the model alone on all cores, on images in memory, as many at
        once as in a run, in one process or, if that is more, in a process a core at once;
        ``read`` and ``tables``, reading and making stamps, and making rows, on one core.
    """
    cores = torch.get_num_threads()
    task = predict_task(model)
    items = list(find_items([images]))[: task.batch]
    prepared = task.prepare(items)
    stamps = np.stack([stamp.data for _, stamp in prepared])
    n = len(items)
    together = _bare(stamps, model, task.batch, seconds, cores)
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        jobs = [pool.submit(_bare, stamps, model, task.batch, seconds) for _ in range(cores)]
        apart = sum(job.result() for job in jobs)
    alone = _bare(stamps, model, task.batch, seconds)
    read = _rate(lambda: task.prepare(items), n, seconds)
    whole = _rate(lambda: task.finish(prepared), n, seconds)
    torch.set_num_threads(cores)
    tables = 1 / max(1 / whole - 1 / alone, 1e-6)
    return {"bare": max(together, apart), "read": read, "tables": tables}


def _bare(stamps, model, batch, seconds, threads=1):
    torch.set_num_threads(threads)
    found = load(model)
    return _rate(lambda: predict_images(stamps, found, batch_size=batch), len(stamps), seconds)


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


def one_run(title, folder, out, words, kept, reference=None, **watching):
    """One row of the table, also kept in full; the `reference` is the same without Dask."""
    shutil.rmtree(out, ignore_errors=True)
    seen = watch(["predict", folder, "-o", out, *words], **watching)
    rows, failures = account(folder, out)
    n = rows.num_rows + failures.num_rows
    run = {"run": title, "images": n, **seen._asdict(), "rate": n / seen.seconds, "lost": 0}
    run |= {"efficiency": run["rate"] / kept["bare"], "of_reference": None}
    if reference is not None:
        run["of_reference"] = run["rate"] / reference["rate"]
    kept["runs"].append(run)
    return run


def cells(run):
    """The row of `COLUMNS` of a run."""
    over = "" if run["of_reference"] is None else f"{run['of_reference']:.1%}"
    course = " ".join(f"{run['course'][k]:.2f}" for k in (1, len(run["course"]) // 2, -2))
    milliseconds = 1e3 * run["processor"] / run["images"]
    numbers = run["run"], run["images"], run["seconds"], run["rate"], f"{run['efficiency']:.1%}"
    return *numbers, over, milliseconds, course


def rates(options, home, kept):
    """Half of the images, all of them, and all of them on Dask: rows of `COLUMNS`."""
    images, half, out = home / "images", home / "half", home / "out"
    link_images(images, half, options.n // 2)
    model = ["--model", options.model]
    watching = {"log": home / "run.log"}
    yield cells(one_run("half of them", half, out, model, kept, **watching))
    cores = kept["cores"]
    run = one_run(f"all, {cores} processes", images, out, model, kept, **watching)
    size = sum(path.stat().st_size for path in (out / PROFILES).glob("*.parquet"))
    files = [path.stat().st_size for path in images.rglob("*.fits")]
    kept |= {name: run[name] for name in ("rate", "efficiency", "memory", "images")}
    kept |= {"bytes_in": float(np.mean(files)), "bytes_out": size / run["images"]}
    yield cells(run)
    alone = {cores: run}
    for n in options.workers:
        least = min(n, cores)
        if least not in alone:
            words = [*model, "--processes", str(least)]
            alone[least] = one_run(f"{least} processes", images, out, words, kept, **watching)
            yield cells(alone[least])
        words = [*model, "--workers", str(n)]
        title = f"{n} Dask workers, over {least} processes"
        yield cells(one_run(title, images, out, words, kept, alone[least], **watching))


def soak(options, home, kept):
    """Malformed files and killed workers: every one is accounted for, or AssertionError."""
    images, out = home / "soak", home / "out"
    shutil.rmtree(images, ignore_errors=True)
    link_images(home / "made", images, options.n)
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
    kept["soak"] = {"images": n, "rows": rows.num_rows, "failures": failures.num_rows, "lost": 0}
    kept["soak"] |= {"malformed": len(malformed), "ways": len(ways), "rate": n / seen.seconds}
    kept["soak"] |= seen._asdict()
    print(
        f"\nsoak: {n} files, {rows.num_rows} rows, {failures.num_rows} failures, {seen.kills} "
        f"workers killed, {seen.seconds:.0f} s, {seen.memory:.2f} GB; every one accounted for"
    )


def keep(options, kept):
    """Write what was measured so far; a soak alone is added to the rates that are there."""
    if options.json:
        known = json.loads(options.json.read_text()) if options.json.exists() else {}
        kept = kept if "rates" in options.only else known | {"soak": kept["soak"]}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


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
        make_images(home / "made", min(options.n, DISTINCT))
        link_images(home / "made", home / "images", options.n)
        print(f"images made in {time.monotonic() - start:.0f} s")
        kept = {"model": options.model, "cores": cores, "runs": []}
        kept |= parts_of_the_work(home / "images", options.model, options.seconds)
        print(
            f"the model alone {kept['bare']:.1f} images a second; reading {kept['read']:.0f} and "
            f"tables {kept['tables']:.0f} a second of one core"
        )
        fewer = {n for n in options.workers if n < cores}
        runs = {"rates": 1.5 + len(options.workers) + len(fewer), "soak": 1.0}
        images = options.n * sum(runs[part] for part in options.only)
        print(f"about {duration(images / (0.8 * kept['bare']))} from here on")
        if "rates" in options.only:
            rows = []
            for row in rates(options, home, kept):
                rows.append(row)
                print(f"{row[0]}: {row[3]:.1f} images a second, {row[4]} of the bare model")
                keep(options, kept)
            show(f"{options.n} images", COLUMNS, rows)
        if "soak" in options.only:
            soak(options, home, kept)
            keep(options, kept)
    if options.folder is None:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
