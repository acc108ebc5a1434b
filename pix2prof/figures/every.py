"""Every figure, one function each: tables and arrays in, a matplotlib Figure out."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from pix2prof.figures.diagram import architecture
from pix2prof.figures.errors import error_by_band, error_distribution, error_regressions
from pix2prof.figures.gallery import Panel, mock_sheet, profile_page, real_galaxies
from pix2prof.figures.style import (
    MARKED,
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
    panel_title,
    paper_style,
    save_figure,
    short_name,
    values,
)
from pix2prof.profiles import SMA_STEP
from pix2prof.sdss import PIXSCALE

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


CUT = {"color": MARKED, "ms": 3, "mew": 0}
"""Markers of what lies beyond an axis."""


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
    fig.suptitle(f"{sample[:1].upper()}{sample[1:]}, ${band}$ band", fontsize=8)
    return fig


@paper_style
def profile_grid(reference, prediction, pairs, *, sample="mock galaxies", step=SMA_STEP):
    """Figure 3: predicted profiles over measured ones, with residuals.

    Source: Fig. 2.3 of the chapter. Residuals are ``y - p``, measured less predicted; beyond
    their axis (which holds 98 per cent of them) a triangle at its edge stands for each.

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
        for sign, marker in ((1, "^"), (-1, "v")):
            cut = sma[sign * residual[k] > reach]
            bottom.plot(cut, np.full(len(cut), sign * 0.88 * reach), marker, **CUT)
        log_radius(top)
        top.set_xlim(step, end * 1.15)
        bright_up(top, *limits)
        bottom.set_ylim(-reach, reach)
        label = panel_title(pairs["name"][k], pairs["band"][k])
        top.text(0.97, 0.95, label, transform=top.transAxes, ha="right", va="top", fontsize=7)
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
    handles.append(plt.Line2D([], [], ls="", marker="^", **CUT))
    labels.append(rf"residual beyond $\pm${reach:.2f}")
    words = f"Test set, {sample}"
    fig.legend(handles, labels, loc="upper center", ncols=3, title=words, borderaxespad=0)
    return fig


@paper_style
def learning_curve(history, *, sample="mock galaxies", unit="(mag arcsec$^{-2}$)$^2$"):
    """Learning curve: training and validation loss against images seen.

    Parameters
    ----------
    history : astropy.table.Table
        `images` (seen since the start), `train_loss`, `validation_loss` and `stage`, one row an
        epoch; weights are kept of the last stage.
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
    stage = np.asarray(history["stage"])
    last = stage == stage[-1]
    if not last.all():
        begins = seen[~last][-1]
        ax.axvline(begins, color="0.6", lw=0.6, ls=":")
        for name, side, off in ((stage[0], "right", -3), (stage[-1], "left", 3)):
            ax.annotate(
                name, (begins, 1), (off, -3), ha=side, va="top", fontsize=7,
                xycoords=("data", "axes fraction"), textcoords="offset points",
            )  # fmt: skip
    if np.isfinite(validation[last]).any():
        best = np.nanargmin(np.where(last, validation, np.nan))
        words = f"kept: {validation[best]:.3g}"
        ax.plot(seen[best], validation[best], "o", color="k", ms=4, mfc="none", label=words)
    ax.set(yscale="log", xlabel="training images seen", ylabel=f"mean squared error [{unit}]")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.legend()
    ax.set_title(f"Training on {sample}")
    return fig
