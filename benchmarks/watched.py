"""A run of the program in processes of its own, watched: time, memory, and workers killed."""

import os
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np

WORKING = 2
"""Depth below the program at which its working processes are: it, their server, they."""


class Watched(NamedTuple):
    """What was seen of a run.

    Attributes
    ----------
    seconds : float
        From start to end, start-up included.
    memory : float
        Largest sum of the resident memory of all of its processes [GB]; what they share counts in
        each.
    processor : float
        Processor time of all of them [s], as last seen.
    course : list of float
        The largest `memory` in each tenth of the run, start-up included [GB].
    kills : int
        Workers that were killed.
    """

    seconds: float
    memory: float
    processor: float
    course: list
    kills: int


def watch(words, *, cores=None, kill_every=None, log=None):
    """Run ``pix2prof`` and watch it.

    Parameters
    ----------
    words : sequence of str or Path
        Of the command line.
    cores : int, optional
        The first so many of those that this process may use, with a thread each.
    kill_every : float, optional
        Kill one of its working processes so often [s].
    log : path-like, optional
        Where its standard error goes, at the end; else with this process's.

    Returns
    -------
    Watched

    Raises
    ------
    RuntimeError
        If it ended other than with status 0 or 1.
    """
    command = [sys.executable, "-m", "pix2prof.cli", *map(str, words)]
    chosen = sorted(os.sched_getaffinity(0))[: cores or None]
    environment = {**os.environ, "OMP_NUM_THREADS": str(len(chosen))}
    with open(log or os.devnull, "a") as stream:
        start = last = time.monotonic()
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stream if log else None,
            preexec_fn=lambda: os.sched_setaffinity(0, chosen),
        )
        seen, processor, kills = [], {}, 0
        while process.poll() is None:
            below = _tree(process.pid)
            seen.append(sum(rss for rss, _ in below.values()) / 1e6)
            processor |= {pid: spent for pid in below if (spent := _processor(pid))}
            if kill_every and time.monotonic() - last > kill_every:
                last, kills = time.monotonic(), kills + _kill_one(below)
            time.sleep(0.2)
        seconds = time.monotonic() - start
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    course = [float(max(part)) for part in np.array_split(seen, min(10, len(seen)))]
    return Watched(seconds, max(seen), sum(processor.values()), course, kills)


def _processor(pid):
    """Processor time of a process [s]; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            words = stream.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _tree(process):
    """Processes at and below one, as {number: (resident memory [kB], depth)}."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    )
    rows = {int(a): (int(b), int(c)) for a, b, c in map(str.split, listing.stdout.splitlines())}
    found, layer, depth = {}, [process], 0
    while layer:
        found |= {pid: (rows[pid][1], depth) for pid in layer if pid in rows}
        layer = [pid for pid, (parent, _) in rows.items() if parent in layer]
        depth += 1
    return found


def _kill_one(below):
    """Kill the largest process that a server of processes started: 1, or 0 without any."""
    workers = {pid: rss for pid, (rss, depth) in below.items() if depth >= WORKING}
    if not workers:
        return 0
    try:
        os.kill(max(workers, key=workers.get), signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1
