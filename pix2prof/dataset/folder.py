"""A user's own galaxies as a survey: FITS images and profile tables named by a catalogue."""

from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.cosmology import Planck18
from astropy.table import Table

from pix2prof.dataset.stored import PROFILE_KEYS
from pix2prof.images.image import read_image
from pix2prof.images.resampling import fill_missing, resample
from pix2prof.profile_files import read_profile
from pix2prof.profiles import MAX_STEPS, sma_grid
from pix2prof.sdss import BANDS

CATALOGUES = ("catalogue.ecsv", "catalogue.csv")
COLUMNS = ("name", "band", "image", "profile")


def read_folder(folder, n_galaxies, size, bands=BANDS):
    """Read a folder of images and measured profiles, one galaxy at a time.

    The folder holds ``catalogue.csv`` (or ``.ecsv``), one row a galaxy and band, with the columns
    ``name``, ``band`` (of `bands`), ``image`` and ``profile`` (paths inside the folder), and
    ``redshift`` or ``kpc_per_arcsec``. Images are FITS, as `pix2prof.images.image.read_image`
    takes them, and are brought to 0.396 arcsec pixels; profiles are tables that
    `pix2prof.profile_files.read_profile` takes, and are interpolated to steps of 0.2 arcsec.

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
        ``rows``; a band that the catalogue lacks is zeros and NaN.

    Raises
    ------
    FileNotFoundError
        When the catalogue, or a file that it names, is missing.
    ValueError
        When the catalogue lacks a column or has too few galaxies, names a band twice or an
        unknown one, or when a file cannot be read; the message names the file.
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
    for row in rows:
        band = bands.index(row["band"])
        image = read_image(path.parent / row["image"], band=row["band"])
        data = fill_missing(image.data)
        images[0, band], _ = resample(data, image.pixscale, shape=(size, size))
        for key, values in _profile(path.parent / row["profile"]).items():
            profiles[key][0, band] = values
    return {
        "images": images,
        "masks": np.zeros((1, size, -(-size // 8)), np.uint8),
        "rows": [{"name": name, **_scale(path, rows[0])}],
        **profiles,
    }


def _profile(path):
    table = read_profile(path)
    good = np.isfinite(table["mu"].value)
    if good.sum() < 2:
        raise ValueError(f"{path}: found {good.sum()} finite values of mu; a profile needs two")
    sma = table["sma"].to_value(u.arcsec)[good]
    grid = sma_grid()
    columns = {"mu": "expert_mu", "mu_err": "expert_mu_err"}
    columns |= {"ellipticity": "expert_ellipticity"}
    found = {
        key: np.interp(grid, sma, np.asarray(table[name].value, float)[good], right=np.nan)
        for name, key in columns.items()
        if name in table.colnames
    }
    if "pa" in table.colnames:
        doubled = np.unwrap(np.radians(2 * table["pa"].to_value(u.deg)[good]))
        angle = np.interp(grid, sma, np.degrees(doubled) / 2, right=np.nan)
        found["expert_pa"] = angle % 180
    return found


def _scale(path, row):
    redshift = float(row["redshift"]) if "redshift" in row.colnames else np.nan
    if "kpc_per_arcsec" in row.colnames:
        kpc = float(row["kpc_per_arcsec"])
    else:
        if not redshift > 0:
            raise ValueError(f"{path}: {row['name']} has redshift {redshift}; it must be above 0")
        kpc = 1.0 / Planck18.arcsec_per_kpc_proper(redshift).to_value(u.arcsec / u.kpc)
    return {"redshift": redshift, "kpc_per_arcsec": kpc}
