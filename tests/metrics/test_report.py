import json

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from discs import pair_table, profiles

from pix2prof.metrics import deviations as metrics
from pix2prof.metrics import report


def test_regression_recovers_a_line_and_finds_none_in_noise():
    rng = np.random.default_rng(0)
    x = np.append(rng.uniform(0, 1, 200), np.nan)
    fit = report.regression(x, 0.3 + 0.5 * x + 0.01 * rng.normal(size=201))
    assert fit["slope"] == pytest.approx(0.5, abs=5 * fit["stderr"])
    assert fit["intercept"] == pytest.approx(0.3, abs=0.01)
    assert (fit["n"], fit["p"] < 1e-6) == (200, True)
    assert report.regression(x, rng.normal(size=201))["p"] > 0.01
    assert report.regression([1, 1, 1], [1, 2, 3]) == {"n": 3}


def test_energy_reproduces_the_papers_statement():
    numbers = report.energy(20 / 0.3 * 3600, 300, 0.277)
    assert (numbers["kwh"], numbers["kg_co2e"]) == pytest.approx((20, 5.54))
    with pytest.raises(ValueError, match="watts must be a number of at least 0; found -1"):
        report.energy(1, -1, 0.3)


@pytest.mark.parametrize("n", [3, 60])
def test_what_is_reported_is_nested_plain_and_json(n):
    reference = profiles(np.full(n, 100))
    rng = np.random.default_rng(1)
    pairs = pair_table(n)
    table = metrics.deviations(reference, reference + rng.normal(0, 0.3, (n, 1)), pairs)
    mean = np.broadcast_to(metrics.mean_profile(reference), reference.shape)
    numbers = report.assemble(
        table,
        baseline=metrics.deviations(reference, mean, pairs),
        speed={"cpu": {"images_per_second": np.float32(2.5)}},
        training={"epochs": np.int64(7), "loss": np.nan},
    )
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert numbers["test"]["median"] == pytest.approx(
        np.median(table["deviation"].value), rel=1e-5
    )
    assert numbers["by_band"]["r"]["snr"] == 30.0
    assert numbers["by_band"]["g"]["n"] == n // 3
    assert set(numbers["regression"]) == {"ellipticity", "r_235"}
    assert numbers["baseline"]["test"]["n"] == n
    assert numbers["speed"]["cpu"]["images_per_second"] == 2.5
    assert numbers["training"] == {"epochs": 7}


def test_words_among_the_numbers_are_refused():
    reference = profiles([50, 50, 50])
    table = metrics.deviations(reference, reference, pair_table(3))
    with pytest.raises(TypeError, match=r"metrics\.speed\.device must be a number; found 'cpu'"):
        report.assemble(table, speed={"device": "cpu"})


def test_tables_round_trip_with_their_units(tmp_path):
    reference = profiles([50, 60, 70])
    table = metrics.deviations(reference, reference + 0.1, pair_table(3))
    table.write(tmp_path / "pairs.ecsv")
    again = QTable.read(tmp_path / "pairs.ecsv")
    assert again["deviation"].unit == table["deviation"].unit
    assert report.assemble(again) == report.assemble(table)


def test_a_size_in_other_units_is_converted():
    reference = profiles(np.full(6, 80))
    pairs = pair_table(6)
    table = metrics.deviations(reference, reference + np.arange(6)[:, None] / 10, pairs)
    converted = table.copy()
    converted["r_235"] = converted["r_235"].to(u.arcmin)
    first, second = (report.assemble(t)["regression"]["r_235"] for t in (table, converted))
    assert first == pytest.approx(second)
