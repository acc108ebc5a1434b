"""Pictures of galaxies: a sheet of mock ones, one galaxy's page, predictions on real images."""

from dataclasses import dataclass
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import Table
from astropy.visualization import make_lupton_rgb
from matplotlib.patheffects import withStroke

from pix2prof.figures.style import (
    MEASURED,
    MU_LABEL,
    PREDICTED,
    SMA_LABEL,
    TWO_COLUMNS,
    bright_up,
    draw_ellipse,
    draw_image,
    log_radius,
    mu_limits,
    paper_style,
    short_name,
    values,
)
from pix2prof.sdss import PIXSCALE


@dataclass(frozen=True)
class Panel:
    """One small panel of `real_galaxies`.

    Parameters
    ----------
    title : str
        The galaxy's name and band.
    predicted : astropy.table.Table or None
        `sma` [arcsec] and `mu` [mag arcsec^-2]; None where the prediction failed.
    reference : astropy.table.Table or None
        The same, measured by the other method; None where that failed.
    note : str
        A few words written in the panel, such as the reason of a failure.
    """

    title: str
    predicted: Table | None
    reference: Table | None = None
    note: str = ""


@paper_style
def mock_sheet(
    images, names=None, *, n_columns=6, pixscale=PIXSCALE, scale=(1.0, 1.4, 2.2), softness=0.2
):
    """A sheet of galaxies in colour.

    The bands i, r and g are shown as red, green and blue after Lupton et al. (2004).

    Parameters
    ----------
    images : array_like, shape (N, 3, H, W)
        The bands g, r and i [nanomaggies per pixel], sky-subtracted.
    names : sequence of N str, optional
        What to write in each panel.
    n_columns : int
        Galaxies in a row.
    pixscale : float
        Pixel scale [arcsec per pixel].
    scale : tuple of 3 floats
        Factors on i, r and g that make an average galaxy white.
    softness : float
        Flux at which the stretch turns from linear [nanomaggies per pixel].

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    images = np.asarray(images, float)
    n_columns = min(n_columns, len(images))
    n_rows = -(-len(images) // n_columns)
    side = TWO_COLUMNS / n_columns
    fig, axes = plt.subplots(
        n_rows, n_columns, figsize=(TWO_COLUMNS, side * n_rows), squeeze=False
    )
    fig.get_layout_engine().set(hspace=0.0, h_pad=0.01, wspace=0.0, w_pad=0.01)
    width = images.shape[-1] * pixscale
    bar = max(b for b in (1, 2, 5, 10, 20, 30, 60, 120) if b < 0.5 * width or b == 1)
    for ax in axes.flat:
        ax.axis("off")
    for k, ax in zip(range(len(images)), axes.flat, strict=False):
        red, green, blue = (s * band for s, band in zip(scale, images[k][::-1], strict=True))
        rgb = make_lupton_rgb(red, green, blue, minimum=0, stretch=softness, Q=8)
        draw_image(ax, rgb, pixscale)
        text = {
            "color": "w",
            "fontsize": 7,
            "ha": "center",
            "path_effects": [withStroke(foreground="k", linewidth=1.2)],
        }
        if names is not None:
            ax.text(0, 0.44 * width, short_name(names[k]), va="center", **text)
        if k == 0:
            ax.plot([-bar / 2, bar / 2], [-0.44 * width] * 2, "w-", lw=1)
            ax.text(0, -0.42 * width, f"{bar} arcsec", va="bottom", **text)
    return fig


@paper_style
def profile_page(
    image, table, *, pixscale=PIXSCALE, title="", band="", reference=None, ellipses=None
):
    """One galaxy's image beside its predicted profile, and the isophotes' shapes if there.

    Parameters
    ----------
    image : array_like, shape (H, W)
        Any linear flux per pixel; asinh-stretched, dark where bright.
    table : astropy.table.Table
        The profile: `sma` [arcsec], `mu` [mag arcsec^-2] and, if there, `mu_err`,
        `ellipticity` and `pa`. Dotted beyond ``meta["sn_sma"]``.
    pixscale : float
        Pixel scale [arcsec per pixel].
    title, band : str
        The galaxy's name, and the band.
    reference : astropy.table.Table, optional
        A measured profile to draw beneath, with the same columns.
    ellipses : astropy.table.Table, optional
        Isophotes to draw on the image, see `pix2prof.predict.tables.Prediction`.

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    shapes = "ellipticity" in table.colnames
    fig = plt.figure(figsize=(TWO_COLUMNS, 3.6 if shapes else 3.1))
    grid = fig.add_gridspec(3, 2, width_ratios=(1, 1.25), height_ratios=(2.4, 1, 1))
    left = fig.add_subplot(grid[:, 0])
    right = fig.add_subplot(grid[0, 1] if shapes else grid[:, 1])
    draw_image(left, image, pixscale)
    left.set(xlabel=r"$\Delta x$ [arcsec]", ylabel=r"$\Delta y$ [arcsec]")
    if ellipses is not None:
        _draw_ellipses(left, ellipses, np.shape(image), pixscale)
    shown = [values(table["mu"])]
    if reference is not None:
        shown.append(values(reference["mu"]))
        right.plot(values(reference["sma"]), shown[1], color=MEASURED, lw=1.4, label="measured")
    _draw_predicted(right, table, label="predicted")
    right.set(xlabel=SMA_LABEL, xlim=(0, None))
    right.set_ylabel(rf"$\mu_{{{band}}}$ [mag arcsec$^{{-2}}$]" if band else MU_LABEL)
    bright_up(right, *mu_limits(*shown))
    right.legend(loc="upper right")
    if shapes:
        _draw_shapes([fig.add_subplot(grid[k, 1], sharex=right) for k in (1, 2)], table)
        right.set_xlabel("")
        right.tick_params(labelbottom=False)
    if title:
        fig.suptitle(title, fontsize=9)
    return fig


