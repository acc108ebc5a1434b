"""The same run on a Dask cluster."""

import io
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from tiny import galaxy, save, save_tiny_model

from pix2prof.many.cluster import MISSING, threads_of
from pix2prof.many.parts import read_results
from pix2prof.many.runner import predict_task, run_many

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return predict_task(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("images")
    for k in range(12):
        save(home / f"n{k:02d}-r.fits", galaxy(seed=k))
    (home / "text.fits").write_text("nothing")
    return home


def by_item(rows):
    return rows.sort_by("item").to_pylist()


def test_a_local_cluster_gives_the_same_rows(task, folder, tmp_path):
    pytest.importorskip("distributed")
    options = {"batch_size": 3, "stream": io.StringIO()}
    run_many(task, [folder], tmp_path / "here", processes=1, **options)
    done = run_many(task, [folder], tmp_path / "there", workers=1, **options)
    assert (done.items, done.rows, done.failures) == (13, 12, 1)
    (here, lost), (there, lost_there) = (read_results(tmp_path / n) for n in ("here", "there"))
    assert lost.equals(lost_there)
    for one, other in zip(by_item(here), by_item(there), strict=True):
        np.testing.assert_allclose(one["mu"], other["mu"], atol=1e-3)
        assert one["item"] == other["item"] and one["flags"] == other["flags"]


def test_a_cluster_that_runs_and_loses_its_worker(task, folder, tmp_path):
    distributed = pytest.importorskip("distributed")
    import dask

    quiet = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    options = {
        "n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": None,
        "silence_logs": 60,
    }  # fmt: skip
    with quiet, distributed.LocalCluster(**options) as there:
        with distributed.Client(there, set_as_default=False) as client:
            (worker,) = client.run(os.getpid).values()
        killer = threading.Thread(target=kill_after_a_part, args=(tmp_path, worker))
        killer.start()
        done = run_many(
            task, [folder], tmp_path, scheduler=there.scheduler_address, batch_size=1,
            part_items=1, stream=io.StringIO(),
        )  # fmt: skip
        killer.join()
    assert (done.items, done.rows, done.failures) == (13, 12, 1)


def kill_after_a_part(out, process):
    while not list((out / "profiles").glob("part-*.parquet")):
        time.sleep(0.005)
    os.kill(process, signal.SIGKILL)


def test_another_model_on_the_workers_is_refused(task):
    with pytest.raises(ValueError, match="install the same version"):
        type(task)(model=task.model, sha256="0" * 64).check()


def test_without_dask_the_message_says_what_to_install(task, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="pip install") as caught:
        run_many(task, [folder], tmp_path, workers=1)
    assert str(caught.value) == MISSING
    run_many(task, [folder], tmp_path, processes=1, stream=io.StringIO())
    assert threads_of(10**6) == 1
