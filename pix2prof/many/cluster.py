"""The workers of a Dask cluster: one of this machine, or one that runs already."""

import contextlib

from ..cores import available_cores
from .dispatch import start_server

MISSING = "--workers and --scheduler need dask.distributed: pip install 'pix2prof[dask]'"
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.admin.tick.interval": "1s",
}
"""What Dask does by the clock, up to a hundred times a second, of its local processes: seldom."""


class DaskWorkers:
    """Workers of a cluster, as `pix2prof.many.dispatch.dispatch` wants them.

    Parameters
    ----------
    client : distributed.Client
        Connected to the scheduler.
    """

    patience = None

    def __init__(self, client):
        self._client = client
        self._executor = client.get_executor(pure=False, retries=0)

    @property
    def slots(self):
        """Threads of all workers that are there now."""
        return max(1, sum(self._client.nthreads().values()))

    def submit(self, function, items):
        """Start one batch: a `concurrent.futures.Future`."""
        return self._executor.submit(function, items)

    def give_up(self):
        """Leave it to the scheduler."""

    def renew(self):
        """Leave it to the scheduler."""


@contextlib.contextmanager
def cluster(task, workers=None, scheduler=None, say=lambda text: None):
    """Connect to a cluster, or start one of `workers` processes here.

    A worker of two threads reads with one while it computes with the other. A local worker has
    them where there are two cores for it, and its arithmetic takes its share of the cores; where
    not, one worker reads while another computes. Local workers are forked from one process that
    has imported what they need: each on its own would spend seconds of a core on it.

    Parameters
    ----------
    task : pix2prof.many.tasks.Task
        Its model is loaded on every worker that is there.
    workers : int, optional
        Processes to start on this machine.
    scheduler : str, optional
        Address of a scheduler, ``tcp://host:port``.
    say : callable
        Takes a line for the user.

    Yields
    ------
    workers : DaskWorkers

    Raises
    ------
    ValueError
        If dask.distributed is missing, or a worker has another model.
    OSError
        If the scheduler does not answer.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ValueError(MISSING) from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
        if scheduler is None:
            method = start_server(("distributed", *task.modules)).get_start_method()
            key = "distributed.worker.multiprocessing-method"
            stack.enter_context(dask.config.set({**QUIET, key: method}))
            local = LocalCluster(
                n_workers=workers, threads_per_worker=min(2, threads_of(workers)),
                processes=True, dashboard_address=None, host="127.0.0.1",
            )  # fmt: skip
            scheduler = stack.enter_context(local)
        client = stack.enter_context(Client(scheduler, timeout=30, set_as_default=False))
        if not client.nthreads():
            say("waiting for the first worker of the cluster")
            client.wait_for_workers(1)
        answers = client.run(task.check, on_error="return").values()
        errors = [
            answer for answer in answers if isinstance(answer, (ValueError, ImportError, OSError))
        ]
        if errors:
            raise ValueError(f"a worker of the cluster cannot do this: {errors[0]}")
        yield DaskWorkers(client)


def threads_of(workers):
    """Threads for the arithmetic of each of some workers on this machine.

    Parameters
    ----------
    workers : int
        How many.

    Returns
    -------
    threads : int
    """
    return max(1, available_cores() // workers)
