"""The classical method: Courteau (1996), automated, a room a step of Table 1.

background
    The sky of an image: its noise, its level, and whether it is seen at all.
centre
    The centre of a galaxy: where its light is most nearly its own image under half a turn.
contours
    The fit of ellipses to a batch of images: sampling, harmonics, corrections.
ellipses
    Batched sampling along ellipses, and what is read off the samples.
extraction
    From ellipses to a profile: intensity along each, its error, the cut, the curve of growth.
geometry
    Ellipticity and position angle against radius: extended, smoothed, interpolated.
masking
    Other sources in the field: what stands out of the galaxy's own smooth light.
measured
    What a measurement gives: the profiles of a batch of galaxies, and their flags.
method
    The classical method: Courteau's (1996) isophote fitting with nobody at the keyboard.
readout
    The profiles of a batch of images along known ellipses, with their errors and flags.
"""
