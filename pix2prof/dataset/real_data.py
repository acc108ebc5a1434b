"""Real images that a reader may have, in the folder of `pix2prof.paths.real_folder`.

Nothing in the chain needs them.
"""

from pix2prof import paths
from pix2prof.images.image import read_image
from pix2prof.mock.frames import read_frame
from pix2prof.sdss import PIXSCALE


def images():
    """Read the real galaxies on SDSS pixels in ``images/*.fits`` of `pix2prof.paths.real_folder`.

    Returns
    -------
    list of pix2prof.images.image.Image
        Empty where there is no such folder.
    """
    found = [read_image(path) for path in sorted((paths.real_folder() / "images").glob("*.fits"))]
    return [image for image in found if abs(image.pixscale - PIXSCALE) < 1e-3]


def fields(side=512):
    """Cut the *r*-band SDSS frames in ``frames/`` of ``$PIX2PROF_REAL`` into squares.

    Parameters
    ----------
    side : int
        Of a square [pixels].

    Returns
    -------
    list of (side, side) numpy.ndarray
        Nanomaggies per pixel; empty where there is no such folder.
    """
    squares = []
    for path in sorted((paths.real_folder() / "frames").glob("frame-r-*.fits*")):
        image = read_frame(path)["image"]
        height, width = (length // side for length in image.shape)
        squares += [
            image[y * side : (y + 1) * side, x * side : (x + 1) * side]
            for y in range(height)
            for x in range(width)
        ]
    return squares
