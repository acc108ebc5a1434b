"""Files to profiles with a trained network: one FITS image, or any number of them."""

from ..images.fits import ImageError
from ..images.image import read_image
from ..images.inputs import Item
from ..images.stamps import make_stamp, stamp_side
from .arrays import BATCH
from .bands import by_galaxy, in_bands, left_out
from .tables import Prediction, predict_stamps


def predict_file(path, model, **options):
    """Predict the profile of the galaxy on one FITS image.

    Parameters
    ----------
    path : str or Path
        The file.
    model : Predictor
        As `pix2prof.predict.arrays.load` gives it.
    **options
        ``hdu, pixscale, zeropoint, band, centre`` as in `pix2prof.images.image.read_image`.

    Returns
    -------
    profile : astropy.table.QTable
        Columns ``sma`` [arcsec], ``mu`` [mag arcsec^-2], and of the isophote network ``mu_err``,
        ``ellipticity``, ``pa``, ``growth`` and more; provenance in ``meta``, everything
        odd in ``meta["flags"]``.

    Raises
    ------
    ImageError
        If the file cannot be used.
    """
    prediction = next(predict_files([path], model, **options))
    if prediction.error is not None:
        raise prediction.error
    return prediction.profile


def predict_files(paths, model, *, batch_size=BATCH, precision="float32", **options):
    """Predict the profiles of the galaxies on any number of FITS images.

    Parameters
    ----------
    paths : iterable of str or Path
        The files.
    model : Predictor
        As `pix2prof.predict.arrays.load` gives it.
    batch_size : int
        Images, or galaxies, that are read before any is predicted.
    precision
        As in `pix2prof.predict.arrays.predict_images`.
    **options
        ``hdu, pixscale, zeropoint, band, centre`` as in `pix2prof.images.image.read_image`, for
        all.

    Yields
    ------
    prediction : Prediction
        One for each path, in order; a file that cannot be used has its ``error`` set and stops
        no other. A network of several bands wants the files of each galaxy in all of them, see
        `pix2prof.predict.bands.by_galaxy`, and they fail together; files in further bands are left
        out, with a flag on the others.
    """
    if model.together is not None:
        yield from _of_galaxies(paths, model, batch_size, precision, options)
        return
    batch = []
    for path in paths:
        batch.append(_prepare(path, model, options))
        if len(batch) == batch_size:
            yield from predict_stamps(batch, model, precision=precision)
            batch = []
    yield from predict_stamps(batch, model, precision=precision)


def _prepare(path, model, options):
    """An image and its stamp, or an ImageError."""
    image = _read(path, options)
    return image if isinstance(image, ImageError) else _stamp(image, model)


def _read(path, options):
    try:
        return read_image(path, **options)
    except ImageError as error:
        return error
    except OSError as error:
        return ImageError(path, f"it cannot be read ({error})", "check the disk")


def _stamp(image, model):
    try:
        return image, make_stamp(image, stamp_side(image, model.smallest, model.crop))
    except ImageError as error:
        return error


def _prepare_galaxy(galaxy, model, options):
    """Place among its parts -> what `_prepare` gives, or a str, why that part is left out.

    Those that the network takes come first, in its order; or all of them are errors.
    """
    images = [_read(part.path, options) for part in galaxy.parts]
    errors = {k: image for k, image in enumerate(images) if isinstance(image, ImageError)}
    why = "another image of its galaxy cannot be used", "see the error of that one"
    if not errors:
        try:
            chosen = in_bands(images, model.together, galaxy.key)
        except ImageError as error:
            chosen, why = {}, (error.found, error.remedy)
        entries = {k: _stamp(image, model) for k, image in chosen.items()}
        errors = {k: entry for k, entry in entries.items() if isinstance(entry, ImageError)}
        if entries and not errors:
            rest = set(range(len(images))) - set(entries)
            return entries | {k: left_out([images[k].band], model.together) for k in rest}
    return {k: errors.get(k, ImageError(part.path, *why)) for k, part in enumerate(galaxy.parts)}


def _of_galaxies(paths, model, batch_size, precision, options):
    """What `predict_files` yields, of a network that takes several bands at once."""
    items = [Item(str(path), str(path)) for path in paths]
    place = {id(item): k for k, item in enumerate(items)}
    galaxies, done, at = by_galaxy(items), {}, 0
    for first in range(0, len(galaxies), batch_size):
        batch = {}
        for galaxy in galaxies[first : first + batch_size]:
            for k, entry in _prepare_galaxy(galaxy, model, options).items():
                where = place[id(galaxy.parts[k])]
                if isinstance(entry, str):
                    done[where] = Prediction(items[where].path, left_out=entry)
                else:
                    batch[where] = entry
        said = predict_stamps(list(batch.values()), model, precision=precision)
        done |= dict(zip(batch, said, strict=True))
        while at in done:
            yield done.pop(at)
            at += 1
