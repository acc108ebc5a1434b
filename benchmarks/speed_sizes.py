"""Cost against size: seconds an image by its side, and a whole run by the number of galaxies."""

import multiprocessing
import os
import resource
import time
from pathlib import Path

import numpy as np
import torch
from mock_files import link_images, make_images
from watched import watch

from pix2prof.cores import available_cores
from pix2prof.images.inputs import find_items
from pix2prof.images.stamps import make_stamp, stamp_side
from pix2prof.many.tasks import loaded
from pix2prof.predict.cutouts import read_item
from pix2prof.predict.tables import predict_stamps

DISTINCT = 24
FEW = 4
RELEASED = ("paper", "pix2prof")


def processor():
    """Name of the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return os.uname().machine


def sizes(options, scratch):
    """Yield (side, model, cores, reading, predicting, network on the whole image, peak MiB).

    A process for each model and number of cores, from the smallest side to the largest, so that
    its peak is that of the side. Times in milliseconds an image. Prediction cuts and pads every
    image to what the network takes; the network's own column gives it the whole image.
    """
    for side in options.sides:
        make_images(scratch / str(side), FEW, side=side)
    for name in RELEASED:
        for cores in filter(lambda n: n <= available_cores(), options.cores):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                for side in sorted(options.sides):
                    yield pool.apply(_one_size, (scratch / str(side), side, name, cores))


def _one_size(folder, side, name, cores):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    torch.set_num_threads(cores)
    model, items = loaded(name), list(find_items([folder]))

    def read():
        images = [read_item(item, model.crop)[0].image for item in items]
        sides = [stamp_side(image, model.smallest, model.crop) for image in images]
        return [(i, make_stamp(i, side)) for i, side in zip(images, sides, strict=True)]

    def whole():
        model.network.predict(torch.from_numpy(cut)[:, None])

    reading, batch = _seconds(read), read()
    predicting = _seconds(lambda: list(predict_stamps(batch, model)))
    cut = model.normalisation.normalise(np.stack([image.data for image, _ in batch]))
    cut = cut.astype(np.float32)
    network = _seconds(whole)
    times = (1e3 * t / len(items) for t in (reading, predicting, network))
    return side, name, cores, *times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _seconds(function):
    function()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def counts(options, scratch):
    """Yield (model, cores, galaxies, seconds, galaxies a second, peak MiB) of whole runs.

    The last of each is not run: its cost a galaxy is that between the two largest that were.
    """
    make_images(scratch / "few", min(DISTINCT, max(options.counts)))
    for name in options.models:
        for cores in filter(lambda n: n <= available_cores(), options.cores):
            took = {}
            for n in sorted(options.counts):
                folder, out = scratch / f"n{n}", scratch / f"out-{name}-{cores}-{n}"
                link_images(scratch / "few", folder, n)
                words = ["predict", folder, "-o", out, "--model", name]
                seen = watch(words, cores=cores, log=scratch / "log")
                took[n] = seen.seconds
                memory = 1e9 * seen.memory / 2**20
                yield name, cores, str(n), seen.seconds, n / seen.seconds, memory
            if len(took) > 1 and options.most > n:
                (less, before), (more, after) = list(took.items())[-2:]
                seconds = after + (options.most - more) * (after - before) / (more - less)
                label = f"{options.most} (from the slope)"
                yield name, cores, label, seconds, options.most / seconds, ""


SIZES = (
    "Cost against the image's side [ms an image]",
    ("side", "model", "cores", "read", "predict", "network on the whole", "peak MiB"),
    sizes,
)
COUNTS = (
    "Cost against the number of galaxies, from the shell, start-up included",
    ("model", "cores", "galaxies", "seconds", "galaxies/s", "peak MiB of all processes"),
    counts,
)
