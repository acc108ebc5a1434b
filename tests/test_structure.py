"""The packages of pix2prof: arrows between them point one way, and each lists its modules."""

from graphlib import TopologicalSorter

import pytest
from conftest import ROOT
from imports import imported

PACKAGE = ROOT / "pix2prof"
PACKAGES = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))


def room(path):
    """A module's package, or, at the top, the module itself."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_arrows_between_packages_point_one_way():
    graph = {}
    for path in PACKAGE.rglob("*.py"):
        above = {room(file) for file in imported(path, late=True)} - {"__init__"}
        graph.setdefault(room(path), set()).update(above - {room(path)})
    assert {path.name for path in PACKAGES} <= set(graph)
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_lists_its_modules(package):
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    lines = (package / "__init__.py").read_text().splitlines()
    assert {line for line in lines if line.isidentifier()} == modules