def _draw_shapes(axes, table):
    """Ellipticity and position angle against radius, one below the other."""
    sma = values(table["sma"])
    for ax, name, label in zip(
        axes, ("ellipticity", "pa"), (r"ellipticity", "PA [deg]"), strict=True
    ):
        ax.plot(sma, values(table[name]), color=PREDICTED)
        ax.set_ylabel(label)
    axes[0].set_ylim(0, 1)
    axes[0].tick_params(labelbottom=False)
    axes[1].set(ylim=(0, 180), yticks=(0, 90, 180), xlabel=SMA_LABEL)
    axes[0].get_figure().align_ylabels()


def _draw_ellipses(ax, ellipses, shape, pixscale, n=7):
    """Isophotes over an image that is drawn with its middle at 0, in arcsec."""
    sma = values(ellipses["sma"])
    x, y = (
        (ellipses.meta[name] - 0.5 * (side - 1)) * pixscale
        for name, side in zip("xy", shape[::-1], strict=True)
    )
    radii = np.geomspace(min(2.0, sma[-1]), sma[-1], n)
    for row in np.unique(np.searchsorted(sma, radii).clip(max=len(sma) - 1)):
        shape = (values(ellipses[name])[row] for name in ("ellipticity", "pa"))
        draw_ellipse(ax, (x, y), sma[row], *shape, ec=PREDICTED, lw=0.7)


def _draw_predicted(ax, table, label=None):
    """A predicted profile: its error shaded, dotted where it is inferred beyond the S/N cut."""
    sma, mu = values(table["sma"]), values(table["mu"])
    if "mu_err" in table.colnames:
        error = values(table["mu_err"])
        ax.fill_between(sma, mu - error, mu + error, color=PREDICTED, alpha=0.3, lw=0)
    reach = table.meta.get("sn_sma", np.inf)
    ax.plot(sma[sma <= reach], mu[sma <= reach], color=PREDICTED, lw=1.0, label=label)
    ax.plot(sma[sma > reach], mu[sma > reach], color=PREDICTED, lw=0.8, ls=":")


@paper_style
def real_galaxies(panels, *, method, reference="AutoProf", n_columns=5):
    """Predicted profiles over another method's, one small panel a galaxy, without images.

    Axes end at 29 mag arcsec^-2, where the profiles of real images are the sky's.

    Parameters
    ----------
    panels : sequence of Panel
        The galaxies in the order they are drawn.
    method, reference : str
        The names of the network and of the other method.
    n_columns : int
        Panels in a row.

    Returns
    -------
    fig : matplotlib.figure.Figure
    """
    n_columns = min(n_columns, len(panels))
    n_rows = -(-len(panels) // n_columns)
    tables = [t for panel in panels for t in (panel.predicted, panel.reference) if t is not None]
    limits = mu_limits(*(values(table["mu"]) for table in tables), headroom=2.0)
    height = 1.15 * n_rows + 0.65
    fig, axes = plt.subplots(
        n_rows, n_columns, figsize=(TWO_COLUMNS, height), squeeze=False, sharex=True,
        sharey=True, layout="none",
    )  # fmt: skip
    fig.subplots_adjust(
        left=0.065,
        right=0.985,
        bottom=0.37 / height,
        top=1 - 0.24 / height,
        hspace=0.04,
        wspace=0.04,
    )
    for ax, panel in zip(axes.flat, panels, strict=False):
        if panel.reference is not None:
            sma, mu = values(panel.reference["sma"]), values(panel.reference["mu"])
            ax.plot(sma, mu, color=MEASURED, lw=1.3)
        if panel.predicted is not None:
            _draw_predicted(ax, panel.predicted)
        missing = [f"no {reference}"] * (panel.reference is None)
        missing += ["no prediction"] * (panel.predicted is None)
        words = "\n".join([*missing, *filter(None, [panel.note])])
        style = {"transform": ax.transAxes, "fontsize": 7, "linespacing": 1.0}
        ax.text(0.96, 0.95, fill(short_name(panel.title), 22), ha="right", va="top", **style)
        ax.text(0.05, 0.06, words, ha="left", va="bottom", **style)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for column in axes.T:
        lowest = max(k for k, ax in enumerate(column) if ax.axison)
        column[lowest].tick_params(labelbottom=True)
    log_radius(axes[0, 0])
    bright_up(axes[0, 0], *limits)
    fig.text(0.53, 0.04 / height, SMA_LABEL, ha="center")
    fig.text(0.005, 0.5, MU_LABEL, va="center", rotation=90)
    handles = [plt.Line2D([], [], color=MEASURED, lw=1.3), plt.Line2D([], [], color=PREDICTED)]
    names = [reference, f"{method} (trained on mock galaxies)"]
    if any(p.predicted is not None and "mu_err" in p.predicted.colnames for p in panels):
        handles.append(plt.Rectangle((0, 0), 1, 1, fc=PREDICTED, alpha=0.3, lw=0))
        handles.append(plt.Line2D([], [], color=PREDICTED, lw=0.8, ls=":"))
        names += ["its error", "inferred beyond the image's S/N"]
    fig.legend(handles, names, loc="upper center", ncols=4, borderaxespad=0)
    return fig
