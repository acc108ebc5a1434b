"""What each choice buys: short trainings on one survey, and a table of them.

    python benchmarks/ablations.py gru gru_reinject transformer --images 6000 --seeds 1 2 3
    python benchmarks/ablations.py gru gru_reinject transformer --minutes 10
    python benchmarks/ablations.py --list

Each name is what `params.yaml` says with the changes that `VARIANTS` names. A run that has ended
is not repeated; one that was cut off goes on from its last epoch. With `--minutes` all decoders
get the same time in place of the same number of images: a first epoch says how many that are. With
all bands at once (`*_bands_all`) an image is that of a galaxy in all bands.
`--out` gets one row for each run asked for, and the table of medians over seeds is printed as
Markdown.
For the whole chain under other parameters there are DVC's experiments, for instance

    dvc exp run --queue -S model.decoder=gru,gru_reinject,transformer -S train.seed=1,2,3
    dvc exp run --run-all
    dvc exp show
"""

import argparse
import csv
import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from pix2prof import paths, training
from pix2prof.batches import batches_for
from pix2prof.config import Config, load
from pix2prof.dataset import Pairs, examples, load_survey
from pix2prof.evaluation import predict_pairs
from pix2prof.networks import build_model
from pix2prof.output import replacing
from pix2prof.precision import choose_dtype
from pix2prof.predict import Predictor

BATCH = 64
TIMED = 480
VARIANTS = {
    "gru": {},
    "gru_reinject": {"model.decoder": "gru_reinject"},
    "transformer": {"model.decoder": "transformer"},
    "gru_bands_all": {"model.bands": "all"},
    "transformer_bands_all": {"model.decoder": "transformer", "model.bands": "all"},
    "isophote": {"model.decoder": "isophote", "train.batch_size": 8, "train.lr": 1.5e-3},
    "stem_small": {"model.stem": "small"},
    "teacher_0": {"train.teacher_forcing": 0.0},
    "teacher_1": {"train.teacher_forcing": 1.0},
    "no_wobble": {"train.wobble": 0.0},
    "no_rotation": {"train.rotate": False},
    "no_mirror": {"train.mirror": False},
    "no_augmentation": {"train.wobble": 0.0, "train.rotate": False, "train.mirror": False},
    "no_dropout": {"model.dropout": 0.0},
    "dropout_half": {"model.dropout": 0.5},
    "asinh": {"model.normalise": "asinh"},
    "no_target_scaling": {"scaled": False},
    "binning_1": {"model.binning": 1},
    "galaxies_quarter": {"galaxies": 0.25},
    "galaxies_half": {"galaxies": 0.5},
}
"""Name -> parameters that differ; ``galaxies`` is the share of the training galaxies, and without
``scaled`` the network writes mag arcsec^-2 as they are, not standardised."""
NUMBERS = {
    "deviation": "test, median [mag]", "p90": "90 % [mag]", "deviation_outer": "outer third [mag]",
    "length_error": "length error", "validation": "validation [mag]", "images": "images",
    "seconds": "time [s]",
}  # fmt: skip


class Some:
    """The first `n` pairs of a set.

    Parameters
    ----------
    pairs : pix2prof.dataset.Pairs
    n : int
    """

    def __init__(self, pairs, n):
        self.pairs, self.n = pairs, n

    def __len__(self):
        return self.n

    def __getattr__(self, name):
        return getattr(self.pairs, name)

    def mu(self, indices=None):
        """Target profiles; of all `n` by default."""
        return self.pairs.mu(np.arange(self.n) if indices is None else indices)


def changed(config, changes):
    """Give a configuration with some parameters, named ``section.key``, changed."""
    for name, value in changes.items():
        section, key = name.split(".")
        config = replace(config, **{section: replace(getattr(config, section), **{key: value})})
    return config


def prepare(config, survey, share, scaled):
    """Make an untrained network and what it learns from.

    Parameters
    ----------
    config : pix2prof.config.Config
    survey : pix2prof.dataset.Survey
    share : float
        Of the training galaxies.
    scaled : bool
        Whether profiles are standardised by the training set's mean and standard deviation.

    Returns
    -------
    model : torch.nn.Module
    pairs, validation
    normalisation : pix2prof.dataset.Normalisation
    """
    bands = config.model.bands
    pairs, validation = (examples(survey, split, bands) for split in ("train", "validation"))
    pairs = Some(pairs, max(1, round(share * len(pairs))))
    units = training.profile_statistics(pairs) if scaled else (0.0, 1.0)
    model = build_model(config.model, *units, seed=config.train.seed, bands=survey.bands)
    kind = model.normalise or config.model.normalise
    return model, pairs, validation, replace(survey.normalisation, kind=kind)


def images_in(seconds, config, survey, share, scaled):
    """How many images a training of some length sees, validation after every epoch included."""
    model, pairs, validation, normalisation = prepare(config, survey, share, scaled)
    batches = [batches_for(model, x, normalisation, config.data.crop) for x in (pairs, validation)]
    dtype, n = choose_dtype(config.train.precision), min(TIMED, len(pairs))
    optimiser = torch.optim.Adam(model.parameters(), lr=config.train.lr, fused=True)
    clock = [time.perf_counter()]
    training.train_epoch(model, optimiser, batches[0], config.train, 1, n, 0, dtype)
    clock.append(time.perf_counter())
    training.validate(model, batches[1], dtype)
    clock.append(time.perf_counter())
    learning, judging = np.diff(clock)
    return max(1, round(seconds / (learning / n + judging / len(pairs))))


