"""The files of profile tables: ECSV, FITS, and AutoProf's text format."""

import re
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import QTable

from .profiles import COLUMNS, INTENSITY_UNIT, PA_ARRAY, PARAMETERS, profile_table
from .sdss import ZEROPOINT, intensity_to_mu, mu_to_intensity

FITS_INTENSITY_UNIT = u.uJy / u.arcsec**2
FITS_FLUX_UNIT = u.uJy
NANOMAGGY_IN_UJY = 3.631
FITS_KEY = 8
"""Characters of a plain keyword; longer ones are written with HIERARCH before them."""
SEPARATOR = "; "
LISTS = ("flags", "absent")
CAPITALS = {
    name.lower(): name
    for parameter in PARAMETERS
    for name in (parameter.replace(".", ""), f"{parameter}_err".replace(".", ""))
}
"""Keys that are not all in small letters, by their small letters: FITS has capitals only."""

PROF_MISSING = 99.999
PROF_COLUMNS = {
    "R": ("arcsec", "sma"),
    "SB": ("mag*arcsec^-2", "mu"),
    "SB_e": ("mag*arcsec^-2", "mu_err"),
    "totmag": ("mag", "growth"),
    "totmag_e": ("mag", "growth_err"),
    "ellip": ("unitless", "ellipticity"),
    "ellip_e": ("unitless", "ellipticity_err"),
    "pa": ("deg", "pa"),
    "pa_e": ("deg", "pa_err"),
    "pixels": ("count", "n_used"),
    "maskedpixels": ("count", "n_masked"),
}


def write_profile(table, path, format=None):
    """Write a profile table.

    Parameters
    ----------
    table : astropy.table.QTable
        As `profile_table` or ``Isophotes.table`` give it.
    path : str or pathlib.Path
        Where to; an existing file is replaced.
    format : {"ecsv", "fits", "prof"}, optional
        Default: by the suffix of `path`. FITS holds intensities in microjansky (1 nanomaggy =
        3.631 microjansky), since nanomaggies are no FITS unit; of ``meta`` lists of words as one
        text, keys in capitals, other characters than ASCII as ``\\xNN``, and no numbers that are
        not finite. ``prof`` is AutoProf's text format, with 99.999 for missing values and
        angles counter-clockwise from +y of the array.

    Raises
    ------
    ValueError
        If the format is none of these, or a ``prof`` is to be made of angles on the sky without
        ``paxaxis`` and ``payaxis`` in ``meta``.
    """
    path = Path(path)
    format = _format_of(path, format)
    if format == "ecsv":
        table.write(path, format="ascii.ecsv", overwrite=True)
    elif format == "fits":
        _to_fits_units(table).write(path, format="fits", overwrite=True)
    else:
        path.write_text(_prof_text(table))


