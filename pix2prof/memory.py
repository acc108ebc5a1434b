"""Memory that a process keeps while it works."""

import contextlib
import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
ONE_POOL = "MALLOC_ARENA_MAX"


def keep_memory(one_arena=False):
    """Have the C library keep the memory that is freed, where it is glibc.

    Networks free and ask for the same gigabyte again and again; by default each time anew from
    the kernel, page by page, which is a sixth of a training step on two cores.

    Parameters
    ----------
    one_arena : bool
        Whether all threads share one pool, so that what one frees another takes.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(MMAP_MAX, 0)
    mallopt(TRIM_THRESHOLD, 2**31 - 1)
    if one_arena:
        mallopt(ARENA_MAX, 1)


@contextlib.contextmanager
def one_pool():
    """Have the programs that are started in this context share one pool among their threads.

    `keep_memory` is too late for that in a process with threads: pools that are there stay in
    use, and all but the first give memory back to the kernel whatever they are told. Where
    `MALLOC_ARENA_MAX` is set already, it stays.
    """
    if ONE_POOL in os.environ:
        yield
        return
    os.environ[ONE_POOL] = "1"
    try:
        yield
    finally:
        del os.environ[ONE_POOL]