def evaluate(model, pairs):
    """Deviations from the expert on a set of pairs, as a dictionary of plain numbers."""
    mu, said = pairs.mu(), predict_pairs(pairs, model, BATCH)
    n = np.isfinite(mu).sum(1)
    deviation = np.abs(said - mu[:, : said.shape[1]])
    off = np.nanmedian(deviation, axis=1)
    beyond = np.arange(said.shape[1]) >= (2 * n[:, None]) // 3
    beyond = np.where(beyond, deviation, np.nan)
    outer = [np.nanmedian(x) if np.isfinite(x).any() else np.nan for x in beyond]
    length = np.abs(np.isfinite(said).sum(1) / n - 1)
    return {
        "deviation": float(np.median(off)),
        "p90": float(np.percentile(off, 90)),
        "deviation_outer": float(np.nanmedian(outer)),
        "length_error": float(np.median(length)),
    }


def run(name, seed, arguments, config, survey):
    """Do one run, or find that it was done; a row of the table as a dictionary."""
    changes = dict(VARIANTS[name])
    taught = changes.pop("galaxies", 1.0), changes.pop("scaled", True)
    config = changed(config, {**changes, "train.seed": seed})
    folder = Path(arguments.work) / f"{name}-{seed}"
    if arguments.images is not None:
        config = changed(config, {"train.images": arguments.images})
    elif arguments.minutes is not None:
        config = changed(
            config, {"train.images": _timed(folder, arguments, config, survey, taught)}
        )
    identity = _identity(config, survey, taught)
    done = folder / "row.json"
    if done.is_file():
        row = json.loads(done.read_text())
        if row["identity"] == identity:
            return row["numbers"]
        raise SystemExit(f"{done}: of other parameters; remove it, or give another --work")
    print(f"{name}, seed {seed}: {config.train.images} images", flush=True)
    network, pairs, validation, normalisation = prepare(config, survey, *taught)
    crop, checkpoint = config.data.crop, folder / "checkpoints"
    history = training.fit(
        network, pairs, validation, config.train, normalisation=normalisation, crop=crop,
        checkpoint=checkpoint,
    )  # fmt: skip
    model, test = Predictor(network, normalisation, crop), Pairs(survey, "test")
    best = history.rows[history.best_epoch - 1]
    numbers = {
        "name": name,
        "seed": seed,
        **evaluate(model, test if model.together is None else test.complete()),
        "validation": best["validation_deviation"],
        "images": history.images,
        "seconds": history.seconds,
        "parameters": sum(weights.numel() for weights in network.parameters()),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(done) as partial:
        partial.write_text(json.dumps({"identity": identity, "numbers": numbers}, indent=2))
    shutil.rmtree(checkpoint, ignore_errors=True)
    return numbers


def _timed(folder, arguments, config, survey, taught):
    """Images that fit into the time, found once and kept, so that a run cut off can go on."""
    path = folder / "images.json"
    key = f"{arguments.minutes:g} min"
    if path.is_file() and key in (known := json.loads(path.read_text())):
        return known[key]
    found = images_in(60 * arguments.minutes, config, survey, *taught)
    folder.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**known, key: found}))
    return found


def _identity(config, survey, taught):
    return {
        "model": asdict(config.model),
        "train": asdict(config.train),
        "crop": config.data.crop,
        "share": taught[0],
        "scaled": taught[1],
        "galaxies": len(survey.catalogue),
    }


def table(rows):
    """Medians over seeds, and the range in brackets, as Markdown."""
    lines = ["| Run | Seeds | " + " | ".join(NUMBERS.values()) + " |"]
    lines.append("|---" * (2 + len(NUMBERS)) + "|")
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name]
        cells = []
        for key in NUMBERS:
            values = np.array([row[key] for row in own], dtype=float)
            digits = 0 if key in ("images", "seconds") else 3
            text = f"{np.median(values):.{digits}f}"
            if np.ptp(values) > 0:
                text += f" ({values.min():.{digits}f} to {values.max():.{digits}f})"
            cells.append(text)
        lines.append(f"| {name} | {len(own)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=["gru"], help="of VARIANTS")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--images", type=int, help="training images of each run")
    parser.add_argument("--minutes", type=float, help="training time of each run, instead")
    parser.add_argument("--survey", default=paths.workspace("full").survey)
    parser.add_argument("--params", help="another params.yaml")
    parser.add_argument("--work", default="data/ablations", help="folder of runs under way")
    parser.add_argument("--out", default="data/ablations/runs.csv", help="one row a run")
    arguments = parser.parse_args()
    if arguments.list:
        for name, changes in VARIANTS.items():
            print(name, *(f"{key}={value}" for key, value in changes.items()))
        return
    unknown = sorted(set(arguments.names) - set(VARIANTS))
    if unknown or (arguments.images and arguments.minutes):
        parser.error(f"unknown names {unknown}" if unknown else "--images or --minutes, not both")
    config: Config = load(arguments.params)
    survey = load_survey(arguments.survey)
    rows = []
    for seed in arguments.seeds:
        for name in arguments.names:
            rows.append(run(name, seed, arguments, config, survey))
            with replacing(Path(arguments.out)) as partial, partial.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    print(table(rows))


if __name__ == "__main__":
    main()
