import astropy.units as u
import numpy as np
import pytest
from discs import STEP, T, pair_table, profiles

from pix2prof.metrics import deviations as metrics


@pytest.mark.parametrize("n", [1, 3, 12])
def test_a_constant_offset_is_every_profiles_deviation(n):
    reference = profiles(np.full(n, 100))
    offset = np.linspace(-0.3, 0.4, n)
    table = metrics.deviations(reference, reference + offset[:, None], pair_table(n))
    np.testing.assert_allclose(table["deviation"].value, np.abs(offset), atol=1e-12)
    assert table["deviation"].unit == u.mag / u.arcsec**2
    assert table["name"].tolist() == pair_table(n)["name"].tolist()


def test_deviation_equals_the_ratio_of_intensities():
    y, p = np.array([[20.0, 22.0]]), np.array([[20.5, 21.0]])
    ratio = 10 ** (-0.4 * y) / 10 ** (-0.4 * p)
    np.testing.assert_allclose(metrics.deviation(y, p), np.abs(-2.5 * np.log10(ratio)))


def test_only_common_radii_count_and_match_a_slow_loop():
    rng = np.random.default_rng(3)
    reference = profiles([20, 70, 110, 40])
    prediction = profiles([50, 60, 119, 40], seed=1) + rng.normal(0, 0.3, (4, T))
    reference[2, 10:14] = np.nan
    table = metrics.deviations(reference, prediction, pair_table(4))
    for k in range(4):
        both = [t for t in range(T) if np.isfinite(reference[k, t] + prediction[k, t])]
        eta = [abs(reference[k, t] - prediction[k, t]) for t in both]
        assert table["deviation"][k].value == pytest.approx(np.median(eta))
        eta = [abs(reference[k, t] - prediction[k, t]) for t in both if reference[k, t] < 26.5]
        assert table["deviation_bright"][k].value == pytest.approx(np.median(eta))


def test_the_bright_part_is_chosen_by_the_reference():
    reference = np.array([[25.0, 26.4, 26.5, 27.0, 28.0]])
    prediction = reference + np.array([[0.1, 0.1, 5.0, 5.0, 5.0]])
    table = metrics.deviations(reference, prediction, pair_table(1))
    assert table["deviation_bright"][0].value == pytest.approx(0.1)
    assert table["deviation"][0].value == pytest.approx(5.0)


def test_lengths_and_their_errors():
    reference, prediction = profiles([50, 100]), profiles([60, 75])
    table = metrics.deviations(reference, prediction, pair_table(2))
    np.testing.assert_allclose(table["length"].to_value(u.arcsec), [10, 20])
    np.testing.assert_allclose(table["length_error"].to_value(u.arcsec), [2, -5])
    np.testing.assert_allclose(table["length_fraction"], [0.2, -0.25])


def test_an_empty_prediction_is_undefined_and_counted():
    reference = profiles([50, 50, 50])
    prediction = reference + 0.2
    prediction[1] = np.nan
    table = metrics.deviations(reference, prediction, pair_table(3))
    numbers = metrics.summary(table["deviation"].value)
    assert np.isnan(table["deviation"][1].value)
    assert (numbers["n"], numbers["n_undefined"]) == (2, 1)
    assert metrics.summary([np.nan]) == {"n": 0, "n_undefined": 1}


def test_shapes_that_do_not_agree_are_refused():
    with pytest.raises(ValueError, match=r"one shape \(P, T\); found \(2, 120\) and \(3, 120\)"):
        metrics.deviation(profiles([5, 5]), profiles([5, 5, 5]))
    with pytest.raises(ValueError, match="pairs has 2 rows for 3 profiles"):
        metrics.deviations(profiles([5, 5, 5]), profiles([5, 5, 5]), pair_table(2))


def test_summary_of_known_numbers():
    numbers = metrics.summary(np.arange(101) / 100)
    expected = {"median": 0.5, "mean": 0.5, "q25": 0.25, "q75": 0.75, "iqr": 0.5}
    expected |= {"p90": 0.9, "p99": 0.99, "min": 0.0, "max": 1.0, "fraction_bad": 50 / 101}
    assert {k: numbers[k] for k in expected} == pytest.approx(expected)
    assert numbers["std"] == pytest.approx(np.arange(101).std() / 100)


def test_the_curve_per_kpc_follows_a_deviation_that_grows_with_radius():
    n = 40
    reference = profiles(np.full(n, 100))
    sma = STEP * np.arange(1, T + 1)
    slopes = np.linspace(0.0, 0.02, n)
    pairs = pair_table(n, kpc_per_arcsec=0.5)
    curve = metrics.per_kpc(reference, reference + slopes[:, None] * sma, pairs, bin_kpc=0.5)
    radius = curve["radius"].to_value(u.kpc)
    for name, q in (("median", 0.5), ("q25", 0.25), ("q75", 0.75)):
        expected = np.quantile(slopes, q) * radius / 0.5
        np.testing.assert_allclose(curve[name].value, expected, atol=1e-12)
    assert radius[-1] == pytest.approx(10.0)
    assert (curve["n"] == n).all()


def test_the_curve_ends_where_nine_in_ten_profiles_have_ended():
    lengths = np.repeat([50, 100], [90, 10])
    reference = profiles(lengths)
    curve = metrics.per_kpc(reference, reference + 0.1, pair_table(100), bin_kpc=0.1)
    assert curve["radius"][-1].value < 5.6
    longer = metrics.per_kpc(reference, reference + 0.1, pair_table(100), bin_kpc=0.1, ended=1.0)
    assert longer["radius"][-1].value == pytest.approx(10.0)
    assert longer["n"][-1] == 10


def test_distance_stretches_the_curve():
    reference = profiles(np.full(3, 100))
    near = metrics.per_kpc(reference, reference, pair_table(3, 0.5))
    far = metrics.per_kpc(reference, reference, pair_table(3, 1.0))
    assert far["radius"][-1] == 2 * near["radius"][-1]


def test_curves_hold_all_and_each_band():
    reference = profiles(np.full(12, 80))
    pairs = pair_table(12)
    prediction = reference + np.array([0.1, 0.2, 0.3] * 4)[:, None]
    table = metrics.curves(reference, prediction, pairs)
    assert list(dict.fromkeys(table["set"].tolist())) == ["all", "g", "r", "i"]
    for band, offset in zip("gri", (0.1, 0.2, 0.3), strict=True):
        np.testing.assert_allclose(table["median"][table["set"] == band].value, offset)
    with pytest.raises(ValueError, match="are the predictions empty"):
        metrics.curves(reference, np.full_like(reference, np.nan), pairs)


def test_profiles_shorter_than_a_bin_leave_an_empty_curve():
    reference = profiles([2, 2, 2])
    assert len(metrics.per_kpc(reference, reference, pair_table(3), bin_kpc=5.0)) == 0


def test_the_mean_profile_averages_those_that_reach():
    mu = np.array([[20.0, 21.0, np.nan], [22.0, np.nan, np.nan]])
    np.testing.assert_array_equal(metrics.mean_profile(mu), [21.0, 21.0, np.nan])
