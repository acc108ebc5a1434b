"""What is known of an image-profile pair before any prediction: extent, size, shape, S/N."""

import astropy.units as u
import numpy as np
from astropy.table import QTable

from pix2prof.profiles import SMA_STEP, isophotal_radius
from pix2prof.sdss import LIMITING_MU, PIXSCALE


def describe(pairs, images, mu, ellipticity, pa, *, masks=None, centres=None, step=SMA_STEP):
    """Add to a table of pairs what the evaluation asks of them.

    Parameters
    ----------
    pairs : astropy.table.Table, P rows
        With `name`, `band` and `kpc_per_arcsec`; its columns are kept, but for those given here.
    images : iterable of P array_like, each of shape (H, W)
        Any linear flux per pixel of 0.396 arcsec.
    mu, ellipticity, pa : array_like, shape (P, T)
        The measured profiles, NaN beyond each end [mag arcsec^-2, -, deg].
    masks : iterable of P array_like of bool, each of shape (H, W), optional
        True at the pixels of other sources.
    centres : array_like, shape (P, 2), optional
        The galaxies' centres (x, y) [pixel], the middle of the image if left out.
    step : float
        Spacing of the profile grid [arcsec].

    Returns
    -------
    table : astropy.table.QTable, P rows
        `pairs`, and `length` [arcsec], `ellipticity` of the last isophote, `r_235` [arcsec]
        (`pix2prof.profiles.isophotal_radius`) and `snr` (`image_snr` within the last isophote).
    """
    length = profile_length(mu, step)
    final = final_value(ellipticity, mu)
    angle = final_value(pa, mu)
    masks = [None] * len(length) if masks is None else masks
    centres = [None] * len(length) if centres is None else centres
    rows = zip(images, length, final, angle, centres, masks, strict=True)
    table = QTable(pairs, copy=True)
    table["length"] = length * u.arcsec
    table["ellipticity"] = final
    table["r_235"] = isophotal_radius(mu, 23.5, step) * u.arcsec
    table["snr"] = [
        image_snr(image, sma, ellipticity=e, pa=angle, centre=centre, mask=mask)
        for image, sma, e, angle, centre, mask in rows
    ]
    return table


def columns_of(table, *names):
    """Take some columns of a table: those that it has, since surveys differ in them.

    Parameters
    ----------
    table : astropy.table.Table
    *names : str

    Returns
    -------
    table : astropy.table.Table

    Raises
    ------
    ValueError
        If it has none of them.
    """
    found = [name for name in names if name in table.colnames]
    if not found:
        raise ValueError(f"found the columns {', '.join(table.colnames)}, none of {names}")
    return table[found]


def nearest_in_size(mu, size, step=SMA_STEP):
    """Find the galaxy whose R_23.5 is nearest to a size.

    Parameters
    ----------
    mu : array_like, shape (P, T)
        Surface brightness [mag arcsec^-2], NaN where not known. A profile that ends brighter
        than 23.5 counts by its length, and an empty one does not.
    size : float
        [arcsec]
    step : float
        Spacing of the profile grid [arcsec].

    Returns
    -------
    row : int
    """
    radius, length = isophotal_radius(mu, step=step), profile_length(mu, step)
    radius = np.where(np.isnan(radius), length, radius)
    return int(np.where(length > 0, np.abs(radius - size), np.inf).argmin())


def scatter_quartiles(expert, truth, limit=LIMITING_MU):
    """Say how far expert profiles lie from their truth.

    Parameters
    ----------
    expert, truth : array_like, shape (N, B, T)
        Surface brightness [mag arcsec^-2], NaN where not known.
    limit : float
        Of the truth [mag arcsec^-2]; what is fainter is left out.

    Returns
    -------
    quartiles : numpy.ndarray, shape (3, B)
        Lower quartile, median and upper quartile over galaxies of the median over radii of the
        absolute deviation [mag arcsec^-2]; NaN in a band without a truth.
    """
    found = np.full((3, np.shape(expert)[1]), np.nan)
    apart = np.where(np.asarray(truth) < limit, np.abs(expert - np.asarray(truth)), np.nan)
    for band, rows in enumerate(np.moveaxis(apart, 1, 0)):
        rows = rows[np.isfinite(rows).any(axis=-1)]
        if len(rows):
            found[:, band] = np.quantile(np.nanmedian(rows, axis=-1), (0.25, 0.5, 0.75))
    return found


