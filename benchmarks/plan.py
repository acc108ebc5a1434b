"""What a survey takes, from what `survey.py` (and `speed.py` on a GPU) measured.

    python benchmarks/plan.py survey.json [--speed speed.json] [--node 64] [--disk 500]

Prints a table in Markdown for 10^5, 10^7 and 10^8 galaxy images: core-hours; GPU-hours where the
rate of a GPU was measured; disk in and out; and on a node of `node` cores with a disk of `disk`
MB/s what saturates first. Rates are taken to grow with the cores, one process (or Dask worker)
for each few of them.
"""

import argparse
import json
from pathlib import Path

from pix2prof.many.progress import duration

SIZES = (10**5, 10**7, 10**8)


def gpu_rate(speed, model):
    """Images a second of a model on a GPU in ``speed.json``, and its name; None if there is none.

    Parameters
    ----------
    speed : dict
    model : str
    """
    for row in speed.get("device", []):
        if row["network"] == model and row["device"] != "processor":
            return row["images/s"], row["device"]
    return None


def limits(survey, node, disk, gpu=None):
    """Images a second that each part of a node allows.

    Parameters
    ----------
    survey : dict
        As ``survey.py --json`` writes it.
    node : int
        Cores.
    disk : float
        [MB/s]
    gpu : float, optional
        Images a second of the network on it.

    Returns
    -------
    dict of float
        By what limits.
    """
    reading = node / (1 / survey["read"] + 1 / survey["tables"])
    of_disk = 1e6 * disk / (survey["bytes_in"] + survey["bytes_out"])
    if gpu:
        return {"GPU": gpu, "cores, reading and writing": reading, "disk": of_disk}
    return {"cores, the network": survey["rate"] / survey["cores"] * node, "disk": of_disk}


def plan(survey, node, disk, gpu=None):
    """Lines of the table in Markdown.

    Parameters
    ----------
    survey, node, disk
        As in `limits`.
    gpu : (float, str), optional
        Of `gpu_rate`.

    Returns
    -------
    list of str
    """
    header = ["galaxy images", "core-hours", f"on {node} cores", "images in", "results out"]
    header.append("saturates first")
    ways = [limits(survey, node, disk)]
    if gpu:
        ways.append(limits(survey, node, disk, gpu[0]))
        header += ["GPU-hours", "with one GPU saturates first"]
    lines = [f"| {' | '.join(header)} |", f"|{'---:|' * len(header)}"]
    for n in SIZES:
        hours = n * survey["cores"] / survey["rate"] / 3600
        rates = [min((rate, name) for name, rate in of_node.items()) for of_node in ways]
        cells = [
            f"{n:.0e}".replace("e+0", "e"),
            f"{hours:,.0f}" if hours > 10 else f"{hours:.1f}",
            duration(n / rates[0][0]),
            _bytes(n * survey["bytes_in"]),
            _bytes(n * survey["bytes_out"]),
            rates[0][1],
        ]
        if gpu:
            cells += [f"{n / rates[1][0] / 3600:,.1f}", rates[1][1]]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _bytes(n):
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} B"


def main():
    """Parse arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("survey", type=Path, help="of survey.py --json")
    parser.add_argument("--speed", type=Path, help="of speed.py --only device --json")
    parser.add_argument("--node", type=int, default=64, help="cores of a node")
    parser.add_argument("--disk", type=float, default=500.0, help="MB/s of its disk")
    options = parser.parse_args()
    survey = json.loads(options.survey.read_text())
    gpu = None
    if options.speed:
        gpu = gpu_rate(json.loads(options.speed.read_text()), survey["model"])
    print("\n".join(plan(survey, options.node, options.disk, gpu)))
    print(
        f"\nModel {survey['model']}; measured on {survey['cores']} cores with {survey['images']} "
        f"images: {survey['rate']:.1f} images a second, {survey['memory']:.2f} GB; a disk of "
        f"{options.disk:.0f} MB/s is an assumption."
    )
    if gpu is None:
        print("No GPU was measured, so GPU-hours are left out (`speed.py --only device --json`).")
    else:
        print(f"GPU: {gpu[1]}, {gpu[0]:.0f} images a second of the network alone.")


if __name__ == "__main__":
    main()
