"""Names: of files, without collisions and with the band they tell; of networks, one each."""

import re
from collections import Counter
from pathlib import Path

PAPERS_NETWORK, ISOPHOTE_NETWORK = "paper's network", "isophote network"
BAND_IN_NAME = re.compile(r"(?:^|[-_.])([ugrizy])(?=[-_.]|$)")


def network_name(decoder, name="paper"):
    """Name a network in words, as figures and tables have it.

    Parameters
    ----------
    decoder : str
        Its ``model.decoder``.
    name : str
        What its folder is called; it tells one that has the paper's decoder from the paper's.

    Returns
    -------
    words : str
        For instance `PAPERS_NETWORK`, `ISOPHOTE_NETWORK` or ``transformer network``.
    """
    if decoder != "gru":
        return f"{decoder.replace('_', ' ')} network"
    return PAPERS_NETWORK if name == "paper" else f"{PAPERS_NETWORK} ({name})"


def stem(path):
    """Return a FITS file's name without folder and extensions (``.fits``, ``.fits.gz``, ...)."""
    name = Path(path).name
    return re.sub(r"(\.(fits?|fts))?(\.(gz|bz2|fz|xz|Z))?$", "", name, flags=re.IGNORECASE) or name


def band_of_name(path):
    """Band that a file's name tells: one of ugrizy alone between ``-``, ``_`` or ``.``.

    Parameters
    ----------
    path : str or Path
        For instance ``NGC1-r.fits`` or ``frame-g-002830-6-0398.fits.bz2``.

    Returns
    -------
    band : str or None
        None if it tells none, or more than one.
    galaxy : str
        The name without extensions and without the band.
    """
    name = stem(path)
    found = list(BAND_IN_NAME.finditer(name))
    if len(found) != 1:
        return None, name
    start, end = found[0].span()
    rest = (name[:start] + name[end:]).strip("-_.")
    return found[0].group(1), rest or name


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


def _repeated(names):
    lower = [name.lower() for name in names]
    counts = Counter(lower)
    return [i for i, name in enumerate(lower) if counts[name] > 1]
