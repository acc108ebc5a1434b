"""The look the figures share, and how they are saved."""

from functools import wraps
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.patches import Ellipse
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from pix2prof.names import ISOPHOTE_NETWORK, PAPERS_NETWORK, band_of_name

STYLE = Path(__file__).with_name("paper.mplstyle")
ONE_COLUMN, TWO_COLUMNS = 3.35, 7.0

_PALETTE = sns.color_palette("colorblind").as_hex()
_BLUE, _ORANGE, _GREEN, _VERMILION, _PURPLE, _BROWN, _PINK, *_, _SKY = _PALETTE
MEASURED, PREDICTED, MARKED = _BLUE, _ORANGE, _VERMILION
BAND_COLOURS = {"g": _GREEN, "r": _VERMILION, "i": _PURPLE}
BAND_LINES = {"g": "-", "r": "--", "i": "-."}

METHODS = {
    PAPERS_NETWORK: (_ORANGE, "-"),
    ISOPHOTE_NETWORK: (_VERMILION, (0, (6, 1.5))),
    "AutoProf": (_GREEN, "--"),
    "photutils Ellipse": (_PURPLE, "-."),
    "classical, automatic": (_BLUE, "-"),
    "classical, mask known": (_SKY, ":"),
}
OTHERS = ((_BROWN, "-."), (_PINK, ":"))

MU_LABEL = r"$\mu$ [mag arcsec$^{-2}$]"
ETA_LABEL = r"absolute deviation $\eta$ [mag arcsec$^{-2}$]"
MEDIAN_ETA_LABEL = r"median $\eta$ of a profile [mag arcsec$^{-2}$]"
SMA_LABEL = "semi-major axis [arcsec]"


def paper_style(draw):
    """Make a function that returns a figure draw it in the paper's style.

    The figure is laid out once, so that it looks the same wherever it is drawn later, and
    closed in pyplot, so that a notebook shows it once.
    """

    @wraps(draw)
    def styled(*args, **kwargs):
        with plt.style.context(STYLE):
            fig = draw(*args, **kwargs)
            fig.draw_without_rendering()
            fig.set_layout_engine("none")
        plt.close(fig)
        return fig

    return styled


def save_figure(fig, stem):
    """Save a figure as PNG (200 dpi) and PDF; the same figure gives the same bytes.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
        What to save.
    stem : path-like
        Path without suffix; its folder is made if it is missing.

    Returns
    -------
    paths : tuple of 2 pathlib.Path
        The PNG and the PDF.
    """
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".pdf")
    with plt.style.context([STYLE, {"figure.constrained_layout.use": False}]):
        fig.savefig(png, metadata={"Software": None})
        fig.savefig(pdf, metadata={"Creator": "pix2prof", "Producer": None, "CreationDate": None})
    return png, pdf


def stretch(image, *, softening=2.0, high=99.7):
    """Compress an image's range by the inverse hyperbolic sine, for display.

    Parameters
    ----------
    image : array_like, shape (H, W)
        Linear flux; pixels that are not finite become the faintest.
    softening : float
        Flux, in standard deviations of the sky, at which linear turns to logarithmic.
    high : float
        Percentile that is drawn as 1.

    Returns
    -------
    scaled : numpy.ndarray, shape (H, W)
        Between 0 (two standard deviations under the sky) and 1.
    """
    image = np.asarray(image, float)
    finite = image[np.isfinite(image)]
    if not finite.size:
        return np.zeros(image.shape)
    sky = np.median(finite)
    sigma = 1.4826 * np.median(np.abs(finite - sky)) or finite.std() or 1.0
    scaled = np.arcsinh((np.nan_to_num(image, nan=sky - 2 * sigma) - sky) / (softening * sigma))
    low = np.arcsinh(-2.0 / softening)
    top = np.arcsinh((np.percentile(finite, high) - sky) / (softening * sigma))
    return np.clip((scaled - low) / max(top - low, 1e-6), 0, 1)


def draw_image(ax, image, pixscale, **options):
    """Show an image, asinh-stretched, on axes of arcsec from its middle; dark is bright."""
    height, width = np.shape(image)[:2]
    x, y = width * pixscale / 2, height * pixscale / 2
    scaled = stretch(image, **options) if np.ndim(image) == 2 else image
    ax.imshow(scaled, extent=(-x, x, -y, y), vmin=0, vmax=1)
    ax.locator_params(nbins=4)


def draw_ellipse(ax, centre, sma, ellipticity, pa, **line):
    """Draw an ellipse as `matplotlib.patches.Ellipse` has lines.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    centre : (x, y)
        In the units of the axes, as `sma`.
    sma, ellipticity : float
        Semi-major axis, and 1 - b/a.
    pa : float
        Counter-clockwise from +x [deg].
    **line
        ``ec, lw, ls``.
    """
    size = 2 * sma, 2 * sma * (1 - ellipticity)
    ax.add_patch(Ellipse(centre, *size, angle=pa, fill=False, **line))


def bright_up(ax, faint, bright):
    """Give a surface-brightness axis its limits, bright up, and whole magnitudes for ticks."""
    ax.set_ylim(faint, bright)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def mu_limits(*profiles, headroom=0.4, faintest=29.0):
    """Faint and bright limits of an axis that holds some profiles down to the faintest."""
    mu = np.concatenate([np.ravel(profile) for profile in profiles]) if profiles else np.empty(0)
    mu = mu[np.isfinite(mu)]
    faint, bright = (mu.max(), mu.min()) if mu.size else (27.0, 18.0)
    return min(faint + 0.4, faintest), bright - headroom


def log_radius(ax):
    """Give a logarithmic radius axis plain tick labels (0.3, 1, 10)."""
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def values(column):
    """Take a table's column as a bare array; a Quantity loses its unit."""
    return np.asarray(getattr(column, "value", column))


def method_style(name):
    """Give the colour and the dashes of a method's line; one not in `METHODS` has its own too."""
    return METHODS.get(name) or OTHERS[sum(map(ord, name)) % len(OTHERS)]


def short_name(name, longest=None):
    """Leave the survey off a galaxy's name, for a small panel.

    Parameters
    ----------
    name : str
    longest : int, optional
        Characters that there is room for; a longer name loses its middle.
    """
    name = str(name).removeprefix("SDSS ")
    if longest is None or len(name) <= longest:
        return name
    before = (longest - 1) // 2
    return f"{name[:before]}\N{HORIZONTAL ELLIPSIS}{name[before + 1 - longest :]}"


def panel_title(name, band, longest=None):
    """Write a galaxy's name, see `short_name`, and the band once, even if the name tells it."""
    told, galaxy = band_of_name(name)
    return f"{short_name(galaxy if told == band else name, longest)} ${band}$"
