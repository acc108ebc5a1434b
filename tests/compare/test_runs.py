import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pix2prof.compare import runs as peer_runs
from pix2prof.compare.peers import Method, Outline, Target
from pix2prof.profiles import sma_grid

SMA = np.array([1.0, 2.0, 4.0])


def line(target, log=None):
    """A profile of three rows; writes down that it was asked."""
    if log is not None:
        with open(log, "a") as stream:
            stream.write(f"{target.name}\n")
    return Outline(SMA, 20 + SMA, np.full(3, 0.2), np.array([170.0, 178.0, 6.0]), np.ones(2))


def raising(target):
    raise ValueError("two\nlines")


def hanging(target):
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass


def dying(target):
    os._exit(3)


def empty(target):
    return Outline(SMA, np.full(3, np.nan))


def method(measure, version="1", **options):
    name = getattr(measure, "__name__", "line")
    return Method(name, name, version, measure, **options)


def targets(n):
    return [Target(f"galaxy {k}", np.full((4, 4), k, np.float32)) for k in range(n)]


def test_every_method_gets_every_image_and_failures_have_reasons(tmp_path):
    said = []
    found = peer_runs.run(
        [method(line), method(raising), method(hanging), method(dying)],
        targets(2), tmp_path, timeout=1.0, workers=2, log=said.append,
    )  # fmt: skip
    assert [result.failure for result in found["line"]] == ["", ""]
    assert [result.failure for result in found["raising"]] == ["two lines"] * 2
    assert [result.failure for result in found["hanging"]] == ["stopped after 1 s"] * 2
    assert [result.failure for result in found["dying"]] == ["its process died"] * 2
    assert not np.isfinite(found["dying"][0].mu).any()
    assert said[0].startswith("8 of 8 results to find")
    again = peer_runs.run([method(line)], targets(2), tmp_path, timeout=1.0, log=said.append)
    assert np.array_equal(again["line"][1].mu, found["line"][1].mu, equal_nan=True)
    assert again["line"][1].hardware == peer_runs.hardware() != ""


def test_what_is_on_disk_is_not_computed_again(tmp_path):
    log = tmp_path / "log"
    logged = method(partial(line, log=log))

    def asked(methods, n):
        log.write_text("")
        peer_runs.run(methods, targets(n), tmp_path, timeout=9, workers=1, log=str)
        return sorted(Path(log).read_text().split("\n"))[1:]

    assert asked([logged], 1) == ["galaxy 0"]
    assert asked([logged], 2) == ["galaxy 1"]
    assert asked([logged], 2) == []
    assert asked([method(logged.measure, version="2")], 1) == ["galaxy 0"]


def test_a_longer_time_limit_tries_again_what_was_stopped(tmp_path):
    path = tmp_path / "result.npz"
    for failure, back in (("stopped after 5 s", None), ("no fit", "no fit")):
        peer_runs._write(peer_runs.failed(failure, 5.0), path)
        assert peer_runs._read(path, 5.0).failure == failure
        longer = peer_runs._read(path, 6.0)
        assert (longer and longer.failure) == back


def test_seconds_are_the_methods_own_where_it_has_a_clock():
    def timed(target):
        return Outline(SMA, 20 + SMA, seconds=12.5)

    assert peer_runs.attempt(method(timed), targets(1)[0], 9).seconds == 12.5
    assert 0 < peer_runs.attempt(method(line), targets(1)[0], 9).seconds < 5


def test_a_first_call_that_loads_is_not_timed():
    calls = []

    def slow_at_first(target):
        time.sleep(0 if calls else 0.5)
        calls.append(target)
        return line(target)

    result = peer_runs.attempt(method(slow_at_first, warm=True), targets(1)[0], 9)
    assert len(calls) == 2 and result.seconds < 0.4


def test_an_empty_profile_is_a_failure():
    result = peer_runs.attempt(method(empty), targets(1)[0], 9)
    assert result.failure == "its profile holds no surface brightness"


def test_profiles_come_on_the_common_grid_and_angles_turn_the_short_way():
    result = peer_runs.attempt(method(line), targets(1)[0], 9)
    inside = (sma_grid() > 0.99) & (sma_grid() < 4.01)
    assert np.isfinite(result.mu).tolist() == inside.tolist()
    assert result.mu[inside] == pytest.approx(20 + sma_grid()[inside], abs=1e-4)
    at_3 = np.argmin(np.abs(sma_grid() - 3.0))
    assert result.pa[at_3] == pytest.approx(2.0, abs=0.1)
    assert result.ellipticity[at_3] == pytest.approx(0.2)


def test_nothing_is_made_up_in_gaps_or_beyond_the_ends():
    values = peer_runs.on_grid([0.9, 2.1, 2.9, 4.1], [20.0, 21.2, np.nan, 23.2])
    at = {sma: values[round(sma / 0.2) - 1] for sma in (0.8, 1.0, 2.0, 2.2, 3.0, 4.2)}
    assert [at[sma] for sma in (1.0, 2.0)] == pytest.approx([20.1, 21.1])
    assert np.isnan([at[0.8], at[2.2], at[3.0], at[4.2]]).all()
    assert np.isnan(peer_runs.on_grid([1.0], [np.nan])).all()
    assert np.isnan(peer_runs.on_grid([], [])).all()