def read_profile(path, format=None):
    """Read a profile table written here, by AutoProf, or released by PROBES.

    Parameters
    ----------
    path : str or pathlib.Path
        File to read.
    format : {"ecsv", "fits", "prof"}, optional
        Default: by the suffix of `path`.

    Returns
    -------
    table : astropy.table.QTable
        Units as in `COLUMNS`; missing values (99.999 in ``.prof`` files) are NaN. Keys of ``meta``
        are those of the file; of FITS, in small letters but for structural parameters. AutoProf's
        further columns are dropped, its position angles turned to this package's convention.

    Raises
    ------
    ValueError
        If the format is unknown or the file is no profile; the message names the file.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    format = _format_of(path, format)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such profile file")
    if format == "prof":
        return _read_prof(path)
    try:
        table = QTable.read(path, format="ascii.ecsv" if format == "ecsv" else "fits")
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(f"{path}: not a readable {format} table ({error})") from error
    meta = {key: value for key, value in table.meta.items() if key != "comments"}
    if format == "fits":
        meta = _from_fits_meta(meta)
    columns = {name: _plain(table[name]) for name in table.colnames if name in COLUMNS}
    for name in ("intensity", "intensity_err", "growth", "growth_err"):
        unit = getattr(columns.get(name), "unit", None)
        if unit in (FITS_INTENSITY_UNIT, FITS_FLUX_UNIT):
            columns[name] = columns[name].value / NANOMAGGY_IN_UJY
    try:
        return profile_table(columns, **meta)
    except (ValueError, u.UnitConversionError) as error:
        raise ValueError(f"{path}: not a profile table: {error}") from error


def _format_of(path, format):
    name = (format or path.suffix.lstrip(".")).lower()
    name = {"fit": "fits", "ascii.ecsv": "ecsv"}.get(name, name)
    if name not in ("ecsv", "fits", "prof"):
        raise ValueError(f"{path}: profile format {name!r} is none of ecsv, fits, prof")
    return name


def _plain(column):
    """A column without its mask: masked floats become NaN."""
    mask = getattr(column, "mask", None)
    if mask is None:
        return column
    filled = column.filled(np.nan) if column.dtype.kind == "f" else column.filled(0)
    return getattr(filled, "unmasked", filled)


def _to_fits_units(table):
    out = table.copy()
    for name in out.colnames:
        unit = COLUMNS.get(name, (None,))[0]
        if unit == INTENSITY_UNIT or unit == u.nmgy:
            target = FITS_INTENSITY_UNIT if unit == INTENSITY_UNIT else FITS_FLUX_UNIT
            description = out[name].info.description
            out[name] = u.Quantity(out[name].value * NANOMAGGY_IN_UJY, target)
            out[name].info.description = description
    out.meta = {
        key if len(key) <= FITS_KEY else f"HIERARCH {key}": _fits_value(value)
        for key, value in table.meta.items()
        if not (isinstance(value, float) and not np.isfinite(value))
    }
    return out


def _fits_value(value):
    if isinstance(value, list | tuple):
        comma = SEPARATOR.replace(";", ",")
        value = SEPARATOR.join(str(words).replace(SEPARATOR, comma) for words in value)
    if isinstance(value, str):
        value = re.sub("[^ -~]", lambda found: found[0].encode("unicode_escape").decode(), value)
    return value


def _from_fits_meta(meta):
    small = {key.lower(): value for key, value in meta.items()}
    for key in LISTS:
        if isinstance(words := small.get(key), str):
            small[key] = words.split(SEPARATOR) if words else []
    return {CAPITALS.get(key, key): value for key, value in small.items()}


def _prof_text(table):
    zeropoint = table.meta.get("zeropt", ZEROPOINT)
    values = {}
    for key, (_, name) in PROF_COLUMNS.items():
        if name in table.colnames:
            values[key] = np.asarray(getattr(table[name], "value", table[name]), dtype=float)
        else:
            values[key] = np.full(len(table), np.nan)
    growth, growth_err = values["totmag"], values["totmag_e"]
    positive = np.where(growth > 0, growth, np.nan)
    values["totmag"] = intensity_to_mu(growth, zeropoint)
    values["totmag_e"] = 2.5 / np.log(10) * growth_err / positive
    values["pa"] = (_array_angles(values["pa"], table.meta) - 90.0) % 180.0
    lines = ["# " + ",".join(unit for unit, _ in PROF_COLUMNS.values()), ",".join(PROF_COLUMNS)]
    for row in zip(*values.values(), strict=True):
        lines.append(",".join(_prof_number(key, x) for key, x in zip(values, row, strict=True)))
    return "\n".join(lines) + "\n"


def _array_angles(pa, meta):
    """Angles counter-clockwise from +x [deg], of those of a table."""
    if meta.get("paconv", PA_ARRAY) == PA_ARRAY or not np.isfinite(pa).any():
        return pa
    try:
        x_axis, y_axis = meta["paxaxis"], meta["payaxis"]
    except KeyError as missing:
        raise ValueError(
            f"the profile's angles are {meta['paconv']}, and its meta has no {missing} to turn "
            "them to the array, as prof files want them; make it anew, or drop its column pa"
        ) from None
    across, along = np.sin(np.radians([y_axis - pa, pa - x_axis]))
    return np.degrees(np.arctan2(along, across))


def _prof_number(key, value):
    if not np.isfinite(value):
        return str(PROF_MISSING)
    return str(int(value)) if key in ("pixels", "maskedpixels") else repr(float(value))


def _read_prof(path):
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("#")]
    header = lines[0].replace(" ", "").split(",") if lines else []
    if "R" not in header or "SB" not in header:
        raise ValueError(
            f"{path}: expected a line of units and a header with R and SB, found {header[:4]}"
        )
    try:
        rows = np.array([[float(x) for x in line.split(",")] for line in lines[1:]])
    except ValueError as error:
        raise ValueError(f"{path}: a row is not {len(header)} numbers ({error})") from error
    rows = rows.reshape(-1, len(header))
    rows[np.isclose(rows, PROF_MISSING)] = np.nan
    values = dict(zip(header, rows.T, strict=True))
    columns = {n: values[key] for key, (_, n) in PROF_COLUMNS.items() if key in values}
    if "growth" in columns:
        columns["growth"] = mu_to_intensity(columns["growth"])
    if "growth_err" in columns:
        columns["growth_err"] = columns["growth_err"] * columns["growth"] * np.log(10) / 2.5
    if "pa" in columns:
        columns["pa"] = (columns["pa"] + 90.0) % 180.0
    for name in ("n_used", "n_masked"):
        if name in columns:
            columns[name] = np.nan_to_num(columns[name]).astype(int)
    intensity = mu_to_intensity(columns["mu"])
    columns["intensity"] = intensity
    if "mu_err" in columns:
        columns["intensity_err"] = intensity * columns["mu_err"] * np.log(10) / 2.5
    return profile_table(columns, object=path.stem)
