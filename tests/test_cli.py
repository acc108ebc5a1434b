"""The command line, run in this process; once as the installed program."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from tiny import galaxy, save, save_tiny_model

from pix2prof.cli import main
from pix2prof.images.image import read_image
from pix2prof.names import unique_names
from pix2prof.output import replacing
from pix2prof.profile_files import read_profile
from pix2prof.profiles import PA_ARRAY, PA_SKY


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny untrained model's folder."""
    return save_tiny_model(tmp_path_factory.mktemp("a model") / "tiny")


def run(*words):
    return main([str(word) for word in words])


def test_predict_writes_a_profile_and_a_picture(model, tmp_path, capsys):
    path = save(tmp_path / "NGC 1.fits", galaxy())
    assert run("predict", path, "-o", tmp_path / "out", "--model", model, "--plot") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["NGC 1.ecsv", "NGC 1.png"]
    table = QTable.read(tmp_path / "out" / "NGC 1.ecsv")
    assert table.colnames == ["sma", "mu"] and str(table["mu"].unit) == "mag / arcsec2"
    assert len(table.meta["weights"]) == 64 and table.meta["band"] == "r"
    assert read_profile(tmp_path / "out" / "NGC 1.ecsv").meta["object"] == "NGC 1"
    assert (tmp_path / "out" / "NGC 1.png").read_bytes().startswith(b"\x89PNG")
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'out' / 'NGC 1.ecsv'}\n"
    assert "1 of 1 profiles" in captured.err


def test_nothing_is_written_over_an_image(model, tmp_path, capsys):
    path = save(tmp_path / "a.fits", galaxy())
    before = path.read_bytes()
    for words in (
        ("predict", path, "-o", tmp_path, "--model", model, "--format", "fits"),
        ("measure", path, "-o", tmp_path, "--format", "fits"),
    ):
        assert run(*words) == 1
        assert "a.fits: the result would be written over the image" in capsys.readouterr().err
    assert run("predict", tmp_path, "-o", tmp_path, "--model", model) == 1
    assert "the results would lie among the images" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert run("measure", path, "-o", tmp_path) == 0


def test_options_reach_the_reader(model, tmp_path):
    data = np.zeros((200, 200))
    data[20:100, 100:180] = galaxy()
    data += 0.03 * np.random.default_rng(1).standard_normal(data.shape)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((9, 9))), fits.ImageHDU(data, name="SCI")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    words = ["predict", tmp_path / "a.fits", "-o", tmp_path / "out", "--model", model]
    words += ["--hdu", "SCI", "--pixscale", "0.4", "--zeropoint", "24.5", "--band", "g"]
    assert run(*words) == 1
    assert run(*words, "--centre", "139.5", "59.5") == 0
    meta = QTable.read(tmp_path / "out" / "a.ecsv").meta
    assert (meta["filescal"], meta["filezp"], meta["band"]) == (0.4, 24.5, "g")


def test_bad_files_fail_by_name_and_the_others_are_done(model, tmp_path, capsys):
    good = [save(tmp_path / f"{i}.fits", galaxy(seed=i)) for i in range(2)]
    table = tmp_path / "table.fits"
    column = fits.Column("image", "100E", array=np.ones((10, 100)))
    fits.BinTableHDU.from_columns([column]).writeto(table)
    bad = [
        tmp_path / "missing.fits",
        save(tmp_path / "constant.fits", np.ones((80, 80))),
        save(tmp_path / "small.fits", np.ones((20, 20))),
        save(tmp_path / "nan.fits", np.where(galaxy() < 1, np.nan, galaxy())),
        save(tmp_path / "aside.fits", galaxy(300, shift=(-110, 90))),
        table,
    ]
    (tmp_path / "text.fits").write_text("nothing")
    bad.append(tmp_path / "text.fits")
    order = [bad[0], good[0], *bad[1:], good[1]]
    out = tmp_path / "out"
    assert run("predict", *order, "-o", out, "--model", model) == 1
    assert sorted(p.name for p in out.iterdir()) == ["0.ecsv", "1.ecsv"]
    lines = capsys.readouterr().err.splitlines()
    for path in bad:
        errors = [line for line in lines if line.startswith(f"pix2prof: error: {path}: ")]
        assert len(errors) == 1 and "; " in errors[0]
    assert "pix2prof: 2 of 9 profiles written" in "\n".join(lines)
    assert lines[-1].startswith("pix2prof: failed: ") and str(bad[3]) in lines[-1]


