"""Which modules of pix2prof a module imports, read off its source."""

import ast

from conftest import ROOT


def imported(path, *, late=False):
    """List the files of pix2prof that a module imports, with those of the packages they lie in.

    Parameters
    ----------
    path : pathlib.Path
        The module.
    late : bool
        Whether imports inside functions count.

    Returns
    -------
    files : set of pathlib.Path
        An ``__init__.py`` that holds nothing but its docstring is left out.
    """
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree) if late else tree.body:
        if isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1] if node.level else ROOT
            module = base.joinpath(*(node.module or "").split("."))
            for name in (module, *(module / alias.name for alias in node.names)):
                found.add(name.with_suffix(".py"))
                found |= {folder / "__init__.py" for folder in (name, *name.parents)}
    package = ROOT / "pix2prof"
    inside = {file for file in found if file.is_file() and package in file.parents}
    return {file for file in inside if file.name != "__init__.py" or _holds_code(file)}


def _holds_code(path):
    return len(ast.parse(path.read_text()).body) > 1
