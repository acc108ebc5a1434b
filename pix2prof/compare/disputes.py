"""Where methods disagree, and which of them is right."""

import numpy as np

from pix2prof.compare.summaries import against, pair_deviations
from pix2prof.sdss import LIMITING_MU


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


def verdicts(comparison, rows, limit=LIMITING_MU):
    """Say who is right on some images: which method lies closest to the truth, and who failed.

    Parameters
    ----------
    comparison : pix2prof.compare.comparison.Comparison
    rows : sequence of int
        Of its images.
    limit : float
        Of the truth's surface brightness [mag arcsec^-2].

    Returns
    -------
    notes : list of str
        One an image.
    words : str
        How often each method is the closest, among `rows` and among all images; that there is no
        truth, where there is none.
    """
    best, found = closest(comparison, comparison.truth, limit)
    notes = []
    for row in rows:
        lost = ", ".join(comparison.labels[comparison.failure[:, row] != ""])
        right = f"{comparison.labels[best[row]]} {found[best[row], row]:.2f} mag"
        notes.append(f"closest: {right if best[row] >= 0 else 'nobody'}\nfailed: {lost or 'none'}")

    def count(chosen, words):
        times = {str(name): int(np.sum(chosen == m)) for m, name in enumerate(comparison.labels)}
        ranked = sorted(times.items(), key=lambda item: -item[1])
        return f"{words}: " + ", ".join(f"{name} {n}" for name, n in ranked if n)

    if not (best >= 0).any():
        return notes, "there is no truth to say who is closest"
    here = count(best[list(rows)], f"closest to the truth on these {len(notes)}")
    return notes, f"{here}; {count(best, f'on all {len(best)}')}"