def test_same_names_from_other_folders_do_not_overwrite(model, tmp_path):
    paths = [save(tmp_path / folder / "a.fits", galaxy(seed=i)) for i, folder in enumerate("xy")]
    words = ["predict", *paths, paths[0], "-o", tmp_path / "out", "--model", model]
    assert run(*words) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["x_a.ecsv", "y_a.ecsv"]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a/x.fits", "b/y.fits"], ["x", "y"]),
        (["a/x.fits", "b/x.fits", "b/z.fits"], ["a_x", "b_x", "z"]),
        (["p/a/x.fits", "q/a/x.fits"], ["p_a_x", "q_a_x"]),
        (["a/x.fits", "a/X.fits"], ["a_x.fits", "a_X.fits-2"]),
        (["a/x.fits", "a/x.fits.gz"], ["a_x.fits", "a_x.fits.gz"]),
        (["a/x.fits", "b/x.fits", "c/a_x.fits"], ["a_x", "b_x", "c_a_x"]),
        ([], []),
    ],
)
def test_unique_names(paths, names, tmp_path):
    found = unique_names([tmp_path / path for path in paths])
    assert len({name.lower() for name in found}) == len(paths)
    assert [name.removeprefix(f"{tmp_path.name}_") for name in found] == names


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with replacing(path) as aside:
        aside.write_text("first")
        assert not path.exists() and aside.suffix == ".txt"
    with pytest.raises(RuntimeError, match="stop"), replacing(path) as aside:
        aside.write_text("half")
        raise RuntimeError("stop")
    assert path.read_text() == "first" and list(path.parent.iterdir()) == [path]


def test_a_failed_write_fails_that_file(model, tmp_path, capsys):
    path = save(tmp_path / "a.fits", galaxy())
    (tmp_path / "out").write_text("a file where the folder should be")
    assert run("predict", path, "-o", tmp_path / "out", "--model", model) == 1
    assert "error: " in capsys.readouterr().err


def test_no_model_says_how_to_get_one(tmp_path, capsys):
    path = save(tmp_path / "a.fits", galaxy())
    assert run("predict", path, "-o", tmp_path, "--model", tmp_path / "none") == 1
    assert "make repro" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert run("predict", path, "-o", tmp_path, "--model", tmp_path / "empty") == 1
    assert "config.json" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["predict"], ["predict", "a.fits"], ["mock", "-n", "-1"]])
def test_wrong_usage_exits_with_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: pix2prof" in capsys.readouterr().err


def mean_pa(table):
    inside = (table["sma"].value > 4) & (table["sma"].value < 12)
    angle = 2 * table["pa"].to_value("rad")[inside]
    return np.degrees(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean())) / 2 % 180


@pytest.mark.parametrize("format", ["ecsv", "fits", "prof"])
def test_measure_writes_every_format(tmp_path, format):
    path = save(tmp_path / "a.fits", galaxy(120, ellipticity=0.5))
    assert run("measure", path, "-o", tmp_path / "out", "--format", format) == 0
    table = read_profile(tmp_path / "out" / f"a.{format}")
    inside = (table["sma"].value > 4) & (table["sma"].value < 8)
    expected = 22.5 - 2.5 * np.log10(5 / 0.396**2) + 1.0857 * table["sma"].value / 0.396 / 6
    assert np.abs(table["mu"].value - expected)[inside].max() < 0.1
    assert abs(mean_pa(table) - 90) > 85


def turned(parity=1):
    """Header of a TAN WCS turned by 20 deg, mirrored at parity -1; where on the sky +x points."""
    keys = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 180.0, "CRVAL2": 30.0}
    keys |= {"CRPIX1": 60.5, "CRPIX2": 60.5, "CUNIT1": "deg", "CUNIT2": "deg"}
    turn, scale = np.radians(20), 0.396 / 3600
    keys |= {"CD1_1": -parity * scale * np.cos(turn), "CD1_2": parity * scale * np.sin(turn)}
    keys |= {"CD2_1": scale * np.sin(turn), "CD2_2": scale * np.cos(turn)}
    return keys, np.degrees(np.arctan2(-parity * np.cos(turn), np.sin(turn)))


