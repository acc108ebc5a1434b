"""Images to profiles with a trained network: arrays, one file, any number of files."""

import hashlib
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

import numpy as np
from astropy.table import QTable

from .fits import ImageError
from .images import read_image
from .model import load_model
from .profiles import profile_table, sma_grid
from .stamps import Stamp, make_stamp

WEIGHTS = Path(__file__).parent / "weights"
BATCH = 32
