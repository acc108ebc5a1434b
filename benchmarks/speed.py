"""How fast it is, as ratios in one run: against the paper's own way, in training, with size.

    python benchmarks/speed.py [--only reference training sizes counts arithmetic device]
                               [--images 128] [--slow 3] [--json speed.json] [--log speed.log]

`reference`: the paper's network and the isophote network, FITS in and tables out, over the paper's
own way (`papers_way`), and that both say the same. `training`: images a second, and what the data
take of it. `sizes`: seconds an image against its side. `counts`: the program as a whole, start-up
included, against the number of galaxies and the cores. `arithmetic`: precisions, layouts,
compilation, int8. `device`: the rate at the best batch size as a fraction of the device's measured
bf16 rate, on a GPU if there is one.

Six minutes on two quiet cores. ``--counts 1 100 10000`` really runs the largest. A minute or two:
``--images 8 --slow 1 --pairs 16 --galaxies 6 --counts 1 8 --sides 128 256 --no-compile --batch 4``
"""

import argparse
import contextlib
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import speed_arithmetic
import speed_reference
import speed_sizes
import torch
from printing import Log, show

from pix2prof.config import DataConfig, ModelConfig, TrainConfig
from pix2prof.cores import available_cores
from pix2prof.dataset.building import build_survey
from pix2prof.dataset.stored import Pairs
from pix2prof.memory import keep_memory
from pix2prof.model.precision import choose_dtype
from pix2prof.networks import build_model
from pix2prof.training.batches import batches_for
from pix2prof.training.loop import train_epoch
from pix2prof.training.validation import profile_statistics

CROP = speed_reference.CROP
TRAINED = (
    ("paper, the encoder alone", ModelConfig(decoder="one_shot", step=2.0, binning=4), 16),
    ("paper, encoder and decoder", ModelConfig(step=2.0, binning=4), 16),
    ("paper, the paper's settings", ModelConfig(step=0.2, binning=1), 8),
    ("isophote", ModelConfig(decoder="isophote"), 8),
)


def training(options, scratch):
    """Rows of (network, batch, images a second, share of the data, loader alone a second)."""
    keep_memory(one_arena=True)
    config = DataConfig(
        n_galaxies=options.galaxies, n_validation=1, n_test=1, field=2 * CROP, crop=CROP
    )
    survey = build_survey(config, scratch / "survey", scratch / "shards", log=lambda line: None)
    pairs, rows = Pairs(survey, "train"), []
    for name, of_model, batch_size in TRAINED:
        model = build_model(of_model, *profile_statistics(pairs), seed=1)
        batches = batches_for(model, pairs, survey.normalisation, CROP)
        settings = TrainConfig(images=options.pairs, batch_size=batch_size)
        optimiser = torch.optim.Adam(model.parameters(), settings.lr)
        rest = settings, 1, min(options.pairs, len(pairs)), 0, choose_dtype()
        first = (settings, 0, batch_size, 0, choose_dtype())
        train_epoch(model, optimiser, batches, *first)
        start = time.perf_counter()
        data = train_epoch(model, optimiser, batches, *rest)[1]
        seconds = time.perf_counter() - start
        start, rng = time.perf_counter(), np.random.default_rng(0)
        for k in range(0, rest[2], batch_size):
            batches.load(np.arange(k, min(k + batch_size, rest[2])), settings, rng)
        alone = rest[2] / (time.perf_counter() - start)
        rows.append((name, batch_size, rest[2] / seconds, f"{data / seconds:.1%}", alone))
    return rows


def main():
    """Parse arguments, measure, print."""
    parts = ("reference", "training", "sizes", "counts", "arithmetic", "device")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--images", type=int, default=128, help="FITS files of `reference`")
    parser.add_argument("--slow", type=int, default=3, help="of them the paper's way does")
    parser.add_argument("--galaxies", type=int, default=24, help="galaxies to train on")
    parser.add_argument("--pairs", type=int, default=64, help="of their images, an epoch")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 100, 400])
    parser.add_argument("--most", type=int, default=10_000, help="galaxies, from the slope")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256, 512, 1024])
    parser.add_argument("--models", nargs="+", default=["paper"], help="of `counts`")
    parser.add_argument("--batch", type=int, default=16, help="of `arithmetic`")
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, default=True, help="of `arithmetic`"
    )
    parser.add_argument("--json", type=Path, help="where to keep the numbers")
    parser.add_argument("--log", type=Path, help="where to keep what is printed")
    options = parser.parse_args()
    tables = {
        "reference": speed_reference.REFERENCE,
        "training": (
            f"Training, {options.pairs} images of {CROP} px",
            ("network", "batch", "images/s", "data take", "loader alone/s"),
            training,
        ),
        "sizes": speed_sizes.SIZES,
        "counts": speed_sizes.COUNTS,
        "arithmetic": speed_arithmetic.ARITHMETIC,
        "device": speed_arithmetic.DEVICE,
    }
    kept = {"cores": available_cores(), "processor": speed_sizes.processor()}
    with contextlib.redirect_stdout(Log(options.log)):
        print(f"{kept['cores']} cores of {kept['processor']}; torch {torch.__version__}")
        for part in options.only:
            title, header, measure = tables[part]
            with tempfile.TemporaryDirectory(prefix="pix2prof-speed-") as scratch:
                start = time.perf_counter()
                rows = list(measure(options, Path(scratch)))
                show(title, header, rows)
                print(f"({time.perf_counter() - start:.0f} s)")
            kept[part] = [dict(zip(header, row, strict=True)) for row in rows]
            if options.json:
                options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
