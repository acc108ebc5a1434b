import numpy as np
import pytest
import simulated
import slow_structure
import torch
from scipy.special import gammaincinv

from pix2prof.isophotes.method import measure
from pix2prof.mock.simulation import mock_galaxy
from pix2prof.photometry.light_fits import sersic, sersic_slopes
from pix2prof.photometry.parameters import PARAMETERS, note_parameters, structural_parameters
from pix2prof.photometry.propagation import SOURCES, Deviation, Rows
from pix2prof.photometry.stacked import MAG, stack
from pix2prof.profile_files import read_profile, write_profile
from pix2prof.profiles import TO_TRUTH, profile_table, sma_grid
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


@pytest.fixture(scope="module")
def profiles():
    """Simulated: bright and noisy, smooth and wavy, short, with gaps; and measured on images."""
    rng = np.random.default_rng(2)
    tables = []
    for k in range(160):
        mu, ellipticity, _ = simulated.galaxy(rng)
        mu = simulated.wavy(rng, mu) if k % 2 else mu
        table = simulated.observed(rng, mu, ellipticity, rng.uniform(23, 26.5), 0.05 * (k % 3))
        if k % 5 == 0:
            table = table[: rng.integers(2, 60)]
        if k % 4 == 0:
            table["mu"][rng.uniform(size=len(table)) < 0.15] = np.nan
        if k % 7 == 0:
            table.meta["nvalid"] = len(table) - 3
        tables.append(table)
    images = np.concatenate([mock_galaxy(7, k, field=128).images for k in range(8)])
    isophotes = measure(torch.from_numpy(np.ascontiguousarray(images, np.float32)))
    return tables + [isophotes.table(k) for k in range(len(images))]


def noted(tables):
    """What `note_parameters` writes of each, and nothing else."""
    tables = [table.copy() for table in tables]
    known = [set(table.meta) for table in tables]
    note_parameters(tables)
    return [
        {k: v for k, v in table.meta.items() if k not in before}
        for table, before in zip(tables, known, strict=True)
    ]


def test_values_are_those_of_the_slow_way(profiles):
    compared = dict.fromkeys(PARAMETERS, 0)
    for k, (table, found) in enumerate(zip(profiles, noted(profiles), strict=True)):
        for name, value in slow_structure.values(table).items():
            key = name.replace(".", "")
            assert key in found, (k, name, found["absent"])
            near = max(1e-3 * found[f"{key}_err"], 1e-6 * abs(value))
            assert found[key] == pytest.approx(value, abs=near), (k, name)
            compared[name] += 1
        reasons = [words.split(": ")[0] for words in found["absent"]]
        assert all((name.replace(".", "") in found) != (name in reasons) for name in PARAMETERS)
    assert min(compared.values()) > 50, compared


def test_a_profile_is_the_same_in_any_company(profiles):
    together = noted(profiles)
    for table, expected in zip(profiles, together, strict=True):
        (alone,) = noted([table])
        assert alone.pop("absent") == expected.pop("absent")
        assert alone == pytest.approx(expected, rel=1e-9)


def test_profiles_without_errors_have_the_same_values_alone_and_beside_one_with(profiles):
    bare = [table.copy() for table in profiles[:31]]
    for table in bare:
        table.remove_column("mu_err")
    alone, beside = noted(bare), noted([*bare, profiles[-1]])
    assert "mu_0_err" in beside.pop()
    for one, other in zip(alone, beside, strict=True):
        assert not {"mu_0_err", "R_50_err", "n_err"} & set(one)
        assert one.pop("absent") == other.pop("absent")
        assert one == pytest.approx(other, rel=1e-9)


