"""Beyond the paper: a network that proposes, isophotes that are read, a network that judges.

The finder says where the centre is and which pixels are other sources, the classical method fits
and reads the isophotes, and the reader writes the profile from what it read and from what it has
learnt of galaxies, with an error at every radius.
"""

import math

import torch
from torch import nn

from ..isophotes import method as isophotes
from ..isophotes.background import pixel_noise
from ..model.calibration import Calibration
from ..profiles import MAX_STEPS
from .calibrating import N_PLACES, learn_familiar, places, ratios
from .familiarity import Familiarity
from .finder import WIDTHS, Finder
from .learning import Recall, judge, step
from .oddities import NAMES, PARTS, oddities
from .profiles import Profiles, last_known
from .reader import LOG_SCALES, Reader
from .reading import reading


class IsophoteNetwork(nn.Module):
    """Finder, isophotes and reader.

    Parameters
    ----------
    faintest : float
        Surface brightness at which a profile ends [mag arcsec^-2].

    Attributes
    ----------
    bands : None
        It takes an image in any one band.
    smallest, multiple : int
        It takes images of any side that is at least the one and a multiple of the other [px].
    """

    normalise = "none"
    bands = None
    n_steps = MAX_STEPS
    smallest = 128
    multiple = 2 ** len(WIDTHS)

    def __init__(self, faintest=28.0):
        super().__init__()
        self.kwargs = {"decoder": "isophote", "faintest": faintest}
        self.faintest = faintest
        self.finder = Finder()
        self.reader = Reader(self.finder.width)
        self.calibration = Calibration(N_PLACES)
        self.familiar = Familiarity(len(NAMES), PARTS)
        self.recall = Recall()

    @property
    def device(self):
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def rows(self):
        """Rows of the profile's grid at which the reader writes."""
        return self.reader.rows

    def read(self, images, covered=None, dtype=torch.float32):
        """Find, and read the isophotes; nothing of it is differentiated.

        Parameters
        ----------
        images : torch.Tensor, shape (B, H, W)
            [nanomaggies per pixel]
        covered : torch.Tensor of bool, shape (B, H, W), optional
            False where there is nothing to read. Default: everywhere there is.
        dtype : torch.dtype
            Of the finder's convolutions.

        Returns
        -------
        found : pix2prof.isophote_network.finder.Found
            With gradients in training.
        measured : pix2prof.isophotes.method.Isophotes
        noise : torch.Tensor, shape (B,)
        """
        found = self.finder(images, dtype)
        with torch.no_grad():
            foreign = found.foreign > 0
            if covered is not None:
                foreign = foreign | ~covered
            measured = isophotes.measure(images, near=found.centre, mask=foreign)
        return found, measured, pixel_noise(images)

    def begin_epoch(self):
        """Forget what was read in the epoch before: the finder has moved on."""
        self.recall = Recall()

    def observe(self, batch, dtype=torch.float32):
        """Pass a batch, as for `loss`, through the layers that take statistics of it."""
        self.finder(batch[0], dtype)

    def loss(self, batch, config, generator, of_dropout=None, dtype=torch.float32):
        """Loss of a training step.

        Parameters
        ----------
        batch, generator, dtype
            See `pix2prof.isophote_network.learning.step`.
        config, of_dropout
            Not used: nothing is dropped.

        Returns
        -------
        loss, squares, n_nodes
            As there.
        """
        return step(self, self.recall, batch, generator, dtype)

    def judge(self, batch, dtype=torch.float32):
        """Errors of a batch, see `pix2prof.isophote_network.learning.judge`."""
        return judge(self, batch, dtype)

    def calibrate(self, train, validation, dtype=torch.float32):
        """Learn what an image of the training set is like, and scale the errors.

        Parameters
        ----------
        train, validation : pix2prof.training.batches.AnnotatedBatches
            See `pix2prof.isophote_network.calibrating`.
        dtype : torch.dtype
        """
        learn_familiar(self, train, validation, dtype)
        self.scale_errors(validation, dtype)

    def scale_errors(self, batches, dtype=torch.float32):
        """Scale the errors so that they hold on a set that was not trained on.

        Parameters
        ----------
        batches : pix2prof.training.batches.AnnotatedBatches
        dtype : torch.dtype
        """
        self.calibration.learn(*ratios(self, batches, dtype))

    @torch.no_grad()
    def profiles(self, images, covered=None, dtype=torch.float32):
        """Profiles of images.

        Parameters
        ----------
        images : torch.Tensor, shape (B, H, W)
            [nanomaggies per pixel], finite, H and W multiples of 32.
        covered : torch.Tensor of bool, shape (B, H, W), optional
            False where an image was padded. Default: it was not.
        dtype : torch.dtype
            Of the finder's convolutions.

        Returns
        -------
        Profiles
        """
        return self.with_scale(images, covered, dtype)[0]

    @torch.no_grad()
    def with_scale(self, images, covered=None, dtype=torch.float32):
        """Profiles of images as `profiles` gives them, and what their errors are scaled from.

        Returns
        -------
        said : Profiles
        scale : torch.Tensor, shape (B, T)
            Of the Laplace distribution of mu [mag arcsec^-2].
        at : torch.Tensor of int, shape (B, T)
            Place of the calibration, see `pix2prof.isophote_network.calibrating.places`.
        """
        found, measured, noise = self.read(images, covered, dtype)
        written = self.reader(self.reading(found, measured, noise))
        written = written.on_grid(self.rows, measured.mu.shape[1])
        mu = written.mu(measured.intensity)
        row = torch.arange(mu.shape[1], device=self.device)
        outside = written.within < 0
        n_within = torch.where(outside.any(1), outside.int().argmax(1), mu.shape[1])
        ended = (written.belief > self.faintest) & (row >= n_within[:, None])
        n_rows = torch.where(ended.any(1), ended.int().argmax(1), mu.shape[1])
        scale = written.log_scale.clamp(*LOG_SCALES).exp()
        at = places(n_within, mu.shape[1], images, covered)
        said = Profiles(
            mu,
            *self.calibration(scale, at),
            written.ellipticity(measured.ellipticity),
            measured.pa.gather(1, last_known(measured.pa)),
            n_within,
            measured.centre,
            found.foreign > 0,
            self.familiar(oddities(images, found, measured, noise, covered)),
            measured.flags & isophotes.Flag.NO_SIGNAL == 0,
        )
        return said.ended(row >= n_rows[:, None]), scale, at

    def predict(self, images, dtype=torch.float32):
        """Profiles within the S/N cut, as `pix2prof.model.paper.Pix2Prof.predict` gives them.

        Parameters
        ----------
        images : torch.Tensor, shape (B, 1, H, W)
            [nanomaggies per pixel]
        dtype : torch.dtype

        Returns
        -------
        mu : torch.Tensor of float32, shape (B, T)
        n_valid : torch.Tensor of int, shape (B,)
        """
        said = self.profiles(images[:, 0].to(self.device), None, dtype)
        return said.mu.masked_fill(said.below_cut, math.nan), said.n_within

    def describe(self, images, covered=None, dtype=torch.float32):
        """All that the network says of images, by the names of the profile table's columns.

        Parameters
        ----------
        images : torch.Tensor, shape (B, 1, H, W)
            [nanomaggies per pixel]
        covered : torch.Tensor of bool, shape (B, H, W), optional
            False where an image was padded. Default: it was not.
        dtype : torch.dtype

        Returns
        -------
        dict of torch.Tensor, shape (B, T)
            ``mu``, ``mu_err``, ``mu_err_95`` [mag arcsec^-2], ``ellipticity``, ``pa`` [deg],
            ``intensity``, ``intensity_err`` [nanomaggies arcsec^-2], ``growth``, ``growth_err``
            [nanomaggies], NaN from the end on; ``flag``, `RowFlag.BELOW_CUT` where the profile is
            inferred rather than measured; ``strangeness`` and ``signal`` of shape (B,) and
            ``centre`` of shape (B, 2), see `Profiles`.
        """
        return self.profiles(images[:, 0].to(self.device), covered, dtype).columns()

    def reading(self, found, measured, noise):
        """What `read` gives, as the reader takes it: a `Reading` at `rows`."""
        certainty = found.heat.detach().amax(1)
        return reading(measured, noise, certainty, found.pooled.detach(), self.rows)
