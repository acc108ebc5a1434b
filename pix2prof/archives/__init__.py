"""Images and profiles from public archives, and stand-ins for them.

downloads
    One HTTP transfer: a file comes whole, or the reason says whether to try again.
fetching
    Files from public archives, politely: one at a time, tried again with patience, kept.
mosaics
    Images of one piece of sky brought onto one grid of pixels, with their flux conserved.
places
    Images of a place on the sky from public archives: SDSS frames, DESI Legacy cut-outs.
probes
    PROBES, galaxies with measured profiles, as a folder of images and profiles to learn from.
sdss_fields
    SDSS fields: the one of a place, and the frames of one from the Science Archive Server.
stand_ins
    Stand-ins for the archives: mock galaxies, served on this computer in the archives' layouts.
"""
