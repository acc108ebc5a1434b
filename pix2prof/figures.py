"""Every figure, one function each: tables and arrays in, a matplotlib Figure out."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from pix2prof.diagram import architecture
from pix2prof.gallery import Panel, mock_sheet, profile_page, real_galaxies
from pix2prof.profiles import SMA_STEP
from pix2prof.sdss import LIMITING_MU, PIXSCALE
from pix2prof.style import (
    BAND_COLOURS,
    BAND_LINES,
    ETA_LABEL,
    MEASURED,
    MU_LABEL,
    ONE_COLUMN,
    PREDICTED,
    SMA_LABEL,
    TWO_COLUMNS,
    bright_up,
    draw_image,
    log_radius,
    mu_limits,
    paper_style,
    save_figure,
    short_name,
    values,
)
from pix2prof.tables import headline

__all__ = [
    "Panel",
    "architecture",
    "error_by_band",
    "error_distribution",
    "error_regressions",
    "learning_curve",
    "mock_sheet",
    "profile_grid",
    "profile_page",
    "real_galaxies",
    "sample_galaxies",
    "save_figure",
]


@paper_style
def sample_galaxies(
    images, mu, names, *, band="g", sample="mock galaxies", pixscale=PIXSCALE, step=SMA_STEP
):
    """Figure 1: images of sample galaxies in the g band and their measured profiles.

    Source: Fig. 2.1 of the chapter. Images are asinh-stretched, dark where bright.

    Parameters
    ----------
    images : array_like, shape (N, H, W)
        Any linear flux per pixel.
    mu : array_like, shape (N, T)
        Their profiles [mag arcsec^-2], NaN beyond each end.
    names : sequence of N str
        What to write above.
    band, sample : str
        The band of both, and what the galaxies are.
    pixscale, step : float
        Pixel scale [arcsec per pixel] and spacing of the profiles [arcsec].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    n, mu = len(images), np.asarray(mu, float)
    fig, axes = plt.subplots(2, n, figsize=(TWO_COLUMNS, 3.25), squeeze=False)
    sma = step * np.arange(1, mu.shape[1] + 1)
    limits = mu_limits(mu)
    for i, (top, bottom) in enumerate(axes.T):
        draw_image(top, images[i], pixscale)
        top.set_title(short_name(names[i]), fontsize=7)
        top.set_xlabel(r"$\Delta x$ [arcsec]")
        bottom.plot(sma, mu[i], color=MEASURED)
        bottom.set(xlabel=SMA_LABEL, xlim=(0, None))
        bright_up(bottom, *limits)
        if i > 0:
            top.tick_params(labelleft=False)
            bottom.tick_params(labelleft=False)
    axes[0, 0].set_ylabel(r"$\Delta y$ [arcsec]")
    axes[1, 0].set_ylabel(rf"$\mu_{band}$ [mag arcsec$^{{-2}}$]")
    fig.suptitle(f"{sample.capitalize()}, ${band}$ band", fontsize=8)
    return fig


