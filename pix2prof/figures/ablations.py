"""Figure of the ablations: what each choice does to the error, beside the scatter of the seeds."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, NullLocator

from pix2prof.figures.style import MEASURED, PREDICTED, TWO_COLUMNS, paper_style

DEVIATION = "median deviation on the test set [mag arcsec$^{-2}$]"


@paper_style
def choices(deviations, growing=None, *, sample="mock galaxies"):
    """Draw the test error of every run, variant by variant, and against the training set's size.

    Parameters
    ----------
    deviations : dict of str to sequence of float
        By the variant's name in words, the error of each of its seeds [mag arcsec^-2]; the first
        is the base, whose range is shaded.
    growing : dict of float to sequence of float, optional
        By the share of the training galaxies, the same; drawn beside them where there are two.
    sample : str
        What the galaxies are.

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    beside = len(growing or {}) > 1
    fig, axes = plt.subplots(
        1, 1 + beside, figsize=(TWO_COLUMNS, 0.75 + 0.19 * max(len(deviations), 7)),
        width_ratios=(1.5, 1)[: 1 + beside], squeeze=False,
    )  # fmt: skip
    left, base = axes[0, 0], np.asarray(next(iter(deviations.values())), float)
    left.axvspan(base.min(), base.max(), color=MEASURED, alpha=0.15, lw=0)
    for place, found in enumerate(deviations.values()):
        colour = PREDICTED if place else MEASURED
        left.plot(found, np.full(len(found), place), "o", ms=3.5, mew=0, color=colour)
        left.plot(np.median(found), place, "|", ms=9, mew=1.2, color=colour)
    left.set_yticks(range(len(deviations)), deviations)
    left.yaxis.set_minor_locator(NullLocator())
    left.tick_params(axis="y", length=0)
    left.invert_yaxis()
    left.grid(axis="y", lw=0.3, color="0.85")
    left.set_axisbelow(True)
    left.set(xlabel=DEVIATION, title=f"a dot a seed, a bar their median; {sample}")
    if beside:
        _draw_growth(axes[0, 1], dict(sorted(growing.items())))
    return fig


def _draw_growth(ax, growing):
    ax.plot(list(growing), [np.median(x) for x in growing.values()], color=PREDICTED)
    for share, found in growing.items():
        colour = MEASURED if share == 1 else PREDICTED
        ax.plot(np.full(len(found), share), found, "o", ms=3.5, mew=0, color=colour)
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(growing))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.margins(x=0.15)
    ax.set(xlabel="share of the training galaxies", ylabel=DEVIATION.replace(" on", "\non"))
