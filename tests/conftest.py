import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

from pix2prof.paths import real_folder

ROOT = Path(__file__).parents[1]
REAL = real_folder()


def pytest_configure(config):
    """Give the notebooks' kernels a toy workspace of this run's own, one for each worker."""
    worker = getattr(config, "workerinput", {}).get("workerid", "main")
    folder = Path(tempfile.gettempdir()) / f"pix2prof-toy-{os.getpid()}-{worker}"
    os.environ["PIX2PROF_TOY"] = str(folder)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    config.toy_workspace = folder


def pytest_unconfigure(config):
    shutil.rmtree(config.toy_workspace, ignore_errors=True)


@pytest.fixture(scope="session")
def real():
    """The folder of real galaxies, which tests use when it is there."""
    if not REAL.is_dir():
        pytest.skip(f"no folder of real galaxies at {REAL}; PIX2PROF_REAL can name one")
    return REAL


@pytest.fixture
def fake_autoprof(tmp_path):
    """Make an environment of AutoProf whose Python is a shell script."""

    def make(body, asked="echo 1.3.4"):
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then {asked}; exit; fi\n{body}\n')
        python.chmod(0o755)
        return python

    return make


@pytest.fixture
def one_thread():
    """Let torch compute on one thread for the length of a test."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items):
    """Start the longest file first, so that it does not run on alone at the end."""
    items.sort(key=lambda item: item.path.name != "test_reproduce.py")
