"""What the runs of `ablations.py` say: their table as Markdown, and a figure.

    python benchmarks/ablation_table.py docs/ablations [--write]

The table of the folder's ``runs`` is printed; with `--write` it and the figure are written into
the folder too. The base is the variant of its ``variants.yaml`` that changes nothing.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from pix2prof.figures.ablations import choices
from pix2prof.figures.style import save_figure
from pix2prof.output import replacing

NUMBERS = {
    "deviation": "median [mag]", "p90": "90 % [mag]", "deviation_outer": "outer third [mag]",
    "length_error": "length error",
}  # fmt: skip
"""Key of a run's numbers -> heading."""


def read_runs(folder):
    """Read the numbers of all runs in a folder.

    Parameters
    ----------
    folder : Path
        Of ``<variant>-<seed>.json``.

    Returns
    -------
    runs : dict of str to list of dict
        By variant, in the order of the names; of each the seeds' numbers.

    Raises
    ------
    SystemExit
        If there is none.
    """
    runs = {}
    for path in sorted(folder.glob("*-*.json")):
        runs.setdefault(path.stem.rpartition("-")[0], []).append(json.loads(path.read_text()))
    if not runs:
        raise SystemExit(
            f"{folder}: no <variant>-<seed>.json in it; `dvc repro {folder.parent / 'dvc.yaml'}` "
            "makes them"
        )
    return runs


def against(own, base):
    """Hold the errors of a variant's seeds against those of the base's.

    Parameters
    ----------
    own, base : sequence of float
        One a seed.

    Returns
    -------
    difference : float
        Of the medians.
    scatters : float
        The same in units of the seeds' scatter, which is the root of the mean of the two
        variances; NaN for fewer than two seeds.
    apart : bool
        Whether the two ranges do not overlap, of three seeds each or more.
    """
    own, base = np.asarray(own, float), np.asarray(base, float)
    difference = float(np.median(own) - np.median(base))
    few = min(len(own), len(base))
    if few < 2:
        return difference, np.nan, False
    scatter = np.sqrt((own.var(ddof=1) + base.var(ddof=1)) / 2)
    apart = few >= 3 and (own.min() > base.max() or own.max() < base.min())
    return difference, difference / scatter if scatter > 0 else np.nan, bool(apart)


def ordered(runs, variants):
    """Put the base first, then the others by their median error.

    Parameters
    ----------
    runs : dict of str to list of dict
    variants : dict of str to dict
        See `ablations.settings`.

    Returns
    -------
    names : list of str

    Raises
    ------
    SystemExit
        If the base has not been run, or a run is of no variant.
    """
    unknown = sorted(set(runs) - set(variants))
    base = [name for name in runs if not unknown and not variants[name]["changes"]]
    if unknown or len(base) != 1:
        raise SystemExit(
            f"runs of {', '.join(runs)}: "
            + (f"{unknown} are not in variants.yaml" if unknown else "the base is not among them")
        )
    others = sorted(set(runs) - set(base), key=lambda name: np.median(errors(runs[name])))
    return base + others


def errors(found):
    """Test error of each seed [mag arcsec^-2]."""
    return [row["deviation"] for row in found]


def table(runs, variants):
    """Make the table, medians over seeds and their range.

    Parameters
    ----------
    runs, variants
        As for `ordered`.

    Returns
    -------
    markdown : str
    """
    names = ordered(runs, variants)
    heads = ["Run", "seeds", *NUMBERS.values(), "images", "to the base [mag]", "in scatters", ""]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 2) + "---|"]
    for name in names:
        cells = [_cell([row[key] for row in runs[name]]) for key in NUMBERS]
        images = f"{np.median([row['images'] for row in runs[name]]):.0f}"
        difference, scatters, apart = against(errors(runs[name]), errors(runs[names[0]]))
        verdict = [f"{difference:+.3f}", f"{scatters:+.1f}" if np.isfinite(scatters) else "", ""]
        if name == names[0]:
            verdict = [""] * 3
        elif apart:
            verdict[2] = "**worse**" if difference > 0 else "**better**"
        row = [variants[name]["label"], str(len(runs[name])), *cells, images, *verdict]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def _cell(values):
    text = f"{np.median(values):.3f}"
    return text if np.ptp(values) == 0 else f"{text} ({min(values):.3f} to {max(values):.3f})"


def figure(runs, variants):
    """Draw them, see `pix2prof.figures.ablations.choices`."""
    names = ordered(runs, variants)
    growing = {1.0: errors(runs[names[0]])}
    for name in names[1:]:
        if set(variants[name]["changes"]) == {"galaxies"}:
            growing[variants[name]["changes"]["galaxies"]] = errors(runs[name])
    return choices({variants[name]["label"]: errors(runs[name]) for name in names}, growing)


def main(words=None):
    """Print the table, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="of runs/<variant>-<seed>.json and variants.yaml")
    parser.add_argument("--write", action="store_true", help="table.md and the figure there")
    arguments = parser.parse_args(words)
    folder = Path(arguments.folder)
    runs = read_runs(folder / "runs")
    variants = YAML(typ="safe", pure=True).load(folder / "variants.yaml")
    made = table(runs, variants)
    print(made, end="")
    if arguments.write:
        with replacing(folder / "table.md") as partial:
            partial.write_text(made)
        save_figure(figure(runs, variants), folder / folder.resolve().name)


if __name__ == "__main__":
    main()
