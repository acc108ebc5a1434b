"""The survey that networks learn from: built, read, split, normalised.

building
    Build the survey that the network learns from: simulated, or a user's own folder.
crops
    The part of an image that the network sees: its centre, or moved and turned at random.
folder
    A user's own galaxies as a survey: FITS images and profile tables named by a catalogue.
normalisation
    The fixed normalisation of images: found from the training set, applied, kept.
properties
    What is known of an image-profile pair before any prediction: extent, size, shape, S/N.
real_data
    Real images that a reader may have, in the folder of `pix2prof.paths.real_folder`.
stored
    The survey on disk, and its split into image-profile pairs.
"""
