"""The paper's tables, its headline numbers beside ours, and their text."""

import astropy.units as u
import numpy as np
from astropy.table import QTable

from pix2prof.names import ISOPHOTE_NETWORK, PAPERS_NETWORK
from pix2prof.sdss import LIMITING_MU

STEPS = (
    ("Identify galaxy centre", "No", 5.0),
    ("Estimate & remove sky background", "Yes", np.nan),
    ("Remove foreground objects", "No", 120.0),
    ("Fit contours", "Yes", np.nan),
    ("Extend contours to galaxy extent", "No", 30.0),
    ("Smooth isophotes", "Yes", np.nan),
    ("Interpolate poorly fitted data", "No", 120.0),
)
"""Step of the method of Courteau (1996), whether automated, wall time by hand [s]."""

HEADLINES = (
    ("test", "median", 0.41, "median deviation, all radii"),
    ("test", "iqr", 0.21, "interquartile range, all radii"),
    ("test_bright", "median", 0.34, "median deviation, brighter than {limit:g}"),
    ("test_bright", "iqr", 0.22, "interquartile range, brighter than {limit:g}"),
)
"""Set, statistic, the paper's value [mag arcsec^-2], in words (section 2.3)."""

PERSON = "Courteau (1996), by hand"
PAPER_SECONDS = {PERSON: 28800 / 150, "AutoProf": 490.0, PAPERS_NETWORK: 1 / 0.9}
"""Wall time per galaxy (sections 2.3 and 2.3.1): an eight-hour day's 150, and two programs."""

AUTOMATED = {
    PERSON: tuple(automated for _, automated, _ in STEPS),
    "AutoProf": ("Yes", "Yes", "Stars", "Yes", "Yes", "Yes", "Yes"),
    "photutils Ellipse": ("With help", "With help", "With help", "Yes", "Yes", "No", "No"),
    "classical, automatic": ("Yes",) * len(STEPS),
    PAPERS_NETWORK: ("Yes",) * len(STEPS),
    ISOPHOTE_NETWORK: ("Yes",) * len(STEPS),
}
"""Method -> whether it does each of `STEPS` by itself."""

HELP = (
    "With help: not by Ellipse itself; here by photutils' segmentation and sigma-clipped sky. "
    f"Stars: AutoProf masks stars, not other galaxies. The {PAPERS_NETWORK} does no step: "
    f"it skips them all; the {ISOPHOTE_NETWORK} finds centre and foreign sources, and fits."
)
PAPER_ENERGY = {"kwh": 20.0, "kg_co2e": 5.54}


def headline(metrics, name, statistic, limit=LIMITING_MU):
    """Take the paper's number and ours, NaN where there is none.

    Parameters
    ----------
    metrics : dict
        As `pix2prof.metrics.report.assemble` returns it.
    name : {"test", "test_bright"}
        The set.
    statistic : {"median", "iqr"}
        The statistic.
    limit : float
        Where ``test_bright`` ends [mag arcsec^-2]; the paper's at `pix2prof.sdss.LIMITING_MU`.

    Returns
    -------
    paper, ours : float
        Both [mag arcsec^-2].
    """
    paper = {(s, q): number for s, q, number, _ in HEADLINES}[name, statistic]
    if name == "test_bright" and limit != LIMITING_MU:
        paper = np.nan
    return paper, metrics.get(name, {}).get(statistic, np.nan)


def headlines(metrics, sample="mock galaxies", limit=LIMITING_MU):
    """Set the paper's headline numbers (section 2.3) beside ours.

    Parameters
    ----------
    metrics : dict
        As `pix2prof.metrics.report.assemble` returns it.
    sample : str
        What ours were measured on; it heads their column.
    limit : float
        See `headline`.

    Returns
    -------
    table : astropy.table.QTable, 4 rows
    """
    numbers = [headline(metrics, name, statistic, limit) for name, statistic, *_ in HEADLINES]
    unit = u.mag / u.arcsec**2
    return QTable(
        {
            "Quantity": [words.format(limit=limit) for *_, words in HEADLINES],
            "Paper (SDSS galaxies)": [paper for paper, _ in numbers] * unit,
            f"This run ({sample})": [ours for _, ours in numbers] * unit,
        }
    )


