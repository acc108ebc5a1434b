"""Figures 4 to 6: how the test set's errors are distributed, and on what they depend."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from pix2prof.figures.style import (
    BAND_COLOURS,
    BAND_LINES,
    ETA_LABEL,
    MARKED,
    MEASURED,
    MEDIAN_ETA_LABEL,
    ONE_COLUMN,
    TWO_COLUMNS,
    paper_style,
    values,
)
from pix2prof.metrics.tables import headline
from pix2prof.names import PAPERS_NETWORK
from pix2prof.sdss import LIMITING_MU


@paper_style
def error_distribution(
    table, curve, metrics, *, sample="mock galaxies", method=PAPERS_NETWORK, limit=LIMITING_MU
):
    """Figure 4: the distribution of the test error, and the error against radius.

    Source: Fig. 2.4a of the chapter. Violins of the profiles' median deviations over all radii
    and over those brighter than `limit`, with maximum, minimum, mean and mean + standard
    deviation and the headline median labelled, the quartiles and the paper's headline numbers
    below; beside them the median per kpc with its interquartile range shaded, and the headline
    median of all radii, that is of the profiles' medians.

    Parameters
    ----------
    table : astropy.table.Table
        `deviation` and `deviation_bright` [mag arcsec^-2], one row a profile.
    curve : astropy.table.Table
        `pix2prof.metrics.deviations.per_kpc`.
    metrics : dict
        `pix2prof.metrics.report.assemble`.
    sample, method : str
        What the galaxies are, and what predicted them.
    limit : float
        The limiting surface brightness [mag arcsec^-2].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(TWO_COLUMNS, 3.0), width_ratios=(1.15, 1), layout="constrained"
    )
    draw_violins(left, table, metrics, limit=limit)
    left.set_title(f"{method}, {sample}")
    draw_curve(right, curve, MEASURED, "-", label="median", shade="interquartile range")
    if "median" in metrics.get("test", {}):
        median = metrics["test"]["median"]
        words = f"median of the profiles' medians, {median:.3f}"
        right.axhline(median, color=MARKED, lw=1.2, ls="--", label=words)
    right.set_title(f"{method}, {sample}")
    _room_for_legend(right)
    return fig


@paper_style
def error_by_band(curves, metrics, *, sample="mock galaxies"):
    """Figure 5: the test error against radius in each band.

    Source: Fig. 2.5 of the chapter; the legend has the bands' median image S/N, and of how many
    profiles each curve is.

    Parameters
    ----------
    curves : astropy.table.Table
        `pix2prof.metrics.deviations.curves`; the rows whose `set` is a band are drawn.
    metrics : dict
        `pix2prof.metrics.report.assemble`, for ``by_band.<band>.snr``.
    sample : str
        What the galaxies are.

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    fig, ax = plt.subplots(figsize=(ONE_COLUMN, 2.6))
    names = np.asarray(curves["set"])
    for band in dict.fromkeys(names[names != "all"].tolist()):
        snr = metrics.get("by_band", {}).get(band, {}).get("snr")
        label = f"${band}$" if snr is None else f"${band}$, S/N {snr:.3g}"
        colour, line = BAND_COLOURS.get(band, "0.3"), BAND_LINES.get(band, ":")
        draw_curve(ax, curves[names == band], colour, line, label=label)
    _room_for_legend(ax)
    ax.set_title(f"Test set, {sample}")
    return fig


@paper_style
def error_regressions(table, metrics, *, sample="mock galaxies"):
    r"""Figure 6: each profile's error against ellipticity and size, with regressions.

    Source: Fig. 2.6 of the chapter: the ellipticity of the last isophote, and the semi-major
    axis of the first isophote of 23.5 mag arcsec^-2 or fainter.

    Parameters
    ----------
    table : astropy.table.Table
        `deviation`, `ellipticity`, `r_235` [arcsec] and `band`, one row a profile.
    metrics : dict
        `pix2prof.metrics.report.assemble`, for ``regression``.
    sample : str
        What the galaxies are.

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    axes_of = {
        "ellipticity": "ellipticity of the last isophote",
        "r_235": r"$R_{23.5}$ [arcsec]",
    }
    fig, axes = plt.subplots(1, 2, figsize=(TWO_COLUMNS, 2.6), sharey=True)
    eta, bands = values(table["deviation"]), np.asarray(table["band"])
    markers = {"g": "o", "r": "s", "i": "^"}
    for ax, (name, label) in zip(axes, axes_of.items(), strict=True):
        x = values(table[name])
        for band in dict.fromkeys(bands.tolist()):
            rows = bands == band
            style = {"color": BAND_COLOURS.get(band, "0.3"), "marker": markers.get(band, "D")}
            ax.scatter(x[rows], eta[rows], s=7, lw=0, alpha=0.7, label=f"${band}$", **style)
        fit = metrics.get("regression", {}).get(name, {})
        if "slope" in fit:
            ends = np.array([np.nanmin(x), np.nanmax(x)])
            p = f"p = {fit['p']:.2g}" if fit["p"] >= 1e-3 else "p < 0.001"
            words = f"slope ${fit['slope']:.2g}$, ${p}$"
            ax.plot(ends, fit["intercept"] + fit["slope"] * ends, "k-", label=words)
        ax.set_xlabel(label)
        ax.legend(loc="upper right", ncols=2, columnspacing=0.8, handletextpad=0.4)
        ax.set_title(f"Test set, {sample}")
    axes[0].set_ylabel(MEDIAN_ETA_LABEL)
    top = np.nanmax(eta) if np.isfinite(eta).any() else 1.0
    axes[0].set_ylim(0, 1.3 * top)
    return fig


