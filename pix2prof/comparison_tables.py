"""A comparison summed up: against the expert, against the truth, and method against method."""

from itertools import combinations

import astropy.units as u
import numpy as np
from astropy.table import QTable

from pix2prof import metrics
from pix2prof.profiles import MU_UNIT
from pix2prof.sdss import LIMITING_MU

BRIGHT = 25.0
EXPERT = "expert (centre and mask known)"


def against(comparison, reference, limit=LIMITING_MU):
    """Hold every method against one set of profiles.

    Parameters
    ----------
    comparison : pix2prof.comparison.Comparison
        M methods on P images.
    reference : array_like, shape (P, 1024)
        [mag arcsec^-2], NaN beyond the ends.
    limit : float
        Of the bright part [mag arcsec^-2].

    Returns
    -------
    tables : dict of str to astropy.table.QTable
        `pix2prof.metrics.deviations` by the methods' labels.
    """
    return {
        str(label): metrics.deviations(reference, mu, comparison.images, limit=limit)
        for label, mu in zip(comparison.labels, comparison.mu, strict=True)
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
        last row is the expert's own, against the truth.
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
    own = metrics.deviations(comparison.truth, comparison.expert, comparison.images, limit=limit)
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
        rows.append(
            (
                f"{a} – {b}",
                numbers["n"],
                *(numbers.get(q, np.nan) for q in ("median", "p90", "max")),
            )
        )
    table = QTable(rows=rows, names=("methods", "images", "median", "p90", "worst"))
    for name in table.colnames[2:]:
        table[name] = table[name] * MU_UNIT
    return table


def disagreement(comparison, limit=LIMITING_MU):
    """Say how much the methods disagree on each image.

    Returns
    -------
    spread : numpy.ndarray, shape (P,)
        Median over the pairs of methods of `pair_deviations` [mag arcsec^-2]: it is large where
        most of them differ, not where one of them is off. NaN where fewer than two have profiles.
    """
    found = pair_deviations(comparison, limit)[1]
    spread = np.full(found.shape[1], np.nan)
    known = np.isfinite(found).any(axis=0)
    spread[known] = np.nanmedian(found[:, known], axis=0)
    return spread


def most_disputed(comparison, n=10, limit=LIMITING_MU):
    """Choose the galaxies on which the methods disagree most, each in its worst band.

    Returns
    -------
    rows : numpy.ndarray of int
        At most `n` rows of `comparison.images`, most disputed first.
    """
    spread = disagreement(comparison, limit)
    order = [k for k in np.argsort(-np.nan_to_num(spread, nan=-1.0)) if np.isfinite(spread[k])]
    names = [str(comparison.images["name"][k]) for k in order]
    first = {name: k for name, k in zip(reversed(names), reversed(order), strict=True)}
    return np.array([first[name] for name in dict.fromkeys(names)][:n], int)


def closest(comparison, reference, limit=LIMITING_MU):
    """Say for each image which method lies closest to a reference, and how far.

    Returns
    -------
    method : numpy.ndarray of int, shape (P,)
        Index of the method, -1 where none can be judged.
    deviations : numpy.ndarray, shape (M, P)
        Median deviations where the reference is brighter than `limit` [mag arcsec^-2].
    """
    tables = against(comparison, reference, limit)
    found = np.array([table["deviation_bright"].value for table in tables.values()])
    known = np.isfinite(found).any(axis=0)
    best = np.full(found.shape[1], -1)
    best[known] = np.nanargmin(found[:, known], axis=0)
    return best, found
