"""The plan of a survey from measured rates, and that every file of one is accounted for."""

import pytest
from plan import gpu_rate, limits, plan
from survey import account
from tiny import galaxy, save

from pix2prof.many.parts import Parts
from pix2prof.many.rows import failure, schema

MEASURED = {
    "model": "paper", "cores": 2, "rate": 100.0, "read": 200.0, "tables": 200.0, "memory": 1.0,
    "bytes_in": 250e3, "bytes_out": 2e3, "images": 1000,
}  # fmt: skip


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_core_hours_and_disk():
    header, _, *rows = plan(MEASURED, node=10, disk=500.0)
    assert not any("GPU" in line for line in (header, *rows))
    assert cells(rows[0]) == ["1e5", "0.6", "3 min", "25 GB", "200 MB", "cores, the network"]
    assert cells(rows[2])[1] == "556"


def test_what_saturates_first():
    assert min(limits(MEASURED, 10, 500.0).items(), key=lambda x: x[1])[0] == "cores, the network"
    assert min(limits(MEASURED, 1000, 500.0).items(), key=lambda x: x[1])[0] == "disk"
    with_gpu = limits(MEASURED, 10, 500.0, gpu=5000.0)
    assert with_gpu["cores, reading and writing"] == pytest.approx(1000)
    assert min(with_gpu, key=with_gpu.get) == "cores, reading and writing"


def test_gpu_hours_only_where_a_gpu_was_measured():
    row = {"device": "processor", "network": "paper", "images/s": 100.0}
    assert gpu_rate({"device": [row]}, "paper") is None
    assert gpu_rate({}, "paper") is None
    found = gpu_rate({"device": [row, row | {"device": "a GPU", "images/s": 3600.0}]}, "paper")
    assert found == (3600.0, "a GPU")
    header, _, first, *_ = plan(MEASURED, 64, 500.0, found)
    assert dict(zip(cells(header), cells(first), strict=True))["GPU-hours"] == "0.0"
    assert cells(plan(MEASURED, 64, 500.0, found)[4])[-2] == "14.0"


def test_files_that_are_not_accounted_for_are_named(tmp_path):
    images, out = tmp_path / "images", tmp_path / "out"
    for name in ("a.fits", "b.fits"):
        save(images / name, galaxy(20))
    row = dict.fromkeys(schema().names) | {"mu": [20.0]}
    with Parts(out, schema(), {}) as parts:
        parts.add([row | {"item": "a.fits"}], [], 1)
    with pytest.raises(AssertionError, match=r"no result, for instance \['b.fits'\]"):
        account(images, out)
    with Parts(out, schema(), {}) as parts:
        parts.add([], [failure("b.fits", "b", "read", "cut")], 1)
    with pytest.raises(AssertionError, match=r"failed, though sound, for instance \['b.fits'\]"):
        account(images, out)
    rows, failures = account(images, out, {"b.fits": "truncated"})
    assert (rows.num_rows, failures.num_rows) == (1, 1)
    with Parts(out, schema(), {}) as parts:
        parts.add([row | {"item": "a.fits"}], [], 1)
    with pytest.raises(AssertionError, match="done twice"):
        account(images, out, {"b.fits": "truncated"})
