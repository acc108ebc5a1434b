"""What each choice buys: short trainings on one survey, a file of numbers each.

    dvc repro docs/ablations/dvc.yaml
    python benchmarks/ablations.py transformer gru_reinject --minutes 10 --seeds 1 2 3 --out FOLDER
    python benchmarks/ablations.py --list
    dvc repro docs/decoders/dvc.yaml

The first makes the committed ones, at the same number of images each; `ablation_table.py` sums
them up. The second is how DVC has each of them done, here for others: each name is what
`docs/ablations/params.yaml` says with the changes that `docs/ablations/variants.yaml` names. A run
that was cut off goes on from its last epoch. A file that is there already is kept: remove it, or
give another folder, to have it made anew. With `--minutes` all get the same processor time, of all
threads together, in place of the same number of images: a first epoch says how many that are, and
where the encoder learns first each of the two has half of the time. With all bands at once
(`*_bands_all`) an image is that of a galaxy in all bands. `--settings` names a folder of such
files in place of `docs/ablations`: `docs/decoders`, the last of these, is one.
"""

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ruamel.yaml import YAML

from pix2prof import paths
from pix2prof.config import load
from pix2prof.dataset.stored import Pairs, examples, load_survey
from pix2prof.metrics.evaluation import predict_pairs
from pix2prof.model.precision import choose_dtype
from pix2prof.output import replacing
from pix2prof.predict.arrays import Predictor
from pix2prof.training import loop as training
from pix2prof.training.batches import batches_for
from pix2prof.training.stages import train_network
from pix2prof.training.starting import begin_network
from pix2prof.training.validation import validate

SETTINGS = paths.project() / "docs" / "ablations"
BATCH = 64
TIMED = 480


