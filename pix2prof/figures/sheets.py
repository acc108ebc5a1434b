"""Pictures of the survey's notebook: real beside mock galaxies, and the steps of Table 1."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba

from pix2prof.figures.style import (
    MEASURED,
    MU_LABEL,
    PREDICTED,
    SMA_LABEL,
    TWO_COLUMNS,
    bright_up,
    draw_ellipse,
    draw_image,
    mu_limits,
    paper_style,
    values,
)
from pix2prof.profiles import RowFlag
from pix2prof.sdss import PIXSCALE

SOFTENING, BRIGHTEST = 0.05, 4.0
NEAR, STEP, FIRST = 10, 1.35, 2.0


@paper_style
def contact_sheet(images, *, n_columns=8):
    """Numbered galaxies at one and the same stretch, dark where bright.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        Nanomaggies per pixel; they may differ in size.
    n_columns : int
        Galaxies in a row.

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    n_columns = min(n_columns, len(images))
    n_rows = -(-len(images) // n_columns)
    side = TWO_COLUMNS / n_columns
    fig, axes = plt.subplots(
        n_rows, n_columns, figsize=(TWO_COLUMNS, side * n_rows), squeeze=False, layout="none"
    )
    fig.subplots_adjust(0, 0, 1, 1, 0.02, 0.02)
    limits = np.arcsinh(-1.5), np.arcsinh(BRIGHTEST / SOFTENING)
    for ax in axes.flat:
        ax.axis("off")
    for k, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        ax.imshow(np.arcsinh(np.asarray(image) / SOFTENING), vmin=limits[0], vmax=limits[1])
        ax.text(0.04, 0.04, str(k), transform=ax.transAxes, fontsize=7, color=PREDICTED)
    return fig


@paper_style
def isophote_steps(image, mask, table, *, pixscale=PIXSCALE):
    """Table 1 of the paper in pictures: what each step of the classical method did to a galaxy.

    Parameters
    ----------
    image : array_like, shape (H, W)
        Nanomaggies per pixel.
    mask : array_like of bool, shape (H, W)
        Pixels of other sources.
    table : astropy.table.QTable
        The profile that `pix2prof.isophotes.method.measure` read off the image, whole.
    pixscale : float
        Pixel scale [arcsec per pixel].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    image, mask, meta = np.asarray(image, float), np.asarray(mask, bool), table.meta
    rows = {name: values(table[name]) for name in table.colnames}
    height, width = (side * pixscale / 2 for side in image.shape)
    x, y = ((meta[key] + 0.5) * pixscale for key in ("xcen", "ycen"))
    x, y = x - width, y - height
    fig, axes = plt.subplots(2, 4, figsize=(TWO_COLUMNS, 3.7))
    centre, sky, sources, fitted, extended, smooth, filled, profile = axes.flat
    for ax in (sources, fitted, extended):
        draw_image(ax, image, pixscale)
    row, column = (max(round(meta[key]) - NEAR, 0) for key in ("ycen", "xcen"))
    cut = image[row : row + 2 * NEAR + 1, column : column + 2 * NEAR + 1]
    centre.imshow(np.sqrt(np.maximum(cut, 0)))
    centre.plot(meta["xcen"] - column, meta["ycen"] - row, "+", color=PREDICTED, ms=9)
    for ax in (centre, sources, fitted, extended):
        ax.set(xticks=[], yticks=[])
    draw_sky(sky, image[~mask], meta["sky"], meta["skyerr"])
    painted = np.zeros((*mask.shape, 4))
    painted[mask] = to_rgba(PREDICTED, 0.6)
    sources.imshow(painted, extent=(-width, width, -height, height))
    beyond = (rows["flag"] & RowFlag.EXTENDED) > 0
    for ax, chosen, colour in (
        (fitted, ~beyond, MEASURED), (extended, ~beyond, MEASURED), (extended, beyond, PREDICTED)
    ):  # fmt: skip
        draw_ellipses(ax, (x, y), rows, chosen, colour)
        ax.set(xlim=(-width, width), ylim=(-height, height))
    smooth.fill_between(rows["sma"], *error_band(rows, "ellipticity"), color="0.8", lw=0)
    smooth.plot(rows["sma"], rows["ellipticity"], color=MEASURED, label="ellipticity")
    smooth.plot(rows["sma"], rows["pa"] / 180, color=PREDICTED, ls="--", label="PA / 180 deg")
    smooth.set(ylim=(0, 1.45))
    smooth.legend(loc="upper right", fontsize=7, borderaxespad=0.2)
    bridged = (rows["flag"] & RowFlag.INTERPOLATED) > 0
    hidden = rows["n_masked"] / np.maximum(rows["n_masked"] + rows["n_used"], 1)
    filled.plot(rows["sma"], hidden, color=MEASURED, label="masked share")
    filled.plot(rows["sma"][bridged], hidden[bridged], ".", color=PREDICTED, label="interpolated")
    filled.set(ylim=(0, 1.45))
    filled.legend(loc="upper right", fontsize=7, borderaxespad=0.2)
    kept = slice(0, max(int(meta["nvalid"]), 2))
    profile.fill_between(
        rows["sma"][kept], *(edge[kept] for edge in error_band(rows, "mu")), color="0.8", lw=0
    )
    profile.plot(rows["sma"][kept], rows["mu"][kept], color=MEASURED)
    bright_up(profile, *mu_limits(rows["mu"][kept]))
    profile.set_ylabel(MU_LABEL)
    titles = ("centre", "sky", "foreground objects", "contours", "extended", "smoothed",
              "interpolated", "the profile")  # fmt: skip
    for ax, title in zip(axes.flat, titles, strict=True):
        ax.set_title(title)
    for ax in (smooth, filled, profile):
        ax.set(xlabel=SMA_LABEL, xlim=(0, None))
    return fig


def error_band(rows, name):
    """Lower and upper edge of a column of a profile."""
    return rows[name] - rows[f"{name}_err"], rows[name] + rows[f"{name}_err"]


def draw_sky(ax, pixels, level, error):
    """Histogram of an image's unmasked pixels about zero, with the sky's level and error."""
    low, high = np.percentile(pixels, (0.5, 90))
    ax.hist(pixels, bins=80, range=(low, 2 * high - low), color="0.7")
    ax.axvspan(level - error, level + error, color=PREDICTED, alpha=0.4, lw=0)
    ax.axvline(level, color=PREDICTED)
    ax.set(yticks=[], xlabel="nanomaggies per pixel")


def draw_ellipses(ax, centre, rows, chosen, colour):
    """Every few of the chosen rows' ellipses, a third apart in radius, about `centre` [arcsec]."""
    last = 0.0
    for k in np.flatnonzero(chosen & np.isfinite(rows["pa"])):
        if rows["sma"][k] < max(STEP * last, FIRST):
            continue
        last = rows["sma"][k]
        draw_ellipse(ax, centre, last, rows["ellipticity"][k], rows["pa"][k], ec=colour, lw=0.5)
