import pytest

from pix2prof import paths


def test_the_project_is_found_from_any_folder_below_it(pytestconfig, monkeypatch):
    monkeypatch.delenv("PIX2PROF_PROJECT", raising=False)
    for folder in (pytestconfig.rootpath, pytestconfig.rootpath / "notebooks"):
        monkeypatch.chdir(folder)
        assert paths.project() == pytestconfig.rootpath


def test_a_checkout_around_the_working_directory_goes_first(tmp_path, monkeypatch):
    monkeypatch.delenv("PIX2PROF_PROJECT", raising=False)
    (tmp_path / "a b").mkdir()
    for marker in paths.MARKERS:
        (tmp_path / marker).touch()
    monkeypatch.chdir(tmp_path / "a b")
    assert paths.project() == tmp_path


def test_the_environment_can_name_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("PIX2PROF_PROJECT", str(tmp_path))
    assert paths.workspace("full").survey == tmp_path / "data" / "survey"


def test_a_toy_run_stays_out_of_the_full_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PIX2PROF_PROJECT", str(tmp_path))
    monkeypatch.delenv("PIX2PROF_TOY", raising=False)
    full, toy = paths.workspace("full"), paths.workspace("toy")
    for name in (
        "survey", "scratch", "model", "models", "checkpoints", "predictions", "measurements",
        "comparison", "results", "figures",
    ):  # fmt: skip
        assert getattr(toy, name) == tmp_path / "toy" / getattr(full, name).relative_to(tmp_path)


def test_an_unknown_size_is_refused():
    with pytest.raises(ValueError, match="size is 'huge'; it must be 'full' or 'toy'"):
        paths.workspace("huge")
