"""Simulated SDSS galaxies, and how they compare with real ones.

components
    Intensity of a mock galaxy's components at given offsets from its centre.
frames
    Real calibrated SDSS frames as the sky of mock galaxies.
galaxies
    What a mock galaxy is: its components, their profiles, sizes and fluxes.
lookalikes
    Mock galaxies of the sizes, brightnesses and cut-outs of given ones: a fair comparison.
population
    The population of mock galaxies: every distribution drawn, with its source beside it.
psf
    The survey's point-spread function: two Gaussians and a power law.
realism
    Measurements that compare mock images with real ones: images in, tables out.
rendering
    Render a mock galaxy: its light on a pixel grid, convolved with the PSF of each band.
simulation
    One mock SDSS galaxy: parameters, truth and three observed images, from a seed and an index.
sky
    The sky of a mock field: observing conditions, residuals of its subtraction, and noise.
sources
    The other sources of a mock field: stars with their marks, background galaxies, trails.
structure
    What a mock disc carries, by Hubble stage: breaks, arms, knots, bars, rings and lenses.
"""
