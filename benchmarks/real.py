"""The network on real galaxies: predicted profiles over AutoProf's, and how far they lie apart.

    python benchmarks/real.py --model models/paper [--galaxies FOLDER] [--out docs]

Needs the folder of real galaxies (``images/*.fits``, ``autoprof/*.prof``), which is not part of
the repository. Writes ``real_galaxies.png`` and ``.pdf`` (profiles alone) and
``real_galaxies.csv``, and prints the summary.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import QTable

import pix2prof
from pix2prof import metrics
from pix2prof.gallery import Panel, real_galaxies
from pix2prof.output import replacing
from pix2prof.profiles import MU_UNIT, read_profile
from pix2prof.style import save_figure

ROOT = Path(__file__).resolve().parents[1]
REAL = Path(os.environ.get("PIX2PROF_REAL", ROOT.parent / "shared" / "real"))
LIMIT = 25.0


def deviation(profile, reference, limit=LIMIT):
    """Median |difference| [mag arcsec^-2] where `reference` is brighter than `limit`.

    Parameters
    ----------
    profile, reference : astropy.table.QTable
        With ``sma`` and ``mu``; `reference` is interpolated on the radii of `profile`.
    limit : float
        Surface brightness [mag arcsec^-2].

    Returns
    -------
    eta : float
        NaN where the two share no such radius.
    """
    good = np.isfinite(reference["mu"].value)
    sma, mu = reference["sma"].to_value(u.arcsec)[good], reference["mu"].value[good]
    there = np.interp(profile["sma"].to_value(u.arcsec), sma, mu, left=np.nan, right=np.nan)
    eta = np.abs(profile["mu"].value - there)[there < limit]
    eta = eta[np.isfinite(eta)]
    return float(np.median(eta)) if len(eta) else np.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="paper", help="a released model's name, or a folder")
    parser.add_argument("--galaxies", type=Path, default=REAL)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    paths = sorted((options.galaxies / "images").glob("*.fits"))
    if not paths:
        parser.error(f"no images/*.fits in {options.galaxies}; name the folder with --galaxies")
    model = pix2prof.load(options.model)
    panels, rows = [], []
    for path, done in zip(paths, pix2prof.predict_files(paths, model), strict=True):
        published = options.galaxies / "autoprof" / f"{path.stem}.prof"
        reference = read_profile(published) if published.is_file() else None
        both = reference is not None and done.profile is not None
        eta = deviation(done.profile, reference) if both else np.nan
        note = "failed" if done.error else f"{eta:.2f} mag" if np.isfinite(eta) else ""
        panels.append(Panel(path.stem, done.profile, reference, note))
        words = str(done.error) if done.error else "; ".join(done.profile.meta["flags"])
        rows.append((path.stem, done.error is None, eta, words.replace(str(path), path.name)))
    table = QTable(rows=rows, names=("name", "predicted", "deviation", "remarks"))
    options.out.mkdir(parents=True, exist_ok=True)
    save_figure(real_galaxies(panels), options.out / "real_galaxies")
    with replacing(options.out / "real_galaxies.csv") as partial:
        table.write(partial, format="ascii.csv", overwrite=True)
    numbers = metrics.summary(table["deviation"] * MU_UNIT / MU_UNIT)
    print(f"{table['predicted'].sum()} of {len(table)} predicted, with {options.model}")
    print(f"against AutoProf, mu < {LIMIT:g}, median deviation of each profile [mag arcsec^-2]:")
    print("  " + ", ".join(f"{key} {numbers[key]:.3g}" for key in ("n", "median", "p90", "max")))


if __name__ == "__main__":
    main()
