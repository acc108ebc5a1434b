import torch

from pix2prof.isophote_network.calibrating import N_PLACES, places
from pix2prof.model.calibration import N_BINS
from pix2prof.profiles import SMA_STEP
from pix2prof.sdss import PIXSCALE

OF_KIND = N_BINS + 1


def kind(side, share, covered=None):
    """Kind of a galaxy whose S/N cut lies at a share of the way to the edge of its image."""
    rows = int(share * 0.5 * side * PIXSCALE / SMA_STEP)
    at = places(torch.tensor([rows]), 1024, torch.zeros(1, side, side), covered)
    assert at.shape == (1, 1024) and 0 <= at.min() and at.max() < N_PLACES
    kinds = torch.unique(at // OF_KIND)
    assert len(kinds) == 1
    return kinds.item()


def test_galaxies_that_reach_over_the_edges_are_kinds_of_their_own_by_the_side_of_the_image():
    assert [kind(side, 0.9) for side in (128, 256, 448)] == [0, 0, 0]
    assert [kind(side, 1.1) for side in (128, 256, 448)] == [1, 2, 3]


def test_what_was_padded_does_not_count():
    covered = torch.zeros((1, 256, 256), dtype=torch.bool)
    covered[:, 64:192, 64:192] = True
    assert kind(256, 0.6) == 0 and kind(256, 0.6, covered) == 1


def test_rows_beyond_the_cut_have_a_place_of_their_own():
    at = places(torch.tensor([10, 0]), 12, torch.zeros(2, 128, 128))
    assert at.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], [0] + [5] * 11]