@pytest.mark.parametrize("parity", [1, -1])
def test_measure_turns_angles_to_the_sky_and_back_for_autoprof(tmp_path, parity):
    y, x = np.indices((120, 120)) - 59.5
    data = galaxy(120) + 5 * np.exp(-np.hypot(x + 0.7 * y, (y - 0.7 * x) / 0.5) / 9)
    keys, of_x = turned(parity)
    paths = [save(tmp_path / "plain.fits", data), save(tmp_path / "wcs.fits", data, **keys)]
    for format in ("ecsv", "prof"):
        assert run("measure", *paths, "-o", tmp_path / "out", "--format", format) == 0
    array, sky = (QTable.read(tmp_path / "out" / f"{p.stem}.ecsv") for p in paths)
    assert array.meta["paconv"] == PA_ARRAY and sky.meta["paconv"] == PA_SKY
    assert mean_pa(sky) == pytest.approx((parity * mean_pa(array) + of_x) % 180, abs=0.5)
    for path in paths:
        back = read_profile(tmp_path / "out" / f"{path.stem}.prof")["pa"].value
        np.testing.assert_allclose((back - array["pa"].value + 90) % 180, 90, atol=0.01)


def test_forced_tables_name_the_place_of_the_first(tmp_path):
    data, keys = galaxy(120, shift=(12.0, -7.0), ellipticity=0.3), turned()[0]
    one = save(tmp_path / "one-r.fits", data, **keys)
    two = save(tmp_path / "one-g.fits", 0.5 * data, **keys, BAND="g")
    words = ["measure", one, "-o", tmp_path, "--forced-on", two, "--centre", "71.5", "52.5"]
    assert run(*words) == 0
    first, forced = (QTable.read(tmp_path / f"one-{band}.ecsv").meta for band in "rg")
    for name in ("ra", "dec", "xcen", "ycen"):
        assert forced[name] == pytest.approx(first[name], abs=1e-9), name
    assert (first["xcen"], first["ycen"]) == pytest.approx((71.5, 52.5), abs=0.2)
    assert 3600 * np.hypot((first["ra"] - 180) * np.cos(np.radians(30)), first["dec"] - 30) > 5


def test_measure_takes_several_images(tmp_path, capsys):
    good = [save(tmp_path / f"{k}.fits", galaxy(seed=k)) for k in range(2)]
    bad, out = save(tmp_path / "small.fits", np.ones((20, 20))), tmp_path / "out"
    assert run("measure", good[0], bad, good[1], "-o", out) == 1
    assert sorted(path.name for path in out.iterdir()) == ["0.ecsv", "1.ecsv"]
    said = capsys.readouterr().err
    assert "2 of 3 profiles written" in said and f"failed: {bad}" in said
    assert "replaced" not in said
    assert run("measure", *good, "-o", out) == 0
    assert f"{out / '1.ecsv'}: note: an earlier file of this name" in capsys.readouterr().err
    for option in ("--mask", "--forced-on"):
        assert run("measure", *good, "-o", tmp_path / "none", option, good[0]) == 1
        assert f"{option} is for one image, here are 2" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_measure_honours_the_mask_and_forces_the_ellipses(tmp_path):
    data = galaxy(120, ellipticity=0.4)
    mask = np.zeros(data.shape)
    mask[80:100, 80:100] = 1
    one = save(tmp_path / "one-r.fits", data)
    two = save(tmp_path / "one-g.fits", 0.5 * galaxy(120, 1, ellipticity=0.1), BAND="g")
    masked = save(tmp_path / "mask.fits", mask)
    out = tmp_path / "out"
    assert run("measure", one, "--mask", masked, "-o", out, "--forced-on", two) == 0
    first, forced = (QTable.read(out / f"one-{band}.ecsv") for band in "rg")
    assert first["n_masked"].max() > 0 and forced.meta["forced"] == "one-r.fits"
    n = min(len(first), len(forced))
    np.testing.assert_allclose(first["ellipticity"][:n], forced["ellipticity"][:n], atol=1e-5)
    assert (first.meta["band"], forced.meta["band"]) == ("r", "g")


