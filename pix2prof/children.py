"""Processes that this one starts: they end with it, and keep their memory while they work."""

import ctypes
import multiprocessing
import os
import sys
import threading
from multiprocessing.connection import wait

MMAP_MAX, TRIM_THRESHOLD = -4, -1


def end_with_parent():
    """End this process when the one that started it is gone, however that went.

    For a pool's ``initializer``: a process killed by a signal takes no leave of its children.
    """
    parent = multiprocessing.parent_process()

    def watch():
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def keep_memory():
    """Let this process keep the memory that it frees, for its next batch.

    The C library gives large arrays back to the system and asks for them anew, every page of
    which is cleared again; a network's layers are nothing but large arrays. Without effect where
    the library is not glibc.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, 2**31 - 1)