def profile_length(mu, step=SMA_STEP):
    """Semi-major axis of each profile's last step [arcsec], 0 for an empty one.

    Parameters
    ----------
    mu : array_like, shape (P, T)
        Surface brightness, NaN beyond each profile's end (gaps inside are allowed).
    step : float
        Spacing of the profile grid [arcsec].

    Returns
    -------
    length : numpy.ndarray, shape (P,)
    """
    present = np.isfinite(np.asarray(mu, float))
    steps = np.arange(1, present.shape[1] + 1)
    return step * np.max(present * steps, axis=1, initial=0)


def final_value(values, mu):
    """Take each row's value at the last step of its profile, such as the final ellipticity.

    Parameters
    ----------
    values : array_like, shape (P, T)
        What is known along the profile, for instance the ellipticity.
    mu : array_like, shape (P, T)
        Surface brightness, NaN beyond each profile's end.

    Returns
    -------
    final : numpy.ndarray, shape (P,)
        NaN for an empty profile.
    """
    last = profile_length(mu, step=1).astype(int)
    rows = np.arange(len(last))
    return np.where(last > 0, np.asarray(values, float)[rows, last - 1], np.nan)


def image_snr(image, sma, *, ellipticity=0.0, pa=0.0, centre=None, mask=None, pixscale=PIXSCALE):
    r"""Signal-to-noise ratio of a galaxy's image inside its last isophote.

    The paper gives its bands' median image S/N but not how it was taken. Here it is the ratio
    of powers by which section 2.2.3 defines the S/N of a profile, :math:`(\mu/\sigma)^2`:
    :math:`\mu` is the mean of the unmasked pixels inside the last isophote, less the median
    of those outside, and :math:`\sigma` is the standard deviation of those outside, as 1.4826
    times their median absolute deviation.

    Parameters
    ----------
    image : array_like, shape (H, W)
        Any linear flux per pixel.
    sma : float
        Semi-major axis of the last isophote [arcsec].
    ellipticity : float
        Its ellipticity, ``1 - b/a``.
    pa : float
        Its position angle [deg], counter-clockwise from the array's +x axis.
    centre : tuple of 2 floats, optional
        Its centre (x, y) [pixel], the middle of the image if left out.
    mask : array_like of bool, shape (H, W), optional
        True at pixels to leave out.
    pixscale : float
        Pixel scale [arcsec per pixel].

    Returns
    -------
    snr : float
        NaN where fewer than one pixel is left inside the isophote or 100 outside, or the
        background has no scatter.
    """
    image = np.asarray(image, float)
    height, width = image.shape
    x0, y0 = ((width - 1) / 2, (height - 1) / 2) if centre is None else centre
    dy, dx = np.arange(height)[:, None] - y0, np.arange(width) - x0
    cos, sin = np.cos(np.radians(pa)), np.sin(np.radians(pa))
    radius = np.hypot(dx * cos + dy * sin, (dy * cos - dx * sin) / (1 - ellipticity))
    good = np.isfinite(image) if mask is None else np.isfinite(image) & ~np.asarray(mask, bool)
    inside = radius * pixscale <= sma
    signal, background = image[good & inside], image[good & ~inside]
    if signal.size < 1 or background.size < 100:
        return np.nan
    sky = np.median(background)
    sigma = 1.4826 * np.median(np.abs(background - sky))
    return float(((signal.mean() - sky) / sigma) ** 2) if sigma > 0 else np.nan
