import numpy as np
import pytest
from scipy.special import gammaincinv

from pix2prof.photometry import sersic, structural_parameters
from pix2prof.profiles import profile_table, sma_grid
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


def test_errors_cover_noise():
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(40):
        table, _ = exponential(error=0.05)
        table["mu"] += rng.normal(0, 0.05, len(table)) * table["mu"].unit
        p = as_dict(structural_parameters(table))
        pulls.append((p["h"]["value"] - H) / p["h"]["error"])
    assert 0.6 < np.std(pulls) < 1.6


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
    table.remove_column("growth")
    with pytest.raises(ValueError, match="growth"):
        structural_parameters(table)


@pytest.mark.parametrize("n", [0.7, 1.0, 4.0])
def test_sersic_radius_is_where_mu_e_is(n):
    assert sersic(5.0, n, 5.0, 22.0) == pytest.approx(22.0)
    slope = sersic(10.0, n, 5.0, 22.0) - 22.0
    assert slope == pytest.approx(2.5 / np.log(10) * gammaincinv(2 * n, 0.5) * (2 ** (1 / n) - 1))