def test_sizes_and_concentration_are_as_far_off_as_their_errors_say():
    rng = np.random.default_rng(4)
    galaxies = [simulated.galaxy(rng) for _ in range(400)]
    found = noted([simulated.observed(rng, mu, shape) for mu, shape, _ in galaxies])
    whole = [
        {"sma": simulated.SMA, "mu": mu, "ellipticity": np.full(len(mu), shape)}
        for mu, shape, _ in galaxies
    ]
    truth = noted([profile_table(columns) for columns in whole])
    for (_, _, total), of_truth in zip(galaxies, truth, strict=True):
        of_truth["m_tot"] = total
    for name in ("C_28", "R_235", "m_235", "R_25", "m_25", "R_50", "R_90", "m_tot"):
        pulls = [
            (one[name] - of_truth[name]) / one[f"{name}_err"]
            for one, of_truth in zip(found, truth, strict=True)
            if name in one
        ]
        assert len(pulls) > 250
        assert 0.60 < np.mean(np.abs(pulls) < 1) < 0.76, name


def test_fits_are_as_far_off_as_their_errors_say():
    rng = np.random.default_rng(6)
    mu = np.resize(exponential()[0]["mu"].value, len(simulated.SMA))
    tables = [simulated.observed(rng, mu, ELLIPTICITY) for _ in range(150)]
    found = noted(tables)
    (truth,) = noted([exponential(n=len(tables[0]))[0]])
    for name in ("h", "mu_0", "n", "R_e", "mu_e"):
        pulls = [(one[name] - truth[name]) / one[f"{name}_err"] for one in found]
        assert 0.6 < np.std(pulls) < 1.4, name


@pytest.mark.parametrize("source", SOURCES)
def test_errors_are_those_of_rows_that_hang_together(source):
    length, common = SOURCES[source]
    rng, sma = np.random.default_rng(0), np.sort(np.random.default_rng(1).uniform(0.1, 60, 90))
    weights = rng.normal(size=90) * np.repeat([1.0, 0.0, 2.0], 30)
    apart = np.abs(np.log(sma[:, None] / sma))
    covariance = common + (1 - common) * np.exp(-apart / length)
    one = Deviation({source: weights[None]})
    assert Rows(sma[None]).error(one) == pytest.approx(np.sqrt(weights @ covariance @ weights))


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_running_errors_are_those_of_every_sum(array):
    rng, sma = np.random.default_rng(0), sma_grid(60)[None]
    within = {source: rng.normal(size=(3, 60)) for source in SOURCES}
    beyond = {source: rng.normal(size=(3, 59)) for source in SOURCES}
    given = (Deviation({k: array(v) for k, v in some.items()}) for some in (within, beyond))
    running = np.asarray(Rows(array(sma)).running_error(*given))
    for k in range(60):
        sums = {source: np.where(np.arange(60) <= k, within[source], 0.0) for source in SOURCES}
        for source, weights in sums.items():
            weights[:, :k] += beyond[source][:, :k]
        assert running[:, k] == pytest.approx(Rows(sma).error(Deviation(sums)))


def test_the_growth_of_a_table_is_as_unsure_as_its_magnitudes(profiles):
    """But for m_25's own radius, which is uncertain as well."""
    compared = 0
    for table, found in zip(profiles, noted(profiles), strict=True):
        if "growth_err" not in table.colnames or "m_25" not in found:
            continue
        stacked, _, _ = stack([table], 2)
        place = stacked.place(np.array([found["R_25"]]))
        (fixed,) = stacked.rows.error(stacked.growth_deviation(place))
        sma = table["sma"].value
        said = np.interp(found["R_25"], sma, table["growth_err"].value)
        assert said == pytest.approx(fixed, rel=0.02)
        share = MAG * said / np.interp(found["R_25"], sma, table["growth"].value)
        assert 0.4 < share / found["m_25_err"] < 1.01
        compared += 1
    assert compared > 4


def test_what_two_share_cancels_in_their_difference():
    rows = Rows(sma_grid(50)[None])
    one = Deviation(mu=np.ones((1, 50)), beyond=np.full((1, 1), 3.0))
    assert rows.error(one * 2.0 - one - one) == pytest.approx(0.0)
    apart = one - Deviation(ellipticity=np.ones((1, 50)))
    assert rows.error(apart) > rows.error(one) > 3.0


