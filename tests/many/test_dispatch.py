"""Batches and workers that die."""

import os
import time
from pathlib import Path

import pytest

from pix2prof.many.dispatch import ALONE, Lost, Processes, dispatch


def work(items):
    """Square numbers; a text is a file to die at, or to hang at, until it is there."""
    for item in items:
        if isinstance(item, str):
            kind, path = item.split(":")
            if kind == "poison":
                os._exit(1)
            if kind == "often":  # dies in its batch, again, and alone but for the last time
                with open(path, "a") as deaths:
                    deaths.write("x")
                if Path(path).stat().st_size <= 1 + ALONE:
                    os._exit(1)
                continue
            if not Path(path).exists():
                Path(path).touch()
                if kind == "hang":
                    time.sleep(600)
                os._exit(1)
        elif item < 0:
            raise ValueError(f"{item} is negative")
    return [item if isinstance(item, str) else item * item for item in items]


@pytest.fixture
def workers():
    there = Processes(2, patience=20)
    yield there
    there.close()


def run(items, workers, size=3):
    out, lost = [], []
    for batch, result in dispatch(work, items, workers, size):
        (lost.append((batch, result)) if isinstance(result, Lost) else out.extend(result))
    return out, lost


def test_every_item_comes_back(workers):
    out, lost = run(range(20), workers)
    assert sorted(out) == [k * k for k in range(20)] and lost == []
    assert run([], workers) == ([], [])


def test_a_death_takes_nothing_and_poison_takes_itself(workers, tmp_path):
    items = [*range(6), f"once:{tmp_path / 'a'}", *range(6, 12), "poison:", *range(12, 20), -1]
    out, lost = run(items, workers)
    assert sorted(map(str, out)) == sorted(
        [*(str(k * k) for k in range(20)), f"once:{tmp_path / 'a'}"]
    )
    assert sorted(str(batch[0]) for batch, _ in lost) == ["-1", "poison:"]
    assert all("died or broke" in result.reason for _, result in lost)


def test_an_item_must_die_alone_in_a_row_to_be_blamed(workers, tmp_path):
    item = f"often:{tmp_path / 'a'}"
    out, lost = run([*range(6), item], workers)
    assert item in out and len(out) == 7 and lost == []
    assert (tmp_path / "a").stat().st_size == 2 + ALONE


def test_a_worker_that_hangs_is_ended(tmp_path):
    workers = Processes(1, patience=3)
    out, lost = run([1, f"hang:{tmp_path / 'a'}", 2], workers, size=1)
    workers.close()
    assert len(out) == 3 and lost == []


def test_no_more_is_taken_than_workers_can_do(workers):
    taken = []

    def items():
        for k in range(100):
            taken.append(k)
            yield k

    for done, _ in enumerate(dispatch(work, items(), workers, 2), 1):
        assert len(taken) <= 2 * (done + 8)
