"""What the notebooks share: a stage's parameters and folders, and what earlier stages left.

At size ``toy`` an earlier stage that has not run, or has run with other parameters, is run first,
so that each notebook works alone and shows what its parameters make.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from astropy.table import QTable

from pix2prof import config, paths, released
from pix2prof.compare import comparison, peers
from pix2prof.compare import summaries as comparison_tables
from pix2prof.dataset import building as survey
from pix2prof.dataset import stored as dataset
from pix2prof.images.fits import mock_hdus
from pix2prof.metrics import evaluation
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.networks import save_model
from pix2prof.output import replacing
from pix2prof.predict import arrays as predict
from pix2prof.training.stages import train_network
from pix2prof.training.starting import begin_network

TOY = "notebooks/toy.yaml"
SECTIONS = {
    "data": ("data",),
    "train": ("data", "model", "train"),
    "evaluate": ("data", "model", "train", "evaluate"),
    "compare": ("data", "model", "train", "evaluate", "compare"),
}
"""Stage -> the sections of the parameters that its output, and all before it, is made from."""


@dataclass(frozen=True)
class Run:
    """One run of the chain.

    Parameters
    ----------
    size : {"full", "toy"}
        The documented run, or one of a minute.
    config : pix2prof.config.Config
        Its parameters.
    paths : pix2prof.paths.Workspace
        Its folders.
    """

    size: str
    config: config.Config
    paths: paths.Workspace

    @property
    def toy(self):
        """Whether stages that have not run are run on the way."""
        return self.size == "toy"

    @property
    def sample(self):
        """What the galaxies are, in words, for figures and tables."""
        if self.config.data.source == "mock":
            return "mock galaxies"
        return f"galaxies of {Path(self.config.data.folder).resolve().name}"

    def lacks(self, stage):
        """Whether a stage is to be run on the way, see `toy`: it has not been, with these."""
        made = self._made_with(stage)
        return self.toy and not (
            made.is_file() and json.loads(made.read_text()) == self._parameters(stage)
        )

    def ran(self, stage):
        """Note what a stage of a toy run was run with."""
        if self.toy:
            with replacing(self._made_with(stage)) as partial:
                partial.write_text(json.dumps(self._parameters(stage), indent=2) + "\n")

    def _made_with(self, stage):
        return self.paths.root / "made_with" / f"{stage}.json"

    def _parameters(self, stage):
        return {name: asdict(getattr(self.config, name)) for name in SECTIONS[stage]}


def begin(size="toy"):
    """Start a stage.

    Parameters
    ----------
    size : {"full", "toy"}
        ``full`` takes ``params.yaml`` as it stands; ``toy`` replaces what
        ``notebooks/toy.yaml`` names, and keeps everything under ``toy/``.

    Returns
    -------
    run : Run
    """
    overrides = paths.project() / TOY if size == "toy" else None
    return Run(size, config.load(overrides=overrides), paths.workspace(size))


def build_survey(run):
    """Build the survey of `run` (stage ``data``).

    Parameters
    ----------
    run : Run
        With the section ``data``.

    Returns
    -------
    pix2prof.dataset.stored.Survey
        See `pix2prof.dataset.building.build_survey`.
    """
    built = survey.build_survey(run.config.data, run.paths.survey, run.paths.scratch)
    run.ran("data")
    return built


def open_survey(run):
    """Open the survey of `run`; see `pix2prof.dataset.stored.load_survey`."""
    return build_survey(run) if run.lacks("data") else dataset.load_survey(run.paths.survey)


def train(run, sky):
    """Train the network on a survey and write it down (stage ``train``).

    The checkpoints of a run that has ended are removed.

    Parameters
    ----------
    run : Run
        With the sections ``model`` and ``train``.
    sky : pix2prof.dataset.stored.Survey
        The survey.

    Returns
    -------
    model : pix2prof.model.paper.Pix2Prof
        With the weights of the lowest validation loss, in evaluation mode.
    history : astropy.table.QTable
        The learning curve, one row an epoch.
    """
    bands, crop = run.config.model.bands, run.config.data.crop
    pairs, validation = (dataset.examples(sky, name, bands) for name in ("train", "validation"))
    settings = run.config.train
    start = released.identity(settings.start)
    model, normalisation = begin_network(
        run.config.model,
        settings.start,
        pairs,
        sky.normalisation,
        seed=settings.seed,
        bands=sky.bands,
    )
    history = train_network(
        model,
        run.config.model,
        pairs,
        validation,
        settings,
        normalisation=normalisation,
        crop=crop,
        start=start and start["sha256"],
        checkpoint=run.paths.checkpoints,
    )
    best = history.rows[history.best_epoch - 1]
    numbers = {
        "images": history.images,
        "encoder_images": settings.encoder_images,
        "epochs": len(history.rows),
        "best_epoch": history.best_epoch,
        "validation_loss": best["validation_loss"],
        "validation_deviation": best["validation_deviation"],
        "seconds": history.seconds,
        "images_per_second": history.images / history.seconds,
        "data_share": history.rows[-1]["data_seconds"] / history.seconds,
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "pairs": len(pairs),
    }
    save_model(
        model,
        run.paths.model,
        normalisation=asdict(normalisation),
        crop=crop,
        start=start,
        parameters={name: asdict(getattr(run.config, name)) for name in SECTIONS["train"]},
    )
    table = QTable(rows=history.rows)
    run.paths.results.mkdir(parents=True, exist_ok=True)
    table.write(run.paths.results / "history.csv", format="ascii.csv", overwrite=True)
    (run.paths.results / "training.json").write_text(json.dumps(numbers, indent=2) + "\n")
    shutil.rmtree(run.paths.checkpoints, ignore_errors=True)
    run.ran("train")
    return model, table


def _trained(run):
    """Train the network of a toy run that has none."""
    if run.lacks("train"):
        train(run, open_survey(run))


def open_model(run):
    """Open the network of `run`; see `pix2prof.predict.arrays.load`."""
    _trained(run)
    return predict.load(run.paths.model)


def open_training(run):
    """Read the numbers of the training of `run`, as a dictionary."""
    _trained(run)
    return json.loads((run.paths.results / "training.json").read_text())


def open_history(run):
    """Read the learning curve of `run`, one row an epoch."""
    _trained(run)
    return QTable.read(run.paths.results / "history.csv", format="ascii.csv")


def evaluate(run, sky, model):
    """Evaluate a network on the test set and write the result down (stage ``evaluate``).

    Parameters
    ----------
    run : Run
        With the section ``evaluate``.
    sky : pix2prof.dataset.stored.Survey
        The survey.
    model : pix2prof.predict.arrays.Predictor
        As `open_model` gives it.

    Returns
    -------
    result : pix2prof.metrics.evaluation.Evaluation
    """
    result = evaluation.evaluate(model, sky, run.config.evaluate, open_training(run))
    evaluation.save_evaluation(result, run.paths.results, run.paths.predictions)
    run.ran("evaluate")
    return result


def open_evaluation(run):
    """Read the evaluation of `run`; see `pix2prof.metrics.evaluation.load_evaluation`."""
    if run.lacks("evaluate"):
        evaluate(run, open_survey(run), open_model(run))
    return evaluation.load_evaluation(run.paths.results, run.paths.predictions)


def models(run):
    """List the networks to compare: name and folder of each.

    Those that `run` has trained, and the released isophote network if it takes such images. The
    comparison is of single images, so networks that take all bands at once are left out.
    """
    _trained(run)
    found = {
        path.parent.name: path.parent
        for path in sorted(run.paths.models.glob("*/config.json"))
        if json.loads(path.read_text())["model"].get("bands") is None
    }
    new = run.config.model.decoder != "isophote"
    if new and predict.load().smallest <= run.config.data.crop:
        found["isophote"] = released.WEIGHTS / predict.RELEASED
    return found


def compare(run, sky):
    """Run every method on galaxies of the test set, and on real ones (stage ``compare``).

    Parameters
    ----------
    run : Run
        With the section ``compare``.
    sky : pix2prof.dataset.stored.Survey
        The survey.

    Returns
    -------
    mock, real : pix2prof.compare.comparison.Comparison
        Of the survey, whose masks are known where it is a mock one, and of real images. Kept in
        ``data/comparison``, summed up in ``results/comparison``; `real` has no image
        where there is no folder of them.
    """
    settings, keep = run.config.compare, run.paths.measurements
    methods, missing = peers.methods(models(run))
    for label, reason in missing.items():
        print(f"without {label}: {reason}")
    unmasked = [method for method in methods if method.key != peers.KNOWN_MASK]
    if run.config.data.source != "mock":
        methods = unmasked
    targets, *known = comparison.mock_targets(sky, settings.n_galaxies, settings.seed)
    mock = comparison.compare(methods, targets, *known, folder=keep, timeout=settings.timeout)
    folder = paths.real_folder(settings.real)
    targets, images = comparison.real_targets(folder, settings.n_galaxies)
    real = comparison.compare(unmasked, targets, images, folder=keep, timeout=settings.timeout)
    mock, real = (replace(result, missing=missing) for result in (mock, real))
    for name, result in (("mock", mock), ("real", real)):
        comparison.save_comparison(result, run.paths.comparison, name)
    limit = run.config.evaluate.limiting_mu
    comparison_tables.write_tables(mock, real, run.paths.results / "comparison", limit, run.sample)
    run.ran("compare")
    return mock, real


def open_comparison(run):
    """Read the comparisons on mock and on real galaxies; see `compare`."""
    folder = run.paths.comparison
    if run.lacks("compare"):
        compare(run, open_survey(run))
    return tuple(comparison.load_comparison(folder, name) for name in ("mock", "real"))


def example_image():
    """Write a simulated galaxy's *r*-band image as FITS, for those without one; give its path."""
    path = paths.workspace("toy").root / "example.fits"
    with replacing(path) as partial:
        mock_hdus(mock_galaxy(seed=7, index=0), 1).writeto(partial)
    return path
