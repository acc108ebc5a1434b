import io
from dataclasses import asdict

import numpy as np
import pytest
import torch
from astropy.io import fits
from astropy.table import Table
from tiny import galaxy, save

from pix2prof.cli import main
from pix2prof.dataset.normalisation import Normalisation
from pix2prof.images.fits import ImageError
from pix2prof.images.inputs import find_items
from pix2prof.many.parts import read_results
from pix2prof.many.runner import predict_task, run_many
from pix2prof.model.paper import Pix2Prof
from pix2prof.networks import save_model
from pix2prof.predict.arrays import load, predict_images
from pix2prof.predict.bands import by_galaxy, choose
from pix2prof.predict.files import predict_files
from pix2prof.profile_files import read_profile


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny network that takes g, r, i at once and wants 64 px."""
    home = tmp_path_factory.mktemp("model")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = Pix2Prof(
            latent=16, layers=1, step=2.0, max_sma=60.0, mu_mean=23.0, bands=("g", "r", "i")
        )
    save_model(network, home, normalisation=asdict(Normalisation(-1.0, 20.0)), crop=64)
    return home


@pytest.fixture
def images(tmp_path):
    """Two galaxies, one of them also in z; the header tells no band."""
    for k, name in enumerate(("a_g", "a_r", "a_i", "a_z", "b_i", "b_g", "b_r")):
        save(tmp_path / "images" / f"{name}.fits", galaxy(seed=k), BAND="")
    return tmp_path / "images"


def go(folder, source, out, **options):
    stream = io.StringIO()
    done = run_many(predict_task(folder), [source], out, stream=stream, **options)
    return done, *(table.to_pylist() for table in read_results(out))


def test_files_belong_together_by_name_and_folder(tmp_path):
    names = ("x/a_g", "x/a_r", "y/a_g", "x/b-r-1", "x/b-g-1", "x/plain")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.fits").touch()
    found = {
        one.key: [part.key for part in one.parts] for one in by_galaxy(find_items([tmp_path]))
    }
    assert found == {
        "x/a": ["x/a_g.fits", "x/a_r.fits"],
        "x/b-1": ["x/b-g-1.fits", "x/b-r-1.fits"],
        "x/plain": ["x/plain.fits"],
        "y/a": ["y/a_g.fits"],
    }


def test_rows_of_a_catalogue_belong_together_by_name_or_place(tmp_path):
    frames = [f"frame-{band}.fits" for band in "grgr"]
    table = Table({"file": frames, "ra": [1.0, 1.0, 2.0, 2.0], "dec": [0.5] * 4})
    table.write(tmp_path / "places.csv")
    places = by_galaxy(find_items([tmp_path / "places.csv"]))
    assert [len(one.parts) for one in places] == [2, 2]
    assert len({one.key for one in places}) == 2
    table["name"] = ["N1", "N1", "N2", "N2"]
    table["band"] = list("grgr")
    table.write(tmp_path / "names.csv")
    named = by_galaxy(find_items([tmp_path / "names.csv"]))
    assert [one.key for one in named] == ["N1", "N2"]
    assert [[part.ra for part in one.parts] for one in named] == [[1.0, 1.0], [2.0, 2.0]]


def test_bands_come_in_the_networks_order_or_are_refused():
    assert choose(["i", "z", "g", "r"], ("g", "r", "i"), "a") == [2, 3, 0]
    with pytest.raises(ImageError, match=r"a: .* takes g, r, i .*here i is missing; name its"):
        choose(["g", "r"], ("g", "r", "i"), "a")
    with pytest.raises(ImageError, match=r"here g 2 times, r is missing"):
        choose(["g", "g", "i"], ("g", "r", "i"), "a")


def test_files_give_what_their_arrays_give_in_any_order(folder, images):
    model = load(folder)
    paths = [images / f"{name}.fits" for name in ("b_r", "a_i", "a_g", "b_g", "a_r", "b_i")]
    said = list(predict_files(paths, model))
    assert [one.path for one in said] == [str(path) for path in paths]
    assert [one.profile.meta["band"] for one in said] == ["r", "i", "g", "g", "r", "i"]
    assert "band r: from the file's name" in said[0].profile.meta["flags"]
    stamps = torch.stack([torch.from_numpy(said[k].stamp.data) for k in (2, 4, 1)])
    for k, mu in zip((2, 4, 1), predict_images(stamps.numpy(), model), strict=True):
        table = said[k].profile["mu"].value
        assert table == pytest.approx(mu[: len(table)], abs=1e-3)
    one_by_one = list(predict_files(paths, model, batch_size=1))
    for one, other in zip(one_by_one, said, strict=True):
        assert one.profile["mu"].value == pytest.approx(other.profile["mu"].value, abs=1e-3)


def test_what_is_missing_or_broken_is_said_of_each_file(folder, images):
    (images / "b_g.fits").write_text("nothing")
    model = load(folder)
    names = ("a_g", "a_z", "a_r", "a_i", "b_g", "b_r")
    said = list(predict_files([images / f"{name}.fits" for name in names], model))
    words = [str(one.error or "") for one in said]
    assert words[:4] == [""] * 4
    assert said[1].profile is None
    assert said[1].left_out == "band z left out: the network takes g, r, i"
    for one in (said[0], said[2], said[3]):
        assert said[1].left_out in one.profile.meta["flags"] and not one.left_out
    assert "FITS" in words[4]
    assert "another image of its galaxy cannot be used" in words[5]
    with pytest.raises(
        ImageError, match=r"b_r.fits: .*g is missing, i is missing; name its files"
    ):
        raise next(predict_files([images / "b_r.fits"], model)).error


def test_an_image_without_a_centre_is_missed_only_in_a_band_that_is_taken(folder, images):
    hollow = galaxy(seed=3)
    hollow[28:52, 28:52] = np.nan
    model = load(folder)
    paths = [images / f"a_{band}.fits" for band in "zgri"]
    for band, fails in (("z", False), ("r", True)):
        (images / f"a_{band}.fits").unlink()
        save(images / f"a_{band}.fits", hollow, BAND="")
        said = list(predict_files(paths, model))
        assert all((one.error is not None) == fails for one in said)
    assert "pixels at its centre are NaN" in str(said[2].error)
    assert all("another image of its galaxy" in str(said[k].error) for k in (0, 1, 3))


def test_a_folder_becomes_a_table_of_galaxies_in_all_bands(folder, images, tmp_path):
    (images / "b_i.fits").unlink()
    done, rows, failures = go(folder, images, tmp_path / "out")
    assert (done.items, done.rows, done.failures) == (2, 3, 1)
    assert [(row["item"], row["name"], row["band"]) for row in rows] == [
        ("a", "a", band) for band in "gri"
    ]
    assert "band z left out: the network takes g, r, i" in rows[0]["flags"]
    assert failures[0]["item"] == "b"
    assert "takes g, r, i of a galaxy at once, and here i is missing" in failures[0]["reason"]
    single = list(predict_files([images / f"a_{band}.fits" for band in "gri"], load(folder)))
    for row, one in zip(rows, single, strict=True):
        assert row["mu"] == pytest.approx(one.profile["mu"].value, abs=1e-3)
    assert go(folder, images, tmp_path / "out")[0].done == 0


def test_each_band_gets_a_file_of_its_own(folder, images, tmp_path):
    table = Table(
        {"file": [f"{name}.fits" for name in ("a_g", "a_r", "a_i")], "name": ["N 1"] * 3}
    )
    table.write(images / "list.csv")
    go(folder, images / "list.csv", tmp_path / "out", format="ecsv")
    names = sorted(path.name for path in (tmp_path / "out").glob("*.ecsv"))
    assert names == ["N 1-g.ecsv", "N 1-i.ecsv", "N 1-r.ecsv"]
    assert read_profile(tmp_path / "out" / names[2]).meta["band"] == "r"


def test_a_cube_is_a_galaxy(folder, tmp_path):
    cube = torch.stack([torch.from_numpy(galaxy(seed=k)) for k in range(3)]).numpy()
    keys = {"PIXSCALE": 0.396, "ZEROPT": 22.5, "BANDS": "gri"}
    (tmp_path / "in").mkdir()
    fits.PrimaryHDU(cube.astype("f4"), fits.Header(keys)).writeto(tmp_path / "in" / "c.fits")
    _, rows, failures = go(folder, tmp_path / "in", tmp_path / "out")
    assert [(row["band"], row["plane"]) for row in rows] == [("g", 0), ("r", 1), ("i", 2)]
    assert failures == []


def test_a_failure_in_one_galaxy_leaves_the_others(folder, images, tmp_path):
    (images / "b_g.fits").write_text("nothing")
    done, rows, failures = go(folder, images, tmp_path / "out")
    assert [row["item"] for row in rows] == ["a"] * 3
    assert [failure["item"] for failure in failures] == ["b"]
    assert done.failures == 1


def test_the_command_line_takes_a_galaxys_files(folder, images, tmp_path, capsys):
    paths = [str(images / f"a_{band}.fits") for band in "gri"]
    words = ["-o", str(tmp_path / "out"), "--model", str(folder)]
    assert main(["predict", *paths, *words]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "a_g.ecsv", "a_r.ecsv", "a_i.ecsv",
    }  # fmt: skip
    capsys.readouterr()
    assert main(["predict", *paths, str(images / "a_z.fits"), *words]) == 0
    said = capsys.readouterr().err
    assert "a_z.fits: note: band z left out" in said and "3 of 3 profiles" in said
    assert main(["predict", *paths[:2], *words]) == 1
    assert "i is missing" in capsys.readouterr().err
