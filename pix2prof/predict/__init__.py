"""From users' images to profiles: by a network, or the classical method.

arrays
    Images to profiles with a trained network, as arrays.
bands
    Images of one galaxy in several bands: which belong together, and whether none is missing.
cutouts
    From an item to what the network or the classical method reads: planes, cut-outs, bands.
files
    Files to profiles with a trained network: one FITS image, or any number of them.
measuring
    The classical method on users' own files: FITS images in, profile tables out.
notes
    What the tables of predicted and measured profiles both say of their image.
tables
    Stamps to profile tables with a trained network: one or any number of images at once.
"""
