"""Any number of images to a table on disk: resumed where it was, with nothing lost."""

import os
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from .. import __version__
from ..cores import available_cores
from ..images.inputs import SUFFIXES, file_name, fingerprint, gives_places
from ..output import replacing
from .cluster import cluster, threads_of
from .dispatch import Lost, Processes, dispatch
from .parts import Parts
from .progress import Progress
from .rows import failure
from .tasks import Batch, MeasureTask, PredictTask, loaded


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Parameters
    ----------
    items : int
        All that there is.
    done : int
        Items that this run did; the others were done before.
    rows : int
        Rows that this run wrote.
    failures : int
        Failures of all runs into this folder.
    """

    items: int
    done: int
    rows: int
    failures: int


def predict_task(model="pix2prof", precision="float32", **options):
    """Make the task of predicting with a trained network.

    Parameters
    ----------
    model : str or Path
        As `pix2prof.predict.arrays.load` takes it.
    precision : {"float32", "bf16", "auto"}
        Of the arithmetic; `auto` is bfloat16 where the processor has it. In float32 a galaxy's
        profile does not depend on what is computed beside it.
    **options
        ``hdu, pixscale, zeropoint, band, centre`` as in `pix2prof.predict.cutouts.read_item`.

    Returns
    -------
    task : pix2prof.many.tasks.PredictTask

    Raises
    ------
    FileNotFoundError, ValueError
        As `pix2prof.predict.arrays.load`.
    """
    from ..released import WEIGHTS

    own = Path(model).is_dir() and not (WEIGHTS / str(model)).is_dir()
    where = os.path.abspath(model) if own else str(model)
    found = loaded(where)
    return PredictTask(
        options=options,
        model=where,
        sha256=found.sha256,
        smallest=found.smallest,
        crop=found.crop,
        precision=precision,
        bands=found.together or (),
    )


def measure_task(**options):
    """Make the task of measuring with the classical method.

    Parameters
    ----------
    **options
        As in `predict_task`.

    Returns
    -------
    task : pix2prof.many.tasks.MeasureTask
    """
    return MeasureTask(options=options)


def run_many(
    task,
    sources,
    out,
    *,
    format="parquet",
    processes=None,
    workers=None,
    scheduler=None,
    batch_size=None,
    part_items=512,
    retry_failed=False,
    stream=None,
):
    """Do a task on any number of images, and keep what comes of them in a folder.

    A run that was killed and is started again does what is left.

    Parameters
    ----------
    task : pix2prof.many.tasks.Task
        As `predict_task` or `measure_task` makes it.
    sources : sequence of str or Path
        As in `pix2prof.images.inputs.find_items`.
    out : str or Path
        Folder of the results, see `pix2prof.many.parts.Parts`.
    format : {"parquet", "ecsv", "fits"}
        The last two: one file a galaxy and band as well, in `out`.
    processes : int, optional
        Processes beside this one, which do all of it; as many as there are cores. Where the
        disk is slow, more of them compute while others wait for it.
    workers : int, optional
        Processes of a local Dask cluster that do, in place of these.
    scheduler : str, optional
        Address of a Dask cluster that does.
    batch_size : int, optional
        Items that are read, computed, retried together; by default the task's, fewer where
        there are too few items for all processes.
    part_items : int
        Items of a Parquet part.
    retry_failed : bool
        Also do again what failed in earlier runs into `out`.
    stream : file, optional
        Where progress is told; standard error.

    Returns
    -------
    summary : Summary

    Raises
    ------
    ResumeError
        If `out` holds the results of other inputs, options or another model.
    FileNotFoundError, ValueError
        If a list, a catalogue or dask.distributed is missing or unusable, `out` is a source, the
        sources name no image, or there is a centre for all and a catalogue has places.
    """
    if any(Path(source).resolve() == Path(out).resolve() for source in sources):
        raise ValueError(f"{out}: the results would lie among the images; choose another folder")
    for source in sources if task.options.get("centre") is not None else ():
        if gives_places(source):
            raise ValueError(f"--centre: {source} says where, by ra and dec; leave --centre out")
    if format != "parquet":
        names = Counter(file_name(item).lower() for item in task.items(sources, out))
        shared = frozenset(name for name, count in names.items() if count > 1)
        task = replace(task, format=format, shared=shared)
    total = sum(1 for _ in task.items(sources, out))
    if sources and not total:
        raise FileNotFoundError(_nothing(sources))
    identity = _identity(task, sources)
    with Parts(out, task.schema(), identity, part_items, retry_failed, task.rows) as parts:

        def left():
            for item in task.items(sources, out):
                if not parts.done or fingerprint(item.key) not in parts.done:
                    yield item

        to_do = sum(1 for _ in left()) if parts.done else total
        progress = Progress(to_do, total - to_do, stream)
        rows = 0
        if to_do:
            road = _road(task, left(), to_do, processes, workers, scheduler, batch_size)
            with closing(road):
                for items, batch in road:
                    for name, content in batch.files:
                        with replacing(parts.out / name) as aside:
                            aside.write_bytes(content)
                    parts.add(batch.rows, batch.failures, len(items))
                    rows += len(batch.rows)
                    progress.add(len(items), len(batch.failures))
            progress.say(end="\n")
        parts.flush()
        return Summary(total, progress.done, rows, len(parts.failures))


def _road(task, items, n_items, processes, workers, scheduler, size):
    """Yield items and the `pix2prof.many.tasks.Batch` that came of them, by the workers asked
    for.
    """
    processes = processes or available_cores()
    if not scheduler:
        task = replace(task, threads=threads_of(workers or processes))
    with ExitStack() as stack:
        if workers or scheduler:
            there = stack.enter_context(cluster(task, workers, scheduler))
        else:
            there = Processes(processes, modules=task.modules)
            stack.callback(there.close)
        size = size or min(task.batch, -(-n_items // (2 * there.slots)))
        for batch, result in dispatch(task.run, items, there, size):
            yield batch, _lost(batch, result) if isinstance(result, Lost) else result


def _nothing(sources):
    """Why there is nothing to do, and what to do about it."""
    return (
        f"no image found in {', '.join(map(str, sources))}: looked for {SUFFIXES} in folders and "
        "those below them, and for lines of lists and rows of catalogues; give what has images"
    )


def _lost(items, result):
    return Batch(failures=[failure(i.key, i.name, "worker", result.reason) for i in items])


def _identity(task, sources):
    """What makes the results what they are, for `Parts` to compare."""
    identity = {
        "command": type(task).__name__.removesuffix("Task").lower(),
        "version": __version__,
        "sources": [os.path.abspath(source) for source in sources],
        "options": {k: v for k, v in sorted(task.options.items()) if v is not None},
        "format": task.format or "parquet",
    }
    if isinstance(task, PredictTask):
        identity |= {"weights": task.sha256, "precision": task.precision}
    return identity
