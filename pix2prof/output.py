"""Files out: names that never collide, and files that appear whole or not at all."""

import contextlib
import os
import re
from collections import Counter
from pathlib import Path

from .images import stem


def unique_names(paths):
    """Give every input file a name of its own for its results.

    A file's name without extensions; where two would be the same (whatever their case), as much
    of the folders before it as tells them apart, then the extensions, then a number.

    Parameters
    ----------
    paths : sequence of str or Path
        Different files.

    Returns
    -------
    names : list of str
        In the order of `paths`; the same for any order of them unless a number was needed.
    """
    paths = [Path(path) for path in paths]
    parts = [path.absolute().parts[1:-1] for path in paths]
    names = [stem(path) for path in paths]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        again = _repeated(names)
        if not again:
            break
        for i in again:
            names[i] = "_".join((*parts[i][-depth:], stem(paths[i])))
    for i in _repeated(names):
        names[i] = "_".join((*parts[i][-1:], paths[i].name))
    taken = set()
    for i, name in enumerate(names):
        number = 1
        while names[i].lower() in taken:
            number += 1
            names[i] = f"{name}-{number}"
        taken.add(names[i].lower())
    return names


def safe_name(text):
    """Make a file's name, without folders, of any text.

    Parameters
    ----------
    text : str
        For instance a name out of a catalogue.

    Returns
    -------
    name : str
        Letters, digits, spaces and ``_ . + -`` alone, at most 120; neither hidden nor empty.
    """
    name = re.sub(r"[^A-Za-z0-9_.+ -]", "_", text)[:120].strip(" .")
    return name or "_"


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


def _repeated(names):
    lower = [name.lower() for name in names]
    counts = Counter(lower)
    return [i for i, name in enumerate(lower) if counts[name] > 1]


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
