"""A profile as one row of the results' table: identity, profile, structure, provenance."""

import astropy.units as u
import numpy as np
import pyarrow as pa

from ..profiles import COLUMNS, PARAMETERS

PREDICTED = (
    "sma", "mu", "mu_err", "mu_err_95", "ellipticity", "pa", "growth", "growth_err", "flag",
)  # fmt: skip
STRUCTURE = {name.replace(".", ""): unit for name, unit in PARAMETERS.items()}
CENTRE = "of the ellipses' centre in the file, from 0 in the middle of the first pixel"
AXIS = "of the array on the sky, north through east, where paconv is so: to turn pa back"
META = {
    "xcen": ("pixel", f"column {CENTRE}; null: the network gives none"),
    "ycen": ("pixel", f"row {CENTRE}; null: the network gives none"),
    "sky": ("nmgy", "that was subtracted, per pixel of pixscale arcsec"),
    "noise": ("nmgy", "of the sky, per pixel of pixscale arcsec; null: the method does not say"),
    "pixscale": ("arcsec", "of the pixels that the profile is read off; the network's are 0.396"),
    "filezp": ("mag", "AB magnitude of one unit of the file"),
    "filescal": ("arcsec", "pixel scale of the file"),
    "paxaxis": ("deg", f"+x {AXIS}"),
    "payaxis": ("deg", f"+y {AXIS}"),
}
"""Of a table's ``meta``, by the same names: unit and description."""
PROVENANCE = ("paconv", "method", "model", "weights", "version")
STEPS = ("read", "prepare", "predict", "measure", "mock", "worker")

PLACE = "ICRS: the place asked for, else --centre, else the image's middle; null: no WCS"
REACH = "the image's S/N carries so far, 0: nowhere; null: the network does not say"

FAILURES = pa.schema([(name, pa.string()) for name in ("item", "name", "step", "reason")])
"""Of ``failures.parquet``: the item's key, the galaxy, the step that failed, and why."""


class Failed(Exception):
    """An item, or one image of it, that gave no row.

    Parameters
    ----------
    step : str
        One of `STEPS`.
    reason : str
        In words.
    """

    def __init__(self, step, reason):
        super().__init__(step, reason)
        self.step, self.reason = step, reason


def schema(columns=PREDICTED):
    """Schema of the results' table.

    Parameters
    ----------
    columns : sequence of str
        Of `pix2prof.profiles.COLUMNS`, those that become list columns; null where a profile
        has no such column.

    Returns
    -------
    schema : pyarrow.Schema
        With the unit and the description of each column in its metadata.
    """
    fields = [
        _field("item", pa.string(), "", "what was asked for: file, and place or name"),
        _field("name", pa.string(), "", "the galaxy"),
        _field("object", pa.string(), "", "what the file calls it"),
        _field("band", pa.string(), "", "unknown if nothing tells"),
        _field("hdu", pa.string(), "", "null: the first image"),
        _field("plane", pa.int32(), "", "of a cube, from 0"),
        *(_field(name, pa.float64(), "deg", PLACE) for name in ("ra", "dec")),
    ]
    for name in columns:
        unit, words = COLUMNS[name]
        kind = pa.int32() if unit is None and "err" not in name and "ell" not in name else None
        unit = "" if unit is None else unit.to_string()
        fields.append(_field(name, pa.list_(kind or pa.float32()), unit, words))
    fields.append(_field("length", pa.float32(), "arcsec", "last semi-major axis"))
    fields.append(_field("sn_sma", pa.float32(), "arcsec", REACH))
    for name, unit in STRUCTURE.items():
        text = unit.to_string()
        fields.append(_field(name, pa.float32(), text, "see pix2prof.photometry.parameters"))
        fields.append(_field(f"{name}_err", pa.float32(), text, "its standard error"))
    fields.append(_field("absent", pa.list_(pa.string()), "", "parameters not had, and why"))
    fields += [_field(name, pa.float64(), *words) for name, words in META.items()]
    fields.append(_field("flags", pa.list_(pa.string()), "", "everything odd, in words"))
    fields += [_field(name, pa.string(), "", "") for name in PROVENANCE]
    return pa.schema(fields)


def row(cutout, table, columns=PREDICTED):
    """Turn one profile into a row of `schema`.

    Parameters
    ----------
    cutout : pix2prof.predict.cutouts.Cutout
        What it was made from.
    table : astropy.table.QTable
        The profile, with its provenance, flags and structural parameters in ``meta``.
    columns : sequence of str
        The list columns.

    Returns
    -------
    row : dict

    Raises
    ------
    Failed
        If the profile is empty or has no finite surface brightness.
    """
    mu = _plain(table["mu"]) if len(table) else np.empty(0)
    if not np.isfinite(mu).any():
        raise Failed("predict", "the profile holds no finite surface brightness")
    meta = table.meta
    out = {
        "item": cutout.key,
        "name": cutout.name,
        "object": str(meta["object"]),
        "band": str(meta["band"]),
        "hdu": None if cutout.hdu is None else str(cutout.hdu),
        "plane": cutout.plane,
        "ra": meta.get("ra") if cutout.ra is None else cutout.ra,
        "dec": meta.get("dec") if cutout.dec is None else cutout.dec,
        "length": float(table["sma"][-1].to_value(u.arcsec)),
        "sn_sma": meta.get("sn_sma"),
        "flags": [str(flag) for flag in meta["flags"]],
    }
    out |= {name: _plain(table[name]) for name in columns if name in table.colnames}
    for name in STRUCTURE:
        out |= {name: meta.get(name), f"{name}_err": meta.get(f"{name}_err")}
    out["absent"] = list(meta.get("absent", ()))
    out |= {name: meta.get(name) for name in META}
    return out | {name: str(meta.get(name, "")) for name in PROVENANCE}


def failure(key, name, step, reason):
    """Make a row of `FAILURES`; the words are cut at 500 characters.

    Parameters
    ----------
    key, name : str
        The item, and the galaxy if it is known.
    step : str
        One of `STEPS`.
    reason : str or Exception
        Why.

    Returns
    -------
    failure : dict
    """
    words = str(reason) or type(reason).__name__
    words = " ".join(words.encode("utf-8", "backslashreplace").decode().split())
    return {"item": key, "name": name, "step": step, "reason": words[:500]}


def _field(name, kind, unit, words):
    notes = {"unit": unit, "description": words}
    return pa.field(name, kind, metadata={k: v for k, v in notes.items() if v})


def _plain(column):
    """As an array of the schema's single precision, which is several times the faster to write."""
    values = np.asarray(getattr(column, "value", column))
    return values.astype(np.float32) if values.dtype.kind == "f" else values
