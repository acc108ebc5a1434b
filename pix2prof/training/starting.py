"""Where a training begins: at weights drawn anew, or at those of a trained network."""

from dataclasses import replace

from ..networks import build_model
from ..predict.arrays import load
from .validation import profile_statistics

FREE = ("dropout", "halt_window", "halt_std", "mu_mean", "mu_std")
"""Parameters of a network under which its weights remain what they are."""


class StartError(ValueError):
    """A network that training cannot begin with."""


def begin_network(config, start, pairs, normalisation, *, seed, bands=None, units=None):
    """Make the network that is to be trained, and say how its images are normalised.

    Parameters
    ----------
    config : pix2prof.config.ModelConfig
    start : str, Path or None
        Network whose weights to begin with, see `pix2prof.predict.arrays.load`. It keeps the units
        of its profiles and the normalisation of its images, which its weights were made for. None:
        weights are drawn anew, units and normalisation are those of the training set.
    pairs
        Of the training set, see `pix2prof.dataset.stored.Pairs`.
    normalisation : pix2prof.dataset.normalisation.Normalisation
        Of the training set.
    seed : int
        Of the weights that are drawn.
    bands : sequence of str, optional
        Of the survey.
    units : tuple of float, optional
        Mean and standard deviation of profiles for weights that are drawn anew [mag arcsec^-2].
        Default: those of the training set.

    Returns
    -------
    model : torch.nn.Module
    normalisation : pix2prof.dataset.normalisation.Normalisation

    Raises
    ------
    StartError
        If the network at `start` has another architecture than `config` asks for; the message
        names the first parameter that differs.
    FileNotFoundError
        If there is no network at `start`.
    """
    if start is None:
        units = units or profile_statistics(pairs)
        model = build_model(config, *units, seed=seed, bands=bands)
        return model, replace(normalisation, kind=model.normalise or config.normalise)
    trained = load(start)
    there = trained.network.kwargs
    units = (there.get("mu_mean", 0.0), there.get("mu_std", 1.0))
    model = build_model(config, *units, seed=seed, bands=bands)
    wanted = model.kwargs | {"normalise": model.normalise or config.normalise}
    there = there | {"normalise": trained.normalisation.kind}
    for name in sorted(wanted.keys() - set(FREE), key=lambda name: (name != "decoder", name)):
        if wanted[name] != there.get(name):
            raise StartError(
                f"model.{name} is {wanted[name]!r}, but the network that train.start = "
                f"{str(start)!r} names has {there.get(name)!r}; set model.{name} to that, or "
                "train.start to null or to a network like the one that is asked for"
            )
    model.load_state_dict(trained.network.state_dict())
    return model, trained.normalisation
