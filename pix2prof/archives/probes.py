"""PROBES, galaxies with measured profiles, as a folder of images and profiles to learn from."""

import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from astropy import constants
from astropy import units as u
from astropy.cosmology import Planck18
from astropy.table import Table

from ..names import safe_name
from ..output import replacing
from ..profile_files import read_profile, write_profile
from ..sdss import PROBES_BANDS
from .downloads import ArchiveError, NoNetwork
from .places import LEGACY_SIDE, legacy_image

RECORD = 10456320
TABLE, PROFILES = "main_table.csv", "profiles.zip"
LAYER = "ls-dr9"
MAX_ERROR = 0.3
MAX_MEMBER = 2**24


def fetch_release(fetcher):
    """Fetch the table and the profiles of PROBES (Stone et al. 2022, ApJS 262, 33) from Zenodo.

    About 100 MB, checked by the MD5 that Zenodo gives. Third parties' terms apply: use it and
    cite it, do not pass it on.

    Parameters
    ----------
    fetcher : pix2prof.archives.fetching.Fetcher
        Fetches and keeps.

    Returns
    -------
    table, profiles : pathlib.Path
        ``main_table.csv`` and ``profiles.zip``, in the cache.

    Raises
    ------
    ArchiveError
        As `pix2prof.archives.fetching.Fetcher.get` raises it, or if the record lacks one of them.
    """
    url = f"{fetcher.addresses.zenodo.rstrip('/')}/records/{RECORD}"
    record = fetcher.get(url, "probes/record.json", check=_files_of)
    files = _files_of(record)
    missing = [name for name in (TABLE, PROFILES) if name not in files]
    if missing:
        raise ArchiveError(f"{url}: found no {', '.join(missing)} among {', '.join(files)}")
    return tuple(
        fetcher.get(files[name][0], f"probes/{name}", md5=files[name][1])
        for name in (TABLE, PROFILES)
    )


def read_main_table(path):
    """Read the main table of PROBES.

    Parameters
    ----------
    path : path-like
        ``main_table.csv``: a line of units, a line of names, a line for each galaxy.

    Returns
    -------
    table : astropy.table.Table
        ``name``, ``ra``, ``dec`` [deg], ``distance`` [Mpc] and ``redshift``, NaN where missing.

    Raises
    ------
    ValueError
        If it is no such table; the message names the file.
    """
    lines = Path(path).read_text().splitlines()
    found = Table.read(lines[1:], format="ascii.csv", fill_values=[("", "nan")])
    units = dict(zip(found.colnames, lines[0].lstrip("# ").split(","), strict=False))
    by_name = {name.lower(): name for name in found.colnames}
    wanted = ("name", "ra", "dec", "distance", "redshift_helio")
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise ValueError(
            f"{path}: found no column {', '.join(missing)}; a line of units and a line of names "
            "come first in the main table of PROBES"
        )
    name, *numbers = (found[by_name[key]] for key in wanted)
    ra, dec, distance, redshift = (_numbers(column) for column in numbers)
    if "km" in units.get(by_name["redshift_helio"], ""):
        redshift = redshift / constants.c.to_value(u.km / u.s)
    return Table(
        {
            "name": [str(value) for value in name],
            "ra": ra * u.deg,
            "dec": dec * u.deg,
            "distance": distance * u.Mpc,
            "redshift": redshift,
        }
    )


def release_profile(archive, name, band):
    """Read one profile out of the release, down to where it can be trusted.

    Parameters
    ----------
    archive : zipfile.ZipFile
        ``profiles.zip``.
    name, band : str
        The galaxy as in the main table, and a band: f, n, g, r, z, w1 or w2.

    Returns
    -------
    profile : astropy.table.QTable or None
        As `pix2prof.profile_files.read_profile` gives it, ended before the first error of over 0.3
        mag arcsec^-2; None if the release has none, or fewer than two values of it are left.

    Raises
    ------
    ValueError
        If the file is no profile.
    """
    member = next(
        (one for one in archive.namelist() if Path(one).name == f"{name}_{band}.prof"), None
    )
    if member is None:
        return None
    if archive.getinfo(member).file_size > MAX_MEMBER:
        raise ValueError(f"{member}: {archive.getinfo(member).file_size} bytes are no profile")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(member).name
        path.write_bytes(archive.read(member))
        profile = read_profile(path)
    good = np.isfinite(profile["mu"].value)
    if "mu_err" in profile.colnames:
        good &= profile["mu_err"].value <= MAX_ERROR
    end = len(good) if good.all() else int(np.argmin(good))
    return profile[:end] if end >= 2 else None


