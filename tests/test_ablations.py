"""Short trainings side by side: what each changes, its numbers, and what a table says of them."""

import json
import shutil
from dataclasses import asdict, replace

import ablation_table
import ablations
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import QTable
from conftest import ROOT
from ruamel.yaml import YAML

from pix2prof.config import DataConfig, ModelConfig, TrainConfig
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.dataset.stored import PROFILE_KEYS, Survey
from pix2prof.figures.ablations import choices
from pix2prof.profiles import sma_grid

pytestmark = pytest.mark.usefixtures("one_thread")
FOLDER = ROOT / "docs" / "ablations"
NUMBERS = {
    "deviation", "p90", "deviation_outer", "length_error", "validation", "images", "parameters",
}  # fmt: skip


@pytest.fixture(scope="module")
def survey():
    rng = np.random.default_rng(0)
    n = 12
    mu = 20 + 1.0857 * sma_grid() / rng.uniform(1.0, 2.5, n)[:, None]
    mu = np.repeat(np.where(mu < 26, mu, np.nan)[:, None], 3, axis=1).astype(np.float32)
    images = rng.normal(0, 0.02, (n, 3, 64, 64)).astype(np.float32)
    catalogue = QTable({"name": [f"J{k}" for k in range(n)]})
    catalogue["split"] = np.array(["train"] * 8 + ["validation"] * 2 + ["test"] * 2)
    masks, profiles = np.zeros((n, 64, 8), np.uint8), dict.fromkeys(PROFILE_KEYS, mu)
    return Survey(images, masks, profiles, catalogue, Normalisation(-1.0, 2.0))


@pytest.fixture
def small(monkeypatch, survey):
    """The settings of a run of a second, with the variants as they are."""
    config, variants = ablations.settings()
    config = replace(
        config,
        data=DataConfig(crop=48),
        model=ModelConfig(latent=8, layers=1, step=2.0, binning=2, max_sma=25.6),
        train=TrainConfig(images=16, batch_size=8, precision="float32", wobble=1.0),
    )
    monkeypatch.setattr(ablations, "settings", lambda folder: (config, variants))
    monkeypatch.setattr(ablations, "load_survey", lambda folder: survey)
    return config


def run_main(folder, *words):
    ablations.main([*words, "--work", str(folder / "work"), "--out", str(folder / "runs")])


def test_every_variant_is_a_change_of_the_base_and_nothing_else():
    config, variants = ablations.settings()
    assert [name for name, variant in variants.items() if not variant["changes"]] == ["gru"]
    assert len({variant["label"] for variant in variants.values()}) == len(variants)
    seen = set()
    for variant in variants.values():
        changes = dict(variant["changes"])
        taught = changes.pop("galaxies", 1.0), changes.pop("scaled", True)
        made = ablations.changed(config, changes)
        for section, keys in changes.items():
            assert keys.items() <= asdict(getattr(made, section)).items()
        seen.add((made, *taught))
    assert len(seen) == len(variants)


def test_the_pipeline_runs_known_variants_with_three_seeds():
    stages = YAML(typ="safe", pure=True).load(FOLDER / "dvc.yaml")["stages"]
    matrix = stages["run"]["matrix"]
    assert set(matrix["variant"]) <= set(ablations.settings()[1]) and "gru" in matrix["variant"]
    assert len(set(matrix["seed"])) == 3
    assert all((ROOT / dep).exists() for dep in stages["table"]["deps"] if dep.endswith(".py"))


def test_runs_write_their_numbers_once(small, tmp_path, capsys):
    run_main(tmp_path, "gru", "galaxies_half", "no_target_scaling", "--seeds", "1")
    paths = sorted((tmp_path / "runs").iterdir())
    found = {path.name: json.loads(path.read_text()) for path in paths}
    assert list(found) == ["galaxies_half-1.json", "gru-1.json", "no_target_scaling-1.json"]
    for numbers in found.values():
        assert set(numbers) == NUMBERS and numbers["images"] == 16 and numbers["deviation"] > 0
    assert len({numbers["validation"] for numbers in found.values()}) == 3
    assert list((tmp_path / "work").iterdir()) == []
    before = [path.stat().st_mtime_ns for path in paths]
    run_main(tmp_path, "gru", "--seeds", "1")
    assert "gru-1.json: there already, kept" in capsys.readouterr().out
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_a_share_of_the_galaxies_is_what_is_trained_on(small, survey):
    assert len(ablations.prepare(small, survey, 0.5, True)[1]) == 12
    model = ablations.prepare(small, survey, 1.0, False)[0]
    assert (model.nodes.mu_mean, model.nodes.mu_std) == (0.0, 1.0)


