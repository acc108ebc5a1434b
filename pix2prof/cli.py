"""The command line: ``pix2prof predict | measure | mock | calibrate | fetch``."""

import argparse
import sys
from pathlib import Path

from . import __version__
from .commands import actions as commands
from .commands.arguments import count, positive
from .commands.calibrate import add_calibrate
from .commands.fetch import add_fetch

SOURCES = """\
An image is a FITS file: plain, gzip, bzip2 or fpack. A FOLDER is searched with those below it; a
LIST.txt names one file a line; a catalogue (.ecsv, .csv, .vot) has one galaxy a row and a column
frame, image or file, for places on large frames also ra and dec [deg], and if need be name, band,
hdu, pixscale, zeropoint. The band is looked for in the header, then in the name (NGC1-r.fits).

Images alone give OUT/<name>.ecsv each, which is written anew. A folder, a list, a catalogue or
--format parquet gives OUT/profiles (Parquet, one row a galaxy and band) and
OUT/failures.parquet; --format ecsv or fits then adds a file each. Killed and started again, such
a run does what is left; --retry-failed tries its failures again. A model of your own that takes
all bands at once (model.bands: all) wants those of a galaxy together: <galaxy>_<band>.fits in one
folder, rows of one name in a catalogue, or planes of a cube. Of a cube without a 2-D image
beside it all planes are done; --hdu all does every image of every file."""
SHAPES = "pixel coordinates count from 0 at the centre of the first pixel, x along a row"


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; else those of the process.

    Returns
    -------
    status : int
        0 when all was done, 1 when something failed, 130 when interrupted. Wrong usage raises
        SystemExit(2), as argparse has it.
    """
    args = build_parser().parse_args(argv)
    try:
        return args.run(args)
    except (OSError, ValueError) as error:
        commands.say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        commands.say("interrupted; what was written is whole")
        return 130


def build_parser():
    """Build the argument parser of the five commands."""
    parser = argparse.ArgumentParser(
        prog="pix2prof", description="Surface-brightness profiles of galaxies from their images."
    )
    parser.add_argument("--version", action="version", version=f"pix2prof {__version__}")
    subparsers = parser.add_subparsers(
        required=True, metavar="predict | measure | mock | calibrate | fetch"
    )

    predict = subparsers.add_parser(
        "predict",
        help="profiles from images, by the network",
        description="Predict the profile of the galaxy in the middle of each image.",
        epilog=f"{SOURCES}\n\n{SHAPES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    predict.add_argument("images", nargs="+", metavar="IMAGE|FOLDER|LIST|CATALOGUE", type=Path)
    predict.add_argument("-o", "--out", required=True, type=Path, help="folder for the profiles")
    predict.add_argument("--plot", action="store_true", help="also draw OUT/<name>.png")
    predict.add_argument(
        "--model",
        default="pix2prof",
        help="pix2prof (isophote network, the default), paper, or a folder of your own",
    )
    predict.add_argument(
        "--precision",
        choices=("float32", "bf16", "auto"),
        default="float32",
        help="of the arithmetic; auto: bf16 where the processor has it, quicker and less exact",
    )
    predict.add_argument(
        "--format",
        choices=("ecsv", "fits", "parquet"),
        help="default: ecsv for images, parquet for a folder, a list, a catalogue",
    )
    _add_image_options(predict)
    _add_run_options(predict)
    predict.set_defaults(run=commands.predict)

    measure = subparsers.add_parser(
        "measure",
        help="profiles from images, by the classical method",
        description="Fit isophotes (Courteau 1996, automated) to the galaxy on each image.",
        epilog=f"{SOURCES}\n\n{SHAPES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    measure.add_argument("images", nargs="+", metavar="IMAGE|FOLDER|LIST|CATALOGUE", type=Path)
    measure.add_argument(
        "--mask", metavar="M.fits", type=Path, help="of one image; not 0 = excluded"
    )
    measure.add_argument(
        "--forced-on",
        nargs="+",
        default=[],
        metavar="OTHER.fits",
        type=Path,
        help="measure these on the same ellipses as one image",
    )
    measure.add_argument("-o", "--out", default=Path(), type=Path, help="folder; default: here")
    measure.add_argument(
        "--format",
        choices=("ecsv", "fits", "prof", "parquet"),
        help="default: ecsv for images, parquet for a folder, a list, a catalogue",
    )
    _add_image_options(measure)
    _add_run_options(measure)
    measure.set_defaults(run=commands.measure)

    mock = subparsers.add_parser(
        "mock",
        help="mock galaxies as FITS images",
        description="Write g, r and i images of mock galaxies with their truth and masks. Killed "
        "and started again, it makes what is left; a larger N adds to what is there.",
    )
    mock.add_argument("-n", "--number", required=True, type=count, metavar="N")
    mock.add_argument("--seed", required=True, type=count, metavar="S")
    mock.add_argument("-o", "--out", required=True, type=Path)
    mock.add_argument("--field", default=512, type=count, help="side [px]; default 512")
    _add_run_options(mock, "many galaxies")
    mock.set_defaults(run=commands.mock)
    add_calibrate(subparsers)
    add_fetch(subparsers)
    return parser


def _add_image_options(parser):
    parser.add_argument("--pixscale", type=float, help="arcsec; else from WCS or PIXSCALE")
    parser.add_argument("--zeropoint", type=float, help="AB; else from ZEROPT, else 22.5")
    parser.add_argument("--band", help="else from BAND or FILTER")
    parser.add_argument("--centre", nargs=2, type=float, metavar=("X", "Y"), help="of the galaxy")
    parser.add_argument("--hdu", type=_hdu, help="number, name or all; else the first 2-D image")


def _add_run_options(parser, title="many images"):
    many = parser.add_argument_group(title)
    many.add_argument("--workers", type=positive, metavar="N", help="of a local Dask cluster")
    many.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="a Dask cluster that runs")
    many.add_argument(
        "--processes", type=positive, metavar="N", help="without Dask; default: one a core"
    )
    many.add_argument(
        "--retry-failed", action="store_true", help="also do again what OUT/failures.parquet lists"
    )


def _hdu(text):
    return int(text) if text.isdigit() else text


if __name__ == "__main__":
    sys.exit(main())
