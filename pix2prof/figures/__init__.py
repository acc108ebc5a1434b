"""Figures, one function each: tables and arrays in, a matplotlib Figure out.

ablations
    Figure of the ablations: what each choice does to the error, beside the scatter of the seeds.
diagram
    Figure 2: the network, drawn by code.
errors
    Figures 4 to 6: how the test set's errors are distributed, and on what they depend.
every
    Every figure, one function each: tables and arrays in, a matplotlib Figure out.
gallery
    Pictures of galaxies: a sheet of mock ones, one galaxy's page, predictions on real images.
methods
    Figures of the methods side by side: errors, speed, and the galaxies they disagree about.
sheets
    Pictures of the survey's notebook: real beside mock galaxies, and the steps of Table 1.
style
    The look the figures share, and how they are saved.
"""
