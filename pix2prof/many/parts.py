"""Results on disk: a folder of Parquet parts that appear whole, and what is still to do."""

import fcntl
import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..images.inputs import fingerprint
from ..output import replacing
from .rows import FAILURES

PROFILES, FAILED, RUN = "profiles", "failures.parquet", "run.json"
FOOTER = b"pix2prof.failures"
SECONDS = 30.0


class ResumeError(ValueError):
    """The folder holds the results of something else."""


class Parts:
    """Results in ``OUT/profiles/part-*.parquet``, ``OUT/failures.parquet`` and ``OUT/run.json``.

    One rename commits a part: its rows, and in its footer the failures of the same items. So
    that whatever moment a run is killed at, an item is in one part or in none.
    ``failures.parquet`` is gathered from the footers.

    Parameters
    ----------
    out : str or Path
        The folder.
    schema : pyarrow.Schema
        Of the rows.
    run : dict
        What makes the results: command, model, options, inputs. A folder made by another run
        is refused.
    items : int
        A part is written when it has so many items, or `SECONDS` have passed.
    retry : bool
        Forget the failures of earlier runs, with the rows of the same items: they are to be
        done again.
    rows : str
        What the folder of the rows is called, in place of ``profiles``.

    Attributes
    ----------
    done : set of bytes
        Fingerprints of the items that earlier runs did.

    Raises
    ------
    ResumeError
        If the folder holds the results of another run, or one is writing there now.
    """

    def __init__(self, out, schema, run, items=512, retry=False, rows=PROFILES):
        self.out, self.schema, self.size = Path(out), schema, items
        self.folder = self.out / rows
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / ".lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ResumeError(f"{out}: another run is writing there; wait for its end") from None
        try:
            self._check(run)
            for left in self.folder.glob(".part-*.parquet"):
                left.unlink()
            self._read(retry)
        except BaseException:
            self._lock.close()
            raise
        self._rows, self._failures, self._items = [], [], 0
        self._last = self._gathered = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self.flush()
            self._gather()
        finally:
            self._lock.close()

    @property
    def failures(self):
        """All failures so far (`pix2prof.many.rows.FAILURES`)."""
        return pa.concat_tables(self._tables, promote_options="none")

    def add(self, rows, failures, n_items):
        """Add what came of some items; whole items only.

        Parameters
        ----------
        rows : list of dict
            Of the schema.
        failures : list of dict
            Of `pix2prof.many.rows.FAILURES`.
        n_items : int
            How many items that were.
        """
        self._rows += rows
        self._failures += failures
        self._items += n_items
        if self._items >= self.size or time.monotonic() - self._last > SECONDS:
            self.flush()

    def flush(self):
        """Write what was added as one part."""
        if self._items:
            table = pa.Table.from_pylist(self._rows, schema=self.schema)
            _write(self.folder / f"part-{self._next:07d}.parquet", table, self._failures)
            self._next += 1
            if self._failures:
                self._tables.append(pa.Table.from_pylist(self._failures, schema=FAILURES))
            self._rows, self._failures, self._items = [], [], 0
        self._last = time.monotonic()
        if self._last - self._gathered > SECONDS:
            self._gather()

    def _gather(self):
        with replacing(self.out / FAILED) as aside:
            pq.write_table(self.failures, aside, compression="zstd")
        self._gathered = time.monotonic()

    def _check(self, run):
        path = self.out / RUN
        if not path.exists():
            if any(self.folder.glob("part-*.parquet")):
                raise ResumeError(
                    f"{self.folder} has parts, but {path} is missing; give another folder, or "
                    "delete this one"
                )
            with replacing(path) as aside:
                aside.write_text(json.dumps(run, indent=1) + "\n")
            return
        try:
            before = json.loads(path.read_text())
            keys = sorted({*run, *before})
        except (ValueError, TypeError) as error:
            raise ResumeError(f"{path}: not readable ({error}); delete {self.out}") from error
        differing = [
            f"{key}: {json.dumps(before.get(key))} there, {json.dumps(run.get(key))} now"
            for key in keys
            if before.get(key) != json.loads(json.dumps(run.get(key)))
        ]
        if differing:
            raise ResumeError(
                f"{self.out} holds the results of another run ({'; '.join(differing)}); give "
                "another folder with -o, or delete that one"
            )

    def _read(self, retry):
        """Find the items that were done before, and the failures, in the parts."""
        self.done, self._tables, self._next = set(), [FAILURES.empty_table()], 0
        for path in sorted(self.folder.glob("part-*.parquet")):
            try:
                with pq.ParquetFile(path) as part:
                    failures = json.loads(part.schema_arrow.metadata[FOOTER])
                    items = part.read(columns=["item"])["item"].to_pylist()
                    if retry and failures:
                        failed = {failure["item"] for failure in failures}
                        kept = [item not in failed for item in items]
                        _write(path, part.read().filter(pa.array(kept, pa.bool_())), [])
                        items, failures = [item for item in items if item not in failed], []
            except (OSError, KeyError, ValueError, pa.ArrowException) as error:
                raise ResumeError(
                    f"{path}: not a part of a result ({error}); delete it"
                ) from error
            if failures:
                self._tables.append(pa.Table.from_pylist(failures, schema=FAILURES))
            self.done.update(map(fingerprint, {*items, *(f["item"] for f in failures)}))
            self._next = int(path.stem.removeprefix("part-")) + 1


def _write(path, table, failures):
    """Write a part, in one stroke."""
    footer = {FOOTER: json.dumps(failures).encode()}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **footer})
    with replacing(path) as aside:
        pq.write_table(table, aside, compression="zstd")


def read_results(out, rows=PROFILES):
    """Read the results of a run into memory.

    Parameters
    ----------
    out : str or Path
        The folder that ``-o`` named.
    rows : str
        The folder of the rows in it.

    Returns
    -------
    rows : pyarrow.Table
        One row a galaxy and band; of mock galaxies, one a galaxy. A column that an earlier part
        has not is null there.
    failures : pyarrow.Table
        With ``item``, ``name``, ``step`` and ``reason``.
    """
    out = Path(out)
    parts = sorted((out / rows).glob("part-*.parquet"))
    tables = [pq.read_table(os.fspath(part)).replace_schema_metadata() for part in parts]
    rows = pa.concat_tables(tables, promote_options="default") if tables else pa.table({})
    return rows, pq.read_table(out / FAILED)