@paper_style
def profile_grid(reference, prediction, pairs, *, sample="mock galaxies", step=SMA_STEP):
    """Figure 3: predicted profiles over measured ones, with residuals.

    Source: Fig. 2.3 of the chapter. Residuals are ``y - p``, measured less predicted; beyond
    their axis (which holds 98 per cent of them) they are cut.

    Parameters
    ----------
    reference, prediction : array_like, shape (P, T)
        Surface brightness [mag arcsec^-2], NaN beyond each end; five in a row, the paper has 25.
    pairs : astropy.table.Table, P rows
        `name` and `band`.
    sample : str
        What the galaxies are.
    step : float
        Spacing of the profiles [arcsec].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    reference, prediction = np.asarray(reference, float), np.asarray(prediction, float)
    residual = reference - prediction
    n_columns = 5
    n_rows = -(-len(reference) // n_columns)
    sma = step * np.arange(1, reference.shape[1] + 1)
    present = np.flatnonzero(np.isfinite(np.stack([reference, prediction])).any(axis=(0, 1)))
    end = sma[present[-1]] if len(present) else 1.0
    limits = mu_limits(reference, prediction, headroom=1.6)
    finite = np.abs(residual[np.isfinite(residual)])
    reach = max(0.3, 1.1 * np.quantile(finite, 0.98)) if finite.size else 1.0
    height = 1.62 * n_rows + 0.75
    fig = plt.figure(figsize=(TWO_COLUMNS, height), layout="none")
    edges = {"left": 0.065, "right": 0.985, "bottom": 0.37 / height, "top": 1 - 0.38 / height}
    grid = fig.add_gridspec(n_rows, n_columns, hspace=0.05, wspace=0.05, **edges)
    for k in range(len(reference)):
        row, column = divmod(k, n_columns)
        cell = grid[row, column].subgridspec(2, 1, height_ratios=(3, 1), hspace=0)
        top = fig.add_subplot(cell[0])
        bottom = fig.add_subplot(cell[1], sharex=top)
        top.plot(sma, reference[k], color=MEASURED, lw=1.2, label="measured")
        top.plot(sma, prediction[k], color=PREDICTED, lw=1, label="predicted")
        bottom.axhline(0, color="0.6", lw=0.6)
        bottom.plot(sma, residual[k], color="k", lw=0.7)
        log_radius(top)
        top.set_xlim(step, end * 1.15)
        bright_up(top, *limits)
        bottom.set_ylim(-reach, reach)
        label = f"{short_name(pairs['name'][k])} ${pairs['band'][k]}$"
        top.text(0.97, 0.95, label, transform=top.transAxes, ha="right", va="top", fontsize=6)
        top.tick_params(labelbottom=False, labelleft=column == 0)
        bottom.tick_params(labelbottom=k + n_columns >= len(reference), labelleft=column == 0)
        if column == 0:
            top.set_ylabel(MU_LABEL)
            bottom.set_ylabel("res")
            fig.align_ylabels([top, bottom])
    fig.text(
        0.53, 0.04 / height, f"{SMA_LABEL}; residuals (res) in mag arcsec$^{{-2}}$", ha="center"
    )
    handles, labels = fig.axes[0].get_legend_handles_labels()
    words = f"Test set, {sample}"
    fig.legend(handles, labels, loc="upper center", ncols=2, title=words, borderaxespad=0)
    return fig


@paper_style
def error_distribution(
    table, curve, metrics, *, sample="mock galaxies", method="Pix2Prof", limit=LIMITING_MU
):
    """Figure 4: the distribution of the test error, and the error against radius.

    Source: Fig. 2.4a of the chapter. Violins of the profiles' median deviations over all radii
    and over those brighter than `limit`, with maximum, minimum, mean and mean + standard
    deviation labelled, the quartiles and the paper's headline numbers below; beside them the
    median per kpc with its interquartile range shaded.

    Parameters
    ----------
    table : astropy.table.Table
        `deviation` and `deviation_bright` [mag arcsec^-2], one row a profile.
    curve : astropy.table.Table
        `pix2prof.metrics.per_kpc`.
    metrics : dict
        `pix2prof.metrics.assemble`.
    sample, method : str
        What the galaxies are, and what predicted them.
    limit : float
        The limiting surface brightness [mag arcsec^-2].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    sets = {
        "test": ("deviation", "all radii"),
        "test_bright": ("deviation_bright", rf"$\mu < {limit:g}$"),
    }
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(TWO_COLUMNS, 3.0), width_ratios=(1.15, 1), layout="constrained"
    )
    columns = [values(table[column]) for column, _ in sets.values()]
    columns = [column[np.isfinite(column)] for column in columns]
    top = max((column.max() for column in columns if column.size), default=1.0)
    labels = []
    for x, (name, (_, words)) in enumerate(sets.items()):
        numbers = metrics.get(name, {})
        if "median" in numbers:
            _violin(left, x, columns[x], numbers, gap=top / 17)
        labels.append(_violin_label(words, metrics, name))
    left.set_xticks(range(len(sets)), labels)
    left.tick_params(axis="x", length=0)
    left.set(xlim=(-0.4, 1.75), ylim=(-0.04 * top, 1.07 * top), ylabel=ETA_LABEL, xlabel="")
    left.set_title(f"{method}, {sample}")
    _curve(right, curve, MEASURED, "-", label="median", shade="interquartile range")
    right.set_title(f"{method}, {sample}")
    right.legend(loc="upper left")
    right.set(xlim=(0, None), ylim=(0, None))
    return fig


