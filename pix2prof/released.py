"""Networks on disk: found by name or by folder, told apart by their weights."""

import hashlib
from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
WEIGHTS_FILE = "model.safetensors"


def find_model(name):
    """Give the folder of a network.

    Parameters
    ----------
    name : str or Path
        A released network's name, or a folder.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    FileNotFoundError
        If there is no such network; the message says how to train one.
    """
    folder = WEIGHTS / str(name)
    folder = folder if folder.is_dir() else Path(name)
    if not folder.is_dir():
        released = sorted(path.parent.name for path in WEIGHTS.glob("*/config.json"))
        raise FileNotFoundError(
            f"there is no model {str(name)!r}: neither a released one (there "
            f"{'are ' + ', '.join(released) if released else 'are none here'}) nor a folder; "
            "`make repro` trains one, then give the folder with its model.safetensors"
        )
    return folder


def identity(name):
    """Say which network a name stands for.

    Parameters
    ----------
    name : str, Path or None
        As for `find_model`; None: no network.

    Returns
    -------
    dict or None
        ``name``, and ``sha256`` of the weights' file.

    Raises
    ------
    FileNotFoundError
        If there is no such network, or its weights are missing.
    """
    if name is None:
        return None
    weights = (find_model(name) / WEIGHTS_FILE).read_bytes()
    return {"name": str(name), "sha256": hashlib.sha256(weights).hexdigest()}
