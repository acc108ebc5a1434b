"""Structural parameters of galaxies, read off their profiles: sizes, magnitudes, disc, Sersic."""

import numpy as np
from astropy.table import QTable

from pix2prof.photometry.light_fits import MIN_ROWS, disc_fit, sersic_fit
from pix2prof.photometry.sizes import (
    concentration,
    flux_radius,
    isophotal_magnitude,
    isophotal_radius,
    magnitude,
    total_flux,
)
from pix2prof.photometry.stacked import MAX_MU_ERR, stack
from pix2prof.profiles import PARAMETERS

ISOPHOTES = (23.5, 25.0)
TOGETHER = 32


def structural_parameters(table):
    """Structural parameters from one profile.

    The profile is used up to its signal-to-noise cut (``nvalid`` in the metadata; an ``sn_sma`` of
    0 there says that nothing is measured), else to the first row whose error exceeds 0.3 mag. Its
    errors are carried through to first order; those of neighbouring rows hang together, see
    `pix2prof.photometry.propagation.SOURCES`.

    Parameters
    ----------
    table : astropy.table.QTable
        A profile with sma and mu, and what there is of mu_err, ellipticity, ellipticity_err and
        growth. Without mu_err there are values and no errors; without ellipticity the magnitudes
        are left open, and the rest is as for one and the same ellipticity at all radii; without
        ellipticity_err it is taken to be `pix2prof.photometry.stacked.ELLIPTICITY_ERR`.

    Returns
    -------
    parameters : astropy.table.QTable
        Columns name, value, error, unit and reason, one row each for R_23.5 and R_25 (first
        isophote as faint), R_50 and R_90 (of the total flux), C_28 = 5 log10(R_80 / R_20), m_23.5,
        m_25 (within those isophotes), m_tot (extrapolated along the disc), h and mu_0 (of
        the exponential disc, not corrected for inclination), and n, R_e, mu_e (one Sersic
        function). Where a parameter cannot be had, value and error are NaN and `reason` says why.
        ``meta["rows"]``: how many rows of the profile were used.

    Raises
    ------
    ValueError
        If the table lacks one of the first two columns.
    """
    (found,), (rows,) = _measure([table])
    out = QTable()
    out["name"] = list(PARAMETERS)
    for k, name in enumerate(("value", "error", "reason")):
        out[name] = [one[k] for one in found.values()]
    out["unit"] = [unit.to_string() for unit in PARAMETERS.values()]
    out = out["name", "value", "error", "unit", "reason"]
    out.meta.update({k: table.meta[k] for k in ("object", "band", "version") if k in table.meta})
    out.meta["rows"] = rows
    return out


def note_parameters(tables):
    """Write the structural parameters of profiles into their metadata.

    Parameters
    ----------
    tables : sequence of astropy.table.QTable
        See `structural_parameters`; each gets ``meta["R_235"]`` and so on, the names without a
        point, in their units there; ``meta["R_235_err"]`` and so on, their standard errors; and
        ``meta["absent"]``, a list of what could not be had, each with the reason.
    """
    for start in range(0, len(tables), TOGETHER):
        some = tables[start : start + TOGETHER]
        for table, found in zip(some, _measure(some)[0], strict=True):
            for name, (value, error, _) in found.items():
                for key, number in ((name, value), (f"{name}_err", error)):
                    if np.isfinite(number):
                        table.meta[key.replace(".", "")] = number
            table.meta["absent"] = [f"{k}: {why}" for k, (*_, why) in found.items() if why]


def _measure(tables):
    """Name -> (value, error, reason) of each profile, and how many of its rows were used."""
    for table in tables:
        missing = [name for name in ("sma", "mu") if name not in table.colnames]
        if missing:
            raise ValueError(
                f"structural parameters need the columns {missing}, which are missing"
            )
    profiles, kept, rows = stack(tables, MIN_ROWS)
    usable = f"rows within the S/N cut before mu_err reaches {MAX_MU_ERR:g}"
    found = [dict.fromkeys(PARAMETERS, (np.nan, np.nan, f"only {n} {usable}")) for n in rows]
    if kept:
        with np.errstate(all="ignore"):
            none = [np.nan] * len(kept)
            columns = {
                name: (
                    one.value.tolist(),
                    one.error.tolist() if profiles.errors else none,
                    one.reasons,
                )
                for name, one in _parameters(profiles).items()
            }
        for row, k in enumerate(kept):
            found[k] = {name: _one(*(c[row] for c in column)) for name, column in columns.items()}
    for table, of_table in zip(tables, found, strict=True):
        if "ellipticity" not in table.colnames:
            of_table |= {
                name: (np.nan, np.nan, "no ellipticities")
                for name in PARAMETERS
                if name.startswith("m_")
            }
        if "mu_err" not in table.colnames:
            of_table |= {name: (v, np.nan, why) for name, (v, _, why) in of_table.items()}
    return found, rows


def _one(value, error, reason):
    return (np.nan, np.nan, reason) if reason else (value, error, reason)


def _parameters(profiles):
    """Name -> `pix2prof.photometry.quantities.Quantities`, in the order of `PARAMETERS`."""
    disc, sersic = disc_fit(profiles), sersic_fit(profiles)
    total = total_flux(profiles, disc, sersic)
    found = {}
    for level in ISOPHOTES:
        radius = isophotal_radius(profiles, level)
        found[f"R_{level:g}"] = radius
        found[f"m_{level:g}"] = isophotal_magnitude(profiles, radius)
    for percent in (50, 90):
        found[f"R_{percent}"] = flux_radius(profiles, total, percent / 100)
    found["C_28"] = concentration(profiles, total)
    found["m_tot"] = magnitude(total)
    found["h"], found["mu_0"] = disc
    found["n"], found["R_e"], found["mu_e"] = sersic
    return found