@paper_style
def error_by_band(curves, metrics, *, sample="mock galaxies"):
    """Figure 5: the test error against radius in each band.

    Source: Fig. 2.5 of the chapter; the legend has the bands' median image S/N.

    Parameters
    ----------
    curves : astropy.table.Table
        `pix2prof.metrics.curves`; the rows whose `set` is a band are drawn.
    metrics : dict
        `pix2prof.metrics.assemble`, for ``by_band.<band>.snr``.
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
        label = f"${band}$" if snr is None else f"${band}$ (S/N {snr:.3g})"
        colour, line = BAND_COLOURS.get(band, "0.3"), BAND_LINES.get(band, ":")
        _curve(ax, curves[names == band], colour, line, label=label)
    ax.legend(loc="upper left")
    ax.set(xlim=(0, None), ylim=(0, None), title=f"Test set, {sample}")
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
        `pix2prof.metrics.assemble`, for ``regression``.
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
            style = {"color": BAND_COLOURS.get(band, "0.3"), "marker": markers.get(band, "x")}
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
    axes[0].set_ylabel(r"median $\eta$ [mag arcsec$^{-2}$]")
    top = np.nanmax(eta) if np.isfinite(eta).any() else 1.0
    axes[0].set_ylim(0, 1.3 * top)
    return fig


@paper_style
def learning_curve(history, *, sample="mock galaxies", unit="(mag arcsec$^{-2}$)$^2$"):
    """Learning curve: training and validation loss against images seen.

    Parameters
    ----------
    history : astropy.table.Table
        `images` (seen since the start), `train_loss` and `validation_loss`, one row an epoch.
    sample : str
        What the galaxies are.
    unit : str
        Unit of the loss, the mean squared error (eq. 2.2).

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    fig, ax = plt.subplots(figsize=(ONE_COLUMN, 2.4))
    seen, validation = values(history["images"]), values(history["validation_loss"])
    ax.plot(seen, values(history["train_loss"]), color=MEASURED, ls="--", label="training")
    ax.plot(seen, validation, color=PREDICTED, label="validation")
    if np.isfinite(validation).any():
        best = np.nanargmin(validation)
        words = f"kept: {validation[best]:.3g}"
        ax.plot(seen[best], validation[best], "o", color="k", ms=4, mfc="none", label=words)
    ax.set(yscale="log", xlabel="training images seen", ylabel=f"mean squared error [{unit}]")
    ax.legend()
    ax.set_title(f"Training on {sample}")
    return fig


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
    }
    heights = np.array(sorted(lines.values()))
    for k in range(1, len(heights)):
        heights[k] = max(heights[k], heights[k - 1] + gap)
    ordered = sorted(lines.items(), key=lambda line: line[1])
    for height, (words, value) in zip(heights, ordered, strict=True):
        ax.plot([x - 0.16, x + 0.16], [value, value], color="k", lw=0.8)
        ax.plot([x + 0.16, x + 0.27], [value, height], color="0.5", lw=0.4)
        ax.text(x + 0.28, height, f"{words} {value:.2f}", va="center", fontsize=7)


def _violin_label(words, metrics, name):
    numbers = metrics.get(name, {})
    if "median" not in numbers:
        return f"{words}\nno profile"
    (paper, ours), (paper_iqr, iqr) = (headline(metrics, name, s) for s in ("median", "iqr"))
    quartiles = ", ".join(f"{numbers[q]:.2f}" for q in ("q25", "median", "q75"))
    return (
        f"{words}\nquartiles {quartiles}\nmedian {ours:.2f}, IQR {iqr:.2f}\n"
        f"(paper {paper:.2f}, IQR {paper_iqr:.2f})"
    )


def _curve(ax, curve, colour, line, label, shade=None):
    radius = values(curve["radius"])
    low, high = values(curve["q25"]), values(curve["q75"])
    ax.fill_between(radius, low, high, color=colour, alpha=0.15, lw=0, label=shade)
    ax.plot(radius, np.stack([low, high], axis=1), color=colour, ls=line, lw=0.4)
    ax.plot(radius, values(curve["median"]), color=colour, ls=line, label=label)
    ax.set(xlabel=f"distance from centre [{u.kpc}]", ylabel=ETA_LABEL)
    ax.margins(x=0)
