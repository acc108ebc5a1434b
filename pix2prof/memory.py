"""Memory that a process keeps while it works."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8


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
