import dataclasses

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable, Table
from astropy.wcs import WCS

from pix2prof.config import DataConfig
from pix2prof.dataset import building as survey
from pix2prof.dataset.stored import PROFILE_KEYS, Pairs, load_survey
from pix2prof.images.angles import sky_angles
from pix2prof.images.image import read_image
from pix2prof.images.stamps import make_stamp
from pix2prof.profiles import PA_ARRAY, PA_SKY, RowFlag, sma_grid

CONFIG = DataConfig(n_galaxies=10, n_validation=2, n_test=3, seed=5, field=128, crop=64, margin=8)


def build(config, root, workers="1", monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setenv("PIX2PROF_WORKERS", workers)
    return survey.build_survey(config, root / "survey", root / "scratch", log=lambda line: None)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("one worker")
    patch = pytest.MonkeyPatch()
    patch.setenv("PIX2PROF_WORKERS", "1")
    yield build(CONFIG, root), root
    patch.undo()


def files(root):
    return {path.name: path.read_bytes() for path in (root / "survey").iterdir()}


def test_a_survey_holds_what_its_parameters_ask(built):
    built, root = built
    assert built.images.shape == (10, 3, 80, 80) and built.images.dtype == np.float32
    assert all(built.profiles[key].shape == (10, 3, 1024) for key in PROFILE_KEYS)
    assert [np.sum(built.catalogue["split"] == s) for s in ("train", "validation", "test")] == [
        5,
        2,
        3,
    ]
    assert np.isfinite(built.images).all()
    assert len(set(built.catalogue["name"])) == 10
    assert (built.catalogue["kpc_per_arcsec"] > 0).all()
    assert not (root / "scratch").exists()


def test_every_expert_profile_is_long_enough_and_has_no_gap(built):
    finite = np.isfinite(built[0].profiles["expert_mu"])
    lengths = finite.sum(axis=-1)
    assert (lengths >= survey.MIN_STEPS).all()
    assert all(
        row[:n].all() for row, n in zip(finite.reshape(-1, 1024), lengths.ravel(), strict=True)
    )


def test_the_truth_is_close_to_the_expert_where_bright(built):
    expert, truth = (built[0].profiles[key] for key in ("expert_mu", "truth_mu"))
    small = (built[0].catalogue["r_235"] < 10.0)[:, None, None]
    bright = (truth < 23.5) & np.isfinite(expert) & small
    assert bright.any()
    assert np.median(np.abs(expert - truth)[bright]) < 0.1


def test_the_bytes_do_not_depend_on_the_workers(built, tmp_path, monkeypatch):
    build(CONFIG, tmp_path, "2", monkeypatch)
    assert files(tmp_path) == files(built[1])


def test_a_galaxy_is_the_same_in_a_smaller_set(built, tmp_path, monkeypatch):
    small = build(dataclasses.replace(CONFIG, n_galaxies=6), tmp_path, "1", monkeypatch)
    assert np.array_equal(small.images, built[0].images[:6])
    assert list(small.catalogue["name"]) == list(built[0].catalogue["name"][:6])


def test_a_killed_build_keeps_its_shards_and_shows_no_survey(built, tmp_path, monkeypatch):
    def stop(line):
        raise KeyboardInterrupt

    monkeypatch.setenv("PIX2PROF_WORKERS", "1")
    with pytest.raises(KeyboardInterrupt):
        survey.build_survey(CONFIG, tmp_path / "survey", tmp_path / "scratch", log=stop)
    assert not (tmp_path / "survey").exists()
    (shard,) = (tmp_path / "scratch").glob("*/shard-00000.npz")
    shard_time = shard.stat().st_mtime_ns
    lines = []

    def watch(line):
        lines.append(shard.stat().st_mtime_ns)

    survey.build_survey(CONFIG, tmp_path / "survey", tmp_path / "scratch", log=watch)
    assert set(lines) == {shard_time}
    assert files(tmp_path) == files(built[1])


@pytest.fixture
def folder(tmp_path):
    """A user's folder of three galaxies, exponential discs of 0.3 arcsec pixels."""
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = []
    y, x = np.mgrid[:120, :120] - 59.5
    for k in range(3):
        scale = 4.0 + k
        image = 0.3**2 * 10 ** (0.4 * (22.5 - 20)) * np.exp(-np.hypot(x, y) * 0.3 / scale)
        sma = np.arange(0.5, 20 + k, 0.5)
        for band in "gri":
            name = f"galaxy{k}_{band}"
            header = fits.Header({"PIXSCALE": 0.3, "BAND": band})
            fits.writeto(folder / f"{name}.fits", image.astype(np.float32), header)
            table = Table({"sma": sma, "mu": 20 + 1.0857 * sma / scale})
            table["sma"].unit, table["mu"].unit = "arcsec", "mag / arcsec2"
            table.write(folder / f"{name}.ecsv")
            rows.append((f"galaxy{k}", band, f"{name}.fits", f"{name}.ecsv", 0.01 * (k + 1)))
    Table(rows=rows, names=("name", "band", "image", "profile", "redshift")).write(
        folder / "catalogue.csv"
    )
    return folder


def of_folder(folder, n=3):
    return DataConfig(
        source="folder",
        folder=str(folder),
        n_galaxies=n,
        n_validation=1,
        n_test=1,
        crop=64,
        margin=8,
    )


def test_a_users_folder_comes_through_the_same_door(folder, tmp_path):
    built = build(of_folder(folder), tmp_path)
    assert list(built.catalogue["name"]) == ["galaxy0", "galaxy1", "galaxy2"]
    grid = sma_grid()
    expected = 20 + 1.0857 * grid / 4.0
    found = built.profiles["expert_mu"][0, 1]
    inside = (grid >= 0.5) & (grid <= 19.5)
    assert found[inside] == pytest.approx(expected[inside], abs=1e-3)
    assert np.isnan(found[grid > 19.6]).all()
    assert built.catalogue["kpc_per_arcsec"][0] == pytest.approx(0.21, abs=0.01)
    peak = built.images[0, 0].max() / 0.396**2
    assert peak == pytest.approx(10 ** (0.4 * 2.5), rel=0.1)
    assert load_survey(tmp_path / "survey").images.shape == (3, 3, 80, 80)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda f: (f / "catalogue.csv").unlink(), FileNotFoundError, "found no catalogue"),
        (lambda f: (f / "galaxy1_r.fits").unlink(), (ValueError, OSError), r"galaxy1_r\.fits"),
        (lambda f: (f / "galaxy2_i.ecsv").unlink(), FileNotFoundError, r"galaxy2_i\.ecsv"),
        (lambda f: (f / "galaxy0_g.fits").write_text("no"), ValueError, r"galaxy0_g\.fits"),
        (lambda f: edit(f, ",r,", ",z,"), ValueError, "found the band 'z'; it must be g, r or i"),
        (lambda f: edit(f, "galaxy0,r", "galaxy0,g"), ValueError, "galaxy0 has two rows"),
        (lambda f: edit(f, "redshift", "velocity"), ValueError, "found no column redshift"),
        (lambda f: edit(f, "profile", "curve"), ValueError, "found no column profile"),
        (lambda f: edit(f, "0.01", "-0.01"), ValueError, "galaxy0 has redshift -0.01"),
        (
            lambda f: change(f, pa=lambda sma: sma * u.deg, paconv=PA_SKY),
            ValueError,
            r"galaxy0_r\.ecsv: found position angles north .*galaxy0_r\.fits has no WCS",
        ),
        (
            lambda f: change(f, pa=lambda sma: sma * u.deg, paconv="east"),
            ValueError,
            r"galaxy0_r\.ecsv: found paconv 'east'; it must be",
        ),
        (lambda f: change(f, sn_sma=0.0), ValueError, r"galaxy0_r\.ecsv: found 0 finite values"),
    ],
)
def test_a_spoilt_folder_is_refused_by_name(folder, tmp_path, spoil, error, message):
    spoil(folder)
    with pytest.raises(error, match=message):
        build(of_folder(folder), tmp_path)
    assert not (tmp_path / "survey").exists()