def test_minutes_are_of_the_processor_and_found_once(small, tmp_path, monkeypatch):
    asked = []

    def images_in(seconds, config, *rest, taught=False):
        asked.append((config.model.decoder, taught))
        return round(seconds / 6)

    monkeypatch.setattr(ablations, "images_in", images_in)
    run_main(tmp_path, "gru", "encoder_first", "--minutes", "2")
    found = [
        json.loads((tmp_path / "runs" / f"{x}-1.json").read_text())
        for x in ("gru", "encoder_first")
    ]
    assert [numbers["images"] for numbers in found] == [10 + 10, 20]
    assert asked == [("gru", False), ("one_shot", False), ("gru", True)]


def test_waiting_costs_no_processor_time(small, survey, monkeypatch):
    clock = iter([0.0, 2.0, 3.0])
    monkeypatch.setattr(ablations.time, "process_time", lambda: next(clock))
    assert ablations.images_in(100.0, small, survey, 1.0, True) == round(100 / (2 / 24 + 1 / 24))


@pytest.mark.parametrize("words", [["nothing"], [], ["gru", "--images", "9", "--minutes", "1"]])
def test_what_cannot_be_run_is_refused(words, tmp_path):
    with pytest.raises(SystemExit):
        run_main(tmp_path, *words)


def test_a_difference_counts_where_the_ranges_do_not_overlap():
    base = [0.30, 0.32, 0.34]
    difference, scatters, apart = ablation_table.against([0.40, 0.42, 0.44], base)
    assert (difference, scatters, apart) == (pytest.approx(0.1), pytest.approx(5.0), True)
    assert ablation_table.against([0.33, 0.42, 0.44], base)[2] is False
    assert ablation_table.against([0.20, 0.21, 0.22], base)[2] is True
    assert ablation_table.against([0.50, 0.52], base)[2] is False
    assert np.isnan(ablation_table.against([0.5], base)[1])


def runs(**deviations):
    row = {"p90": 1.0, "deviation_outer": 0.5, "length_error": 0.2, "images": 6000}
    return {name: [row | {"deviation": x} for x in found] for name, found in deviations.items()}


def test_the_table_says_what_matters(tmp_path):
    found = runs(
        no_dropout=[0.31, 0.36, 0.33], teacher_0=[0.20, 0.22, 0.21], gru=[0.30, 0.32, 0.34],
        galaxies_half=[0.40, 0.42, 0.41],
    )  # fmt: skip
    (tmp_path / "runs").mkdir()
    shutil.copy(FOLDER / "variants.yaml", tmp_path)
    for name, rows in found.items():
        for seed, row in enumerate(rows):
            (tmp_path / "runs" / f"{name}-{seed}.json").write_text(json.dumps(row))
    ablation_table.main([str(tmp_path), "--write"])
    head, _, *lines = (tmp_path / "table.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert all(len(row) == head.count("|") - 1 for row in cells)
    assert [row[0] for row in cells] == [
        "the base", "no teacher forcing", "no dropout", "half of the galaxies",
    ]  # fmt: skip
    assert [row[-1] for row in cells] == ["", "**better**", "", "**worse**"]
    assert cells[0][2] == "0.320 (0.300 to 0.340)" and cells[0][3] == "1.000"
    assert cells[3][7] == "+0.090"
    assert (tmp_path / f"{tmp_path.name}.png").stat().st_size > 0


def test_a_table_wants_runs_of_known_variants_and_the_base(tmp_path):
    with pytest.raises(SystemExit, match=r"no <variant>-<seed>\.json"):
        ablation_table.read_runs(tmp_path)
    variants = ablations.settings()[1]
    with pytest.raises(SystemExit, match="the base is not among them"):
        ablation_table.table(runs(teacher_0=[0.3]), variants)
    with pytest.raises(SystemExit, match=r"\['other'\] are not in variants.yaml"):
        ablation_table.table(runs(gru=[0.3], other=[0.3]), variants)


def test_the_figure_has_a_dot_for_each_seed():
    found = {"the base": [0.30, 0.32, 0.34], "no wobble": [0.4, 0.5, 0.6]}
    fig = choices(found, {1.0: found["the base"], 0.5: [0.4, 0.45, 0.41]})
    left, right = fig.axes
    dots = [line.get_xdata() for line in left.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(dots, list(found.values()))
    assert [label.get_text() for label in left.get_yticklabels()] == list(found)
    curve = next(line for line in right.lines if line.get_linestyle() == "-")
    np.testing.assert_array_equal(curve.get_xydata(), [(0.5, 0.41), (1.0, 0.32)])
    assert len(choices(found, {1.0: found["the base"]}).axes) == 1
    assert not plt.get_fignums()
