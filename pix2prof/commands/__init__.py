"""What `pix2prof predict | measure | mock | calibrate | fetch` do.

actions
    What the commands of the command line do.
arguments
    Numbers on the command line, refused where they make no sense.
calibrate
    ``pix2prof calibrate``: errors of a trained network scaled anew.
fetch
    ``pix2prof fetch``: images of a place, and galaxies of PROBES, from public archives.
"""
