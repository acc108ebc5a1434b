"""Structural parameters, read off profiles: sizes, magnitudes, fits.

light_fits
    An exponential disc and a Sersic function fitted to many profiles at once, with errors.
parameters
    Structural parameters of galaxies, read off their profiles: sizes, magnitudes, disc, Sersic.
propagation
    Errors of what is derived from profiles, when those of their rows hang together.
quantities
    Numbers derived from many profiles at once, with errors or the reasons why there are none.
sizes
    Isophotal and flux radii, magnitudes and concentration of many profiles at once.
stacked
    Profiles side by side in arrays, to derive numbers from all of them at once.
"""
