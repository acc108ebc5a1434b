"""The stages, as the notebooks call them: what each reads, computes and leaves behind."""

import json
import os
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from astropy.table import QTable

from pix2prof import config, dataset, metrics, paths, predict, properties, survey, training
from pix2prof.model import Pix2Prof, load_model, save_model

TOY = "notebooks/toy.yaml"


@dataclass(frozen=True)
class Run:
    """One run of the chain.

    Parameters
    ----------
    size : {"full", "toy"}
        The documented run, or one of minutes.
    config : pix2prof.config.Config
        Its parameters.
    paths : pix2prof.paths.Workspace
        Its folders.
    """

    size: str
    config: config.Config
    paths: paths.Workspace


@dataclass(frozen=True)
class Evaluation:
    """What the evaluation leaves behind.

    Parameters
    ----------
    metrics : dict
        As `pix2prof.metrics.assemble` gives it.
    pairs : astropy.table.QTable
        One row a pair of the test set, with its deviations.
    curves : astropy.table.QTable
        Median deviation and quartiles per kpc, for all and for each band.
    reference, prediction : numpy.ndarray
        The expert and the predicted profiles, shape (P, 1024) [mag arcsec^-2].
    """

    metrics: dict
    pairs: QTable
    curves: QTable
    reference: np.ndarray
    prediction: np.ndarray


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


def build(run):
    """Build the survey (stage ``data``); see `pix2prof.survey.build_survey`."""
    return survey.build_survey(run.config.data, run.paths.survey, run.paths.scratch)


def open_survey(run):
    """Open the survey; a toy run that has none builds it first."""
    if run.size == "toy" and not run.paths.survey.is_dir():
        build(run)
    return dataset.load_survey(run.paths.survey)
