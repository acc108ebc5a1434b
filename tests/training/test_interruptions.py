"""Training that is killed, or stopped by a loss that is no number, and started again."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_loop import SMALL, run, same, without_clock

from pix2prof.model.paper import Pix2Prof
from pix2prof.training import loop as training
from pix2prof.training.checkpoint import list_checkpoints

THREE = replace(SMALL, images=60)
KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from test_interruptions import THREE
from test_loop import run
from pix2prof.model.paper import Pix2Prof

def dies_at(call, function):
    calls = []
    def counting(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return counting

if sys.argv[2] == "in an epoch":
    Pix2Prof.loss = dies_at(6, Pix2Prof.loss)
else:
    Path.replace = dies_at(3, Path.replace)
run(Path(sys.argv[1]), config=THREE)
"""

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def unbroken():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run(config=THREE)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("moment", ["in an epoch", "as a checkpoint is put in place"])
def test_a_killed_process_loses_one_epoch_and_nothing_else(tmp_path, unbroken, moment):
    command = [sys.executable, "-c", KILLED, str(tmp_path), moment]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert [path.name[:10] for path in list_checkpoints(tmp_path)] == ["epoch-0002", "epoch-0001"]
    lines = []
    model, history = run(tmp_path, config=THREE, seed=99, log=lines.append)
    assert lines[0] == f"resumed from {tmp_path} after epoch 2 of 3"
    assert same(model, unbroken[0])
    assert without_clock(history) == without_clock(unbroken[1])
    names = [path.name[:10] for path in list_checkpoints(tmp_path)]
    assert names == ["epoch-0003", "epoch-0002"]
    assert len(list(Path(tmp_path).iterdir())) == 2


def test_a_loss_that_is_no_number_stops_with_its_batch_named(tmp_path, monkeypatch, unbroken):
    seen = []

    def nan_in_the_fourth(model, batch, *args, of=Pix2Prof.loss):
        seen.append(len(batch[0]))
        loss, squares, n_nodes = of(model, batch, *args)
        return loss * (torch.nan if len(seen) == 4 else 1), squares, n_nodes

    with monkeypatch.context() as patch:
        patch.setattr(Pix2Prof, "loss", nan_in_the_fourth)
        message = (
            r"epoch 2, batch 2 of 2: the loss is nan \(pairs \[\d+, \d+, \d+\]\.\.\.\); lower"
        )
        with pytest.raises(training.DivergedError, match=message):
            run(tmp_path, config=THREE)
    assert [path.name[:10] for path in list_checkpoints(tmp_path)] == ["epoch-0001"]
    assert same(run(tmp_path, config=THREE)[0], unbroken[0])