def write_folder(fetcher, folder, n_galaxies, *, size=LEGACY_SIDE, layer=LAYER, log=print):
    """Write galaxies of PROBES as a folder that ``data.source: probes`` reads.

    The images are cut-outs of the DESI Legacy Surveys in *g*, *r* and *z*, which the profiles
    were measured on too. Galaxies without a profile or without an image in one of the bands are
    passed over. Started again, it asks the archives for nothing that it has.

    Parameters
    ----------
    fetcher : pix2prof.archives.fetching.Fetcher
        Fetches and keeps.
    folder : path-like
        Gets ``images/``, ``profiles/`` and, after each galaxy, ``catalogue.csv``.
    n_galaxies : int
        How many, from the top of the main table; all if there are fewer.
    size : int
        Side of the images [px of 0.262 arcsec], at most 512.
    layer : str
        Data release of the Legacy Surveys.
    log : callable
        Takes a line for each galaxy.

    Returns
    -------
    catalogue : astropy.table.Table
        One row a galaxy and band, as `pix2prof.dataset.folder.read_folder` reads it.

    Raises
    ------
    NoNetwork, ArchiveError
        If the release cannot be had, or the network is gone.
    ValueError
        If the side is more than the archive gives.
    """
    if not 0 < size <= LEGACY_SIDE:
        raise ValueError(f"a side of {size} px was asked for; it is at most {LEGACY_SIDE}")
    folder = Path(folder)
    table_path, zip_path = fetch_release(fetcher)
    rows, done = [], 0
    with zipfile.ZipFile(zip_path) as archive:
        for galaxy in read_main_table(table_path):
            if done == n_galaxies:
                break
            try:
                rows += _write_galaxy(fetcher, folder, archive, galaxy, size, layer)
            except NoNetwork:
                raise
            except (_PassedOver, ArchiveError, ValueError) as error:
                log(f"{galaxy['name']}: passed over: {error}")
                continue
            done += 1
            with replacing(folder / "catalogue.csv") as aside:
                Table(rows).write(aside, format="ascii.csv", overwrite=True)
            log(f"{done}/{n_galaxies} {galaxy['name']}")
    return Table(rows)


class _PassedOver(Exception):
    """A galaxy that makes no pair."""


def _write_galaxy(fetcher, folder, archive, galaxy, size, layer):
    """Write one galaxy's files; its rows of the catalogue."""
    name, place = galaxy["name"], (float(galaxy["ra"]), float(galaxy["dec"]))
    if not np.isfinite(place).all():
        raise _PassedOver("it has no position")
    scale = _kpc_per_arcsec(float(galaxy["distance"]), float(galaxy["redshift"]))
    profiles = {band: release_profile(archive, name, band) for band in PROBES_BANDS}
    without = [band for band, profile in profiles.items() if profile is None]
    if without:
        raise _PassedOver(f"it has no profile in {', '.join(without)}")
    images = {
        band: legacy_image(fetcher, *place, band, size, layer=layer) for band in PROBES_BANDS
    }
    rows = []
    for band in PROBES_BANDS:
        stem = f"{safe_name(name)}-{band}"
        row = {"name": name, "band": band}
        row |= {"image": f"images/{stem}.fits", "profile": f"profiles/{stem}.ecsv"}
        images[band].header["OBJECT"] = name
        with replacing(folder / row["image"]) as aside:
            images[band].writeto(aside, overwrite=True)
        with replacing(folder / row["profile"]) as aside:
            write_profile(profiles[band], aside)
        rows.append({**row, "redshift": float(galaxy["redshift"]), "kpc_per_arcsec": scale})
    return rows


def _kpc_per_arcsec(distance, redshift):
    """Scale of a galaxy by its distance [Mpc], else by its redshift."""
    if distance > 0:
        return 1e3 * distance * u.arcsec.to(u.rad)
    if redshift > 0:
        return 1 / Planck18.arcsec_per_kpc_proper(redshift).to_value(u.arcsec / u.kpc)
    raise _PassedOver("it has neither a distance nor a redshift above zero")


def _numbers(column):
    values = np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
    return np.where(np.isclose(values, 99.999, rtol=0, atol=1e-6), np.nan, values)


def _files_of(path):
    """Address and MD5 of each file of a Zenodo record; ValueError if it is none."""
    try:
        files = json.loads(Path(path).read_text())["files"]
        return {
            one["key"]: (one["links"]["self"], one["checksum"].removeprefix("md5:"))
            for one in files
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"no record of Zenodo ({type(error).__name__}: {error})") from error
