import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable

from pix2prof import metrics, tables


def test_the_papers_table_1():
    table = tables.table1()
    assert table["Wall time per galaxy"].unit == u.s
    by_hand = table[table["Automated?"] == "No"]
    assert np.sum(by_hand["Wall time per galaxy"]) == 275 * u.s
    assert np.isnan(table[table["Automated?"] == "Yes"]["Wall time per galaxy"]).all()


def test_table_2_has_the_measured_rates_when_given():
    assert len(tables.table2()) == 8
    table = tables.table2({"Pix2Prof": 31.24}, "two cores")
    assert list(table[-1]) == ["Galaxies per second, measured here on two cores", "–", "31"]
    assert set(table["Automated in Pix2Prof?"][:7]) == {"Yes"}
    with pytest.raises(ValueError, match="no column for the rates of \\['SExtractor'\\]"):
        tables.table2({"SExtractor": 1.0})


def test_headlines_stand_beside_the_papers_and_say_on_what():
    numbers = {"test": {"median": 0.2, "iqr": 0.1}}
    table = tables.headlines(numbers)
    assert table["Paper (SDSS galaxies)"].value.tolist() == [0.41, 0.21, 0.34, 0.22]
    np.testing.assert_array_equal(
        table["This run (mock galaxies)"].value, [0.2, 0.1, np.nan, np.nan]
    )


def test_the_energy_table_states_its_assumptions():
    table = tables.energy_table(metrics.energy(3600, 65, 0.277))
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
