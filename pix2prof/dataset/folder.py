"""A user's own galaxies as a survey: FITS images and profile tables named by a catalogue."""

from dataclasses import replace
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.cosmology import Planck18
from astropy.table import Table

from pix2prof.dataset.stored import PROFILE_KEYS
from pix2prof.images.angles import array_angles
from pix2prof.images.image import read_image
from pix2prof.images.stamps import make_stamp
from pix2prof.profile_files import read_profile
from pix2prof.profiles import MAX_STEPS, PA_ARRAY, PA_SKY, RowFlag, sma_grid
from pix2prof.sdss import BANDS

CATALOGUES = ("catalogue.ecsv", "catalogue.csv")
COLUMNS = ("name", "band", "image", "profile")
TOLERANCE = 1e-3
"""Of semi-major axes, which files round [arcsec or rows]."""


def read_folder(folder, n_galaxies, size, bands=BANDS):
    """Read a folder of images and measured profiles, one galaxy at a time.

    The folder holds ``catalogue.csv`` (or ``.ecsv``), one row a galaxy and band, with the columns
    ``name``, ``band`` (of `bands`), ``image`` and ``profile`` (paths inside the folder), and
    ``redshift`` or ``kpc_per_arcsec``. Images are FITS, as `pix2prof.images.image.read_image`
    takes them, with the galaxy in the middle, and are prepared as for a prediction, see
    `pix2prof.images.stamps.make_stamp`.
    Profiles are tables that `pix2prof.profile_files.read_profile` takes, and are interpolated to
    steps of 0.2 arcsec: rows beyond the reach of the S/N (`pix2prof.profiles.RowFlag.BELOW_CUT`
    in ``flag``, ``sn_sma`` or ``nvalid`` in ``meta``) are dropped, gaps stay, and position angles
    north through east (``paconv`` in ``meta``) are turned to the array by the image's WCS.

    Parameters
    ----------
    folder : path-like
        The folder.
    n_galaxies : int
        How many of its galaxies to take, from the top of the catalogue.
    size : int
        Side of the cut-outs [px of 0.396 arcsec].
    bands : tuple of three str
        The survey's bands, in order: `pix2prof.sdss.PROBES_BANDS` for galaxies of PROBES.

    Yields
    ------
    shard : dict
        One galaxy: ``images`` (1, 3, size, size), ``masks``, `PROFILE_KEYS` (1, 3, 1024) and
        ``rows``, the latter with ``flags``, what was odd about the images; a band that the
        catalogue lacks is zeros and NaN.

    Raises
    ------
    FileNotFoundError
        When the catalogue, or a file that it names, is missing.
    ValueError
        When the catalogue lacks a column or has too few galaxies, names a band twice or an
        unknown one, or when a file cannot be read or its angles not be turned; the message names
        the file.
    """
    path, catalogue = _read_catalogue(Path(folder), bands)
    names = list(dict.fromkeys(catalogue["name"]))
    if len(names) < n_galaxies:
        raise ValueError(
            f"{path}: found {len(names)} galaxies; data.n_galaxies asks for {n_galaxies}"
        )
    for name in names[:n_galaxies]:
        yield _galaxy(path, catalogue[catalogue["name"] == name], size, bands)


