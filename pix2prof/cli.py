"""The command line: ``pix2prof predict | measure | mock``."""

import argparse
import sys
from pathlib import Path

from . import __version__
from .fits import ImageError, mock_hdus
from .output import replacing, unique_names

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
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("interrupted; what was written is whole")
        return 130


def build_parser():
    """Build the argument parser of the three commands."""
    parser = argparse.ArgumentParser(
        prog="pix2prof", description="Surface-brightness profiles of galaxies from their images."
    )
    parser.add_argument("--version", action="version", version=f"pix2prof {__version__}")
    commands = parser.add_subparsers(required=True, metavar="predict | measure | mock")

    predict = commands.add_parser(
        "predict",
        help="profiles from images, by the network",
        description="Predict the profile of the galaxy in the middle of each image.",
        epilog=SHAPES,
    )
    predict.add_argument("images", nargs="+", metavar="IMAGE.fits", type=Path)
    predict.add_argument("-o", "--out", required=True, type=Path, help="folder for the profiles")
    predict.add_argument("--plot", action="store_true", help="also draw OUT/<name>.png")
    predict.add_argument(
        "--model", metavar="FOLDER", help="a trained model; else the released one"
    )
    _add_image_options(predict)
    predict.set_defaults(run=_predict)

    measure = commands.add_parser(
        "measure",
        help="profile of one image, by the classical method",
        description="Fit isophotes (Courteau 1996, automated) to one image.",
        epilog=SHAPES,
    )
    measure.add_argument("image", metavar="IMAGE.fits", type=Path)
    measure.add_argument("--mask", metavar="M.fits", type=Path, help="not 0 = excluded")
    measure.add_argument(
        "--forced-on",
        nargs="+",
        default=[],
        metavar="OTHER.fits",
        type=Path,
        help="measure these on the same ellipses",
    )
    measure.add_argument("-o", "--out", default=Path(), type=Path, help="folder; default: here")
    measure.add_argument("--format", choices=("ecsv", "fits", "prof"), default="ecsv")
    _add_image_options(measure)
    measure.set_defaults(run=_measure)

    mock = commands.add_parser(
        "mock",
        help="mock galaxies as FITS images",
        description="Write g, r and i images of mock galaxies with their truth and masks.",
    )
    mock.add_argument("-n", "--number", required=True, type=_count, metavar="N")
    mock.add_argument("--seed", required=True, type=_count, metavar="S")
    mock.add_argument("-o", "--out", required=True, type=Path)
    mock.add_argument("--field", default=512, type=_count, help="side [px]; default 512")
    mock.set_defaults(run=_mock)
    return parser


def _add_image_options(parser):
    parser.add_argument("--pixscale", type=float, help="arcsec; else from WCS or PIXSCALE")
    parser.add_argument("--zeropoint", type=float, help="AB; else from ZEROPT, else 22.5")
    parser.add_argument("--band", help="else from BAND or FILTER")
    parser.add_argument("--centre", nargs=2, type=float, metavar=("X", "Y"), help="of the galaxy")
    parser.add_argument("--hdu", type=_hdu, help="number or name; else the first 2-D image")


def _hdu(text):
    return int(text) if text.isdigit() else text


def _count(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def _say(text):
    print(f"pix2prof: {text}", file=sys.stderr, flush=True)


def _options(args):
    return {
        name: getattr(args, name) for name in ("pixscale", "zeropoint", "band", "centre", "hdu")
    }


def _different(paths):
    return list({path.resolve(): path for path in reversed(paths)}.values())[::-1]


def _predict(args):
    from .predict import load, predict_files
    from .profiles import write_profile

    paths = _different(args.images)
    model = load(args.model or "paper")
    failed = []
    predictions = predict_files(paths, model, **_options(args))
    for name, prediction in zip(unique_names(paths), predictions, strict=True):
        try:
            if prediction.error is not None:
                raise prediction.error
            with replacing(args.out / f"{name}.ecsv") as aside:
                write_profile(prediction.profile, aside)
            if args.plot:
                with replacing(args.out / f"{name}.png") as aside:
                    _plot(prediction, aside)
        except (ImageError, OSError) as error:
            _say(f"error: {error}")
            failed.append(prediction.path)
            continue
        for flag in prediction.profile.meta["flags"]:
            _say(f"{prediction.path}: note: {flag}")
        print(args.out / f"{name}.ecsv", flush=True)
    _say(f"{len(paths) - len(failed)} of {len(paths)} profiles written to {args.out}")
    if failed:
        _say(f"failed: {', '.join(failed)}")
    return int(bool(failed))


def _plot(prediction, path):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    from .gallery import profile_page

    meta = prediction.profile.meta
    figure = profile_page(
        prediction.stamp.data, prediction.profile, title=meta["object"], band=meta["band"]
    )
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _measure(args):
    from .measuring import measure_file
    from .profiles import write_profile

    others = [path for path in _different([args.image, *args.forced_on]) if path != args.image]
    tables = measure_file(args.image, mask=args.mask, forced_on=others, **_options(args))
    paths = [args.image, *others]
    for path, name, table in zip(paths, unique_names(paths), tables, strict=True):
        for flag in table.meta["flags"]:
            _say(f"{path}: note: {flag}")
        if args.format == "fits":
            table.meta["flags"] = "; ".join(table.meta["flags"])
        with replacing(args.out / f"{name}.{args.format}") as aside:
            write_profile(table, aside)
        print(args.out / f"{name}.{args.format}", flush=True)
    return 0


def _mock(args):
    from astropy.table import QTable

    from .mock import mock_galaxy
    from .sdss import BANDS

    rows = []
    for index in range(args.number):
        galaxy = mock_galaxy(args.seed, index, field=args.field)
        name = galaxy.name.replace(" ", "")
        for number, band in enumerate(BANDS):
            path = args.out / f"{name}-{band}.fits"
            with replacing(path) as aside:
                mock_hdus(galaxy, number).writeto(aside, overwrite=True)
            print(path, flush=True)
        rows.append({"name": galaxy.name, "seed": args.seed, "index": index, **galaxy.parameters})
    if rows:
        with replacing(args.out / "catalogue.ecsv") as aside:
            QTable(rows).write(aside, format="ascii.ecsv", overwrite=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
