"""How many cores this process may use."""

import os


def available_cores():
    """Count the cores this process may use; where the system does not say, all there are.

    Returns
    -------
    cores : int
        At least 1.
    """
    if hasattr(os, "sched_getaffinity"):  # neither on macOS nor on Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
