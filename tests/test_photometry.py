import numpy as np
import pytest
from scipy.special import gammaincinv

from pix2prof.light_fits import sersic
from pix2prof.photometry import note_parameters, structural_parameters
from pix2prof.profiles import profile_table, read_profile, sma_grid, write_profile
from pix2prof.propagation import COMMON, CORRELATION, TO_TRUTH, correlated_draws
from pix2prof.sdss import mu_to_intensity

H, MU0, ELLIPTICITY = 8.0, 20.5, 0.4


def exponential(n=300, error=0.01):
    sma = sma_grid(n)
    x = sma / H
    flux = 2 * np.pi * (1 - ELLIPTICITY) * H**2 * mu_to_intensity(MU0)
    growth = flux * (1 - (1 + x) * np.exp(-x))
    columns = {
        "sma": sma,
        "mu": MU0 + 2.5 / np.log(10) * x,
        "mu_err": np.full(n, error),
        "ellipticity": np.full(n, ELLIPTICITY),
        "growth": growth,
        "growth_err": 0.01 * growth,
    }
    return profile_table(columns, object="disc"), flux


def as_dict(parameters):
    return {row["name"]: row for row in parameters}


def test_an_exponential_disc_is_itself():
    table, flux = exponential()
    p = as_dict(structural_parameters(table))
    total = 22.5 - 2.5 * np.log10(flux)
    assert p["h"]["value"] == pytest.approx(H, rel=1e-6)
    assert p["mu_0"]["value"] == pytest.approx(MU0, abs=1e-6)
    assert p["m_tot"]["value"] == pytest.approx(total, abs=1e-6)
    assert p["R_50"]["value"] == pytest.approx(1.67835 * H, rel=2e-4)
    assert p["R_90"]["value"] == pytest.approx(3.88972 * H, rel=2e-4)
    assert p["R_25"]["value"] == pytest.approx((25 - MU0) * np.log(10) / 2.5 * H, rel=1e-6)
    assert p["C_28"]["value"] == pytest.approx(5 * np.log10(2.99431 / 0.824388), abs=1e-3)
    assert p["n"]["value"] == pytest.approx(1.0, abs=1e-3)
    assert p["R_e"]["value"] == pytest.approx(1.67835 * H, rel=1e-3)
    assert all(row["error"] > 0 for row in p.values())
    assert not any(row["reason"] for row in p.values())


def test_errors_cover_errors_that_hang_together():
    rng, pulls = np.random.default_rng(1), []
    exact = as_dict(structural_parameters(exponential()[0]))
    table, _ = exponential(error=0.05)
    place = np.log(table["sma"].value)
    own = np.exp(-np.abs(place[:, None] - place) / CORRELATION)
    covariance = COMMON + (1 - COMMON) * own
    factor = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(place)))
    for _ in range(40):
        table, _ = exponential(error=0.05)
        table.remove_column("growth")
        table["mu"] += TO_TRUTH * 0.05 * (factor @ rng.normal(size=len(table))) * table["mu"].unit
        p = as_dict(structural_parameters(table))
        pulls.append([(p[n]["value"] - exact[n]["value"]) / p[n]["error"] for n in exact])
    spread = dict(zip(exact, np.std(pulls, axis=0), strict=True))
    assert all(0.6 < value < 1.4 for value in spread.values()), spread


def test_errors_of_rows_that_hang_together_are_those_of_fewer_rows():
    sma = sma_grid(1024)
    draws = correlated_draws(sma)
    assert draws.std(0) == pytest.approx(1, abs=0.25)
    near, far = np.searchsorted(sma, [25.0, 150.0])
    at = np.searchsorted(sma, 20.0)
    assert np.corrcoef(draws[:, at], draws[:, near])[0, 1] > 0.5
    assert abs(np.corrcoef(draws[:, at], draws[:, far])[0, 1]) < 0.3
    assert np.array_equal(draws, correlated_draws(sma))
    assert not np.allclose(draws, correlated_draws(sma, seed=1))


def test_a_wrong_ellipticity_is_a_wrong_flux():
    table, _ = exponential(error=0.001)
    sure = as_dict(structural_parameters(table))["m_25"]["error"]
    table["ellipticity_err"] = np.full(len(table), 0.03)
    unsure = as_dict(structural_parameters(table))["m_25"]["error"]
    assert 0.01 < unsure < TO_TRUTH * 1.0857 * 0.04 / (1 - ELLIPTICITY)
    assert sure < 0.3 * unsure


def test_a_profile_of_surface_brightness_alone():
    table, _ = exponential()
    whole = as_dict(structural_parameters(table))
    table.remove_columns(["mu_err", "ellipticity", "growth", "growth_err"])
    p = as_dict(structural_parameters(table))
    for name in ("R_25", "R_50", "C_28", "h", "n"):
        assert p[name]["value"] == pytest.approx(whole[name]["value"], rel=2e-3)
        assert np.isnan(p[name]["error"]) and not p[name]["reason"]
    assert p["m_tot"]["reason"] == "no ellipticities" and np.isnan(p["m_tot"]["value"])


def test_what_cannot_be_had_has_a_reason():
    table, _ = exponential(n=40)
    p = as_dict(structural_parameters(table))
    assert np.isnan(p["R_25"]["value"]) and "brighter than 25" in p["R_25"]["reason"]
    assert "brighter than 25" in p["m_25"]["reason"]
    short, _ = exponential(n=3)
    assert all("only 3 rows" in row["reason"] for row in structural_parameters(short))


def test_the_cut_is_honoured():
    table, _ = exponential()
    table.meta["nvalid"] = 40
    assert np.isnan(as_dict(structural_parameters(table))["R_25"]["value"])


def test_missing_columns_are_named():
    table, _ = exponential()
    table.remove_column("sma")
    with pytest.raises(ValueError, match="sma"):
        structural_parameters(table)


@pytest.mark.parametrize("n", [0.7, 1.0, 4.0])
def test_sersic_radius_is_where_mu_e_is(n):
    assert sersic(5.0, n, 5.0, 22.0) == pytest.approx(22.0)
    slope = sersic(10.0, n, 5.0, 22.0) - 22.0
    assert slope == pytest.approx(2.5 / np.log(10) * gammaincinv(2 * n, 0.5) * (2 ** (1 / n) - 1))


@pytest.mark.parametrize("format", ["ecsv", "fits"])
def test_parameters_go_along_with_the_profile(tmp_path, format):
    table, _ = exponential(n=200)
    note_parameters(table)
    p = as_dict(structural_parameters(table))
    assert table.meta["R_235"] == p["R_23.5"]["value"]
    assert table.meta["R_50_e"] == p["R_50"]["error"]
    assert "R_25" in table.meta
    short, _ = exponential(n=120)
    note_parameters(short)
    assert not {"R_25", "R_25_e", "m_25"} & set(short.meta)
    assert short.meta["absent"][0].startswith("R_25: the profile ends at 23.76")
    write_profile(short, tmp_path / f"p.{format}")
    meta = read_profile(tmp_path / f"p.{format}").meta
    assert meta["r_235"] == pytest.approx(short.meta["R_235"])
    assert meta["r_235_e"] == pytest.approx(short.meta["R_235_e"])
    absent = meta["absent"] if format == "ecsv" else meta["absent"].split("; ")
    assert absent == short.meta["absent"]