def draw_violins(ax, table, metrics, *, limit=LIMITING_MU, top=None, paper=True):
    """Draw Figure 4's two violins of a method on an axis.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    table, metrics, limit
        As in `error_distribution`.
    top : float, optional
        Upper end of the axis [mag arcsec^-2]; by default the largest deviation.
    paper : bool
        Whether the paper's numbers, which are its network's, stand below ours.
    """
    sets = {
        "test": ("deviation", "all radii"),
        "test_bright": ("deviation_bright", rf"$\mu < {limit:g}$"),
    }
    columns = [values(table[column]) for column, _ in sets.values()]
    columns = [column[np.isfinite(column)] for column in columns]
    if top is None:
        top = max((column.max() for column in columns if column.size), default=1.0)
    labels = []
    for x, (name, (_, words)) in enumerate(sets.items()):
        numbers = metrics.get(name, {})
        if "median" in numbers:
            _violin(ax, x, columns[x], numbers, gap=top / 17)
        words = f"{words}, N = {numbers.get('n', 0)}"
        labels.append(_violin_label(words, metrics, name, limit, paper))
    ax.set_xticks(range(len(sets)), labels)
    ax.tick_params(axis="x", length=0)
    ax.set(xlim=(-0.4, 1.75), ylim=(-0.04 * top, 1.07 * top), ylabel=MEDIAN_ETA_LABEL, xlabel="")


def _violin(ax, x, eta, numbers, gap):
    """One violin with its lines; their labels stand right of it, at least `gap` apart."""
    sns.violinplot(
        x=np.full(len(eta), x), y=eta, ax=ax, cut=0, inner=None, color=MEASURED, alpha=0.35,
        linewidth=0.6, native_scale=True, width=0.5,
    )  # fmt: skip
    lines = {
        "min": numbers["min"],
        "mean": numbers["mean"],
        r"mean + $\sigma$": numbers["mean"] + numbers["std"],
        "max": numbers["max"],
        "median": numbers["median"],
    }
    heights = np.array(sorted(lines.values()))
    for k in range(1, len(heights)):
        heights[k] = max(heights[k], heights[k - 1] + gap)
    ordered = sorted(lines.items(), key=lambda line: line[1])
    for height, (words, value) in zip(heights, ordered, strict=True):
        mark = words == "median"
        line = {"color": MARKED, "lw": 1.2, "ls": "--"} if mark else {"color": "k", "lw": 0.8}
        ax.plot([x - 0.16, x + 0.16], [value, value], **line)
        ax.plot([x + 0.16, x + 0.27], [value, height], color="0.5", lw=0.4)
        ax.text(x + 0.28, height, f"{words} {value:.{2 + mark}f}", va="center", fontsize=7)


def _violin_label(words, metrics, name, limit, paper):
    numbers = metrics.get(name, {})
    if "median" not in numbers:
        return f"{words}\nno profile"
    (theirs, ours), (their_iqr, iqr) = (
        headline(metrics, name, statistic, limit) for statistic in ("median", "iqr")
    )
    text = f"{words}\nquartiles {numbers['q25']:.3f}, {numbers['q75']:.3f}"
    text = f"{text}\nmedian {ours:.3f}, IQR {iqr:.3f}"
    if not paper or not np.isfinite(theirs):
        return text
    return f"{text}\n(paper {theirs:.2f}, IQR {their_iqr:.2f})"


def draw_curve(ax, curve, colour, line, label, shade=None):
    """Draw `pix2prof.metrics.deviations.per_kpc` on an axis, quartiles shaded, its N in the label.

    N is the number of profiles at the radius that has most of them, and at the last radius.
    """
    n = values(curve["n"])
    label = f"{label}; N = {n.max()}, at the end {n[-1]}" if len(n) else label
    radius = values(curve["radius"])
    low, high = values(curve["q25"]), values(curve["q75"])
    ax.fill_between(radius, low, high, color=colour, alpha=0.15, lw=0, label=shade)
    ax.plot(radius, np.stack([low, high], axis=1), color=colour, ls=line, lw=0.4)
    ax.plot(radius, values(curve["median"]), color=colour, ls=line, label=label)
    ax.set(xlabel=f"distance from centre [{u.kpc}]", ylabel=ETA_LABEL)
    ax.margins(x=0)


def _room_for_legend(ax):
    """Put the legend above everything that is drawn on an axis from (0, 0)."""
    handles, _ = ax.get_legend_handles_labels()
    ax.set(xlim=(0, None), ylim=(0, ax.get_ylim()[1] * (1 + 0.1 * len(handles))))
    ax.legend(loc="upper left")
