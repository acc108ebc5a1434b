"""Processes that a run starts: none is left when the run is ended by a signal."""

import signal
import subprocess
import sys
import time

import pytest
from tiny import galaxy, save, save_tiny_model

PREDICT = """
import sys
from pix2prof.many.runner import predict_task, run_many
if __name__ == "__main__":
    model, images, out = sys.argv[1:]
    run_many(predict_task(model), [images], out, processes=2, batch_size=1, part_items=1)
"""
SURVEY = """
import os, sys
from pix2prof.config import DataConfig
from pix2prof.dataset.building import build_survey
if __name__ == "__main__":
    os.environ["PIX2PROF_WORKERS"] = "2"
    config = DataConfig(n_galaxies=900, n_validation=2, n_test=3, field=128, crop=64, margin=8)
    build_survey(config, sys.argv[3], sys.argv[3] + "-scratch", log=print)
"""


@pytest.mark.parametrize("script", [PREDICT, SURVEY], ids=["predict", "survey"])
def test_a_run_that_is_ended_leaves_no_process(tmp_path, script):
    model = save_tiny_model(tmp_path / "tiny")
    image = save(tmp_path / "image.fits", galaxy())
    for k in range(2000):
        (tmp_path / "images" / f"n{k}.fits").parent.mkdir(exist_ok=True)
        (tmp_path / "images" / f"n{k}.fits").hardlink_to(image)
    (tmp_path / "run.py").write_text(script)
    words = [sys.executable, tmp_path / "run.py", model, tmp_path / "images", tmp_path / "out"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = subprocess.Popen(words, start_new_session=True, **quiet)
    try:
        wait(lambda: any(tmp_path.glob("out*/**/*[0-9].*")) or run.poll() is not None, 120)
        assert run.poll() is None and len(session(run.pid)) >= 3
    finally:
        run.send_signal(signal.SIGTERM)
        run.wait()
    wait(lambda: not session(run.pid), 30)


def wait(done, seconds):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


def session(number):
    """Processes of a session."""
    listing = subprocess.run(["ps", "-eo", "sess=,pid="], capture_output=True, text=True).stdout
    rows = (line.split() for line in listing.splitlines())
    return [pid for group, pid in rows if int(group) == number]
