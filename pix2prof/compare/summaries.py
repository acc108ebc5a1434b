"""A comparison summed up: against the expert, against the truth, and method against method."""

import json
from itertools import combinations
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import QTable

from pix2prof.metrics import deviations as metrics
from pix2prof.metrics import report
from pix2prof.metrics.tables import markdown
from pix2prof.profiles import MU_UNIT
from pix2prof.sdss import LIMITING_MU

BRIGHT = 25.0
EXPERT = "expert (centre and mask known)"

HEADS = {
    "method": "Method",
    "images": "Images",
    "failed": "Failed",
    "expert_median": "From the expert",
    "expert_p90": "90th percentile",
    "expert_bright_median": "Bright, from the expert",
    "expert_bright_p90": "its 90th percentile",
    "truth_median": "Bright, from the truth",
    "truth_p90": "the 90th percentile",
    "seconds": "Wall time of an image",
    "per_second": "Profiles",
}
"""The columns of `summarise` in words."""


def against(comparison, reference, limit=LIMITING_MU):
    """Hold every method against one set of profiles.

    Parameters
    ----------
    comparison : pix2prof.compare.comparison.Comparison
        M methods on P images.
    reference : array_like, shape (P, 1024)
        [mag arcsec^-2], NaN beyond the ends.
    limit : float
        Of the bright part [mag arcsec^-2].

    Returns
    -------
    tables : dict of str to astropy.table.QTable
        `pix2prof.metrics.deviations.deviations` by the methods' labels.
    """
    return {
        str(label): metrics.deviations(reference, mu, comparison.images, limit=limit)
        for label, mu in zip(comparison.labels, comparison.mu, strict=True)
    }


def errors(comparison, labels=None, *, ended=0.9, limit=LIMITING_MU):
    """Give what Figure 4 draws of each method, against the expert.

    Parameters
    ----------
    comparison : pix2prof.compare.comparison.Comparison
        M methods on P images, with `kpc_per_arcsec`.
    labels : sequence of str, optional
        Which methods, in which order; those that are not there are left out.
    ended, limit : float
        As in `pix2prof.metrics.deviations`.

    Returns
    -------
    measured : dict of str to tuple
        Label to deviations (`pix2prof.metrics.deviations.deviations`), curve
        (`pix2prof.metrics.deviations.per_kpc`) and numbers (`pix2prof.metrics.report.assemble`).
    """
    tables = against(comparison, comparison.expert, limit)
    mu = dict(zip(tables, comparison.mu, strict=True))
    return {
        name: (
            tables[name],
            metrics.per_kpc(comparison.expert, mu[name], comparison.images, ended=ended),
            report.assemble(tables[name]),
        )
        for name in (tables if labels is None else labels)
        if name in tables
    }


def image_table(comparison, limit=LIMITING_MU):
    """List every image with every method: how far from expert and truth, how long, why not.

    Returns
    -------
    table : astropy.table.QTable
        M P rows: `name`, `band`, `method`, `expert` (median deviation from it), `expert_bright`
        and `truth_bright` (the same where expert or truth is brighter than `limit`)
        [mag arcsec^-2], `seconds` [s] and `failure`.
    """
    expert = against(comparison, comparison.expert, limit)
    truth = against(comparison, comparison.truth, limit)
    n = len(comparison.images)
    table = QTable(
        {name: np.tile(comparison.images[name], len(expert)) for name in ("name", "band")}
    )
    table["method"] = np.repeat(comparison.labels, n)
    for name, tables, column in (
        ("expert", expert, "deviation"),
        ("expert_bright", expert, "deviation_bright"),
        ("truth_bright", truth, "deviation_bright"),
    ):
        table[name] = np.concatenate([t[column].value for t in tables.values()]) * MU_UNIT
    table["seconds"] = comparison.seconds.ravel() * u.s
    table["failure"] = comparison.failure.ravel()
    return table


def summarise(comparison, limit=LIMITING_MU):
    """Sum every method up, and the expert, in one row each.

    Returns
    -------
    table : astropy.table.QTable
        `method`, `images`, `failed`; median and 90th percentile of the images' median deviations
        from the expert over all radii and from the truth where it is brighter than `limit`
        [mag arcsec^-2]; `seconds`, the mean wall time of one image on one core, failures
        included [s], and `per_second`, the images with a profile in a second of that [1/s]. The
        last row, where there is a truth, is the expert's own against it.
    """
    expert = against(comparison, comparison.expert, limit)
    truth = against(comparison, comparison.truth, limit)
    n, rows = len(comparison.images), []
    for m, label in enumerate(expert):
        failed = int(np.sum(comparison.failure[m] != ""))
        numbers = (
            _median_p90(expert[label]["deviation"]),
            _median_p90(expert[label]["deviation_bright"]),
            _median_p90(truth[label]["deviation_bright"]),
        )
        total = comparison.seconds[m].sum()
        rate = (n - failed) / total if total > 0 else np.nan
        rows.append((label, n, failed, *np.ravel(numbers), total / n if n else np.nan, rate))
    if np.isfinite(comparison.truth).any():
        own = metrics.deviations(
            comparison.truth, comparison.expert, comparison.images, limit=limit
        )
        ends = _median_p90(own["deviation_bright"])
        rows.append((EXPERT, n, 0, *[np.nan] * 4, *ends, np.nan, np.nan))
    columns = [f"{s}_{q}" for s in ("expert", "expert_bright", "truth") for q in ("median", "p90")]
    table = QTable(
        rows=rows, names=("method", "images", "failed", *columns, "seconds", "per_second")
    )
    for name in columns:
        table[name] = table[name] * MU_UNIT
    table["seconds"] = table["seconds"] * u.s
    table["per_second"] = table["per_second"] / u.s
    return table


