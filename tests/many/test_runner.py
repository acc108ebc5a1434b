"""Many images to a table: complete, resumed, refused, killed."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import QTable, Table
from tiny import galaxy, save, save_tiny_model

from pix2prof.cli import main
from pix2prof.images.inputs import find_items, fingerprint
from pix2prof.many.parts import Parts, ResumeError, read_results
from pix2prof.many.progress import Progress, duration
from pix2prof.many.rows import META, failure, schema
from pix2prof.many.runner import measure_task, predict_task, run_many
from pix2prof.names import safe_name
from pix2prof.predict.arrays import load
from pix2prof.predict.files import predict_file
from pix2prof.profiles import RowFlag


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("a model") / "tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Thirty images of ten galaxies in three bands, and three that are none."""
    home = tmp_path_factory.mktemp("images")
    for k in range(30):
        path = home / f"sub{k % 2}" / f"n{k // 3}-{'gri'[k % 3]}.fits"
        save(path, galaxy(seed=k), BAND="")
    (home / "text.fits").write_text("nothing")
    (home / "empty.fits").touch()
    save(home / "sub1" / "small.fits", galaxy(20))
    return home


def run(*words):
    return main([str(word) for word in words])


def go(task, source, out, **options):
    return run_many(task, [source], out, processes=1, stream=io.StringIO(), **options)


