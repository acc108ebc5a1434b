import numpy as np
import torch

from pix2prof.isophote_network.learning import KEPT, RECALLED, Recall
from pix2prof.isophote_network.reading import Reading


def test_the_last_galaxies_are_drawn_with_their_own_targets():
    recall, generator, size = Recall(), np.random.default_rng(0), 64
    drawn = []
    for k in range(2 * KEPT // size):
        number = torch.arange(k * size, (k + 1) * size)
        read = Reading(*(number[:, None].expand(-1, 3) for _ in Reading._fields))
        read, (target, other) = recall.draw(read, (number, -number), generator)
        assert all(torch.equal(values[:, 0], target) for values in read)
        assert torch.equal(other, -target) and len(target.unique()) == len(target)
        drawn.append(target)
    assert [len(target) for target in drawn[:3]] == [size, RECALLED, RECALLED]
    assert drawn[-1].min() >= KEPT and drawn[-1].max() < 2 * KEPT
    assert drawn[1].min() < size <= drawn[1].max()
