"""Mock galaxies as FITS files: any number, resumed, by any workers."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.table import QTable

from ..images.fits import mock_hdus
from ..images.inputs import Item
from ..mock.population import SMALL_SHARE
from ..mock.simulation import check, mock_galaxy
from ..output import replacing
from ..sdss import BANDS
from .parts import read_results
from .rows import failure
from .runner import run_many
from .tasks import Batch, Task

BATCH = 4
CATALOGUE = "catalogue.ecsv"


@dataclass(frozen=True)
class MockTask(Task):
    """Mock galaxies as FITS files, one a band, and their parameters as rows.

    Parameters
    ----------
    number : int
        How many; those of fewer are among those of more.
    """

    rows = "galaxies"
    modules = ("pix2prof.many.mocking",)

    number: int = 0

    def check(self):
        """Nothing is to be loaded."""

    def items(self, sources, out):
        """Give one item a galaxy, named by its index."""
        return (Item(f"{index:08d}", "") for index in range(self.number))

    def schema(self):
        """Columns of the catalogue, as the first galaxy has them."""
        row = self._row(0, mock_galaxy(self.options["seed"], 0, field=64))
        return pa.Table.from_pylist([row]).schema

    def prepare(self, items):
        """Make galaxies: a `pix2prof.many.tasks.Batch` with their files."""
        batch = Batch()
        for item in items:
            try:
                galaxy = mock_galaxy(index=int(item.key), **self.options)
                batch.files += _files(galaxy)
                batch.rows.append(self._row(int(item.key), galaxy))
            except Exception as error:  # whatever a galaxy does, it is its own failure
                batch.failures.append(failure(item.key, "", "mock", error))
        return batch

    def finish(self, prepared):
        """Give back what `prepare` gave."""
        return prepared

    def _row(self, index, galaxy):
        named = {"item": f"{index:08d}", "name": galaxy.name, "seed": self.options["seed"]}
        return named | {"index": index} | galaxy.parameters


def _files(galaxy):
    """Names and contents of a galaxy's FITS files."""
    files = []
    for number, band in enumerate(BANDS):
        stream = io.BytesIO()
        mock_hdus(galaxy, number).writeto(stream)
        files.append((f"{galaxy.name.replace(' ', '')}-{band}.fits", stream.getvalue()))
    return files


def write_mocks(number, seed, out, *, field=512, **road):
    """Write mock galaxies as FITS files, and their catalogue.

    A run that was killed and is started again makes what is left; a larger `number` adds to what
    is there. The galaxies are the same whatever the workers.

    Parameters
    ----------
    number, seed : int
        How many, of which set.
    out : path-like
        Folder: ``<name>-<band>.fits``, ``catalogue.ecsv``, and ``galaxies``, the catalogue's rows
        in Parquet as they come.
    field : int
        Side of the images [px].
    **road
        ``processes, workers, scheduler, retry_failed, stream`` as in
        `pix2prof.many.runner.run_many`.

    Returns
    -------
    summary : pix2prof.many.runner.Summary

    Raises
    ------
    ValueError
        As `pix2prof.mock.simulation.mock_galaxy` and `pix2prof.many.runner.run_many`.
    """
    check(seed, 0, field, "model", None, SMALL_SHARE)
    task = MockTask(options={"seed": seed, "field": field}, number=number)
    done = run_many(task, [], out, batch_size=BATCH, part_items=64, **road)
    rows = read_results(out, MockTask.rows)[0]
    if rows.num_rows:
        rows = rows.sort_by("index").drop_columns("item")
        table = QTable({name: np.array(rows[name].to_pylist()) for name in rows.column_names})
        with replacing(Path(out) / CATALOGUE) as aside:
            table.write(aside, format="ascii.ecsv", overwrite=True)
    return done
