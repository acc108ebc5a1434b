"""Images of one galaxy in several bands: which belong together, and whether none is missing."""

import os
from dataclasses import dataclass, replace

from ..images.fits import ImageError
from ..images.inputs import Item, printable
from ..names import band_of_name


@dataclass(frozen=True, slots=True)
class Galaxy(Item):
    """One thing to do for a network that takes several bands at once.

    Parameters
    ----------
    key, path, name, ra, dec, options
        As of `pix2prof.images.inputs.Item`, without a path.
    parts : tuple of pix2prof.images.inputs.Item
        Its images.
    """

    parts: tuple[Item, ...] = ()


def by_galaxy(items):
    """Put items that show one galaxy together.

    Items of a catalogue belong together by the galaxy's name, or by their place where it has no
    name; others if they lie in one folder and their names differ by the band alone, as in
    ``NGC1_g.fits``, see `pix2prof.names.band_of_name`.

    Parameters
    ----------
    items : iterable of pix2prof.images.inputs.Item

    Returns
    -------
    galaxies : list of Galaxy
        In the order of their first items.
    """
    found = {}
    for item in items:
        file = item.key
        if item.options or item.ra is not None:
            file = file.rpartition("#")[0]
        key = printable(item.name) or os.path.join(
            os.path.dirname(file), band_of_name(item.path)[1]
        )
        if item.ra is not None and not item.name:
            key = f"{key}#{item.ra:.7f} {item.dec:.7f}"
        found.setdefault(key, []).append(item)
    return [
        Galaxy(key, "", parts[0].name, parts[0].ra, parts[0].dec, parts=tuple(parts))
        for key, parts in found.items()
    ]


def choose(found, bands, name):
    """Find one image for each band.

    Parameters
    ----------
    found : sequence of str
        Bands of the images of one galaxy.
    bands : sequence of str
        Bands that are wanted.
    name : str
        The galaxy's, for the message.

    Returns
    -------
    indices : list of int
        Into `found`, in the order of `bands`.

    Raises
    ------
    ImageError
        If a band is missing, or is there twice; the message says which.
    """
    counts = {band: list(found).count(band) for band in bands}
    if all(count == 1 for count in counts.values()):
        return [list(found).index(band) for band in bands]
    wrong = [
        f"{band} {f'{n} times' if n else 'is missing'}" for band, n in counts.items() if n != 1
    ]
    raise ImageError(
        name,
        f"the network takes {', '.join(bands)} of a galaxy at once, and here {', '.join(wrong)}",
        "name its files <galaxy>_<band>.fits in one folder, or give a catalogue with the columns "
        "name, band and file",
    )


def left_out(others, bands):
    """Say that images in some bands are not used.

    Parameters
    ----------
    others : sequence of str
        Bands of these images.
    bands : sequence of str
        Bands that the network takes.

    Returns
    -------
    words : str
    """
    return f"band {', '.join(others)} left out: the network takes {', '.join(bands)}"


def in_bands(images, bands, name):
    """Put the images of one galaxy in a network's order.

    Parameters
    ----------
    images : sequence of pix2prof.images.image.Image
        All there are.
    bands : sequence of str
        Bands that the network takes.
    name : str
        The galaxy's, for the message.

    Returns
    -------
    chosen : dict of {int: pix2prof.images.image.Image}
        Place in `images` -> the image, in the order of `bands`. Those in other bands are left out,
        with a flag on the others.

    Raises
    ------
    ImageError
        As `choose`.
    """
    found = [image.band for image in images]
    others = sorted(set(found) - set(bands))
    flags = (left_out(others, bands),) if others else ()
    return {
        k: replace(images[k], flags=(*images[k].flags, *flags)) for k in choose(found, bands, name)
    }