def _read_catalogue(folder, bands):
    path = next((folder / name for name in CATALOGUES if (folder / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{folder}: found no {' or '.join(CATALOGUES)}; write one with the columns "
            f"{', '.join(COLUMNS)}, and redshift or kpc_per_arcsec"
        )
    catalogue = Table.read(path, format="ascii.ecsv" if path.suffix == ".ecsv" else "ascii.csv")
    missing = [name for name in COLUMNS if name not in catalogue.colnames]
    if not {"redshift", "kpc_per_arcsec"} & set(catalogue.colnames):
        missing.append("redshift (or kpc_per_arcsec)")
    if missing:
        raise ValueError(f"{path}: found no column {', '.join(missing)}; add it")
    for name in COLUMNS:
        catalogue[name] = [str(value) for value in catalogue[name]]
    unknown = sorted(set(catalogue["band"]) - set(bands))
    if unknown:
        known = f"{', '.join(bands[:-1])} or {bands[-1]}"
        raise ValueError(f"{path}: found the band {str(unknown[0])!r}; it must be {known}")
    return path, catalogue


def _galaxy(path, rows, size, bands):
    name = rows["name"][0]
    if len(set(rows["band"])) < len(rows):
        raise ValueError(f"{path}: {name} has two rows for one band; keep one of them")
    images = np.zeros((1, len(bands), size, size), np.float32)
    profiles = {
        key: np.full((1, len(bands), MAX_STEPS), np.nan, np.float32) for key in PROFILE_KEYS
    }
    flags = []
    for row in rows:
        band = bands.index(row["band"])
        image = read_image(path.parent / row["image"], band=row["band"])
        stamp = make_stamp(replace(image, centre=image.place), size)
        images[0, band] = stamp.data
        flags += [f"{row['band']}: {flag}" for flag in stamp.flags]
        for key, values in _profile(path.parent / row["profile"], image).items():
            profiles[key][0, band] = values
    return {
        "images": images,
        "masks": np.zeros((1, size, -(-size // 8)), np.uint8),
        "rows": [{"name": name, **_scale(path, rows[0]), "flags": "; ".join(flags) or "none"}],
        **profiles,
    }


def _profile(path, image):
    """One profile on the survey's grid; NaN in its gaps, and beyond the reach of its S/N."""
    table = read_profile(path)
    sma = table["sma"].to_value(u.arcsec)
    if not (np.diff(sma) > 0).all():
        raise ValueError(f"{path}: found values of sma that do not increase; sort its rows")
    measured = np.isfinite(table["mu"].value) & _within_cut(table)
    if measured.sum() < 2:
        raise ValueError(
            f"{path}: found {measured.sum()} finite values of mu within the reach of its S/N; a "
            "profile needs two"
        )
    columns = {"mu": "expert_mu", "mu_err": "expert_mu_err"}
    columns |= {"ellipticity": "expert_ellipticity"}
    found = {}
    for name, key in columns.items():
        if name in table.colnames:
            values = np.asarray(table[name].value, float)
            found[key] = _on_grid(sma, np.where(measured, values, np.nan))
    if "pa" in table.colnames:
        pa = np.array(_pa_on_array(path, table, image).to_value(u.deg), float)
        known = measured & np.isfinite(pa)
        pa[~known] = np.nan
        pa[known] = np.degrees(np.unwrap(np.radians(2 * pa[known]))) / 2
        found["expert_pa"] = _on_grid(sma, pa) % 180
    return found


def _within_cut(table):
    """Rows up to where the S/N of the image carries, by all that the table says of it."""
    within = np.ones(len(table), bool)
    if "flag" in table.colnames:
        within &= np.asarray(table["flag"], int) & RowFlag.BELOW_CUT == 0
    if "sn_sma" in table.meta:
        within &= table["sma"].to_value(u.arcsec) <= float(table.meta["sn_sma"]) + TOLERANCE
    if "nvalid" in table.meta:
        within &= np.arange(len(table)) < int(table.meta["nvalid"])
    return within


def _on_grid(sma, values):
    """Interpolate between neighbouring rows that are both known; inwards of the first, its own."""
    grid, known = sma_grid(), np.isfinite(values)
    if not known.any():
        return np.full(len(grid), np.nan)
    found = np.interp(grid, sma[known], values[known])
    gap = np.interp(grid, sma, ~known) > TOLERANCE
    return np.where(gap | (grid > sma[known][-1] + TOLERANCE), np.nan, found)


def _pa_on_array(path, table, image):
    """Position angles counter-clockwise from +x of the image's array."""
    convention = table.meta.get("paconv", PA_ARRAY)
    if convention == PA_ARRAY:
        return table["pa"]
    if convention != PA_SKY:
        raise ValueError(
            f"{path}: found paconv {convention!r}; it must be {PA_ARRAY!r} or {PA_SKY!r}"
        )
    if image.wcs is None:
        raise ValueError(
            f"{path}: found position angles {PA_SKY}, and {image.path} has no WCS to turn them "
            f"by; add a WCS to it, or give angles {PA_ARRAY}, with that as the table's paconv"
        )
    return array_angles(image.wcs, *image.place, table["pa"])


def _scale(path, row):
    redshift = float(row["redshift"]) if "redshift" in row.colnames else np.nan
    if "kpc_per_arcsec" in row.colnames:
        kpc = float(row["kpc_per_arcsec"])
    else:
        if not redshift > 0:
            raise ValueError(f"{path}: {row['name']} has redshift {redshift}; it must be above 0")
        kpc = 1.0 / Planck18.arcsec_per_kpc_proper(redshift).to_value(u.arcsec / u.kpc)
    return {"redshift": redshift, "kpc_per_arcsec": kpc}