def test_a_folder_becomes_a_table(model, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("predict", folder, "-o", out, "--model", model, "--processes", "1") == 1
    assert "33 of 33" in capsys.readouterr().err
    rows, failures = read_results(out)
    assert rows.num_rows == 30 and failures.num_rows == 3
    items = rows["item"].to_pylist() + failures["item"].to_pylist()
    files = [str(p.relative_to(folder)) for p in folder.rglob("*.fits")]
    assert sorted(items) == sorted(files)
    assert set(zip(rows["name"].to_pylist(), rows["band"].to_pylist(), strict=True)) == {
        (f"n{k}", band) for k in range(10) for band in "gri"
    }
    one = rows.slice(7, 1).to_pylist()[0]
    table = predict_file(folder / one["item"], load(model))
    np.testing.assert_allclose(one["sma"], table["sma"].value, rtol=1e-6)
    np.testing.assert_allclose(one["mu"], table["mu"].value, atol=1e-3)
    assert one["weights"] == table.meta["weights"] and one["version"] == table.meta["version"]
    assert one["length"] == pytest.approx(table["sma"].value[-1])
    assert {f["step"] for f in failures.to_pylist()} == {"read"}
    field = pq.read_schema(next((out / "profiles").glob("part-*"))).field("mu")
    assert field.metadata[b"unit"] == b"mag / arcsec2"


def test_a_second_run_does_what_is_left(model, folder, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    paths = sorted(folder.rglob("*.fits"))
    for path in paths[:20]:
        (source / path.name).symlink_to(path)
    task = predict_task(model)
    first = go(task, source, tmp_path / "out", batch_size=4, part_items=8)
    assert first.items == first.done == 20
    for path in paths[20:]:
        (source / path.name).symlink_to(path)
    second = go(task, source, tmp_path / "out", batch_size=4, part_items=8)
    assert (second.items, second.done) == (33, 13)
    assert go(task, source, tmp_path / "out").done == 0
    rows, failures = read_results(tmp_path / "out")
    items = rows["item"].to_pylist() + failures["item"].to_pylist()
    assert sorted(items) == sorted(path.name for path in paths)


def test_failures_are_tried_again_when_asked(model, folder, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    good = sorted(folder.rglob("n*.fits"))[:3]
    for path in good:
        (source / path.name).write_bytes(path.read_bytes())
    whole = good[1].read_bytes()
    for name in ("bad.fits", good[1].name):
        (source / name).write_text("nothing")
    task = predict_task(model)
    assert go(task, source, out, part_items=2).failures == 2
    (source / good[1].name).write_bytes(whole)
    assert go(task, source, out).done == 0
    again = go(task, source, out, retry_failed=True)
    assert (again.done, again.rows, again.failures) == (2, 1, 1)
    rows, failures = read_results(out)
    assert sorted(rows["item"].to_pylist()) == sorted(path.name for path in good)
    assert failures["item"].to_pylist() == ["bad.fits"]
    assert go(task, source, out).done == 0


def test_an_item_that_failed_in_part_is_done_again_whole(tmp_path):
    columns = schema(())
    with Parts(tmp_path, columns, {}) as parts:
        parts.add([{"item": "a"}, {"item": "b"}], [failure("b", "", "read", "bad plane")], 2)
    with Parts(tmp_path, columns, {}, retry=True) as parts:
        assert parts.done == {fingerprint("a")}
    rows, failures = read_results(tmp_path)
    assert rows["item"].to_pylist() == ["a"] and failures.num_rows == 0


def test_retrying_is_for_many_images(model, tmp_path, capsys):
    path = save(tmp_path / "a.fits", galaxy())
    assert run("predict", path, "-o", tmp_path / "o", "--model", model, "--retry-failed") == 1
    assert "--retry-failed is for many images" in capsys.readouterr().err


KILLED = """
import sys, time
from pix2prof.many.parts import Parts
from pix2prof.many.runner import predict_task, run_many
if __name__ == "__main__":
    run_many(predict_task(sys.argv[1]), [sys.argv[2]], sys.argv[3], processes=1, batch_size=2,
             part_items=2)
"""


def test_a_killed_run_ends_with_the_same_rows(model, folder, tmp_path):
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(KILLED)
    words = [sys.executable, script, model, folder, out]
    kills = 0
    for parts in (1, 4, 9, 15):
        process = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if len(list((out / "profiles").glob("part-*.parquet"))) >= parts:
                break
            time.sleep(0.002)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        for part in (out / "profiles").glob("part-*.parquet"):
            pq.read_table(part)
    assert kills >= 2
    task = predict_task(model)
    go(task, folder, out, batch_size=2)
    go(task, folder, tmp_path / "whole", batch_size=2)
    assert not list((out / "profiles").glob(".part-*"))
    (rows, failures), (whole, lost) = read_results(out), read_results(tmp_path / "whole")
    assert failures.sort_by("item").equals(lost.sort_by("item"))
    rows, whole = rows.sort_by("item").to_pylist(), whole.sort_by("item").to_pylist()
    assert [r["item"] for r in rows] == [r["item"] for r in whole]
    for one, other in zip(rows, whole, strict=True):
        np.testing.assert_allclose(one["mu"], other["mu"], atol=1e-3)
        assert one["flags"] == other["flags"]


def test_results_of_something_else_are_refused(model, folder, tmp_path):
    task, out = predict_task(model, band="r"), tmp_path / "out"
    source = folder / "sub0"
    go(task, source, out)
    other = save_tiny_model(tmp_path / "other")
    for again, where, words in (
        (predict_task(model, band="g"), source, "options.*there.*now"),
        (predict_task(model, "bf16", band="r"), source, "precision"),
        (task, folder, "sources"),
        (measure_task(band="r"), source, "command"),
    ):
        with pytest.raises(ResumeError, match=f"another run .*{words}"):
            go(again, where, out)
    (other / "config.json").write_text((other / "config.json").read_text() + " ")
    assert go(predict_task(other, band="r"), source, out).done == 0
    run_file = out / "run.json"
    run_file.write_text(json.dumps(json.loads(run_file.read_text()) | {"weights": "0"}))
    with pytest.raises(ResumeError, match="weights"):
        go(task, source, out)
    run_file.unlink()
    with pytest.raises(ResumeError, match="is missing"):
        go(task, source, out)


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    with Parts(tmp_path, schema(), {"a": 1}), pytest.raises(ResumeError, match="another run is"):
        Parts(tmp_path, schema(), {"a": 1})
    Parts(tmp_path, schema(), {"a": 1}).__exit__()


def test_what_was_added_is_written_when_a_run_fails(tmp_path):
    with pytest.raises(RuntimeError), Parts(tmp_path, schema(), {}) as parts:
        parts.add([], [failure("a", "", "read", "x" * 1000)], 1)
        raise RuntimeError
    rows, failures = read_results(tmp_path)
    assert rows.num_rows == 0 and failures.num_rows == 1
    assert len(failures["reason"][0].as_py()) == 500
    with Parts(tmp_path, schema(), {}) as parts:
        assert len(parts.done) == 1
    (tmp_path / "profiles" / "part-0000007.parquet").write_text("half")
    with pytest.raises(ResumeError, match="part-0000007"):
        Parts(tmp_path, schema(), {})


@pytest.mark.parametrize("format", ["ecsv", "fits"])
def test_a_file_each_beside_the_table(model, folder, tmp_path, format):
    twins = tmp_path / "in"
    for name in ("a/x.fits", "a_x.fits", "A_X.fit"):
        save(twins / name, galaxy(), BAND="")
    out = tmp_path / "out"
    assert run("predict", twins, "-o", out, "--model", model, "--format", format) == 0
    files = [path for path in out.glob(f"*.{format}")]
    assert len({path.name.lower() for path in files}) == 3
    assert all(len(QTable.read(path)) for path in files)
    assert read_results(out)[0].num_rows == 3


EVIL = [
    "../../evil",
    "/etc/evil",
    "..",
    "a/b",
    "a\\b",
    "x\0y",
    "",
    " ",
    "é",
    "n" * 400,
    "~",
    "CON:",
]


def test_names_in_a_catalogue_stay_inside(model, tmp_path):
    home = tmp_path / "deep" / "home"
    image = save(home / "a.fits", galaxy())
    catalogue = home / "c.ecsv"
    names = [name for name in EVIL if "\0" not in name]
    Table({"name": names, "image": [image.name] * len(names)}).write(catalogue)
    before = {path for path in tmp_path.rglob("*")}
    out = tmp_path / "deep" / "out"
    assert run("predict", catalogue, "-o", out, "--model", model, "--format", "ecsv") == 0
    after = {path for path in tmp_path.rglob("*")} - before
    assert all(path == out or out in path.parents for path in after)
    distinct = {name.strip() for name in names}
    assert len(list(out.glob("*.ecsv"))) == read_results(out)[0].num_rows == len(distinct)


@pytest.mark.parametrize("text", EVIL)
def test_safe_names(text):
    name = safe_name(text)
    assert 0 < len(name) <= 120 and name.isascii() and not name.startswith(".")
    assert not set(name) & set("/\\\0:~")


def test_one_image_as_a_table_and_one_option_too_many(model, tmp_path, capsys):
    path = save(tmp_path / "a.fits", galaxy())
    words = ["predict", path, "-o", tmp_path / "out", "--model", model, "--format", "parquet"]
    assert run(*words, "--plot") == 1
    assert "--plot is for single images" in capsys.readouterr().err
    assert run(*words) == 0
    assert read_results(tmp_path / "out")[0]["item"].to_pylist() == ["a.fits"]
    out = tmp_path / "fits"
    assert run("predict", path, "-o", out, "--model", model, "--format", "fits") == 0
    assert len(QTable.read(out / "a.fits")) > 0


def test_measure_takes_the_same_road(folder, tmp_path):
    out = tmp_path / "out"
    assert run("measure", folder / "sub0", "-o", out, "--processes", "1") == 0
    rows, failures = read_results(out)
    assert rows.num_rows == 15 and failures.num_rows == 0
    one = rows.to_pylist()[0]
    assert len(one["ellipticity"]) == len(one["mu"]) == len(one["flag"])
    assert one["h"] == pytest.approx(6 * 0.396, rel=0.2) and one["m_tot"] is not None
    assert 0 < one["h_err"] < one["h"] and 0 < one["R_50_err"] < one["R_50"]


@pytest.mark.parametrize("command", ["predict", "measure"])
def test_the_table_and_the_files_say_the_same_by_the_same_names(model, tmp_path, command):
    turned = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1.0, "CRPIX2": 40.5}
    turned |= {"CRVAL1": 150.0, "CRVAL2": 0.0, "CDELT1": -1.1e-4, "CDELT2": 1.1e-4}
    save(tmp_path / "in" / "a.fits", galaxy(), **turned)
    save(tmp_path / "in" / "b.fits", galaxy(seed=1))
    task = predict_task(model) if command == "predict" else measure_task()
    go(task, tmp_path / "in", tmp_path / "out", format="ecsv")
    rows = read_results(tmp_path / "out")[0].to_pylist()
    names = [*("ra", "dec", "sn_sma", "R_25", "m_tot", "h"), *("R_25_err", "m_tot_err", "h_err")]
    names += META
    for row in rows:
        meta = QTable.read(tmp_path / "out" / f"{row['name']}.ecsv", format="ascii.ecsv").meta
        for name in names:
            expected = None if name not in meta else pytest.approx(meta[name], rel=1e-6)
            assert row[name] == expected, name
        assert not [key for key in meta if key.endswith("_e") and key not in ("R_e", "mu_e")]
    assert (rows[0]["ra"], rows[0]["dec"]) == pytest.approx((150 - 39.5 * 1.1e-4, 0), abs=1e-9)
    assert rows[1]["ra"] is None and rows[1]["dec"] is None
    assert [row["filescal"] for row in rows] == pytest.approx([0.396, 0.396], rel=1e-6)
    assert None not in [row[name] for row in rows for name in ("sky", "pixscale", "filezp")]
    fields = pq.read_schema(next((tmp_path / "out" / "profiles").glob("part-*")))
    described = {name: fields.field(name).metadata for name in META}
    assert all(words[b"unit"] and words[b"description"] for words in described.values())
    if command == "measure":
        assert rows[0]["paxaxis"] == pytest.approx(270) and rows[1]["paxaxis"] is None
        known = np.array(rows[0]["flag"]) & RowFlag.BELOW_CUT == 0
        assert rows[0]["sn_sma"] == pytest.approx(np.array(rows[0]["sma"])[known].max())
        assert 0 < rows[0]["h_err"] < rows[0]["h"]


def catalogue_of_places(path, pixscale, place):
    """A frame with an inclined disc at a place, and a catalogue that asks for one beside it."""
    size = round(200 / pixscale)
    y, x = np.indices((size, size)) - np.array(place)[::-1, None, None]
    data = 60 * pixscale**2 * np.exp(-np.hypot(x, y / 0.7) * pixscale / 3)
    data += 0.05 * pixscale * np.random.default_rng(2).standard_normal(data.shape)
    keys = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1.0, "CRPIX2": 1.0}
    keys |= {"CRVAL1": 150.0, "CRVAL2": 0.0, "CDELT1": -pixscale / 3600}
    save(path / "frame.fits", data, **keys, CDELT2=pixscale / 3600, PIXSCALE=pixscale)
    beside = [degrees * pixscale / 3600 for degrees in (-place[0] - 3, place[1] - 2)]
    table = Table({"name": ["a"], "file": ["frame.fits"]})
    table["ra"], table["dec"] = [150 + beside[0]], [beside[1]]
    table.write(path / "places.csv")
    return path / "places.csv"


@pytest.mark.parametrize("pixscale", [0.3, 0.396, 0.7])
@pytest.mark.parametrize(("task", "held"), [(predict_task, 0), (measure_task, 1)])
def test_centres_are_in_pixels_of_the_file(tmp_path, task, held, pixscale):
    """The network finds the galaxy beside the place asked for, where the other method stays."""
    place = 0.61 * 200 / pixscale + 0.3, 0.42 * 200 / pixscale - 0.1
    source = catalogue_of_places(tmp_path, pixscale, place)
    batch = replace(task(), format="ecsv").run(list(find_items([source])))
    (row,), ((_, content),) = batch.rows, batch.files
    meta = QTable.read(content.decode(), format="ascii.ecsv").meta
    expected = place[0] + 3 * held, place[1] - 2 * held
    for found in (row, meta):
        assert (found["xcen"], found["ycen"]) == pytest.approx(expected, abs=0.2)


def test_a_network_without_centres_gives_none(model, tmp_path):
    source = catalogue_of_places(tmp_path, 0.396, (250.0, 200.0))
    batch = predict_task(model).run(list(find_items([source])))
    assert batch.rows[0]["xcen"] is None and batch.rows[0]["filescal"] is not None


def test_a_centre_and_places_exclude_one_another(model, tmp_path, capsys):
    source = catalogue_of_places(tmp_path / "in", 0.396, (250.0, 200.0))
    for command in (["predict", "--model", model], ["measure"]):
        words = [*command, source, "-o", tmp_path / "out", "--centre", "5", "6"]
        assert run(*words) == 1
        assert f"--centre: {source} says where, by ra and dec" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_parts_of_an_earlier_version_lack_columns(tmp_path):
    columns = schema(())
    older = pa.schema([field for field in columns if field.name not in ("xcen", "ycen")])
    for item, fields in {"a": older, "b": columns}.items():
        with Parts(tmp_path, fields, {}) as parts:
            row = {"item": item, "xcen": 2.0}
            parts.add([{key: row[key] for key in row if key in fields.names}], [], 1)
    assert read_results(tmp_path)[0]["xcen"].to_pylist() == [None, 2.0]


@pytest.mark.parametrize("source", ["in", "list.txt"])
def test_a_folder_without_images_is_refused_before_anything_is_written(
    model, tmp_path, capsys, source
):
    (tmp_path / "in" / "below").mkdir(parents=True)
    (tmp_path / "in" / "below" / "a.png").touch()
    (tmp_path / "list.txt").write_text("# nothing yet\n")
    words = ("predict", tmp_path / source, "-o", tmp_path / "out", "--model", model)
    assert run(*words, "--processes", "1") == 1
    said = capsys.readouterr().err
    assert f"no image found in {tmp_path / source}: looked for *.fits, *.fit or *.fts" in said
    assert "give what has images" in said and not (tmp_path / "out").exists()


def test_nothing_left_to_do_is_no_error(tmp_path):
    save(tmp_path / "in" / "a.fits", galaxy())
    for rows in (1, 0):
        done = go(measure_task(), tmp_path / "in", tmp_path / "out")
        assert (done.items, done.done, done.failures) == (1, rows, 0)


def test_progress_tells_rate_and_time_left():
    stream = io.StringIO()
    progress = Progress(100, before=50, stream=stream)
    progress._start -= 10
    progress.add(20, 3)
    progress.say()
    assert stream.getvalue() == "pix2prof: 70 of 150, 2 a second, 40 s left, 3 failed\n"
    assert [duration(s) for s in (5, 600, 9000, 2e5)] == ["5 s", "10 min", "2.5 h", "2.3 d"]
