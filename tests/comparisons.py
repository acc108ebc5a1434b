"""A comparison whose answers are known."""

import numpy as np
from astropy.table import QTable

from pix2prof.compare.comparison import Comparison
from pix2prof.profiles import sma_grid

OFFSETS = (0.5, 0.02, 0.1)
LABELS = ("paper's network", "classical, automatic", "photutils Ellipse")


def synthetic():
    """Three methods, each a constant off the truth, on two galaxies in three bands.

    The expert is 0.05 off. On the second image the last method failed; on the fifth the first
    and the last are 2 mag off, on either side.
    """
    sma = sma_grid()
    truth = np.where(sma < 40, 19 + 1.0857 * sma / 4, np.nan)
    truth = np.repeat(truth[None], 6, axis=0).astype(np.float32)
    mu = np.stack([truth + np.float32(offset) for offset in OFFSETS])
    mu[2, 1] = np.nan
    mu[0, 4] += 2
    mu[2, 4] -= 2
    failure = np.full((3, 6), "", "U20")
    failure[2, 1] = "no fit"
    images = QTable(
        {
            "name": np.repeat(["SDSS J1", "SDSS J2"], 3),
            "band": ["g", "r", "i"] * 2,
            "kpc_per_arcsec": np.full(6, 0.5),
            "galaxy": np.repeat([3, 8], 3),
        }
    )
    return Comparison(
        images=images,
        keys=np.array(["network-paper", "classical", "photutils"]),
        labels=np.array(LABELS),
        mu=mu,
        ellipticity=np.where(np.arange(3)[:, None, None] > 0, 0.3, np.nan * mu),
        pa=np.where(np.arange(3)[:, None, None] > 0, 40.0, np.nan * mu),
        centre=np.full((3, 6, 2), 31.5),
        seconds=np.repeat([[0.1], [0.2], [4.0]], 6, axis=1),
        failure=failure,
        expert=truth + np.float32(0.05),
        truth=truth,
        hardware="a Processor",
        missing={"AutoProf": "gone"},
    )
