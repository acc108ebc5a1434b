"""What is done with a batch of items, the same in this process and on a cluster."""

import tempfile
import threading
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..images.inputs import find_items, fingerprint
from ..images.stamps import make_stamp, stamp_side
from ..memory import keep_memory
from ..names import safe_name
from ..predict.bands import by_galaxy
from ..predict.cutouts import read_galaxy, read_item
from ..profile_files import write_profile
from ..profiles import COLUMNS
from .rows import PREDICTED, Failed, failure, row, schema

_READING, _COMPUTING = threading.Lock(), threading.Lock()


@dataclass
class Batch:
    """What came of some items.

    Parameters
    ----------
    rows, failures : list of dict
        Of `pix2prof.many.rows.schema` and `pix2prof.many.rows.FAILURES`.
    files : list of (str, bytes)
        Names and contents of files, one a galaxy and band.
    """

    rows: list = field(default_factory=list)
    failures: list = field(default_factory=list)
    files: list = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """How to make rows of items; can be sent to another process.

    Parameters
    ----------
    options : dict
        Of `pix2prof.images.image.read_image`, for all.
    format : str or None
        ``"ecsv"`` or ``"fits"`` for files too.
    shared : frozenset of str
        File names (`pix2prof.images.inputs.file_name`, lower case) that several items would have.
    threads : int or None
        Of the arithmetic, in each worker, which is of this machine and does nothing else; None
        leaves them as they are.

    Attributes
    ----------
    rows : str
        What the folder of the rows is called.
    batch : int
        Items that are best done together.
    modules : tuple of str
        What a worker needs.
    """

    options: dict = field(default_factory=dict)
    format: str | None = None
    shared: frozenset = frozenset()
    threads: int | None = None

    rows = "profiles"
    batch = 32
    modules = ("pix2prof.predict.measuring",)
    bands = ()

    def items(self, sources, out):
        """What there is to do, see `pix2prof.images.inputs.find_items`."""
        return find_items(sources, out)

    def schema(self):
        """Schema of the rows."""
        return schema(self.columns)

    def run(self, items):
        """Do all of it: `prepare`, one batch at a time, and `finish`, one at a time.

        So that a worker of two threads reads while it computes.
        """
        with _READING:
            prepared = self.prepare(items)
        with _COMPUTING:
            return self.finish(prepared)

    def add(self, batch, cutout, table):
        """Add a profile to a batch, as a row and, where asked for, as a file's bytes."""
        try:
            batch.rows.append(row(cutout, table, self.columns))
        except Failed as error:
            batch.failures.append(failure(cutout.key, cutout.name, error.step, error.reason))
            return
        if self.format:
            batch.files.append((self._name(cutout), _file_bytes(table, self.format)))

    def _name(self, cutout):
        name = cutout.file
        if name.lower() in self.shared:
            name += f"-{fingerprint(cutout.key).hex()[:8]}"
        band = cutout.image.band if self.bands else None
        where = (band, cutout.hdu, cutout.plane)
        parts = [name, *(safe_name(str(part)) for part in where if part is not None)]
        return f"{'-'.join(parts)}.{self.format}"


