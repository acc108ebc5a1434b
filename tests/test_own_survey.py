"""The chain's notebooks on a user's own survey: a folder of images and profiles."""

import json
from dataclasses import replace

import nbformat
import numpy as np
import pytest
from astropy.table import Table
from conftest import ROOT
from ruamel.yaml import YAML

from pix2prof.dataset.stored import load_survey
from pix2prof.images.fits import mock_hdus
from pix2prof.isophotes import method as isophotes
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.profile_files import read_profile, write_profile
from pix2prof.profiles import MU_UNIT
from pix2prof.sdss import BANDS

N, FIELD = 6, 128
CHAIN = ("01_data", "02_train", "03_evaluate", "04_compare", "05_figures")
SMALL = {
    "data": {"source": "folder", "n_galaxies": N, "n_validation": 1, "n_test": 2, "crop": 64}
    | {"margin": 8, "field": FIELD},
    "model": {"latent": 16, "layers": 1, "step": 4.0},
    "train": {"encoder_images": 32, "images": 32, "batch_size": 8},
    "compare": {"n_galaxies": 1},
    "figures": {"n_profiles": 3},
}


def write_survey(folder):
    """Mock galaxies as a user's FITS images, measured profiles and catalogue."""
    rows, index = [], 0
    while len(rows) < 3 * N:
        galaxy = mock_galaxy(seed=5, index=index, field=FIELD)
        index += 1
        found = isophotes.measure(
            galaxy.images, centre=np.repeat([galaxy.centre], 3, axis=0),
            mask=np.repeat([galaxy.mask], 3, axis=0),
        )  # fmt: skip
        if found.n_valid.min() < 20:
            continue
        for number, band in enumerate(BANDS):
            name = f"{galaxy.name}-{band}"
            mock_hdus(galaxy, number).writeto(folder / f"{name}.fits")
            write_profile(found.table(number), folder / f"{name}.ecsv")
            rows.append((galaxy.name, band, f"{name}.fits", f"{name}.ecsv", 0.03))
    del rows[-1]
    names = ("name", "band", "image", "profile", "redshift")
    Table(rows=rows, names=names).write(folder / "catalogue.csv")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project of such a folder, after the notebooks of the chain, and the names each left."""
    root = tmp_path_factory.mktemp("project")
    (root / "mine").mkdir()
    write_survey(root / "mine")
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    for section, values in SMALL.items():
        params[section].update(values)
    params["data"]["folder"] = str(root / "mine")
    yaml.dump(params, root / "params.yaml")
    patch = pytest.MonkeyPatch()
    patch.setenv("PIX2PROF_PROJECT", str(root))
    patch.setenv("PIX2PROF_REAL", str(root / "none"))
    for name in ("PIX2PROF_PARAMS", "PIX2PROF_TOY", "PIX2PROF_AUTOPROF"):
        patch.delenv(name, raising=False)
    yield root, {name: run(name) for name in CHAIN}
    patch.undo()


def cells(name):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(name):
    """Run a notebook's code at full size in this process; give the names that it leaves."""
    names = {"display": repr}
    for cell in cells(name):
        tagged = "parameters" in cell.metadata.get("tags", [])
        source = 'size = "full"' if tagged else cell.source
        exec(compile(source, f"{name} {cell.id}", "exec"), names)
    return names


def test_the_whole_chain_runs_on_it(project):
    root, _ = project
    metrics = json.loads((root / "results" / "metrics.json").read_text())
    assert metrics["test"]["n"] >= 5 and "truth" in metrics and "median" not in metrics["truth"]
    figures = {path.stem for path in (root / "figures").glob("*.png")}
    assert {f"fig{k}" for k in range(1, 7)} | {"compare_speed", "compare_disputed"} <= figures


def test_no_table_calls_its_galaxies_mock_or_their_masks_known(project):
    root, _ = project
    for name in ("headlines.md", "comparison/summary.md"):
        text = (root / "results" / name).read_text()
        assert "galaxies of mine" in text and "mock" not in text
        assert "known" not in text


def test_its_labels_are_the_measured_profiles_to_their_cut(project):
    root, _ = project
    survey = load_survey(root / "data" / "survey")
    catalogue, beyond = Table.read(root / "mine" / "catalogue.csv"), 0
    for row in catalogue:
        table = read_profile(root / "mine" / row["profile"])
        galaxy = list(survey.catalogue["name"]).index(row["name"])
        n, band = table.meta["nvalid"], BANDS.index(row["band"])
        found = survey.profiles["expert_mu"][galaxy, band]
        np.testing.assert_allclose(found[:n], table["mu"].value[:n], rtol=1e-6)
        assert np.isnan(found[n:]).all()
        beyond += len(table) - n
    assert beyond > 0


def with_sky(sky):
    return replace(sky, normalisation=replace(sky.normalisation, low=2.0))


def far_off(metrics):
    return metrics | {"test": metrics["test"] | {"median": 100.0}}


def of_other_galaxies(summary):
    moved = summary.copy()
    moved["expert_bright_median"] += 2 * MU_UNIT
    return moved


@pytest.mark.parametrize(
    ("notebook", "name", "spoil"),
    [
        ("01_data", "sky", with_sky),
        ("01_data", "expert", lambda expert: np.full_like(expert, np.nan)),
        ("03_evaluate", "metrics", far_off),
        ("04_compare", "summary", of_other_galaxies),
    ],
)
def test_what_must_hold_does_not_of_a_broken_run(project, notebook, name, spoil):
    names, last = dict(project[1][notebook]), cells(notebook)[-1].source
    exec(last, names)
    with pytest.raises(AssertionError):
        exec(last, names | {name: spoil(names[name])})