def edit(folder, old, new):
    path = folder / "catalogue.csv"
    path.write_text(path.read_text().replace(old, new))


def test_too_few_galaxies_are_refused_by_the_key(folder, tmp_path):
    with pytest.raises(ValueError, match=r"found 3 galaxies; data\.n_galaxies asks for 4"):
        build(of_folder(folder, n=4), tmp_path)


def change(folder, stem="galaxy0_r", **values):
    """Change a user's profile: its columns, and its ``meta`` by names that are none."""
    table = QTable.read(folder / f"{stem}.ecsv")
    for name, value in values.items():
        if name in ("mu", "flag", "pa"):
            table[name] = value(table["sma"].value)
        else:
            table.meta[name] = value
    table.write(folder / f"{stem}.ecsv", overwrite=True)


def with_gap(first, last):
    """The profile of galaxy 0 without its rows between two semi-major axes [arcsec]."""

    def mu(sma):
        gone = (sma >= first) & (sma <= last)
        return np.where(gone, np.nan, 20 + 1.0857 * sma / 4.0) * u.mag / u.arcsec**2

    return mu


@pytest.mark.parametrize(
    ("changes", "unknown"),
    [
        ({"flag": lambda sma: np.where(sma > 12, RowFlag.BELOW_CUT, 0)}, (12.1, 99)),
        ({"flag": lambda sma: np.where(sma > 12, RowFlag.EXTENDED, 0)}, (19.5, 99)),
        ({"sn_sma": 12.0}, (12.1, 99)),
        ({"nvalid": 24}, (12.1, 99)),
        ({"mu": with_gap(5.0, 8.0)}, (4.51, 8.49)),
        ({"mu": with_gap(0.5, 1.0)}, (0.0, 1.49)),
    ],
    ids=["below the cut", "extended", "sn_sma", "nvalid", "gap", "gap at the centre"],
)
def test_users_profiles_end_with_their_signal_and_keep_their_gaps(
    folder, tmp_path, changes, unknown
):
    change(folder, **changes)
    built, grid = build(of_folder(folder), tmp_path), sma_grid()
    found = built.profiles["expert_mu"][0, 1]
    expected = ((grid > unknown[0]) & (grid < unknown[1])) | (grid > 19.5)
    assert np.array_equal(np.isnan(found), expected)
    known = ~expected & (grid >= 0.5)
    assert found[known] == pytest.approx(20 + 1.0857 * grid[known] / 4.0, abs=1e-3)
    pairs = [len(Pairs(built, split)) for split in ("train", "validation", "test")]
    assert pairs == [3, 3, 3]


