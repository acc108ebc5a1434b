"""Figures of the methods side by side: errors, speed, and the galaxies they disagree about."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter

from pix2prof.figures.errors import draw_curve, draw_violins
from pix2prof.figures.style import (
    MU_LABEL,
    SMA_LABEL,
    TWO_COLUMNS,
    bright_up,
    draw_ellipse,
    draw_image,
    log_radius,
    method_style,
    mu_limits,
    panel_title,
    paper_style,
    values,
)
from pix2prof.metrics.tables import PAPER_SECONDS, PERSON
from pix2prof.names import PAPERS_NETWORK
from pix2prof.profiles import sma_grid
from pix2prof.sdss import LIMITING_MU, PIXSCALE

LEVELS = (23.0, 25.0)
LEGEND_COLUMNS = 4
LETTER = 0.055
"""Mean width of a letter of 7 pt [inches]."""


@paper_style
def method_errors(measured, *, sample="mock galaxies", limit=LIMITING_MU):
    """Figure 4 for any methods: each one's violins, and all their errors against radius.

    Source: Figs. 2.4a to c of the chapter; the violins have one scale.

    Parameters
    ----------
    measured : dict of str to tuple
        By the method's name: its deviations from the expert, its curve per kpc and its numbers,
        as `pix2prof.compare.summaries.errors` gives them.
    sample : str
        What the galaxies are.
    limit : float
        The limiting surface brightness [mag arcsec^-2].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    n, n_columns = len(measured), 2
    n_rows = -(-(n + 1) // n_columns)
    fig = plt.figure(figsize=(TWO_COLUMNS, 2.7 * n_rows))
    grid = fig.add_gridspec(n_rows, n_columns)
    eta = [values(table["deviation_bright"]) for table, *_ in measured.values()]
    eta += [values(table["deviation"]) for table, *_ in measured.values()]
    top = max((column.max() for z in eta if (column := z[np.isfinite(z)]).size), default=1.0)
    for k, (name, (table, _, numbers)) in enumerate(measured.items()):
        ax = fig.add_subplot(grid[divmod(k, n_columns)])
        draw_violins(ax, table, numbers, limit=limit, top=top, paper=name == PAPERS_NETWORK)
        failed = len(table) - numbers["test"]["n"]
        words = f"; {failed} of {len(table)} without a profile" if failed else ""
        ax.set_title(f"({'abcdefgh'[k]}) {name}, {sample}{words}")
    last = grid[-1, n % n_columns :] if n % n_columns else grid[-1, :]
    ax = fig.add_subplot(last)
    for name, (_, curve, _) in measured.items():
        if len(curve):
            colour, line = method_style(name)
            draw_curve(ax, curve, colour, line, label=name)
    if ax.lines:
        ax.legend(loc="upper left")
    words = "median and interquartile range, against the expert"
    ax.set(xlim=(0, None), ylim=(0, None), title=f"({'abcdefgh'[n]}) {words}")
    return fig


@paper_style
def accuracy_and_speed(summary, *, sample="mock galaxies", hardware="", limit=LIMITING_MU):
    """Error against the truth over images done in a second on one core.

    Where there is no truth, against the expert.

    Parameters
    ----------
    summary : astropy.table.Table
        `pix2prof.compare.summaries.summarise`: points are its medians, bars reach to its 90th
        percentiles, crosses are methods that failed on some image. The row without a speed, the
        expert's, is a line.
    sample, hardware : str
        What the galaxies are, and what the methods ran on.
    limit : float
        Of the truth's surface brightness [mag arcsec^-2].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    fig, ax = plt.subplots(figsize=(TWO_COLUMNS, 2.9))
    rates = values(summary["per_second"])
    known = np.isfinite(values(summary["truth_median"])).any()
    reference, column = ("truth", "truth") if known else ("expert", "expert_bright")
    for row, rate in zip(summary, rates, strict=True):
        name = row["method"]
        median, p90 = (values(row[f"{column}_{q}"]) for q in ("median", "p90"))
        colour, _ = method_style(name)
        if np.isnan(rate):
            ax.axhline(median, color="k", lw=0.8, ls="--", label=name)
        elif rate > 0 and np.isfinite(median):
            failed = f", {row['failed']} of {row['images']} failed" if row["failed"] else ""
            ax.plot([rate, rate], [median, p90], color=colour, lw=1)
            marker = "X" if failed else "o"
            ax.plot(rate, median, marker, color=colour, ms=6, ls="", label=f"{name}{failed}")
    ax.set(xscale="log", yscale="log")
    person = 1 / PAPER_SECONDS[PERSON]
    ax.axvline(person, color="0.5", lw=0.8, ls=":", label="a person (the paper's 150 a day)")
    ax.set_xlim(person / 2, max([*rates[np.isfinite(rates)], 1.0]) * 3)
    low, high = ax.get_ylim()
    ax.set_yticks([y for y in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if low < y < high])
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    images = max(values(summary["images"]))
    place = f" of {hardware}" if hardware else ""
    ax.set_xlabel(f"images per second, one image at a time on one core{place}")
    ax.set_ylabel(
        rf"$|\mu - \mu_{{\rm {reference}}}|$ where {reference} $< {limit:g}$ [mag arcsec$^{{-2}}$]"
    )
    words = f"{images:.0f} images of {sample} against the {reference}"
    ax.set_title(f"{words}: medians, bars to the 90th percentile")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return fig


@paper_style
def isophote_gallery(
    comparison, rows, *, images=None, pixscale=None, notes=None, caption="", n_columns=5,
    levels=LEVELS,
):  # fmt: skip
    """Galaxies with every method's isophotes on the image and its profile below.

    Parameters
    ----------
    comparison : pix2prof.compare.comparison.Comparison
        Its truth, where there is one, is drawn in black.
    rows : sequence of int
        Rows of it, in the order they are drawn.
    images : sequence of array_like, optional
        Their images, any linear flux; without them the profiles are drawn alone.
    pixscale : sequence of float, optional
        Of the images [arcsec per pixel]; by default 0.396.
    notes : sequence of str, optional
        What to write below each title.
    caption : str
        What to write below everything.
    n_columns : int
        Galaxies in a row.
    levels : sequence of float
        Surface brightnesses of the isophotes [mag arcsec^-2].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    rows, sma = list(rows), sma_grid()
    n_columns = max(3, min(n_columns, len(rows)))
    n_rows = -(-len(rows) // n_columns)
    wide = TWO_COLUMNS / n_columns
    above = 0.0 if images is None else wide
    letters = int(wide / LETTER)
    notes = [_wrapped(note, letters) for note in notes or [""] * len(rows)]
    head = 0.16 + 0.11 * max((len(note.splitlines()) for note in notes), default=0)
    cell = head + above + 0.95
    caption = fill(caption, 150)
    low = 0.4 + 0.13 * len(caption.splitlines())
    legend_rows = -(-(1 + len(comparison.labels)) // LEGEND_COLUMNS)
    high = 0.06 + 0.14 * legend_rows
    height = high + n_rows * cell + low
    fig = plt.figure(figsize=(TWO_COLUMNS, height), layout="none")
    shown = [comparison.truth[rows], *comparison.mu[:, rows]]
    limits = mu_limits(*shown, faintest=28.0)
    left, right, gap = 0.06, 0.99, 0.04 / TWO_COLUMNS
    width = (right - left) / n_columns
    for k, row in enumerate(rows):
        line, column = divmod(k, n_columns)
        top = 1 - (high + line * cell + head) / height
        x = left + column * width
        if images is not None:
            ax = fig.add_axes((x, top - above / height, width - gap, above / height * 0.97))
            _draw_isophotes(
                ax, comparison, row, images[k], (pixscale or [PIXSCALE] * len(rows))[k], levels
            )
        ax = fig.add_axes((x, top - (above + 0.9) / height, width - gap, 0.85 / height))
        ax.plot(sma, comparison.truth[row], color="k", lw=1.6)
        for label, mu in zip(comparison.labels, comparison.mu[:, row], strict=True):
            colour, dashes = method_style(str(label))
            ax.plot(sma, mu, color=colour, ls=dashes, lw=0.8)
        log_radius(ax)
        ax.set_xlim(0.3, 120)
        bright_up(ax, *limits)
        ax.tick_params(labelleft=column == 0, labelbottom=k + n_columns >= len(rows))
        title = panel_title(*comparison.images["name", "band"][row], letters - 3)
        words = "\n".join([title, *filter(None, [notes[k]])])
        fig.text(x, top + 0.02 / height, words, fontsize=7, va="bottom", linespacing=1.1)
        if column == 0:
            ax.set_ylabel(MU_LABEL)
    handles = [plt.Line2D([], [], color="k", lw=1.6)] if np.isfinite(shown[0]).any() else []
    names = ["truth"] * len(handles) + [str(label) for label in comparison.labels]
    styles = [method_style(str(label)) for label in comparison.labels]
    handles += [plt.Line2D([], [], color=colour, ls=dashes) for colour, dashes in styles]
    fig.legend(handles, names, loc="upper center", ncols=LEGEND_COLUMNS, borderaxespad=0.1)
    fig.text(0.5, (low - 0.11) / height, SMA_LABEL, ha="center", va="top")
    fig.text(0.5, 0.03 / height, caption, ha="center", va="bottom", fontsize=7)
    return fig


def _wrapped(note, letters):
    return "\n".join(fill(line, letters) for line in note.splitlines())


def _draw_isophotes(ax, comparison, row, image, pixscale, levels):
    """The image, cut to its faintest isophote, and each method's isophotes of the levels."""
    height, width = np.shape(image)
    draw_image(ax, image, pixscale)
    sma, reach = sma_grid(), 8.0
    for m, label in enumerate(comparison.labels):
        for level in levels:
            k = int(np.argmax(comparison.mu[m, row] >= level))
            shape = comparison.ellipticity[m, row, k], comparison.pa[m, row, k]
            if not (comparison.mu[m, row, k] >= level and np.isfinite(shape).all()):
                continue
            x, y = (comparison.centre[m, row] - np.array([width - 1, height - 1]) / 2) * pixscale
            colour, dashes = method_style(str(label))
            draw_ellipse(ax, (x, y), sma[k], *shape, ec=colour, ls=dashes, lw=0.7)
            reach = max(reach, 1.5 * sma[k])
    reach = min(reach, width * pixscale / 2, height * pixscale / 2)
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[])
    bar = max(b for b in (1, 2, 5, 10, 20, 30, 60) if b < 0.6 * reach or b == 1)
    ax.plot([-0.9 * reach, -0.9 * reach + bar], [-0.88 * reach] * 2, color="k", lw=1)
    ax.text(-0.9 * reach, -0.84 * reach, f"{bar} arcsec", fontsize=7, va="bottom")
