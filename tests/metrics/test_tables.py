import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from pix2prof.metrics import report, tables


def test_the_papers_table_1():
    table = tables.table1()
    assert table["Wall time per galaxy"].unit == u.s
    by_hand = table[table["Automated?"] == "No"]
    assert np.sum(by_hand["Wall time per galaxy"]) == 275 * u.s
    assert np.isnan(table[table["Automated?"] == "Yes"]["Wall time per galaxy"]).all()


def test_table_2_has_each_step_of_each_method_and_the_times():
    table = tables.table2()
    assert len(table) == 8
    assert set(table["Automated in paper's network?"][:7]) == {"Yes"}
    assert list(table["Automated in Courteau (1996), by hand?"][:7]).count("No") == 4
    assert list(table[-1])[1:] == ["192", "490", "–", "–", "1.1", "–"]
    assert "sigma-clipped" in table.meta["assumptions"]


def test_table_2_has_the_measured_times_when_given():
    seconds = {
        "AutoProf": 6.123,
        "paper's network": 0.05,
        "isophote network": 0.07,
        "expert": np.nan,
    }
    table = tables.table2(seconds, "a Processor", {"paper's network": 40.0}, "two cores")
    assert list(table[-2])[1:] == ["–", "6.1", "–", "–", "0.05", "0.07"]
    assert "a Processor" in table[-2]["Process"]
    assert list(table[-1])[1:] == ["–", "–", "–", "–", "0.025", "–"]
    assert "two cores" in table[-1]["Process"]
    own = tables.table2(seconds, rates={"isophote network": 10.0})
    assert list(own[-1])[1:] == ["–", "–", "–", "–", "–", "0.1"]
    assert len(tables.table2(seconds, rates={"transformer network": 10.0})) == len(table) - 1


def test_headlines_stand_beside_the_papers_and_say_on_what():
    numbers = {"test": {"median": 0.2, "iqr": 0.1}}
    table = tables.headlines(numbers)
    assert table["Paper (SDSS galaxies)"].value.tolist() == [0.41, 0.21, 0.34, 0.22]
    np.testing.assert_array_equal(
        table["This run (mock galaxies)"].value, [0.2, 0.1, np.nan, np.nan]
    )


def test_another_limit_is_said_and_has_no_number_of_the_papers():
    numbers = {name: {"median": 0.2, "iqr": 0.1} for name in ("test", "test_bright")}
    table = tables.headlines(numbers, limit=25.0)
    assert [words.endswith("brighter than 25") for words in table["Quantity"]] == [False] * 2 + [
        True
    ] * 2
    paper = table["Paper (SDSS galaxies)"].value
    np.testing.assert_array_equal(paper, [0.41, 0.21, np.nan, np.nan])


def test_the_energy_table_states_its_assumptions():
    table = tables.energy_table(report.energy(3600, 65, 0.277))
    assert table["Energy (kWh)"].tolist() == pytest.approx([20, 0.065])
    assert table["CO2e"][1].to_value(u.kg) == pytest.approx(0.065 * 0.277)
    assert "65 W" in table.meta["assumptions"] and "0.277 kg" in table.meta["assumptions"]


def test_markdown_has_units_dashes_and_digits():
    table = QTable({"a": ["x", "y"], "t": [1.23456, np.nan] * u.s, "n": [1953, 2]})
    text = tables.markdown(table, caption="Table")
    assert text == (
        "Table\n\n| a | t [s] | n |\n| :-- | --: | --: |\n| x | 1.23 | 1953 |\n| y | – | 2 |\n"
    )
    assert "| 12346 |" in tables.markdown(QTable({"t": [12345.6]}))
