import os

import pytest

from pix2prof.cores import available_cores


def test_it_counts_the_cores_of_this_process():
    allowed = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    assert available_cores() == len(allowed)


@pytest.mark.parametrize(("there", "cores"), [(6, 6), (None, 1)])
def test_a_system_that_knows_no_affinity(monkeypatch, there, cores):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: there)
    assert available_cores() == cores