@pytest.fixture
def turned(folder):
    """The folder with a WCS on one image, turned and mirrored."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], (150, 60), (60, 60)
    cosine, sine = np.cos(0.4), np.sin(0.4)
    wcs.wcs.cd = 0.3 / 3600 * np.array([[cosine, -sine], [sine, cosine]])
    path = folder / "galaxy0_r.fits"
    fits.writeto(path, fits.getdata(path), wcs.to_header(), overwrite=True)
    return read_image(path)


def test_users_angles_are_turned_from_the_sky_to_the_array(folder, turned, tmp_path):
    def through_zero(sma):
        return (170 + sma) % 180 * u.deg

    sky = sky_angles(turned.wcs, *turned.place, through_zero(np.arange(0.5, 20, 0.5)))
    assert np.abs(sky.value - through_zero(np.arange(0.5, 20, 0.5)).value).min() > 5
    change(folder, pa=lambda sma: sky, paconv=PA_SKY)
    change(folder, "galaxy0_i", pa=through_zero, paconv=PA_ARRAY)
    found = build(of_folder(folder), tmp_path).profiles["expert_pa"][0, :, 2:90]
    off = (found[1:] - through_zero(sma_grid()[2:90]).value + 90) % 180 - 90
    assert np.abs(off).max() < 1e-3
    assert np.isnan(found[0]).all()


def test_users_images_are_treated_as_in_a_prediction(folder, tmp_path):
    path = folder / "galaxy0_r.fits"
    image, header = fits.getdata(path, header=True)
    noise = np.random.default_rng(0).normal(0, 0.01, image.shape)
    image = image * (image > image.max() / 100) + noise + 5.0
    image[3:5, 40:60] = np.nan
    fits.writeto(path, image.astype(np.float32), header, overwrite=True)
    config = dataclasses.replace(of_folder(folder), crop=160, field=256)
    built = build(config, tmp_path)
    stamp = make_stamp(read_image(path), 176)
    assert np.array_equal(built.images[0, 1], stamp.data)
    assert abs(np.median(built.images[0, 1])) < 0.01
    assert built.normalisation.low <= 0
    for flag, word in zip(stamp.flags[1:], ("sky of", "missing pixels", "padded"), strict=True):
        assert word in flag and f"r: {flag}" in built.catalogue["flags"][0]
