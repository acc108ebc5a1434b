"""The command line: ``pix2prof predict | measure | mock``."""

import argparse
import sys
from pathlib import Path

from . import __version__

SOURCES = """\
An image is a FITS file: plain, gzip, bzip2 or fpack. A FOLDER is searched with those below it; a
LIST.txt names one file a line; a catalogue (.ecsv, .csv, .vot) has one galaxy a row and a column
frame, image or file, for places on large frames also ra and dec [deg], and if need be name, band,
hdu, pixscale, zeropoint. The band is looked for in the header, then in the name (NGC1-r.fits).

Images alone give OUT/<name>.ecsv each, which is written anew. A folder, a list, a catalogue or
--format parquet gives OUT/profiles (Parquet, one row a galaxy and band) and
OUT/failures.parquet; --format ecsv or fits then adds a file each. Killed and started again, such
a run does what is left. Of a cube without a 2-D image beside it all planes are done; --hdu all
does every image of every file."""
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
        "--format",
        choices=("ecsv", "fits", "parquet"),
        help="default: ecsv for images, parquet for a folder, a list, a catalogue",
    )
    _add_image_options(predict)
    _add_run_options(predict)
    predict.set_defaults(run=_predict)

    measure = commands.add_parser(
        "measure",
        help="profile of one image, by the classical method",
        description="Fit isophotes (Courteau 1996, automated) to one image, or to many.",
        epilog=f"{SOURCES}\n\n{SHAPES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    measure.add_argument("image", metavar="IMAGE|FOLDER|LIST|CATALOGUE", type=Path)
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
    measure.add_argument(
        "--format",
        choices=("ecsv", "fits", "prof", "parquet"),
        help="default: ecsv for an image, parquet for a folder, a list, a catalogue",
    )
    _add_image_options(measure)
    _add_run_options(measure)
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
    parser.add_argument("--hdu", type=_hdu, help="number, name or all; else the first 2-D image")


def _add_run_options(parser):
    many = parser.add_argument_group("many images")
    many.add_argument("--workers", type=_positive, metavar="N", help="of a local Dask cluster")
    many.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="a Dask cluster that runs")
    many.add_argument("--readers", type=_positive, metavar="N", help="that read, without Dask")


def _hdu(text):
    return int(text) if text.isdigit() else text


def _count(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def _positive(text):
    number = _count(text)
    if number == 0:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def _say(text):
    print(f"pix2prof: {text}", file=sys.stderr, flush=True)


def _options(args):
    return {
        name: getattr(args, name) for name in ("pixscale", "zeropoint", "band", "centre", "hdu")
    }


def _different(paths):
    return list({path.resolve(): path for path in reversed(paths)}.values())[::-1]


def _is_many(args, sources):
    from .inputs import is_collection

    many = any(map(is_collection, sources)) or args.hdu == "all"
    return many or args.format == "parquet" or bool(args.workers or args.scheduler)


def _run_many(args, task, sources, unused):
    from .runner import run_many

    for option, value in unused.items():
        if value:
            raise ValueError(f"{option} is for single images, not for many at once; leave it out")
    done = run_many(
        task,
        sources,
        args.out,
        format=args.format or "parquet",
        readers=args.readers,
        workers=args.workers,
        scheduler=args.scheduler,
    )
    before = done.items - done.done
    _say(
        f"{done.rows} profiles of {done.done} items written to {args.out / 'profiles'}"
        + (f"; {before} were done before" if before else "")
    )
    if done.failures:
        _say(f"{done.failures} failures, see {args.out / 'failures.parquet'}")
    return int(bool(done.failures))


def _predict(args):
    if _is_many(args, args.images):
        from .runner import predict_task

        task = predict_task(args.model, **_options(args))
        return _run_many(args, task, args.images, {"--plot": args.plot})
    from .fits import ImageError
    from .output import refuse_overwriting, replacing, unique_names
    from .predict import load, predict_files

    paths = _different(args.images)
    names = unique_names(paths)
    refuse_overwriting(paths, (args.out / f"{name}.{args.format or 'ecsv'}" for name in names))
    model = load(args.model)
    failed = []
    predictions = predict_files(paths, model, **_options(args))
    for name, prediction in zip(names, predictions, strict=True):
        try:
            if prediction.error is not None:
                raise prediction.error
            path = args.out / f"{name}.{args.format or 'ecsv'}"
            with replacing(path) as aside:
                _write(prediction.profile, aside)
            if args.plot:
                with replacing(args.out / f"{name}.png") as aside:
                    _plot(prediction, aside)
        except (ImageError, OSError) as error:
            _say(f"error: {error}")
            failed.append(prediction.path)
            continue
        for flag in prediction.profile.meta["flags"]:
            _say(f"{prediction.path}: note: {flag}")
        print(path, flush=True)
    _say(f"{len(paths) - len(failed)} of {len(paths)} profiles written to {args.out}")
    if failed:
        _say(f"failed: {', '.join(failed)}")
    return int(bool(failed))


def _write(profile, path):
    from .profiles import write_profile

    if path.suffix == ".fits":
        profile = profile.copy()
        profile.meta["flags"] = "; ".join(profile.meta["flags"])
    write_profile(profile, path)


def _plot(prediction, path):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    from .gallery import profile_page

    meta = prediction.profile.meta
    figure = profile_page(
        prediction.stamp.data,
        prediction.profile,
        title=meta["object"],
        band=meta["band"],
        ellipses=prediction.ellipses,
    )
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _measure(args):
    if _is_many(args, [args.image]):
        from .runner import measure_task

        if args.format == "prof":
            raise ValueError("--format prof is for a single image; use ecsv or fits")
        unused = {"--mask": args.mask, "--forced-on": args.forced_on}
        return _run_many(args, measure_task(**_options(args)), [args.image], unused)
    from .measuring import measure_file
    from .output import refuse_overwriting, replacing, unique_names

    suffix = args.format or "ecsv"
    others = [path for path in _different([args.image, *args.forced_on]) if path != args.image]
    paths = [args.image, *others]
    names = unique_names(paths)
    refuse_overwriting(paths, (args.out / f"{name}.{suffix}" for name in names))
    tables = measure_file(args.image, mask=args.mask, forced_on=others, **_options(args))
    for path, name, table in zip(paths, names, tables, strict=True):
        for flag in table.meta["flags"]:
            _say(f"{path}: note: {flag}")
        with replacing(args.out / f"{name}.{suffix}") as aside:
            _write(table, aside)
        print(args.out / f"{name}.{suffix}", flush=True)
    return 0


def _mock(args):
    from astropy.table import QTable

    from .fits import mock_hdus
    from .mock import mock_galaxy
    from .output import replacing
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
