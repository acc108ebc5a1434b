"""The survey's numbers and the photometric conversions everything else uses."""

import numpy as np

BANDS = ("g", "r", "i")
PROBES_BANDS = ("g", "r", "z")
PIXSCALE = 0.396
ZEROPOINT = 22.5
LIMITING_MU = 26.5

# The median seeing of the imaging survey in g, r and i [arcsec] (Aihara et al. 2011, ApJS 193,
# 29; Ross et al. 2011, MNRAS 417, 1350), and its scatter from field to field [dex],
# common to the bands and of each band about it (stars of four public fields).
PSF_FWHM = (1.44, 1.32, 1.26)
PSF_SCATTER = (0.055, 0.015)

# Two Gaussians and a power law: the survey's own postage-stamp model (Stoughton et al. 2002, AJ
# 123, 485). Ratio of the second Gaussian's sigma to the first's and its central
# amplitude; central amplitude, width (in units of the first sigma) and exponent of the wings.
# Fits to stars of four public fields in each band, from the centre to 20 arcsec.
PSF_SIGMA_RATIO = (1.85, 1.93, 1.80)
PSF_SECOND = (0.13, 0.08, 0.12)
PSF_WING = (0.040, 0.024, 0.036)
PSF_WING_SIGMA = (1.60, 1.60, 1.55)
PSF_WING_BETA = (3.6, 3.35, 3.2)

# The dark night sky of the imaging survey [mag arcsec^-2], its scatter common to the bands and
# the scatter of each band about it [mag]; the nanomaggies of one count and their scatter [dex].
# Both as in the sky and calibration extensions (HDU 1 and 2) of public frames.
SKY_MU = (21.97, 20.96, 20.37)
SKY_SCATTER = (0.15, 0.08)
NANOMAGGIES_PER_COUNT = (0.00376, 0.00499, 0.00658)
CALIBRATION_SCATTER = 0.02

# Electrons per count and the variance of dark current and read noise [counts^2] of the six
# camera columns in g, r and i: data model of the frame files, table "gain" and "darkVariance"
# (https://data.sdss.org/datamodel/files/BOSS_PHOTOOBJ/frames/RERUN/RUN/CAMCOL/frame.html).
# Where the table gives two values by run, the later one.
GAIN = (
    (3.32, 4.71, 5.165),
    (3.855, 4.6, 6.565),
    (3.845, 4.72, 4.86),
    (3.995, 4.76, 4.885),
    (4.05, 4.725, 4.64),
    (4.035, 4.895, 4.76),
)
DARK_VARIANCE = (
    (15.6025, 1.8225, 7.84),
    (1.44, 1.00, 6.25),
    (1.3225, 1.3225, 4.6225),
    (1.96, 1.3225, 7.5625),
    (1.1025, 0.81, 7.84),
    (1.8225, 0.9025, 5.0625),
)

# Share of the columns in the mock survey. Even but for the first two, which are rarer: the sky and
# noise of the mock are held to frames of columns 3 to 6, and the g chip of column 1 is far off.
CAMCOL_SHARE = (0.04, 0.12, 0.21, 0.21, 0.21, 0.21)


def intensity_to_mu(intensity, zeropoint=ZEROPOINT):
    r"""Convert intensity to surface brightness, :math:`\mu = m_0 - 2.5 \log_{10} I`.

    Parameters
    ----------
    intensity : array_like
        Intensity [nanomaggies arcsec^-2], any shape.
    zeropoint : float
        Magnitude of one unit of flux [AB mag].

    Returns
    -------
    mu : numpy.ndarray
        Surface brightness [mag arcsec^-2], the shape of `intensity`; NaN where the
        intensity is not positive.
    """
    intensity = np.asarray(intensity, dtype=float)
    positive = intensity > 0
    return np.where(
        positive, zeropoint - 2.5 * np.log10(np.where(positive, intensity, 1.0)), np.nan
    )


def mu_to_intensity(mu, zeropoint=ZEROPOINT):
    r"""Convert surface brightness to intensity, :math:`I = 10^{0.4 (m_0 - \mu)}`.

    Parameters
    ----------
    mu : array_like
        Surface brightness [mag arcsec^-2], any shape.
    zeropoint : float
        Magnitude of one unit of flux [AB mag].

    Returns
    -------
    intensity : numpy.ndarray
        Intensity [nanomaggies arcsec^-2], the shape of `mu`.
    """
    return 10.0 ** (0.4 * (zeropoint - np.asarray(mu, dtype=float)))


def mag_to_flux(mag, zeropoint=ZEROPOINT):
    """Convert a magnitude [AB] to flux [nanomaggies]; shapes are kept."""
    return mu_to_intensity(mag, zeropoint)


def flux_to_mag(flux, zeropoint=ZEROPOINT):
    """Convert a flux [nanomaggies] to a magnitude [AB]; NaN where it is not positive."""
    return intensity_to_mu(flux, zeropoint)
