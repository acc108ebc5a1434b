"""Processes that this one starts: they end with it."""

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def end_with_parent():
    """End this process when the one that started it is gone, however that went.

    For a pool's ``initializer``: a process killed by a signal takes no leave of its children.
    """
    parent = multiprocessing.parent_process()

    def watch():
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
