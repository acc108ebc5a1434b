import astropy.units as u
import numpy as np
import pytest

from pix2prof.profiles import (
    COLUMNS,
    PA_ARRAY,
    ROW_FLAGS,
    RowFlag,
    isophotal_radius,
    profile_table,
    sma_grid,
)


def test_the_grid_starts_at_its_step():
    assert np.allclose(sma_grid(3), [0.2, 0.4, 0.6])
    assert sma_grid().shape == (1024,)


def test_the_isophotal_radius_is_where_a_profile_first_becomes_as_faint():
    sma = sma_grid(200)
    exponential = 20.0 + 1.086 * sma / 4.0
    brightening = np.interp(sma, [0.2, 10, 12, 40], [22.0, 24.0, 23.0, 26.0])
    bright, faint = np.full(200, 22.0), np.full(200, 24.0)
    bright[50:] = np.nan
    radius = isophotal_radius([exponential, brightening, bright, faint], 23.5)
    assert radius[0] == pytest.approx(3.5 / 1.086 * 4.0, abs=1e-3)
    assert radius[1] == pytest.approx(0.2 + 9.8 * 0.75, abs=0.02)
    assert np.isnan(radius[2:]).all()


def test_columns_carry_units_and_descriptions():
    table = profile_table({name: np.ones(3) for name in COLUMNS})
    assert table["mu"].unit == u.mag / u.arcsec**2
    assert table["intensity"].unit == u.nmgy / u.arcsec**2
    assert all(table[name].info.description for name in COLUMNS)
    assert table.meta["paconv"] == PA_ARRAY


def test_the_table_says_what_every_bit_of_a_flag_means():
    table = profile_table({name: np.ones(3, int) for name in ("sma", "mu", "flag")})
    words = table["flag"].info.description.removeprefix("sum of ").split("; ")
    assert dict(one.split(", ", 1) for one in words) == {
        str(int(bit)): ROW_FLAGS[bit] for bit in RowFlag
    }


def test_columns_must_be_known_and_equally_long():
    with pytest.raises(ValueError, match="unknown profile columns"):
        profile_table({"sma": [1.0], "mu": [20.0], "nu": [1.0]})
    with pytest.raises(ValueError, match="missing"):
        profile_table({"sma": [1.0]})
    with pytest.raises(ValueError, match="equally long"):
        profile_table({"sma": [1.0, 2.0], "mu": [20.0]})
