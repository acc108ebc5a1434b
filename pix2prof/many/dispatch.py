"""Batches sent to workers, a bounded number at a time, whatever becomes of the workers."""

import concurrent.futures as cf
import multiprocessing
from collections import deque
from dataclasses import dataclass
from itertools import islice
from multiprocessing import forkserver

from ..children import end_with_parent
from ..memory import one_pool

PATIENCE = 600.0
AHEAD = 2
ALONE = 3
"""Times that an item is tried alone before it is blamed: a worker may be killed from outside."""


@dataclass(frozen=True)
class Lost:
    """What becomes of an item whose workers died, or broke, with it alone, `ALONE` times.

    Parameters
    ----------
    reason : str
        In words.
    """

    reason: str


class Processes:
    """Processes of this machine, started anew when one dies.

    Parameters
    ----------
    number : int
        How many.
    patience : float
        A batch that takes longer is given up, and the processes with it [s].
    modules : sequence of str
        Imported once, for all of the processes.
    """

    def __init__(self, number, patience=PATIENCE, modules=("pix2prof.many.tasks",)):
        self.slots, self.patience = number, patience
        self._context = start_server(modules)
        self._pool = None

    def submit(self, function, items):
        """Start one batch: a `concurrent.futures.Future`."""
        if self._pool is None:
            self._pool = cf.ProcessPoolExecutor(
                self.slots, mp_context=self._context, initializer=end_with_parent
            )
        try:
            return self._pool.submit(function, items)
        except cf.BrokenExecutor as error:
            future = cf.Future()
            future.set_exception(error)
            return future

    def give_up(self):
        """End the processes; the batches that they had come back as broken."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()

    def renew(self):
        """Forget the processes; the next `submit` starts others."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None

    def close(self):
        """End the processes, whatever they do."""
        if self._pool is not None:
            self.give_up()
            self._pool.shutdown(wait=True, cancel_futures=True)


def start_server(modules):
    """Start the process that others are forked from, where the system has such.

    It imports what they need while this one goes on; to start it again does nothing.

    Parameters
    ----------
    modules : sequence of str
        What to import.

    Returns
    -------
    context : multiprocessing.context.BaseContext
        To start processes with.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    with one_pool():
        forkserver.ensure_running()
    return context


def dispatch(function, items, workers, size):
    """Send items in batches to workers, and give back what comes.

    At most `AHEAD` batches a worker are under way or waiting to be taken, so that memory does not
    grow with the number of items. A batch whose worker died is tried once more, and then item
    by item with nothing else under way, `ALONE` times in a row unless it hangs, so that an item
    is lost only to itself, and not to a kill from outside.

    Parameters
    ----------
    function : callable
        From a list of items to anything; runs in the workers.
    items : iterable
        Whatever it takes.
    workers : object
        With ``slots``, ``patience`` [s] or None, ``submit(function, items)``, ``give_up()``
        and ``renew()``, as `Processes` has them.
    size : int
        Items in a batch.

    Yields
    ------
    batch : list
        The items.
    result : object or Lost
        What the function gave.
    """
    left = iter(items)
    source = iter(lambda: list(islice(left, size)), [])
    again, alone, pending = deque(), deque(), {}

    def next_batch():
        if again:
            return again.popleft(), 1
        batch = next(source, None)
        if batch is not None:
            return batch, 0
        return alone.popleft() if alone and not pending else (None, 0)

    while True:
        while len(pending) < AHEAD * workers.slots:
            batch, tries = next_batch()
            if batch is None:
                break
            pending[workers.submit(function, batch)] = batch, tries
            if tries >= 2:
                break
        if not pending:
            return
        done, _ = cf.wait(pending, workers.patience, cf.FIRST_COMPLETED)
        hung = not done
        if hung:
            workers.give_up()
            done, _ = cf.wait(pending, workers.patience, cf.FIRST_COMPLETED)
        broken = any(isinstance(future.exception(), cf.BrokenExecutor) for future in done)
        if broken:
            workers.renew()
            done = cf.wait(pending).done
        for future in done:
            batch, tries = pending.pop(future)
            error = cf.CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield batch, future.result()
            elif tries == 0:
                again.append(batch)
            elif tries == 1:
                alone.extend(([item], 2) for item in batch)
            elif tries <= ALONE and not hung:
                alone.appendleft((batch, tries + 1))
            else:
                words = " ".join(str(error).split())[:300]
                yield batch, Lost(f"its worker died or broke, again ({words})")
