"""What the commands of the command line do.

Each function imports what it needs, so that no command waits for the modules of another.
"""

import contextlib
import gc
import sys


@contextlib.contextmanager
def quick_imports():
    """Import without garbage collections, and keep what was imported out of later ones.

    Torch and astropy make hundreds of thousands of objects, none of which is garbage; to go
    through them again and again, and at the end of the process, is a fifth of a cold start.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def say(text):
    """Tell the user something, on standard error."""
    print(f"pix2prof: {text}", file=sys.stderr, flush=True)


def predict(args):
    """Predict the profiles of images with a network.

    Parameters
    ----------
    args : argparse.Namespace
        Of ``pix2prof predict``, see `pix2prof.cli.build_parser`.

    Returns
    -------
    status : int
        0 when all was done, 1 when something failed.
    """
    if _is_many(args, args.images):
        from ..many.dispatch import start_server
        from ..many.runner import predict_task
        from ..many.tasks import PredictTask

        if not (args.workers or args.scheduler):
            start_server(PredictTask.modules)  # while the model is loaded here
        task = predict_task(args.model, args.precision, **_options(args))
        return _run_many(args, task, args.images, {"--plot": args.plot})
    with quick_imports():
        from ..images.fits import ImageError
        from ..names import unique_names
        from ..output import refuse_overwriting, replacing
        from ..predict.arrays import load
        from ..predict.files import predict_files

    paths = _different(args.images)
    names = unique_names(paths)
    refuse_overwriting(paths, (args.out / f"{name}.{args.format or 'ecsv'}" for name in names))
    model = load(args.model)
    failed, left_out = [], 0
    predictions = predict_files(paths, model, precision=args.precision, **_options(args))
    for name, prediction in zip(names, predictions, strict=True):
        if prediction.left_out:
            say(f"{prediction.path}: note: {prediction.left_out}")
            left_out += 1
            continue
        try:
            if prediction.error is not None:
                raise prediction.error
            path = args.out / f"{name}.{args.format or 'ecsv'}"
            _write(prediction.profile, path)
            if args.plot:
                with replacing(args.out / f"{name}.png") as aside:
                    _plot(prediction, aside)
        except (ImageError, OSError) as error:
            say(f"error: {error}")
            failed.append(prediction.path)
            continue
        for flag in prediction.profile.meta["flags"]:
            say(f"{prediction.path}: note: {flag}")
        print(path, flush=True)
    _say_written(len(paths) - left_out, failed, args.out)
    return int(bool(failed))


def _plot(prediction, path):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    from ..figures.gallery import profile_page

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


def measure(args):
    """Measure the profiles of images with the classical method.

    Parameters
    ----------
    args : argparse.Namespace
        Of ``pix2prof measure``, see `pix2prof.cli.build_parser`.

    Returns
    -------
    status : int
        0 when all was done, 1 when something failed.
    """
    if _is_many(args, args.images):
        from ..many.runner import measure_task

        if args.format == "prof":
            raise ValueError("--format prof is for single images; use ecsv or fits")
        unused = {"--mask": args.mask, "--forced-on": args.forced_on}
        return _run_many(args, measure_task(**_options(args)), args.images, unused)
    from ..images.fits import ImageError
    from ..names import unique_names
    from ..output import refuse_overwriting
    from ..predict.measuring import measure_file

    images = _different(args.images)
    for option, value in {"--mask": args.mask, "--forced-on": args.forced_on}.items():
        if value and len(images) > 1:
            raise ValueError(f"{option} is for one image, here are {len(images)}; give one")
    paths = _different([*images, *args.forced_on])
    outputs = [args.out / f"{name}.{args.format or 'ecsv'}" for name in unique_names(paths)]
    refuse_overwriting(paths, outputs)
    others, failed = paths[len(images) :], []
    for k, image in enumerate(images):
        try:
            tables = measure_file(image, mask=args.mask, forced_on=others, **_options(args))
            where = [outputs[k], *outputs[len(images) :]]
            for path, output, table in zip([image, *others], where, tables, strict=True):
                for flag in table.meta["flags"]:
                    say(f"{path}: note: {flag}")
                _write(table, output)
                print(output, flush=True)
        except (ImageError, OSError) as error:
            say(f"error: {error}")
            failed.append(str(image))
    if len(images) > 1:
        _say_written(len(images), failed, args.out)
    return int(bool(failed))


def _write(profile, path):
    from ..output import replacing
    from ..profile_files import write_profile

    if path.exists():
        say(f"{path}: note: an earlier file of this name is replaced")
    with replacing(path) as aside:
        write_profile(profile, aside)


def _say_written(wanted, failed, out):
    say(f"{wanted - len(failed)} of {wanted} profiles written to {out}")
    if failed:
        say(f"failed: {', '.join(failed)}")


def mock(args):
    """Write mock galaxies as FITS images.

    Parameters
    ----------
    args : argparse.Namespace
        Of ``pix2prof mock``, see `pix2prof.cli.build_parser`.

    Returns
    -------
    status : int
        0 when all was done, 1 when something failed.
    """
    from ..many.mocking import CATALOGUE, write_mocks

    done = write_mocks(args.number, args.seed, args.out, field=args.field, **_road(args))
    _say_done(args, done, "galaxies", args.out / CATALOGUE)
    return int(bool(done.failures))


def _run_many(args, task, sources, unused):
    from ..many.runner import run_many

    for option, value in unused.items():
        if value:
            raise ValueError(f"{option} is for single images, not for many at once; leave it out")
    done = run_many(
        task,
        sources,
        args.out,
        format=args.format or "parquet",
        **_road(args),
    )
    _say_done(args, done, "profiles", args.out / "profiles")
    return int(bool(done.failures))


def _roads(args):
    return {name: getattr(args, name) for name in ("processes", "workers", "scheduler")}


def _road(args):
    roads = _roads(args)
    asked = [f"--{name}" for name, value in roads.items() if value]
    if len(asked) > 1:
        raise ValueError(f"{' and '.join(asked)} exclude one another; give one of them")
    return {**roads, "retry_failed": args.retry_failed}


def _say_done(args, done, what, where):
    before = done.items - done.done
    say(
        f"{done.rows} {what} of {done.done} items written to {where}"
        + (f"; {before} were done before" if before else "")
    )
    if done.failures:
        say(f"{done.failures} failures, see {args.out / 'failures.parquet'}")


def _is_many(args, sources):
    from ..images.inputs import is_collection

    many = any(map(is_collection, sources)) or args.hdu == "all"
    many = many or args.format == "parquet" or any(_roads(args).values())
    if args.retry_failed and not many:
        raise ValueError(
            "--retry-failed is for many images at once; one image is always done anew"
        )
    return many


def _options(args):
    return {
        name: getattr(args, name) for name in ("pixscale", "zeropoint", "band", "centre", "hdu")
    }


def _different(paths):
    return list({path.resolve(): path for path in reversed(paths)}.values())[::-1]
