import numpy as np
import pytest

from pix2prof.profile_files import read_profile, write_profile
from pix2prof.profiles import COLUMNS, profile_table, sma_grid
from pix2prof.sdss import mu_to_intensity

AUTOPROF = """# arcsec,mag*arcsec^-2,mag*arcsec^-2,mag,mag,,,deg,deg,count,count,mag
R,SB,SB_e,totmag,totmag_e,ellip,ellip_e,pa,pa_e,pixels,maskedpixels,totmag_direct
0.5,20.0,0.01,21.0,0.02,0.2,0.01,100.0,1.0,15,0,21.9
1.0,99.999,99.999,20.5,0.02,0.3,0.01,30.0,1.0,16,2,21.0
"""


@pytest.fixture
def table():
    n = 12
    mu = 20 + 0.3 * np.arange(n)
    columns = {name: np.linspace(0.1, 0.5, n) for name in COLUMNS}
    columns |= {
        "sma": sma_grid(n),
        "mu": mu,
        "intensity": mu_to_intensity(mu),
        "intensity_err": mu_to_intensity(mu) * columns["mu_err"] * np.log(10) / 2.5,
        "growth": np.cumsum(mu_to_intensity(mu)),
        "pa": np.linspace(1.0, 179.0, n),
        "n_used": np.arange(n),
        "n_masked": np.arange(n) % 3,
        "flag": np.arange(n) % 4,
    }
    columns["mu"] = np.where(np.arange(n) == 7, np.nan, mu)
    return profile_table(columns, object="NGC 1", band="r")


def bare(column):
    return np.asarray(getattr(column, "value", column), dtype=float)


@pytest.mark.parametrize("suffix", ["ecsv", "fits"])
def test_a_table_comes_back_from_disk(table, tmp_path, suffix):
    write_profile(table, tmp_path / f"p.{suffix}")
    back = read_profile(tmp_path / f"p.{suffix}")
    assert back.colnames == table.colnames
    for name in COLUMNS:
        assert np.allclose(bare(back[name]), bare(table[name]), equal_nan=True, rtol=1e-6), name
        assert getattr(back[name], "unit", None) == getattr(table[name], "unit", None)
    assert back.meta["object"] == "NGC 1" and back.meta["band"] == "r"


def test_flags_become_one_text_in_fits(table, tmp_path):
    table.meta["flags"] = ["padded", "no band given"]
    for suffix, flags in (
        ("fits", "padded; no band given"),
        ("ecsv", ["padded", "no band given"]),
    ):
        write_profile(table, tmp_path / f"p.{suffix}")
        assert read_profile(tmp_path / f"p.{suffix}").meta["flags"] == flags
    assert table.meta["flags"] == ["padded", "no band given"]


@pytest.mark.parametrize("suffix", ["ecsv", "fits"])
def test_long_keys_come_back(table, tmp_path, suffix):
    table.meta["m_235_err"] = 0.25
    write_profile(table, tmp_path / f"p.{suffix}")
    assert read_profile(tmp_path / f"p.{suffix}").meta["m_235_err"] == 0.25


def test_autoprofs_format_both_ways(table, tmp_path):
    write_profile(table, tmp_path / "p.prof")
    assert "99.999" in (tmp_path / "p.prof").read_text()
    back = read_profile(tmp_path / "p.prof")
    for name in ("sma", "mu", "mu_err", "ellipticity", "pa", "growth", "n_used", "n_masked"):
        assert np.allclose(bare(back[name]), bare(table[name]), equal_nan=True, rtol=1e-6), name


def test_autoprofs_missing_values_and_angles(tmp_path):
    (tmp_path / "a.prof").write_text(AUTOPROF)
    table = read_profile(tmp_path / "a.prof")
    assert np.isnan(table["mu"].value[1]) and np.isnan(table["mu_err"].value[1])
    assert np.allclose(table["pa"].value, [10.0, 120.0])
    assert np.allclose(table["growth"].value, mu_to_intensity(np.array([21.0, 20.5])))


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "prof"])
def test_a_missing_file_is_named(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match=f"nothing.{suffix}"):
        read_profile(tmp_path / f"nothing.{suffix}")


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "prof"])
def test_a_file_that_is_no_profile_is_named(tmp_path, suffix):
    path = tmp_path / f"bad.{suffix}"
    path.write_text("this is not a profile\n1 2 3\n")
    with pytest.raises(ValueError, match=f"bad.{suffix}"):
        read_profile(path)


def test_an_unknown_format_lists_the_known(table, tmp_path):
    with pytest.raises(ValueError, match="ecsv, fits, prof"):
        write_profile(table, tmp_path / "p.csv")


def test_published_profiles_are_read(real):
    paths = sorted(p for name in ("probes", "autoprof") for p in (real / name).glob("*.prof"))
    assert paths
    for path in paths:
        if path.stem.endswith("_rc"):
            with pytest.raises(ValueError, match=path.name):
                read_profile(path)
            continue
        profile = read_profile(path)
        sma, mu, pa = (profile[name].value for name in ("sma", "mu", "pa"))
        assert len(profile) > 10 and (np.diff(sma) > 0).all() and sma[0] > 0
        assert np.isfinite(mu).mean() > 0.3
        assert 10 < np.nanmin(mu) < np.nanmedian(mu) < 30 and not (mu == 99.999).any()
        assert (0 <= pa[np.isfinite(pa)]).all() and (pa[np.isfinite(pa)] <= 180).all()
