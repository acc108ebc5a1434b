import numpy as np
import pytest

from pix2prof.profile_files import read_profile, write_profile
from pix2prof.profiles import COLUMNS, PA_SKY, PARAMETERS, profile_table, sma_grid
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


@pytest.mark.parametrize("suffix", ["ecsv", "fits"])
def test_keys_and_lists_come_back_as_they_were(table, tmp_path, suffix):
    names = [name.replace(".", "") for name in PARAMETERS]
    table.meta |= {name: k + 0.5 for k, name in enumerate(names)}
    table.meta |= {f"{name}_err": k + 0.25 for k, name in enumerate(names)}
    table.meta |= {"flags": ["padded", "no band given"], "absent": [], "xcen": 3.25}
    before = dict(table.meta)
    write_profile(table, tmp_path / f"p.{suffix}")
    assert read_profile(tmp_path / f"p.{suffix}").meta == table.meta == before


def test_what_fits_cannot_hold_is_replaced(table, tmp_path):
    flags = ["odd; very", "über\nodd"]
    table.meta |= {"object": "Höhe α", "ra": np.nan, "flags": flags}
    write_profile(table, tmp_path / "p.fits")
    meta = read_profile(tmp_path / "p.fits").meta
    assert meta["object"] == r"H\xf6he \u03b1" and "ra" not in meta
    assert meta["flags"] == ["odd, very", r"\xfcber\nodd"]
    assert table.meta["flags"] is flags
    write_profile(table, tmp_path / "p.ecsv")
    assert read_profile(tmp_path / "p.ecsv").meta["object"] == "Höhe α"


def test_autoprofs_format_both_ways(table, tmp_path):
    write_profile(table, tmp_path / "p.prof")
    assert "99.999" in (tmp_path / "p.prof").read_text()
    back = read_profile(tmp_path / "p.prof")
    for name in ("sma", "mu", "mu_err", "ellipticity", "pa", "growth", "n_used", "n_masked"):
        assert np.allclose(bare(back[name]), bare(table[name]), equal_nan=True, rtol=1e-6), name


@pytest.mark.parametrize(
    ("axes", "sky"),
    [((280.0, 190.0), lambda pa: 280 - pa), ((100.0, 190.0), lambda pa: 100 + pa)],
    ids=["mirrored", "east to the left"],
)
def test_autoprofs_format_wants_the_arrays_angles(table, tmp_path, axes, sky):
    array = np.array(table["pa"].value)
    table["pa"] = sky(array) % 180 * table["pa"].unit
    table.meta["paconv"] = PA_SKY
    with pytest.raises(ValueError, match=r"north through east.*no 'paxaxis'.*make it anew"):
        write_profile(table, tmp_path / "p.prof")
    table.meta["paxaxis"], table.meta["payaxis"] = axes
    for suffix in ("ecsv", "fits"):
        write_profile(table, tmp_path / f"p.{suffix}")
        write_profile(read_profile(tmp_path / f"p.{suffix}"), tmp_path / "p.prof")
        back = read_profile(tmp_path / "p.prof")["pa"].value
        assert np.allclose((back - array + 90) % 180, 90, atol=1e-3)


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
