"""The whole chain under DVC, at toy size, in a clone whose path has a space in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from conftest import ROOT
from ruamel.yaml import YAML

from pix2prof import config

CODE = ("pix2prof", "notebooks", "params.yaml", "dvc.yaml", ".dvc/config", ".dvcignore")
STAGES = ("data", "train", "evaluate", "compare", "figures")


class Clone:
    """A copy of the checkout, on which DVC runs."""

    def __init__(self, root):
        self.root = root
        self.yaml = YAML()
        tools = str(Path(sys.executable).parent)
        self.env = os.environ | {
            "PATH": tools + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": str(root),
            "PIX2PROF_PROJECT": str(root),
            "PIX2PROF_WORKERS": "1",
            "DVC_NO_ANALYTICS": "true",
        }
        for name in ("PIX2PROF_PARAMS", "PIX2PROF_TOY", "PIX2PROF_AUTOPROF", "PIX2PROF_REAL"):
            self.env.pop(name, None)

    def run(self, *command, check=True):
        done = subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=560
        )
        assert not check or done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout + done.stderr

    def set(self, section, **values):
        path = self.root / "params.yaml"
        params = self.yaml.load(path)
        params[section].update(values)
        self.yaml.dump(params, path)

    def repro(self):
        """Reproduce; return the names of the stages that ran."""
        lines = self.run("dvc", "repro").splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    root = tmp_path_factory.mktemp("a clone") / "pix2prof with a space"
    root.mkdir()
    for name in CODE:
        source, target = ROOT / name, root / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "paper"))
        else:
            shutil.copy(source, target)
    clone = Clone(root)
    clone.run("git", "init", "-q")
    toy = config.load(ROOT / "params.yaml", ROOT / "notebooks" / "toy.yaml")
    for section, values in asdict(toy).items():
        clone.set(section, **values)
    return clone


@pytest.fixture(scope="module")
def repro(clone):
    """The stages that a first repro ran."""
    return clone.repro()


def test_one_command_runs_every_stage(clone, repro):
    ran = [name for name in repro if not name.startswith("source")]
    assert sorted(ran, key=STAGES.index) == list(STAGES) and ran[-1] == "figures"
    drawn = ["fig1", "fig2", "fig3", "fig4", "fig5", "fig6", "learning_curve"]
    for name in (*drawn, "compare_fig4", "compare_others", "compare_speed", "compare_disputed"):
        for suffix in (".png", ".pdf"):
            assert (clone.root / "figures" / (name + suffix)).stat().st_size > 5000
    metrics = json.loads((clone.root / "results" / "metrics.json").read_text())
    assert metrics["test"]["n"] == 12
    assert 0 < metrics["test"]["median"] < 20
    assert set(metrics["by_band"]) == {"g", "r", "i"}
    compared = json.loads((clone.root / "results/comparison/summary.json").read_text())
    assert {"paper's network", "photutils Ellipse", "classical, automatic"} <= set(compared)
    assert all(numbers["images"] == 3 for numbers in compared.values())
    for table in ("table1.md", "table2.md"):
        assert "Identify galaxy centre" in (clone.root / "results" / table).read_text()


def test_nothing_is_left_to_do(clone, repro):
    assert clone.repro() == []


def test_metrics_and_plots_are_declared(clone, repro):
    assert "test_bright.median" in clone.run("dvc", "metrics", "show")
    clone.run("dvc", "plots", "show", "--json")


def test_a_saved_notebook_retrains_nothing(clone, repro):
    shutil.copy(clone.root / "runs/02_train.ipynb", executed := clone.root / "executed.ipynb")
    notebook = json.loads(executed.read_text())
    original = clone.root / "notebooks/02_train.ipynb"
    source = json.loads(original.read_text())
    for cell in source["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 7
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["out\n"]}]
    source["metadata"]["language_info"] = notebook["metadata"]["language_info"]
    original.write_text(json.dumps(source, indent=1) + "\n")
    executed.unlink()
    assert clone.repro() == ["source@02_train"]


def test_a_new_figure_parameter_retrains_nothing(clone, repro):
    clone.set("figures", n_samples=4)
    assert clone.repro() == ["figures"]


def test_figures_are_the_same_bytes_when_drawn_again(clone, repro):
    before = {p.name: p.read_bytes() for p in sorted((clone.root / "figures").iterdir())}
    clone.run("dvc", "repro", "--single-item", "--force", "figures")
    after = {p.name: p.read_bytes() for p in sorted((clone.root / "figures").iterdir())}
    assert [name for name in before if before[name] != after[name]] == []


def test_a_run_killed_in_training_resumes_to_the_same_weights(clone, repro):
    weights = clone.root / "models" / "paper" / "model.safetensors"
    before = weights.read_bytes()
    command = ["dvc", "repro", "--single-item", "--force", "--no-run-cache", "train"]
    process = subprocess.Popen(
        command,
        cwd=clone.root,
        env=clone.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not any((clone.root / "checkpoints").glob("epoch-*.pt")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed = process.poll() is None
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for lock in (clone.root / ".dvc" / "tmp").glob("*lock*"):
        lock.unlink()
    assert killed and not weights.exists()
    clone.run(*command)
    assert weights.read_bytes() == before
    assert not (clone.root / "checkpoints").exists()
    assert "resumed from" in (clone.root / "runs/02_train.ipynb").read_text()


def test_a_typo_is_refused_before_any_work(clone, repro):
    clone.set("train", learning_rate=0.1)
    message = clone.run("dvc", "repro", "train", check=False)
    assert "train.learning_rate is not a parameter" in message
