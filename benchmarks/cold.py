"""How long ``pix2prof predict IMAGE.fits -o OUT`` takes from the shell, in fresh processes.

``python benchmarks/cold.py [--runs 7]`` writes one mock galaxy, runs the command once to fill the
system's caches, then `runs` times, and prints the median, the quickest and the processor's time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from pix2prof.images.fits import mock_hdus
from pix2prof.mock.simulation import mock_galaxy


def measure(command):
    """Run a command in a process of its own.

    Parameters
    ----------
    command : list of str
        The command and its arguments.

    Returns
    -------
    seconds, processor : float
        Time that passed, and time of the processor [s].

    Raises
    ------
    subprocess.CalledProcessError
        If the command fails.
    """
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, os.times()
    spent = (getattr(after, k) - getattr(before, k) for k in ("children_user", "children_system"))
    return seconds, sum(spent)


def main():
    """Measure, and print one line a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    program = [sys.executable, "-m", "pix2prof.cli"]
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "galaxy-r.fits"
        mock_hdus(mock_galaxy(seed=7, index=0), 1).writeto(image)
        commands = {
            "pix2prof --help": [*program, "--help"],
            "import torch": [sys.executable, "-c", "import torch"],
            "pix2prof predict": [*program, "predict", str(image), "-o", folder],
        }
        for name, command in commands.items():
            measure(command)
            seconds, processor = zip(*(measure(command) for _ in range(runs)), strict=True)
            print(
                f"{name}: {median(seconds):.2f} s, median of {runs} fresh processes (quickest "
                f"{min(seconds):.2f} s, processor {median(processor):.2f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