@dataclass(frozen=True)
class PredictTask(Task):
    """Profiles by the network.

    Parameters
    ----------
    model : str
        As `pix2prof.predict.arrays.load` takes it; on a cluster, where every worker finds it.
    sha256 : str
        Of its weights, which must be the same on every worker.
    smallest, crop : int
        Between which the sides of its images lie [pixel].
    precision : {"float32", "bf16", "auto"}
        Of the arithmetic.
    bands : tuple of str
        Those that it takes of a galaxy at once; an item is then a galaxy. Empty: any one.
    """

    columns = PREDICTED
    batch = 64
    modules = ("pix2prof.predict.tables",)

    model: str = "pix2prof"
    sha256: str = ""
    smallest: int = 256
    crop: int = 256
    precision: str = "float32"
    bands: tuple[str, ...] = ()

    def items(self, sources, out):
        """What there is to do: images, or galaxies by `pix2prof.predict.bands.by_galaxy`."""
        items = find_items(sources, out)
        return by_galaxy(items) if self.bands else items

    def check(self):
        """Load the model; ValueError if it is another one here."""
        found = self._model().sha256
        if found != self.sha256:
            raise ValueError(
                f"the model {self.model!r} has weights {found[:12]} on this worker and "
                f"{self.sha256[:12]} where the run was started; install the same version"
            )

    def _model(self):
        if self.threads:
            import torch

            torch.set_num_threads(self.threads)
            keep_memory()
        return loaded(self.model)

    def prepare(self, items):
        """Read items: a list of (cut-out without its pixels, stamp) and of failures."""
        out = []
        for item in items:
            of_item = []
            for cutout in self._read(item):
                if cutout.error is not None:
                    of_item.append(failure(cutout.key, cutout.name, "read", cutout.error))
                    continue
                try:
                    side = stamp_side(cutout.image, self.smallest, self.crop)
                    stamp = make_stamp(cutout.image, side)
                except Exception as error:  # whatever an image does, it is its own failure
                    of_item.append(failure(cutout.key, cutout.name, "prepare", error))
                    continue
                of_item.append((replace(cutout, image=_without_pixels(cutout.image)), stamp))
            failures = [one for one in of_item if isinstance(one, dict)]
            out += failures if failures and self.bands else of_item
        return out

    def _read(self, item):
        if self.bands:
            return read_galaxy(item, self.crop, self.bands, **self.options)
        return read_item(item, self.crop, **self.options)

    def finish(self, prepared):
        """Predict what `prepare` gave: a `Batch`."""
        from ..predict.tables import predict_stamps

        batch = Batch(failures=[one for one in prepared if isinstance(one, dict)])
        good = [one for one in prepared if not isinstance(one, dict)]
        pairs = [(cutout.image, stamp) for cutout, stamp in good]
        model = self._model()
        try:
            predictions = list(predict_stamps(pairs, model, precision=self.precision))
        except Exception:  # one of them is at fault: find out which
            n = len(self.bands) or 1
            alone = (self._alone(pairs[k : k + n], model) for k in range(0, len(pairs), n))
            predictions = [one for some in alone for one in some]
        for (cutout, _), prediction in zip(good, predictions, strict=True):
            error = getattr(prediction, "error", prediction)
            try:
                if error is not None:
                    raise error
                self.add(batch, cutout, prediction.profile)
            except Exception as error:
                batch.failures.append(failure(cutout.key, cutout.name, "predict", error))
        return batch

    def _alone(self, pairs, model):
        """The predictions for one image, or for those of one galaxy; or what they raise."""
        from ..predict.tables import predict_stamps

        try:
            return list(predict_stamps(pairs, model, precision=self.precision))
        except Exception as error:
            return [error] * len(pairs)


@dataclass(frozen=True)
class MeasureTask(Task):
    """Profiles by the classical method; all of it is `prepare`."""

    columns = tuple(COLUMNS)

    crop: int = 512

    def check(self):
        """Nothing is to be loaded."""

    def prepare(self, items):
        """Read and measure items: a `Batch`."""
        import torch

        from ..predict.measuring import measure_image

        torch.set_num_threads(1)
        batch = Batch()
        for item in items:
            for cutout in read_item(item, self.crop, **self.options):
                step, error = "read", cutout.error
                if error is None:
                    try:
                        self.add(batch, cutout, measure_image(cutout.image))
                    except Exception as raised:
                        step, error = "measure", raised
                if error is not None:
                    batch.failures.append(failure(cutout.key, cutout.name, step, error))
        return batch

    def finish(self, prepared):
        """Give back what `prepare` gave."""
        return prepared


@lru_cache(maxsize=1)
def loaded(model):
    """Load a model once in each process.

    Parameters
    ----------
    model : str
        As `pix2prof.predict.arrays.load` takes it.

    Returns
    -------
    model : pix2prof.predict.arrays.Predictor
    """
    from ..predict.arrays import load

    return load(model)


def _without_pixels(image):
    return replace(image, data=np.empty((0, 0)), centre=image.place)


def _file_bytes(table, format):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"profile.{format}"
        write_profile(table, path)
        return path.read_bytes()