def table1():
    """Table 1: the steps of Courteau (1996) and the paper's wall times of those done by hand.

    Returns
    -------
    table : astropy.table.QTable, 7 rows
        NaN where the time is negligible.
    """
    process, automated, seconds = zip(*STEPS, strict=True)
    return QTable(
        {
            "Process": process,
            "Automated?": automated,
            "Wall time per galaxy": seconds * u.s,
        }
    )


def table2(seconds=None, hardware="", rates=None, cores=""):
    """Table 2: which steps each method automates, and the time it takes for a galaxy.

    Parameters
    ----------
    seconds : dict of str to float, optional
        Wall time of one image on one core, measured here [s]; the keys are those of `AUTOMATED`.
    hardware : str
        What that was measured on.
    rates : dict of str to float, optional
        Images that a network does in a second in batches, measured here; keys as of `seconds`.
    cores : str
        What that was measured on.

    Returns
    -------
    table : astropy.table.QTable
        Seven rows of steps, one of the paper's times, and those measured here, if any.
    """
    rows = [
        (process, *(column[k] for column in AUTOMATED.values()))
        for k, (process, *_) in enumerate(STEPS)
    ]

    def measured(words, place, times):
        cells = [_digits(times[name], 2) if name in times else "–" for name in AUTOMATED]
        rows.append((f"{words}{f' on {place}' if place else ''}", *cells))

    measured("Seconds per galaxy, paper", "a Xeon E5-2650 v3", PAPER_SECONDS)
    if seconds:
        measured("Seconds per galaxy and band, here, one core", hardware, seconds)
    if set(rates or {}) & set(AUTOMATED):
        times = {name: 1 / rate for name, rate in rates.items()}
        measured("The same, here, in batches", cores, times)
    table = QTable(rows=rows, names=("Process", *(f"Automated in {n}?" for n in AUTOMATED)))
    table.meta["assumptions"] = HELP
    return table


def energy_table(numbers):
    """Set the training's energy and CO2 beside the paper's statement on carbon.

    Parameters
    ----------
    numbers : dict
        As `pix2prof.metrics.report.energy` returns it.

    Returns
    -------
    table : astropy.table.QTable, 2 rows
        With `meta["assumptions"]`, in words.
    """
    table = QTable(
        {
            "Training": ["Paper (one V100)", "This run"],
            "Energy (kWh)": [PAPER_ENERGY["kwh"], numbers["kwh"]],
            "CO2e": [PAPER_ENERGY["kg_co2e"], numbers["kg_co2e"]] * u.kg,
        }
    )
    table.meta["assumptions"] = (
        f"{numbers['seconds']:.0f} s of training at a mean draw of {numbers['watts']:g} W and "
        f"{numbers['kg_per_kwh']:g} kg CO2e per kWh; neither cooling nor manufacture"
    )
    return table


def markdown(table, *, digits=3, caption=""):
    """Write a table as Markdown, with units in its head.

    Parameters
    ----------
    table : astropy.table.Table
        Any table of scalars.
    digits : int
        Significant digits of floats; what is not finite becomes a dash.
    caption : str
        A line above it.

    Returns
    -------
    text : str
        Ends with a newline.
    """

    def cell(value):
        value = getattr(value, "value", value)
        if not isinstance(value, (float, np.floating)):
            return str(value)
        return _digits(value, digits)

    units = [table[name].unit if hasattr(table[name], "unit") else None for name in table.colnames]
    head = [
        f"{name} [{unit}]" if unit not in (None, u.one) else name
        for name, unit in zip(table.colnames, units, strict=True)
    ]
    numeric = [np.issubdtype(np.asarray(table[name]).dtype, np.number) for name in table.colnames]
    lines = [head, ["--:" if number else ":--" for number in numeric]]
    lines += [[cell(value) for value in row] for row in table.iterrows()]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    return f"{caption}\n\n{text}" if caption else text


def _digits(value, digits):
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"
