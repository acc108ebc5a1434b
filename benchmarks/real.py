"""The network on real galaxies: predicted profiles over AutoProf's, and how far they lie apart.

    python benchmarks/real.py --model models/paper [--galaxies FOLDER] [--out docs]

Needs the folder of real galaxies (``images/*.fits``, ``autoprof/*.prof``), which is not part of
the repository. Writes ``real_galaxies_<model>.png`` and ``.pdf`` (profiles alone) and
``.csv``, and prints the summary.
"""

import argparse
from pathlib import Path

import numpy as np
from agreement import LIMIT, deviation
from astropy.table import QTable

import pix2prof
from pix2prof.figures.gallery import Panel, real_galaxies
from pix2prof.figures.style import save_figure
from pix2prof.metrics import deviations as metrics
from pix2prof.names import network_name
from pix2prof.output import replacing
from pix2prof.paths import real_folder
from pix2prof.profile_files import read_profile
from pix2prof.profiles import MU_UNIT

ROOT = Path(__file__).resolve().parents[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pix2prof", help="a released model's name, or a folder")
    parser.add_argument("--galaxies", type=Path, default=real_folder())
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
        eta = np.nan
        if reference is not None and done.profile is not None:
            eta = deviation(done.profile["sma"].value, done.profile["mu"].value, reference)
        note = "failed" if done.error else f"{eta:.2f} mag" if np.isfinite(eta) else ""
        panels.append(Panel(path.stem, done.profile, reference, note))
        words = str(done.error) if done.error else "; ".join(done.profile.meta["flags"])
        rows.append((path.stem, done.error is None, eta, words.replace(str(path), path.name)))
    table = QTable(rows=rows, names=("name", "predicted", "deviation", "remarks"))
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"real_galaxies_{Path(options.model).name}"
    method = network_name(model.network.kwargs.get("decoder", "gru"), Path(options.model).name)
    save_figure(real_galaxies(panels, method=method), stem)
    with replacing(stem.with_suffix(".csv")) as partial:
        table.write(partial, format="ascii.csv", overwrite=True)
    numbers = metrics.summary(table["deviation"] * MU_UNIT / MU_UNIT)
    print(f"{table['predicted'].sum()} of {len(table)} predicted, with {options.model}")
    print(f"against AutoProf, mu < {LIMIT:g}, median deviation of each profile [mag arcsec^-2]:")
    print("  " + ", ".join(f"{key} {numbers[key]:.3g}" for key in ("n", "median", "p90", "max")))


if __name__ == "__main__":
    main()
