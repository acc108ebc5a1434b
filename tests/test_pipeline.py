"""What the notebooks share: which stages of a toy run are run again on the way."""

from dataclasses import replace

import pytest

from pix2prof import pipeline
from pix2prof.config import Config
from pix2prof.paths import Workspace


@pytest.fixture
def run(tmp_path):
    run = pipeline.Run("toy", Config(), Workspace(tmp_path))
    for stage in pipeline.SECTIONS:
        assert run.lacks(stage)
        run.ran(stage)
    return run


def changed(run, section, **keys):
    section_ = replace(getattr(run.config, section), **keys)
    return replace(run, config=replace(run.config, **{section: section_}))


@pytest.mark.parametrize(
    "section, keys, lacking",
    [
        ("data", {"seed": 1}, ["data", "train", "evaluate", "compare"]),
        ("model", {"step": 2.0}, ["train", "evaluate", "compare"]),
        ("train", {"lr": 1e-3}, ["train", "evaluate", "compare"]),
        ("evaluate", {"limiting_mu": 25.0}, ["evaluate", "compare"]),
        ("compare", {"n_galaxies": 1}, ["compare"]),
        ("figures", {"seed": 1}, []),
    ],
)
def test_a_toy_stage_is_run_again_where_what_it_was_made_from_changed(run, section, keys, lacking):
    other = changed(run, section, **keys)
    assert [stage for stage in pipeline.SECTIONS if other.lacks(stage)] == lacking
    assert not any(run.lacks(stage) for stage in pipeline.SECTIONS)


def test_the_documented_run_leaves_that_to_dvc(run, tmp_path):
    full = replace(run, size="full", paths=Workspace(tmp_path / "full"))
    full.ran("data")
    assert not full.lacks("data") and not (tmp_path / "full").exists()


def test_a_toy_survey_is_built_anew_for_other_parameters(run, monkeypatch):
    built = []
    monkeypatch.setattr(pipeline.survey, "build_survey", lambda config, *_: built.append(config))
    monkeypatch.setattr(pipeline.dataset, "load_survey", lambda folder: "there")
    assert pipeline.open_survey(run) == "there" and built == []
    other = changed(run, "data", n_galaxies=300)
    pipeline.open_survey(other)
    assert built == [other.config.data]
    assert pipeline.open_survey(other) == "there" and len(built) == 1


def test_figures_say_what_their_galaxies_are(run):
    assert run.sample == "mock galaxies"
    own = changed(run, "data", source="folder", folder="surveys/virgo/")
    assert own.sample == "galaxies of virgo"
