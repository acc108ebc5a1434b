"""Figure 2: the network, drawn by code."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from pix2prof.figures.style import MEASURED, PREDICTED, TWO_COLUMNS, paper_style, stretch

IMAGE, ENCODER, LATENT, CELL = "0.92", "#CFE2F0", "#F8E3C3", "#D4EBE1"


@paper_style
def architecture(*, layers=3, hidden=512, image=None, halt_window=100, halt_std=0.01):
    """Figure 2: the encoder and decoder, unrolled.

    Source: Fig. 2.2 and section 2.2.4 of the chapter. A ResNet-18 reads the image into ``z``,
    the initial hidden state of each GRU layer; the first input is a token of zeros, each next
    one the output before; the unrolling halts at the sky.

    Parameters
    ----------
    layers, hidden : int
        GRU layers and length of ``z``.
    image : array_like, shape (H, W), optional
        Galaxy to show at the input; an inclined exponential disc if left out.
    halt_window : int
        Outputs whose scatter decides on halting.
    halt_std : float
        Standard deviation at or below which the unrolling halts [mag arcsec^-2].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    fig, ax = plt.subplots(figsize=(TWO_COLUMNS, 2.85), layout="none")
    ax.set_position([0, 0, 1, 1])
    ax.set(xlim=(0, 70), ylim=(0, 28.5), aspect="equal")
    ax.axis("off")
    rows = 8.0 + 4.2 * np.arange(layers) * 3 / max(layers, 3)
    middle = rows.mean()
    _encoder(ax, middle, hidden, image)
    columns = (31.0, 40.0, 49.0, 62.0)
    times = ("1", "2", "3", "n")
    _decoder(ax, rows, columns, times)
    for y in rows:
        _arrow(ax, (23.4, middle), (columns[0] - 2.4, y), rad=0.0)
    ax.text(25.0, rows[-1] + 1.5, "$h_0 = z$", ha="center")
    ax.text(31.0, 1.3, "start token: 0", ha="center", va="center")
    words = (
        f"halts when the last {halt_window} outputs\n"
        f"have a standard deviation $\\leq$ {halt_std:g}"
    )
    ax.text(columns[-1] - 1, 26.6, words, ha="center", va="center", fontsize=7.5)
    return fig


def _encoder(ax, y, hidden, image):
    half = 4.0
    if image is None:
        grid = np.linspace(-1, 1, 96)
        radius = np.hypot(
            grid * 0.94 + grid[:, None] * 0.34, 2.2 * (grid[:, None] * 0.94 - grid * 0.34)
        )
        picture = np.exp(-radius / 0.2) ** 0.45
    else:
        picture = stretch(image)
    ax.imshow(picture, extent=(1.0, 9.0, y - half, y + half), vmin=0, vmax=1)
    ax.add_patch(plt.Rectangle((1.0, y - half), 8, 8, fill=False, lw=0.6))
    ax.text(5.0, y + half + 1.2, "image", ha="center", va="center")
    ax.text(5.0, y - half - 1.2, "one band", ha="center", va="center", fontsize=7.5)
    ax.add_patch(
        plt.Polygon(
            [(11.0, y - 5.2), (11.0, y + 5.2), (18.6, y + 2.6), (18.6, y - 2.6)],
            fc=ENCODER, ec="k", lw=0.6,
        )
    )  # fmt: skip
    ax.text(14.7, y, "ResNet-18\nencoder", ha="center", va="center")
    _box(ax, 21.9, y, 2.4, 6.0, "$z$", LATENT)
    ax.text(21.9, y - 4.2, f"{hidden}", ha="center", va="center", fontsize=7.5)
    _arrow(ax, (9.0, y), (11.0, y))
    _arrow(ax, (18.6, y), (20.7, y))


def _decoder(ax, rows, columns, times):
    head, output, token = rows[-1] + 4.1, rows[-1] + 7.6, 3.4
    for k, (x, time) in enumerate(zip(columns, times, strict=True)):
        last = k == len(columns) - 1
        for y in rows:
            _box(ax, x, y, 4.8, 2.4, "GRU", CELL)
        _arrow(ax, (x, token + 0.9), (x, rows[0] - 1.2))
        for low, high in pairwise(rows):
            _arrow(ax, (x, low + 1.2), (x, high - 1.2))
        _arrow(ax, (x, rows[-1] + 1.2), (x, head - 1.0))
        _box(ax, x, head, 5.6, 2.0, "ReLU, dense", "w", fontsize=7)
        _arrow(ax, (x, head + 1.0), (x, output - 0.9))
        ax.text(x, output, f"$c_{time}$", ha="center", va="center", color=PREDICTED, fontsize=9)
        given = "0" if k == 0 else ("$c_{n-1}$" if last else f"$c_{times[k - 1]}$")
        colour = MEASURED if k == 0 else PREDICTED
        ax.text(x, token, given, ha="center", va="center", color=colour, fontsize=9)
        if last:
            continue
        gap = columns[k + 1] - x > 10
        for y in rows:
            _arrow(ax, (x + 2.4, y), (columns[k + 1] - 2.4, y))
            if gap:
                ax.text(x + 6.5, y, "$\\cdots$", ha="center", va="center", backgroundcolor="w")
        ax.text(x + 3.4, rows[-1] + 0.5, f"$h_{time}$", ha="center")
        if not gap:
            _feedback(ax, (x + 1.0, output), (columns[k + 1] - 1.2, token), x + 4.5)


def _feedback(ax, start, end, turn):
    """The road of an output back to the next input."""
    (x0, y0), (x1, y1) = start, end
    ax.plot([x0, turn, turn], [y0, y0, y1], color=PREDICTED, lw=0.7, ls=(0, (3, 2)), zorder=0)
    _arrow(ax, (turn, y1), (x1, y1), color=PREDICTED)


def _box(ax, x, y, width, height, words, colour, fontsize=8):
    style = "round,pad=0,rounding_size=0.5"
    corner = (x - width / 2, y - height / 2)
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, fc=colour, ec="k", lw=0.6))
    ax.text(x, y, words, ha="center", va="center", fontsize=fontsize)


def _arrow(ax, start, end, *, rad=0.0, color="k"):
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=6, shrinkA=0, shrinkB=0, lw=0.6,
            color=color, connectionstyle=f"arc3,rad={rad}",
        )
    )  # fmt: skip
