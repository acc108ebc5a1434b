import dataclasses
import json

import numpy as np
import pytest
from astropy.table import QTable
from comparisons import LABELS, OFFSETS, synthetic

from pix2prof.compare import summaries as tables


@pytest.fixture
def compared():
    return synthetic()


def nobody(compared):
    """The same methods on no image."""
    none = {name: getattr(compared, name)[:, :0] for name in ("mu", "seconds", "failure")}
    return dataclasses.replace(compared, images=compared.images[:0], **none)


def test_every_method_is_summed_up_against_expert_and_truth(compared):
    table = tables.summarise(compared)
    assert list(table["method"]) == [*LABELS, tables.EXPERT]
    assert table["failed"].tolist() == [0, 0, 1, 0]
    assert table["truth_median"].value == pytest.approx([*OFFSETS, 0.05], abs=1e-4)
    assert table["expert_median"].value[:3] == pytest.approx([0.45, 0.03, 0.05], abs=1e-4)
    assert table["seconds"].value[:3] == pytest.approx([0.1, 0.2, 4.0])
    assert table["per_second"].value[:3] == pytest.approx([10, 5, 5 / 24])
    assert np.isnan(table["per_second"].value[3])


def test_errors_are_given_for_the_methods_asked_for_that_are_there(compared):
    measured = tables.errors(compared, ["paper's network", "AutoProf"])
    assert list(measured) == ["paper's network"]
    table, curve, numbers = measured["paper's network"]
    assert len(table) == 6 and len(curve) > 10
    assert numbers["test"]["median"] == pytest.approx(0.45, abs=1e-3)
    assert list(tables.errors(compared)) == list(LABELS)


def test_every_image_with_every_method_is_listed(compared):
    table = tables.image_table(compared)
    assert len(table) == 18
    lost = table[table["failure"] == "no fit"]
    assert list(lost["name"]) == ["SDSS J1"] and list(lost["band"]) == ["r"]
    assert np.isnan(lost["truth_bright"].value).all()


def test_pairs_are_compared_where_their_mean_is_bright(compared):
    names, found = tables.pair_deviations(compared, 24.0)
    assert names[0] == LABELS[:2] and found.shape == (3, 6)
    assert found[0, :4] == pytest.approx(0.48, abs=1e-4)
    assert np.isnan(found[1, 1]) and found[1, 4] == pytest.approx(4.4, abs=1e-4)
    table = tables.pair_table(compared, 24.0)
    assert table["images"].tolist() == [6, 5, 5]
    assert table["median"][0].value == pytest.approx(0.48, abs=1e-4)


def test_failures_have_their_reasons(compared):
    table = tables.failures(compared)
    assert list(table["failure"]) == ["no fit"] and list(table["method"]) == [LABELS[2]]
    assert table["seconds"][0].value == 4.0


def test_it_is_written_down(compared, tmp_path):
    (tmp_path / "real.md").write_text("of an earlier run")
    tables.write_tables(compared, nobody(compared), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "images.ecsv",
        "summary.json",
        "summary.md",
    ]
    numbers = json.loads((tmp_path / "summary.json").read_text())
    assert numbers["paper's network"]["truth_median"] == pytest.approx(0.5, abs=1e-4)
    assert "seconds" not in numbers[tables.EXPERT]
    text = (tmp_path / "summary.md").read_text()
    assert "a Processor" in text and "Without AutoProf" in text
    tables.write_tables(compared, compared, tmp_path)
    assert "| 5 |" in (tmp_path / "real.md").read_text()
    assert len(QTable.read(tmp_path / "real.ecsv")) == 18
    assert len(QTable.read(tmp_path / "real_failures.ecsv")) == 1