class Some:
    """The first `n` pairs of a set.

    Parameters
    ----------
    pairs : pix2prof.dataset.stored.Pairs
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


def settings(folder=SETTINGS):
    """Read what all runs share, and what each of them changes.

    Parameters
    ----------
    folder : Path
        Of ``params.yaml`` and ``variants.yaml``.

    Returns
    -------
    config : pix2prof.config.Config
    variants : dict of str to dict
        By name: its ``label`` in words and its ``changes``.
    """
    variants = YAML(typ="safe", pure=True).load(Path(folder) / "variants.yaml")
    return load(Path(folder) / "params.yaml"), variants


def changed(config, changes):
    """Give a configuration with some parameters changed, section by section."""
    sections = {name: replace(getattr(config, name), **keys) for name, keys in changes.items()}
    return replace(config, **sections)


def prepare(config, survey, share, scaled):
    """Make the network that a run begins with, and what it learns from.

    Parameters
    ----------
    config : pix2prof.config.Config
    survey : pix2prof.dataset.stored.Survey
    share : float
        Of the training galaxies.
    scaled : bool
        Whether profiles are standardised by the training set's mean and standard deviation.

    Returns
    -------
    model : torch.nn.Module
    pairs, validation
    normalisation : pix2prof.dataset.stored.Normalisation
    """
    bands = config.model.bands
    pairs, validation = (examples(survey, split, bands) for split in ("train", "validation"))
    pairs = Some(pairs, max(1, round(share * len(pairs))))
    model, normalisation = begin_network(
        config.model, config.train.start, pairs, survey.normalisation, seed=config.train.seed,
        bands=survey.bands, units=None if scaled else (0.0, 1.0),
    )  # fmt: skip
    return model, pairs, validation, normalisation


def images_in(seconds, config, survey, share, scaled, taught=False):
    """How many images a training sees in some processor time, with validation in every epoch.

    With an encoder that is `taught` already the rest of the network learns alone.
    """
    model, pairs, validation, normalisation = prepare(config, survey, share, scaled)
    if taught:
        model.encoder.requires_grad_(False)
    batches = [batches_for(model, x, normalisation, config.data.crop) for x in (pairs, validation)]
    dtype, n = choose_dtype(config.train.precision), min(TIMED, len(pairs))
    weights = [x for x in model.parameters() if x.requires_grad]
    optimiser = torch.optim.Adam(weights, lr=config.train.lr, fused=True)
    clock = [time.process_time()]
    training.train_epoch(model, optimiser, batches[0], config.train, 1, n, 0, dtype)
    clock.append(time.process_time())
    validate(model, batches[1], dtype)
    clock.append(time.process_time())
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


def run(name, seed, changes, config, survey, work, *, images=None, minutes=None):
    """Train a network and hold it against the test set.

    Parameters
    ----------
    name : str
        Of its folder in `work`.
    seed : int
    changes : dict
        Of the variant.
    config : pix2prof.config.Config
        Without them.
    survey : pix2prof.dataset.stored.Survey
    work : Path
        Where its checkpoints are while it is under way.
    images : int, optional
        Training images, in place of those of `config`.
    minutes : float, optional
        Processor time of the training, in place of numbers of images.

    Returns
    -------
    numbers : dict
        See `evaluate`; ``validation``, the deviation where the weights were kept, ``images``,
        ``parameters`` of the network.
    """
    share, scaled = changes.get("galaxies", 1.0), changes.get("scaled", True)
    sections = {key: x for key, x in changes.items() if key not in ("galaxies", "scaled")}
    config = changed(changed(config, sections), {"train": {"seed": seed}})
    folder = Path(work) / f"{name}-{seed}"
    if minutes is not None:
        found = _images_in(minutes, folder, config, survey, share, scaled)
        config = changed(config, {"train": found})
    if images is not None:
        config = changed(config, {"train": {"images": images}})
    first = f"{config.train.encoder_images} and " if config.train.encoder_images else ""
    print(f"{name}, seed {seed}: {first}{config.train.images} images", flush=True)
    network, pairs, validation, normalisation = prepare(config, survey, share, scaled)
    crop = config.data.crop
    history = train_network(
        network, config.model, pairs, validation, config.train, normalisation=normalisation,
        crop=crop, checkpoint=folder / "checkpoints",
    )  # fmt: skip
    model, test = Predictor(network, normalisation, crop), Pairs(survey, "test")
    best = history.rows[history.best_epoch - 1]
    return {
        **evaluate(model, test if model.together is None else test.complete()),
        "validation": best["validation_deviation"],
        "images": history.images,
        "parameters": sum(weights.numel() for weights in network.parameters()),
    }


def _images_in(minutes, folder, config, survey, share, scaled):
    """Images that fit into the time, found once and kept, so that a run cut off can go on.

    As parameters of the training: ``images``, and ``encoder_images`` where the encoder is first.
    """
    path = folder / f"images_in_{minutes:g}_minutes.json"
    given = survey, share, scaled
    if not path.is_file():
        found = {}
        if config.train.encoder_images:
            minutes /= 2
            config = changed(config, {"train": {"encoder_images": 0}})
            alone = changed(config, {"model": {"decoder": "one_shot"}, "train": {"clip": None}})
            found["encoder_images"] = images_in(60 * minutes, alone, *given)
        found["images"] = images_in(60 * minutes, config, *given, taught=bool(found))
        with replacing(path) as partial:
            partial.write_text(json.dumps(found))
    return json.loads(path.read_text())


def main(words=None):
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=[], help="of variants.yaml")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--images", type=int, help="training images of each run")
    parser.add_argument("--minutes", type=float, help="processor time of each training, instead")
    parser.add_argument("--survey", default=paths.workspace("full").survey)
    parser.add_argument("--work", default="data/ablations", help="folder of runs under way")
    parser.add_argument("--out", default="data/ablations/runs", help="folder of numbers")
    parser.add_argument("--settings", default=SETTINGS, help="of params.yaml and variants.yaml")
    arguments = parser.parse_args(words)
    config, variants = settings(arguments.settings)
    if arguments.list:
        for name, variant in variants.items():
            print(f"{name}: {variant['label']}, {variant['changes']}")
        return
    unknown = sorted(set(arguments.names) - set(variants))
    if unknown or not arguments.names:
        parser.error(f"unknown names {unknown}; --list gives those that there are")
    if arguments.images and arguments.minutes:
        parser.error("--images or --minutes, not both")
    changes = {name: variants[name]["changes"] for name in arguments.names}
    first = [name for name in changes if "encoder_images" in changes[name].get("train", {})]
    if first and arguments.images:
        parser.error(f"{first}: the images of the encoder are their own, without --images")
    survey = load_survey(arguments.survey)
    for seed in arguments.seeds:
        for name in arguments.names:
            path = Path(arguments.out) / f"{name}-{seed}.json"
            if path.is_file():
                print(f"{path}: there already, kept", flush=True)
                continue
            numbers = run(
                name, seed, changes[name], config, survey, arguments.work,
                images=arguments.images, minutes=arguments.minutes,
            )  # fmt: skip
            with replacing(path) as partial:
                partial.write_text(json.dumps(numbers, indent=2) + "\n")
            shutil.rmtree(Path(arguments.work) / f"{name}-{seed}", ignore_errors=True)


if __name__ == "__main__":
    main()