def _median_p90(values):
    numbers = metrics.summary(values.value)
    return [numbers.get(name, np.nan) for name in ("median", "p90")]


def pair_deviations(comparison, limit=LIMITING_MU):
    """Hold the methods against one another.

    Returns
    -------
    pairs : list of tuple of 2 str
        All pairs of labels.
    deviations : numpy.ndarray, shape (pairs, P)
        Median over radii of the absolute difference where the mean of the two is brighter than
        `limit` [mag arcsec^-2], NaN where one of them has no profile.
    """
    pairs = list(combinations(range(len(comparison.labels)), 2))
    found = np.full((len(pairs), len(comparison.images)), np.nan)
    for k, (a, b) in enumerate(pairs):
        mean = (comparison.mu[a] + comparison.mu[b]) / 2
        bright = np.where(mean < limit, comparison.mu[b], np.nan)
        table = metrics.deviations(comparison.mu[a], bright, comparison.images)
        found[k] = table["deviation"].value
    names = [tuple(str(comparison.labels[m]) for m in pair) for pair in pairs]
    return names, found


def pair_table(comparison, limit=BRIGHT):
    """Sum up `pair_deviations`: one row a pair of methods.

    Returns
    -------
    table : astropy.table.QTable
        `methods`, `images` with both profiles, `median`, `p90` and `worst` [mag arcsec^-2].
    """
    names, found = pair_deviations(comparison, limit)
    rows = []
    for (a, b), values in zip(names, found, strict=True):
        numbers = metrics.summary(values)
        ends = [numbers.get(name, np.nan) for name in ("median", "p90", "max")]
        rows.append((f"{a} – {b}", numbers["n"], *ends))
    table = QTable(rows=rows, names=("methods", "images", "median", "p90", "worst"))
    for name in table.colnames[2:]:
        table[name] = table[name] * MU_UNIT
    return table


def failures(comparison):
    """List what failed: `name`, `band`, `method`, `failure` and `seconds`, a row a failure."""
    m, k = np.nonzero(comparison.failure != "")
    table = QTable({name: comparison.images[name][k] for name in ("name", "band")})
    table["method"], table["failure"] = comparison.labels[m], comparison.failure[m, k]
    table["seconds"] = comparison.seconds[m, k] * u.s
    return table


def write_tables(mock, real, folder, limit=LIMITING_MU, sample="mock galaxies"):
    """Write what a comparison found as small files.

    Parameters
    ----------
    mock, real : pix2prof.compare.comparison.Comparison
        On galaxies of the test set, and on real ones, of which there may be none.
    folder : path-like
        Becomes ``images.ecsv`` (every image with every method), ``summary.json`` and ``.md``,
        and, of real galaxies, ``real.ecsv`` (every image with every pair), ``real.md`` and
        ``real_failures.ecsv``.
    limit : float
        [mag arcsec^-2].
    sample : str
        What the galaxies of `mock` are.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("real*"):
        old.unlink()
    image_table(mock, limit).write(folder / "images.ecsv", overwrite=True)
    summary = summarise(mock, limit)
    (folder / "summary.json").write_text(json.dumps(_numbers(summary), indent=2) + "\n")
    lacking = "".join(f" Without {name}: not installed." for name in mock.missing)
    caption = (
        f"{len(mock.images)} images of {sample}, one core of {mock.hardware}; medians "
        f"over images of each one's median deviation; bright is mu < {limit:g}.{lacking}"
    )
    for name, words in HEADS.items():
        summary.rename_column(name, words)
    (folder / "summary.md").write_text(markdown(summary, caption=caption))
    if len(real.images) == 0:
        return
    table = pair_table(real)
    caption = f"{len(real.images)} real images, where the mean of the two is < {BRIGHT:g}"
    (folder / "real.md").write_text(markdown(table, caption=caption))
    names, found = pair_deviations(real, BRIGHT)
    long = QTable({"name": np.tile(real.images["name"], len(names))})
    long["methods"] = np.repeat([f"{a} – {b}" for a, b in names], len(real.images))
    long["deviation"] = found.ravel() * MU_UNIT
    long.write(folder / "real.ecsv", overwrite=True)
    failures(real).write(folder / "real_failures.ecsv", overwrite=True)


def _numbers(summary):
    """A summary as nested dicts of plain numbers; what is not finite is left out."""
    report = {}
    for row in summary:
        cells = {name: getattr(row[name], "value", row[name]) for name in summary.colnames[1:]}
        report[str(row["method"])] = {
            name: float(f"{float(value):.6g}")
            for name, value in cells.items()
            if np.isfinite(value)
        }
    return report
