"""Run methods on many images, each with a time limit, and keep every result on disk."""

import hashlib
import os
import platform
import signal
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from pix2prof.output import replacing
from pix2prof.profiles import MAX_STEPS, sma_grid

REPORT_EVERY = 10.0
LATE = "stopped after"


@dataclass(frozen=True)
class Result:
    """What became of one image with one method.

    Parameters
    ----------
    mu, ellipticity, pa : numpy.ndarray
        On the grid of `pix2prof.profiles.sma_grid`, float32 of shape (1024,), NaN beyond the
        profile's ends [mag arcsec^-2, -, deg counter-clockwise from +x].
    centre : numpy.ndarray
        (x, y) [px], NaN where the method says none.
    seconds : float
        Wall time on one core.
    failure : str
        Why there is no profile; empty where there is one.
    hardware : str
        What it ran on.
    """

    mu: np.ndarray
    ellipticity: np.ndarray
    pa: np.ndarray
    centre: np.ndarray
    seconds: float
    failure: str = ""
    hardware: str = ""


class _OutOfTime(BaseException):
    """Raised in a method by the alarm; no `except Exception` of its own can swallow it."""


def run(methods, targets, folder, *, timeout, workers=None, log=print):
    """Run every method on every image, except where the result is on disk.

    Parameters
    ----------
    methods : sequence of pix2prof.compare.peers.Method
        Each runs on one core; an exception, a process that dies and one that takes over
        `timeout` are failures, with their reasons.
    targets : sequence of pix2prof.compare.peers.Target
        T images.
    folder : path-like
        Where results are kept, one file a method and image, named by a digest of the method's
        version and the image. A failure by an earlier, shorter `timeout` is tried again.
    timeout : float
        Seconds.
    workers : int, optional
        Processes; by default ``$PIX2PROF_WORKERS``, else the processor's cores.
    log : callable
        Is told how far it is.

    Returns
    -------
    results : dict of str to list of T Result
        By the methods' keys.
    """
    folder = Path(folder)
    workers = workers or int(os.environ.get("PIX2PROF_WORKERS", len(os.sched_getaffinity(0))))
    places = {
        (method.key, i): folder / method.key / f"{_digest(method, target)}.npz"
        for method in methods
        for i, target in enumerate(targets)
    }
    by_key = {method.key: method for method in methods}
    kept = {place: _read(path, timeout) for place, path in places.items()}
    jobs = [place for place, result in kept.items() if result is None]
    if jobs:
        log(f"{len(jobs)} of {len(places)} results to find, the rest is on disk")
    for (key, i), result in _compute(jobs, by_key, targets, timeout, workers, log):
        _write(result, places[key, i])
        kept[key, i] = result
    return {method.key: [kept[method.key, i] for i in range(len(targets))] for method in methods}


def _compute(jobs, methods, targets, timeout, workers, log):
    """Yield results as they come; what was under way when a process died is tried alone."""
    started, said, done, again = time.monotonic(), time.monotonic(), 0, []
    with _pool(workers) as pool:
        futures = {
            pool.submit(attempt, methods[key], targets[i], timeout): (key, i) for key, i in jobs
        }
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                again.append(futures[future])
                continue
            done += 1
            now = time.monotonic()
            if now > said + REPORT_EVERY or done == len(jobs):
                said = now
                log(f"{done}/{len(jobs)} results, {now - started:.0f} s")
    for key, i in again:
        with _pool(1) as pool:
            began = time.monotonic()
            try:
                result = pool.submit(attempt, methods[key], targets[i], timeout).result()
            except BrokenProcessPool:
                result = failed("its process died", time.monotonic() - began)
        yield (key, i), result


def _pool(workers):
    context = get_context("spawn")
    return ProcessPoolExecutor(
        workers, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
    )


_warm = set()


def attempt(method, target, timeout):
    """Run one method on one image in this process, whose main thread this must be.

    Parameters
    ----------
    method : pix2prof.compare.peers.Method
        What to run.
    target : pix2prof.compare.peers.Target
        On what.
    timeout : float
        Seconds.

    Returns
    -------
    result : Result
    """
    started = time.perf_counter()
    try:
        with _limit(timeout):
            if method.warm and method.key not in _warm:
                method.measure(target)
                _warm.add(method.key)
            started = time.perf_counter()
            outline = method.measure(target)
            seconds = time.perf_counter() - started
    except _OutOfTime:
        return failed(f"{LATE} {timeout:g} s", timeout)
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        return failed(words, time.perf_counter() - started)
    mu = on_grid(outline.sma, outline.mu)
    ellipticity, pa = np.full((2, MAX_STEPS), np.nan, np.float32)
    if outline.ellipticity is not None:
        ellipticity = on_grid(outline.sma, outline.ellipticity)
        double = 2 * np.deg2rad(outline.pa)
        sine, cosine = (on_grid(outline.sma, f(double)) for f in (np.sin, np.cos))
        pa = np.rad2deg(np.arctan2(sine, cosine)) / 2 % 180
    centre = np.full(2, np.nan) if outline.centre is None else np.asarray(outline.centre, float)
    seconds = seconds if outline.seconds is None else outline.seconds
    if not np.isfinite(mu).any():
        return failed("its profile holds no surface brightness", seconds)
    return Result(mu, ellipticity, pa, centre, seconds, hardware=hardware())


def on_grid(sma, values):
    """Interpolate a profile on the common grid.

    Parameters
    ----------
    sma : array_like, shape (N,)
        Increasing [arcsec].
    values : array_like, shape (N,)
        What is known there; NaN where nothing is.

    Returns
    -------
    values : numpy.ndarray, shape (1024,)
        Float32, on `pix2prof.profiles.sma_grid`; NaN outside the rows and beside a NaN row.
    """
    sma, values = np.asarray(sma, float), np.asarray(values, float)
    if not len(sma):
        return np.full(MAX_STEPS, np.nan, np.float32)
    return np.interp(sma_grid(), sma, values, left=np.nan, right=np.nan).astype(np.float32)


def hardware():
    """Name the processor of this machine."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


@contextmanager
def _limit(seconds):
    """Raise `_OutOfTime` in the block after so many seconds."""

    def stop(number, frame):
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def failed(reason, seconds):
    """Give the `Result` of an image that has no profile."""
    nothing = np.full(MAX_STEPS, np.nan, np.float32)
    return Result(nothing, nothing, nothing, np.full(2, np.nan), seconds, reason, hardware())


def _digest(method, target):
    digest = hashlib.sha256(f"{method.key} {method.version} {target.pixscale!r}".encode())
    for part in (target.image, target.mask):
        digest.update(b"-" if part is None else repr(part.shape).encode() + part.tobytes())
    return digest.hexdigest()[:32]


def _write(result, path):
    with replacing(path) as partial:
        np.savez_compressed(partial, **vars(result))


def _read(path, timeout):
    if not path.is_file():
        return None
    with np.load(path) as stored:
        values = {name: stored[name] for name in stored.files}
    for name in ("seconds", "failure", "hardware"):
        values[name] = values[name].item()
    result = Result(**values)
    late = result.failure.startswith(LATE)
    return None if late and result.seconds < timeout else result
