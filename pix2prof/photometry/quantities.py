"""Numbers derived from many profiles at once, with errors or the reasons why there are none."""

from dataclasses import dataclass

import numpy as np

from pix2prof.photometry.propagation import Deviation, Rows


@dataclass(frozen=True)
class Quantities:
    """One number of each of B profiles.

    Attributes
    ----------
    value : numpy.ndarray, shape (B,)
        Means nothing where there is a reason.
    off : pix2prof.photometry.propagation.Deviation
        How it follows the errors of the profiles' rows.
    rows : pix2prof.photometry.propagation.Rows
        Those rows.
    reasons : numpy.ndarray of str objects, shape (B,)
        Why it is not to be had; empty where it is.
    """

    value: np.ndarray
    off: Deviation
    rows: Rows
    reasons: np.ndarray

    @property
    def error(self):
        """Standard error, shape (B,)."""
        return self.rows.error(self.off)

    def unless(self, wrong, reason):
        """Withhold it where `wrong` (B,) and no other reason holds; `reason` is said of each.

        Parameters
        ----------
        wrong : numpy.ndarray of bool, shape (B,)
        reason : str or callable
            In words, or what makes them of a profile's number.

        Returns
        -------
        Quantities
        """
        reasons = self.reasons.copy()
        for k in np.flatnonzero(wrong & (reasons == "")):
            reasons[k] = reason if isinstance(reason, str) else reason(k)
        return Quantities(self.value, self.off, self.rows, reasons)
