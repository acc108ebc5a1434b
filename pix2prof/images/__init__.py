"""Images of galaxies from FITS files: flux, WCS, pixels.

angles
    Places and position angles: from the array to the sky, and angles back.
celestial
    The celestial WCS of an image, from its header.
fits
    FITS files: the image in one, with its headers and WCS; mock galaxies into one.
image
    Galaxy images from FITS files: flux in nanomaggies, band, pixel scale, zero point, WCS.
inputs
    What there is to do: the images of a folder, a list or a catalogue, one item after another.
packed
    Whether an fpack image says the same of itself in all places, before its decoder believes it.
resampling
    Images on other pixels: gaps filled, and another pixel scale with flux conserved.
sources
    What is on an image: the sky along its border, and the sources wider than a star.
stamps
    From a user's image to what the network learnt on: 0.396 arcsec, no sky, no gaps, one size.
"""
