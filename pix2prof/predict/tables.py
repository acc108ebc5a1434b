"""Stamps to profile tables with a trained network: one or any number of images at once."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

from ..images.fits import ImageError
from ..images.stamps import Stamp
from ..model.paper import Pix2Prof
from ..photometry.parameters import note_parameters
from ..profiles import COLUMNS, ERRORS_OF, RowFlag, profile_table, sma_grid
from ..sdss import PIXSCALE
from .arrays import describe_images
from .notes import note_measured, note_sky

SHORT = 10
RECURRENT, OTHER = 64 * 256**2, 16 * 256**2
"""Pixels of the images that a network takes at once: a recurrent one goes through its weights at
every step, for however many images; others gain nothing but memory by more."""


@dataclass(frozen=True)
class Prediction:
    """What came of one file: a profile, or an error that says why not.

    Parameters
    ----------
    path : str
        The file.
    profile : astropy.table.QTable or None
        Columns ``sma`` [arcsec], ``mu`` [mag arcsec^-2], and what else the network gives; where it
        gives a centre of its ellipses, ``xcen`` and ``ycen`` in ``meta`` [pixel of the file,
        0-based].
    stamp : pix2prof.images.stamps.Stamp or None
        The image as the network saw it.
    error : pix2prof.images.fits.ImageError or None
        Set when there is no profile.
    ellipses : astropy.table.QTable or None
        Isophotes on the stamp, where the network gives them: ``sma`` [arcsec], ``ellipticity``,
        ``pa`` [deg, counter-clockwise from +x]; their centre (x, y) [pixel] in ``meta``.
    left_out : str
        Why there is neither a profile nor an error: a network of several bands takes other ones of
        this galaxy, and has them.
    """

    path: str
    profile: QTable | None = None
    stamp: Stamp | None = field(default=None, repr=False)
    error: ImageError | None = None
    ellipses: QTable | None = field(default=None, repr=False)
    left_out: str = ""


def predict_stamps(batch, model, *, precision="float32"):
    """Predict the profiles of images that were prepared elsewhere.

    Parameters
    ----------
    batch : sequence of (pix2prof.images.image.Image, pix2prof.images.stamps.Stamp) or ImageError
        What `pix2prof.images.stamps.make_stamp` made of each image, whose pixels are not used; or
        why there is none. For a network of several bands the images of a galaxy follow each other
        in the order of `pix2prof.predict.arrays.Predictor.together`.
    model : Predictor
        As `pix2prof.predict.arrays.load` gives it.
    precision : {"float32", "bf16", "auto"}
        Of the arithmetic.

    Yields
    ------
    prediction : Prediction
        One for each, in order.
    """
    stamps = {k: item[1] for k, item in enumerate(batch) if not isinstance(item, ImageError)}
    found = {}
    for side in sorted({len(stamp.data) for stamp in stamps.values()}):
        places = [k for k, stamp in stamps.items() if len(stamp.data) == side]
        data, covered = (
            np.stack([getattr(stamps[k], name) for k in places]) for name in ("data", "covered")
        )
        if model.together is not None:
            shape = (-1, len(model.together), side, side)
            data, covered = data.reshape(shape), covered.reshape(shape)
        pixels = RECURRENT if isinstance(model.network, Pix2Prof) else OTHER
        options = {"batch_size": max(4, pixels // side**2), "precision": precision}
        columns = describe_images(data, model, covered=covered, **options)
        if model.together is not None:
            columns = {name: np.concatenate(values) for name, values in columns.items()}
        for row, k in enumerate(places):
            said = {name: values[row] for name, values in columns.items()}
            found[k] = _measured(said, stamps[k])
    tables = {k: _table_or_error(*batch[k], said, model) for k, said in found.items()}
    note_parameters([table for table in tables.values() if not isinstance(table, ImageError)])
    for k, item in enumerate(batch):
        if isinstance(item, ImageError):
            yield Prediction(item.path, error=item)
            continue
        image, stamp = item
        if isinstance(tables[k], ImageError):
            yield Prediction(image.path, stamp=stamp, error=tables[k])
        else:
            yield Prediction(image.path, tables[k], stamp, None, _ellipses(found[k]))


def _measured(said, stamp):
    """What a network says, with all of it inferred where there is neither source nor signal."""
    if stamp.source or said.get("signal", True):
        return said
    return said | {"flag": said["flag"] | int(RowFlag.BELOW_CUT)}


def _table_or_error(image, stamp, columns, model):
    try:
        return _table(image, stamp, columns, model)
    except ImageError as error:
        return error


def _ellipses(said):
    """Isophotes within the S/N cut on the stamp, of a network that gives them."""
    if "centre" not in said:
        return None
    rows = np.flatnonzero(np.isfinite(said["mu"]) & (said["flag"] & RowFlag.BELOW_CUT == 0))
    if len(rows) == 0:
        return None
    table = QTable({name: said[name][rows] for name in ("ellipticity", "pa")})
    table["sma"] = sma_grid(len(said["mu"]))[rows] * u.arcsec
    table["pa"].unit = u.deg
    table.meta["x"], table.meta["y"] = (float(x) for x in said["centre"])
    return table


def _table(image, stamp, columns, model):
    mu, strangeness, centre = (columns.get(name) for name in ("mu", "strangeness", "centre"))
    columns = {name: values for name, values in columns.items() if name in COLUMNS}
    valid = np.isfinite(mu)
    n = int(np.argmin(valid)) if not valid.all() else len(mu)
    if n == 0:
        raise ImageError(
            image.path, "the network gave no profile for it", "look at the image, and its flags"
        )
    sma, flags = sma_grid(n), list(stamp.flags)
    if image.band not in (*model.bands, "unknown"):
        flags.append(f"band {image.band}: the network was trained on {', '.join(model.bands)}")
    if n == len(mu):
        flags.append("the profile did not end by itself")
    if n < SHORT:
        flags.append(f"the profile has only {n} rows")
    if strangeness is not None and strangeness > 1:
        flags.append(f"unlike the training set (distance {strangeness:.1f} times the limit)")
    if "flag" in columns and (columns["flag"][:n] & RowFlag.BELOW_CUT).all():
        flags.append("no signal: nothing of the profile is measured, all of it is inferred")
    sides = stamp.covered.any(axis=0).sum(), stamp.covered.any(axis=1).sum()
    corner = 0.5 * float(np.hypot(*sides)) * PIXSCALE
    if sma[-1] > corner:
        flags.append(f"extrapolated beyond {corner:.0f} arcsec, where the image ends")
    table = profile_table(
        {"sma": sma} | {name: values[:n] for name, values in columns.items()},
        object=image.object,
        band=image.band,
        file=Path(image.path).name,
        filezp=image.zeropoint,
        filescal=image.pixscale,
        sky=stamp.sky,
        noise=stamp.noise,
        method="pix2prof network",
        model=model.name,
        weights=model.sha256,
        flags=flags,
    )
    if centre is not None:
        table.meta["xcen"], table.meta["ycen"] = stamp.in_file(*centre)
    if "mu_err" in table.colnames:
        table.meta["errors"] = ERRORS_OF
    if "pa" not in table.colnames:
        del table.meta["paconv"]
    note_sky(table, image, *image.place)
    if "flag" in columns:
        note_measured(table, int((columns["flag"][:n] & RowFlag.BELOW_CUT == 0).sum()))
    return table
