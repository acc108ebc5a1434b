"""Errors of a trained network scaled anew, on galaxies that it has not learnt from."""

import json
from dataclasses import asdict

import numpy as np

from ..dataset.stored import examples
from ..networks import CONFIG_FILE, save_model
from ..predict.arrays import load
from ..released import find_model
from .batches import batches_for
from .loop import digest


def recalibrate(name, survey, folder, *, label=None):
    """Write a network with errors that hold on the validation set of a survey.

    Its weights remain what they are, and so does all that it says but for the errors.

    Parameters
    ----------
    name : str or Path
        The network, see `pix2prof.released.find_model`.
    survey : pix2prof.dataset.stored.Survey
        The more galaxies its validation set has, the better the errors are known.
    folder : path-like
        Gets the network with its new errors.
    label : str, optional
        Of the survey, kept with the network.

    Returns
    -------
    factors : numpy.ndarray
        Half-widths of the intervals over the predicted scales, see
        `pix2prof.model.calibration.Calibration`.

    Raises
    ------
    FileNotFoundError
        If there is no such network.
    ValueError
        If the network gives no errors, or the survey has nothing for it.
    """
    model = load(name)
    network = model.network
    if not hasattr(network, "calibration"):
        raise ValueError(
            f"{name}: the decoder {network.kwargs['decoder']!r} gives no errors that could be "
            "scaled; name a network with model.decoder isophote or transformer"
        )
    pairs = examples(survey, "validation", "one" if network.bands is None else "all")
    network.scale_errors(batches_for(network, pairs, model.normalisation, model.crop))
    calibration = {
        "survey": label,
        "galaxies": int((np.asarray(survey.catalogue["split"]) == "validation").sum()),
        "validation": digest(pairs),
        "weights_before": model.sha256,
    }
    provenance = json.loads((find_model(name) / CONFIG_FILE).read_text())["provenance"]
    provenance |= {"calibration": calibration}
    save_model(network, folder, normalisation=asdict(model.normalisation), **provenance)
    return network.calibration.factors.numpy()