def test_a_total_is_less_sure_where_no_disc_carries_on():
    sma = sma_grid(150)
    errors = []
    for n in (1.0, 4.0):
        mu = sersic(sma, n, 8.0, 21.5)
        columns = {"sma": sma, "mu": mu, "mu_err": np.full(150, 1e-3)}
        (found,) = noted([profile_table(columns | {"ellipticity": np.full(150, 0.3)})])
        errors.append(found["m_tot_err"])
    assert errors[1] > 3 * errors[0]


def test_a_wrong_ellipticity_is_a_wrong_flux():
    table, _ = exponential(error=0.001)
    untold = as_dict(structural_parameters(table))
    table["ellipticity_err"] = np.zeros(len(table))
    sure = as_dict(structural_parameters(table))
    table["ellipticity_err"] = np.full(len(table), 0.03)
    unsure = as_dict(structural_parameters(table))
    assert 0.01 < unsure["m_25"]["error"] < TO_TRUTH * 1.0857 * 0.04 / (1 - ELLIPTICITY)
    assert sure["m_25"]["error"] < 0.3 * untold["m_25"]["error"] < 0.3 * unsure["m_25"]["error"]
    assert sure["R_25"]["error"] == untold["R_25"]["error"] == unsure["R_25"]["error"]


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


def test_no_sersic_function_is_given_where_none_fits():
    sma = sma_grid(200)
    rising = profile_table({"sma": sma, "mu": 25 - 0.01 * sma})
    steep = profile_table({"sma": sma, "mu": 18 + 2.5 * np.log10(sma)})
    for table, words in ((rising, "does not fall off"), (steep, "ran to its limit (n = 10.00)")):
        p = as_dict(structural_parameters(table))
        for name in ("n", "R_e", "mu_e"):
            assert words in p[name]["reason"] and np.isnan(p[name]["value"])


@pytest.mark.parametrize("n", [0.7, 1.0, 4.0])
def test_sersic_radius_is_where_mu_e_is(n):
    assert sersic(5.0, n, 5.0, 22.0) == pytest.approx(22.0)
    slope = sersic(10.0, n, 5.0, 22.0) - 22.0
    assert slope == pytest.approx(2.5 / np.log(10) * gammaincinv(2 * n, 0.5) * (2 ** (1 / n) - 1))


def test_slopes_of_a_sersic_function():
    at = np.array([2.5, 7.0, 22.0])
    found = sersic_slopes(np.array([2.0, 11.0]), *at[:2])
    for k, step in enumerate(1e-6 * np.eye(3)):
        up, down = (sersic(np.array([2.0, 11.0]), *(at + sign * step)) for sign in (1, -1))
        assert found[:, k] == pytest.approx((up - down) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("format", ["ecsv", "fits"])
def test_parameters_go_along_with_the_profile(tmp_path, format):
    table, _ = exponential(n=200)
    note_parameters([table])
    p = as_dict(structural_parameters(table))
    assert table.meta["R_235"] == p["R_23.5"]["value"]
    assert table.meta["R_50_err"] == p["R_50"]["error"]
    assert "R_25" in table.meta
    short, _ = exponential(n=120)
    note_parameters([short])
    assert not {"R_25", "R_25_err", "m_25"} & set(short.meta)
    assert short.meta["absent"][0].startswith("R_25: the profile ends at 23.76")
    write_profile(short, tmp_path / f"p.{format}")
    meta = read_profile(tmp_path / f"p.{format}").meta
    assert meta["R_235"] == pytest.approx(short.meta["R_235"])
    assert meta["R_235_err"] == pytest.approx(short.meta["R_235_err"])
    assert meta["absent"] == short.meta["absent"]
