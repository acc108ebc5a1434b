"""Predict the test set, and hold it against the expert profiles (section 2.3)."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable, vstack

from ..cores import available_cores
from ..dataset import properties
from ..dataset.stored import Galaxies, Pairs
from ..predict.arrays import predict_images
from ..profiles import MU_UNIT
from ..sdss import BANDS
from . import deviations as metrics
from . import report

SETS = ("all", *BANDS, "z")
CURVE_UNITS = {"radius": u.kpc, "median": MU_UNIT, "q25": MU_UNIT, "q75": MU_UNIT}


@dataclass(frozen=True)
class Evaluation:
    """What the evaluation leaves behind.

    Parameters
    ----------
    metrics : dict
        As `pix2prof.metrics.report.assemble` gives it.
    pairs : astropy.table.QTable
        One row a pair of the test set, with its deviations.
    curves : astropy.table.QTable
        Median deviation and quartiles per kpc, for all and for each band.
    reference, prediction : numpy.ndarray
        The expert and the predicted profiles, shape (P, 1024) [mag arcsec^-2], NaN beyond
        their ends.
    """

    metrics: dict
    pairs: QTable
    curves: QTable
    reference: np.ndarray
    prediction: np.ndarray


def evaluate(model, survey, config, training):
    """Evaluate a network on the test set.

    Parameters
    ----------
    model : pix2prof.predict.arrays.Predictor
        As `pix2prof.predict.arrays.load` gives it.
    survey : pix2prof.dataset.stored.Survey
        The whole survey; the mean-profile guess comes from its training set.
    config : pix2prof.config.EvaluateConfig
        Limits and batch size.
    training : dict
        Numbers of the training, which are reported along.

    Returns
    -------
    evaluation : Evaluation
    """
    test, train = Pairs(survey, "test"), Pairs(survey, "train")
    if model.together is not None:
        test = test.complete()
    reference = test.mu()
    started = time.perf_counter()
    prediction = predict_pairs(test, model, config.batch_size)
    seconds = time.perf_counter() - started
    described = properties.describe(
        test.table(),
        (test.images(k)[0] for k in range(len(test))),
        reference,
        test.profiles("expert_ellipticity"),
        test.profiles("expert_pa"),
        masks=(survey.mask(galaxy) for galaxy in test.galaxy),
    )

    def against(y, p):
        return metrics.deviations(y, p, described, limit=config.limiting_mu)

    mean = np.broadcast_to(metrics.mean_profile(train.mu()), reference.shape)
    truth = test.profiles("truth_mu")
    table = against(reference, prediction)
    numbers = report.assemble(
        table,
        baseline=against(reference, mean),
        truth=against(truth, prediction),
        expert=against(truth, reference),
        speed={
            "images_per_second": len(test) / seconds,
            "cores": available_cores(),
        },
        training=training,
    )
    curves = metrics.curves(reference, prediction, described, ended=config.ended_fraction)
    return Evaluation(numbers, table, curves, reference, prediction)


def predict_pairs(pairs, model, batch_size):
    """Predict the profiles of pairs.

    Parameters
    ----------
    pairs : pix2prof.dataset.stored.Pairs
        For a network of several bands `complete`, see there.
    model : pix2prof.predict.arrays.Predictor
    batch_size : int
        Pairs computed at once; of a network of several bands, galaxies.

    Returns
    -------
    mu : numpy.ndarray
        Shape (P, T) [mag arcsec^-2], NaN beyond the end.

    Raises
    ------
    ValueError
        If the network takes other bands than those of the survey.
    """
    if model.together not in (None, pairs.survey.bands):
        raise ValueError(
            f"the network takes {', '.join(model.together)} (model.bands), and the survey has "
            f"{', '.join(pairs.survey.bands)}; train one on this survey"
        )
    images = (pairs if model.together is None else Galaxies(pairs)).images
    n = len(pairs) // (1 if model.together is None else len(model.together))
    parts = np.array_split(np.arange(n), -(-n // batch_size))
    mu = [predict_images(images(part), model, batch_size=len(part)) for part in parts]
    return np.concatenate(mu).reshape(len(pairs), -1)


def save_evaluation(evaluation, results, predictions):
    """Write an evaluation: small tables to `results`, profiles to `predictions`."""
    results, predictions = Path(results), Path(predictions)
    results.mkdir(parents=True, exist_ok=True)
    predictions.mkdir(parents=True, exist_ok=True)
    text = json.dumps(evaluation.metrics, indent=2) + "\n"
    (results / "metrics.json").write_text(text)
    evaluation.pairs.write(results / "pairs.ecsv", overwrite=True)
    per_kpc = results / "per_kpc"
    per_kpc.mkdir(exist_ok=True)
    for name in dict.fromkeys(evaluation.curves["set"].tolist()):
        rows = evaluation.curves[evaluation.curves["set"] == name]
        QTable({key: getattr(rows[key], "value", rows[key]) for key in rows.colnames}).write(
            per_kpc / f"{name}.csv", format="ascii.csv", overwrite=True
        )
    np.savez(
        predictions / "test.npz",
        reference=evaluation.reference.astype(np.float32),
        prediction=evaluation.prediction.astype(np.float32),
    )


def load_evaluation(results, predictions):
    """Read what `save_evaluation` wrote.

    Raises
    ------
    FileNotFoundError
        When one of the files is missing; the message names it.
    """
    results, predictions = Path(results), Path(predictions)
    files = [results / name for name in ("metrics.json", "pairs.ecsv", "per_kpc/all.csv")]
    for path in [*files, predictions / "test.npz"]:
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: there is no such file; run the stage that writes it: dvc repro evaluate"
            )
    with np.load(predictions / "test.npz") as stored:
        profiles = {key: stored[key] for key in ("reference", "prediction")}
    sets = [path for name in SETS if (path := results / "per_kpc" / f"{name}.csv").is_file()]
    curves = vstack([QTable.read(path, format="ascii.csv") for path in sets])
    for name, unit in CURVE_UNITS.items():
        curves[name] = curves[name] * unit
    return Evaluation(json.loads(files[0].read_text()), QTable.read(files[1]), curves, **profiles)
