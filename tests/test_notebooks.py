"""What every notebook must be like; that they run is for nbval."""

import ast

import nbformat
import pytest
from conftest import ROOT
from imports import imported
from ruamel.yaml import YAML

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLUMBING = {f"pix2prof/{name}.py" for name in ("__init__", "config", "paths", "pipeline")}
STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_chain_is_all_there():
    names = [path.stem for path in NOTEBOOKS]
    chain = ["01_data", "02_train", "03_evaluate", "04_compare", "05_figures"]
    assert names[:6] == ["00_quickstart", *chain]


def test_it_is_stored_without_outputs(notebook):
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))


def test_its_kernel_is_python3(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_defines_nothing_and_its_cells_are_short(notebook):
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 20
        kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
        assert not kinds & {ast.FunctionDef, ast.ClassDef, ast.Lambda}


def test_it_opens_with_prose_and_then_its_parameters(notebook):
    assert notebook.cells[0].cell_type == "markdown"
    assert "**Question.**" in notebook.cells[0].source
    tagged = [
        k for k, cell in enumerate(code(notebook)) if "parameters" in cell.metadata.get("tags", [])
    ]
    assert tagged == [0]


def test_prose_keeps_up_with_code(notebook):
    assert len(notebook.cells) - len(code(notebook)) >= 0.7 * len(code(notebook))


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "source"])
def test_a_stage_depends_on_every_module_it_imports(stage):
    """A module that a stage's code reaches, and dvc.yaml does not list, would go stale unseen."""
    listed = {
        dep for dep in STAGES[stage]["deps"] if dep.startswith("pix2prof/") and dep.endswith(".py")
    }
    assert ("pix2prof/pipeline.py" in listed) == (stage != "data")
    listed -= PLUMBING
    reached, queue = set(), list(listed)
    while queue:
        module = queue.pop()
        if module not in reached | PLUMBING:
            reached.add(module)
            queue += [str(path.relative_to(ROOT)) for path in imported(ROOT / module)]
    assert reached == listed
