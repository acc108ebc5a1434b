"""Where things lie: absolute paths, the same from a notebook, a shell, DVC or a test."""

import os
from dataclasses import dataclass
from pathlib import Path

MARKERS = ("dvc.yaml", "params.yaml")


def project():
    """Find the checkout this process works in.

    Returns
    -------
    root : pathlib.Path
        ``$PIX2PROF_PROJECT`` when set; else the nearest folder at or above the working
        directory, then at or above this file, that holds ``dvc.yaml`` and ``params.yaml``.

    Raises
    ------
    FileNotFoundError
        When there is no such folder.
    """
    if "PIX2PROF_PROJECT" in os.environ:
        return Path(os.environ["PIX2PROF_PROJECT"]).resolve()
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            if all((folder / marker).is_file() for marker in MARKERS):
                return folder
    raise FileNotFoundError(
        f"no folder at or above {Path.cwd()} holds {' and '.join(MARKERS)}: "
        "run inside a checkout of the project, or set PIX2PROF_PROJECT to one"
    )


def real_folder(given=None):
    """Give the folder of real galaxies, which need not be there.

    Parameters
    ----------
    given : path-like, optional
        Taken if it is given (``compare.real``); else ``$PIX2PROF_REAL``; else ``shared/real``
        beside the checkout.

    Returns
    -------
    folder : pathlib.Path
    """
    return Path(given or os.environ.get("PIX2PROF_REAL") or project().parent / "shared" / "real")


@dataclass(frozen=True)
class Workspace:
    """The folders that one run of the chain reads and writes.

    Parameters
    ----------
    root : pathlib.Path
        The checkout itself, or its ``toy/`` folder.
    """

    root: Path

    @property
    def survey(self):
        """The survey: images, profiles, catalogue."""
        return self.root / "data" / "survey"

    @property
    def scratch(self):
        """Shards of a survey under construction; survives a killed run."""
        return self.root / "data" / "scratch"

    @property
    def archives(self):
        """What was fetched from public archives."""
        return self.root / "data" / "archives"

    @property
    def models(self):
        """Trained networks, a folder each."""
        return self.root / "models"

    @property
    def model(self):
        """The trained network: weights and configuration."""
        return self.models / "paper"

    @property
    def checkpoints(self):
        """The state of a training run under way; survives a killed run."""
        return self.root / "checkpoints"

    @property
    def predictions(self):
        """The test set's predicted profiles."""
        return self.root / "data" / "predictions"

    @property
    def measurements(self):
        """What each method made of each image; kept from run to run."""
        return self.root / "data" / "measurements"

    @property
    def comparison(self):
        """The profiles of the methods that are compared."""
        return self.root / "data" / "comparison"

    @property
    def results(self):
        """Metrics and small tables."""
        return self.root / "results"

    @property
    def figures(self):
        """Drawn figures."""
        return self.root / "figures"


def workspace(size="full"):
    """Give the folders for a run of one size.

    Parameters
    ----------
    size : {"full", "toy"}
        ``full`` is the documented run, in the checkout itself; ``toy`` is a run of minutes
        under ``toy/`` (or ``$PIX2PROF_TOY``), which git does not track.

    Returns
    -------
    workspace : Workspace

    Raises
    ------
    ValueError
        For another `size`.
    """
    if size == "full":
        return Workspace(project())
    if size == "toy":
        return Workspace(Path(os.environ.get("PIX2PROF_TOY", project() / "toy")))
    raise ValueError(f"size is {size!r}; it must be 'full' or 'toy'")
