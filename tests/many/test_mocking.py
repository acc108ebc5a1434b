"""Mock galaxies on the road of the other commands: resumed, refused, by any workers."""

import io
import os

import pytest
from astropy.table import QTable

from pix2prof.many import mocking
from pix2prof.many.mocking import write_mocks
from pix2prof.many.parts import ResumeError

FIELD = 64


def write(number, out, seed=5, **road):
    return write_mocks(number, seed, out, field=FIELD, stream=io.StringIO(), **road)


def contents(out):
    files = {path.name: path.read_bytes() for path in out.glob("*.fits")}
    return files, QTable.read(out / "catalogue.ecsv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    done = write(6, out, processes=1)
    assert (done.items, done.rows, done.failures) == (6, 6, 0)
    return out


def test_more_adds_to_what_is_there(whole, tmp_path):
    write(2, tmp_path, processes=1)
    first = {path: os.stat(path).st_mtime_ns for path in tmp_path.glob("*.fits")}
    assert len(first) == 6
    done = write(6, tmp_path, processes=1)
    assert (done.items, done.done) == (6, 4)
    assert all(os.stat(path).st_mtime_ns == time for path, time in first.items())
    (files, table), (expected, catalogue) = contents(tmp_path), contents(whole)
    assert files == expected
    assert table["index"].tolist() == list(range(6))
    assert all((table[name] == catalogue[name]).all() for name in ("name", "redshift", "mag_r"))


def test_a_cluster_makes_the_same(whole, tmp_path):
    pytest.importorskip("distributed")
    write(6, tmp_path, workers=1)
    assert contents(tmp_path)[0] == contents(whole)[0]


def test_an_interrupted_run_leaves_nothing_half_written(whole, tmp_path, monkeypatch):
    rename, made = os.replace, []

    def full_disk(source, target):
        if str(target).endswith(".fits"):
            made.append(target)
            if len(made) > 4:
                raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr("pix2prof.output.os.replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write(6, tmp_path, processes=1)
    monkeypatch.undo()
    assert not (tmp_path / "catalogue.ecsv").exists()
    left = {path.name: path.read_bytes() for path in tmp_path.glob("*.fits")}
    assert len(left) == 4 and left.items() <= contents(whole)[0].items()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    write(6, tmp_path, processes=1)
    assert contents(tmp_path)[0] == contents(whole)[0]


def test_other_galaxies_are_refused(whole):
    with pytest.raises(ResumeError, match="options"):
        write(6, whole, seed=6, processes=1)
    with pytest.raises(ValueError, match="field is 16"):
        write_mocks(1, 5, whole, field=16)


def test_a_galaxy_that_fails_stops_no_other(tmp_path, monkeypatch):
    make = mocking.mock_galaxy

    def some(seed, index, **options):
        if index == 1:
            raise RuntimeError("no such galaxy")
        return make(seed, index, **options)

    monkeypatch.setattr(mocking, "mock_galaxy", some)
    task = mocking.MockTask(options={"seed": 5, "field": FIELD}, number=3)
    batch = task.finish(task.prepare(task.items([], tmp_path)))
    assert [row["index"] for row in batch.rows] == [0, 2] and len(batch.files) == 6
    assert [(f["step"], f["reason"]) for f in batch.failures] == [("mock", "no such galaxy")]
