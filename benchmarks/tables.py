"""Processor time of one core an image, by what a prediction is made of.

    python benchmarks/tables.py [-n 64] [--repeats 8] [--models paper pix2prof]

`tables` is all that is done with what the network said: profile tables, structural parameters and
rows of the result. Of it, `structure` is the structural parameters of `TOGETHER` profiles at once,
`alone` those of one at a time. `share` is the network's part of the whole, what one core reaches
of the bare network's rate. Times are the best of several, so that a busy machine may be used.
"""

import argparse
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import torch
from mock_files import make_images
from printing import show

from pix2prof.images.inputs import find_items
from pix2prof.many.runner import predict_task
from pix2prof.photometry.parameters import TOGETHER, note_parameters
from pix2prof.predict.arrays import describe_images, load
from pix2prof.predict.tables import predict_stamps

COLUMNS = (
    "model", "network", "reading", "tables", "structure", "alone", "Arrow", "share",
)  # fmt: skip


def one_model(name, folder, n, repeats):
    """One row of the table [ms an image].

    Parameters
    ----------
    name : str
        As `pix2prof.predict.arrays.load` takes it.
    folder : Path
        Of images.
    n : int
        How many of them.
    repeats : int
        Of which the best is taken.

    Returns
    -------
    tuple
        In the order of `COLUMNS`.
    """
    model, task = load(name), predict_task(name)
    items = list(find_items([folder]))[:n]
    prepared = task.prepare(items)
    stamps = [stamp for _, stamp in prepared]
    arrays = [np.stack([getattr(s, key) for s in stamps]) for key in ("data", "covered")]
    said = describe_images(arrays[0], model, covered=arrays[1])

    def best(function):
        times = []
        for _ in range(repeats):
            start = time.process_time()
            function()
            times.append(time.process_time() - start)
        return 1e3 * min(times) / n

    network = best(lambda: describe_images(arrays[0], model, covered=arrays[1]))
    reading = best(lambda: task.prepare(items))
    with mock.patch("pix2prof.predict.tables.describe_images", lambda *_, **__: said):
        rows = task.finish(prepared).rows
        pairs = [(cutout.image, stamp) for cutout, stamp in prepared]
        tables = best(lambda: task.finish(prepared))
        profiles = [one.profile for one in predict_stamps(pairs, model)]
    starts = range(0, n, TOGETHER)
    structure = best(lambda: [note_parameters(profiles[k : k + TOGETHER]) for k in starts])
    alone = best(lambda: [note_parameters([table]) for table in profiles])
    arrow = best(lambda: pa.Table.from_pylist(rows, schema=task.schema()))
    share = network / (network + reading + tables + arrow)
    return name, network, reading, tables, structure, alone, arrow, f"{share:.1%}"


def main():
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=64, help="images")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--models", nargs="+", default=["paper", "pix2prof"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="pix2prof-tables-") as folder:
        make_images(Path(folder), options.n)
        rows = [
            one_model(name, Path(folder), options.n, options.repeats) for name in options.models
        ]
    show(f"{options.n} images of 256 px, ms of one core an image", COLUMNS, rows)


if __name__ == "__main__":
    main()
