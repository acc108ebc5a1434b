import dataclasses

import numpy as np
import pytest
from comparisons import LABELS, synthetic

from pix2prof.compare import disputes


def test_the_most_disputed_galaxies_come_first_each_once():
    compared = synthetic()
    spread = disputes.disagreement(compared)
    assert np.argmax(spread) == 4
    rows = disputes.most_disputed(compared, 5)
    assert rows[0] == 4 and len(rows) == 2
    assert list(compared.images["name"][rows]) == ["SDSS J2", "SDSS J1"]
    assert len(disputes.most_disputed(compared, 1)) == 1


def test_one_method_alone_disputes_nothing():
    compared = synthetic()
    alone = {name: getattr(compared, name)[:1] for name in ("keys", "labels", "mu")}
    assert disputes.most_disputed(dataclasses.replace(compared, **alone)).tolist() == []


def test_who_is_right_is_who_is_closest_to_the_truth():
    compared = synthetic()
    best, found = disputes.closest(compared, compared.truth)
    assert best.tolist() == [1] * 6
    assert found[:, 0] == pytest.approx([0.5, 0.02, 0.1], abs=1e-4)
    notes, words = disputes.verdicts(compared, [4, 1])
    assert notes[0] == f"closest: {LABELS[1]} 0.02 mag\nfailed: none"
    assert notes[1].endswith(f"failed: {LABELS[2]}")
    assert f"{LABELS[1]} 2; on all 6: {LABELS[1]} 6" in words


def test_without_a_truth_nobody_is_right():
    compared = synthetic()
    compared = dataclasses.replace(compared, truth=np.full_like(compared.truth, np.nan))
    notes, _ = disputes.verdicts(compared, [0])
    assert notes[0].startswith("closest: nobody")
