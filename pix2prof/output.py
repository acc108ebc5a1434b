"""Files out: never over an image that they come from, and whole or not at all."""

import contextlib
import os
from pathlib import Path


def refuse_overwriting(inputs, outputs):
    """Refuse to write a result over an image that it is to come from.

    Parameters
    ----------
    inputs, outputs : iterable of path-like

    Raises
    ------
    ValueError
        Naming the file.
    """
    read = {Path(path).resolve() for path in inputs}
    for path in outputs:
        if Path(path).resolve() in read:
            raise ValueError(
                f"{path}: the result would be written over the image; choose another folder "
                "with -o, or another --format"
            )


@contextlib.contextmanager
def replacing(path):
    """Write a file aside and put it in place when it is whole.

    Parameters
    ----------
    path : str or Path
        The file; its folder is made if need be.

    Yields
    ------
    aside : Path
        Where to write, in the same folder with the same suffix. If the block raises, it is
        removed and `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