def test_forced_ellipses_reach_over_a_blank_border(tmp_path):
    """The second band is read along the first's ellipses, its pixel scale a rounding apart."""
    data = galaxy(160, ellipticity=0.6)
    framed = np.full_like(data, np.nan)
    framed[:, 38:122] = data[:, 38:122]
    one = save(tmp_path / "one-r.fits", framed)
    two = save(tmp_path / "one-g.fits", 0.5 * data, BAND="g", PIXSCALE=0.39604)
    assert run("measure", one, "-o", tmp_path, "--forced-on", two) == 0
    first, forced = (QTable.read(tmp_path / f"one-{band}.ecsv") for band in "rg")
    n = len(first)
    assert len(forced) > n + 20
    np.testing.assert_allclose(forced["ellipticity"][:n], first["ellipticity"], atol=1e-5)
    np.testing.assert_allclose(forced["ellipticity"][n:], first["ellipticity"][-1], atol=1e-5)
    bright = first["mu"].value < 24
    fainter = np.median((forced["mu"][:n] - first["mu"]).value[bright])
    assert fainter == pytest.approx(2.5 * np.log10(2), abs=0.02)


def test_measure_refuses_what_does_not_fit(tmp_path, capsys):
    one, other = save(tmp_path / "a.fits", galaxy()), save(tmp_path / "b.fits", galaxy(90))
    assert run("measure", one, "--forced-on", other, "-o", tmp_path / "out") == 1
    assert f"error: {other}: it has 90 x 90 px" in capsys.readouterr().err
    assert run("measure", one, "--mask", other, "-o", tmp_path / "out") == 1
    assert "the mask is 90 x 90 px" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words", ["--processes 2 --workers 2", "--workers 2 --scheduler tcp://localhost:1"]
)
def test_one_road_at_a_time(words, tmp_path, capsys):
    path = save(tmp_path / "a.fits", galaxy())
    for command in (["mock", "-n", "1", "--seed", "1"], ["measure", path]):
        assert run(*command, "-o", tmp_path / "out", *words.split()) == 1
        assert "exclude one another" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_single_image_has_its_band_from_its_name(model, tmp_path):
    path = save(tmp_path / "NGC1-r.fits", galaxy(120))
    fits.delval(path, "BAND")
    for command in (["predict", "--model", model], ["measure"]):
        assert run(*command, path, "-o", tmp_path / command[0]) == 0
        meta = read_profile(tmp_path / command[0] / "NGC1-r.ecsv").meta
        assert meta["band"] == "r" and "band r: from the file's name" in meta["flags"]


def test_mock_writes_galaxies_that_can_be_read(model, tmp_path, capsys):
    assert run("mock", "-n", "2", "--seed", "5", "-o", tmp_path / "m", "--field", "128") == 0
    paths = sorted((tmp_path / "m").glob("*.fits"))
    assert len(paths) == 6
    image = read_image(paths[0])
    assert image.band in "gri" and image.pixscale == pytest.approx(0.396) and image.flags == ()
    assert image.data.shape == (128, 128)
    with fits.open(paths[0]) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "TRUTH", "MASK"]
        assert hdus["TRUTH"].data.std() > 0
    catalogue = QTable.read(tmp_path / "m" / "catalogue.ecsv")
    assert len(catalogue) == 2 and "redshift" in catalogue.colnames
    assert run("mock", "-n", "1", "--seed", "5", "-o", tmp_path / "again", "--field", "128") == 0
    for path in (tmp_path / "again").glob("*.fits"):
        assert path.read_bytes() == (tmp_path / "m" / path.name).read_bytes()
    assert run("mock", "-n", "1", "--seed", "5", "-o", tmp_path / "tiny", "--field", "16") == 1
    assert "field" in capsys.readouterr().err


HEAVY = ("torch", "scipy", "astropy", "numpy", "matplotlib", "pandas", "pyarrow", "photutils")
IMPORTED = """
import sys
from pix2prof.cli import main
try:
    status = main(sys.argv[2:])
except SystemExit as end:
    status = end.code
print(*(name for name in sys.argv[1].split(",") if name in sys.modules), file=sys.stderr)
sys.exit(status)
"""


def imported(names, *words):
    """Those of some modules that a command has imported, in a process of its own."""
    command = [sys.executable, "-c", IMPORTED, ",".join(names), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stderr.splitlines()[-1].split()


def test_a_command_imports_what_it_needs_alone(model, tmp_path):
    assert imported(HEAVY, "--help") == []
    path = save(tmp_path / "a.fits", galaxy())
    words = ("predict", path, "-o", tmp_path / "out", "--model", model)
    others = ("matplotlib", "seaborn", "pandas", "pyarrow", "photutils")
    assert imported(("torch", *others), *words) == ["torch"]


def test_the_program_runs():
    words = [sys.executable, "-m", "pix2prof.cli", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pix2prof ")
