"""``pix2prof fetch``: images of a place, and galaxies of PROBES, from public archives."""

import argparse
from pathlib import Path

from .actions import say
from .arguments import positive

DEFAULT_CACHE = Path("~/.cache/pix2prof")


def add_fetch(commands):
    """Add the command to those of a parser.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        As ``ArgumentParser.add_subparsers`` gives it.
    """
    fetch = commands.add_parser(
        "fetch",
        help="images from public archives",
        description="Fetch images from public archives, politely; what has come is kept.",
    )
    archives = fetch.add_subparsers(required=True, metavar="sdss | legacy | probes")
    sdss = archives.add_parser("sdss", help="cut-outs of SDSS frames, 0.396 arcsec")
    _add_place(sdss, "gri")
    sdss.add_argument(
        "--fields",
        nargs="+",
        metavar="RUN-CAMCOL-FIELD",
        help="such as 4510-4-30; else they are looked up (takes astroquery)",
    )
    sdss.set_defaults(run=_sdss)
    legacy = archives.add_parser("legacy", help="DESI Legacy Surveys cut-outs, 0.262 arcsec")
    _add_place(legacy, "grz")
    legacy.add_argument("--pixscale", type=float, default=0.262, help="arcsec; default 0.262")
    legacy.add_argument("--layer", default="ls-dr10", help="default ls-dr10")
    legacy.set_defaults(run=_legacy)
    probes = archives.add_parser(
        "probes",
        help="galaxies of PROBES with their measured profiles, for data.source: probes",
        description="Write galaxies of PROBES (Zenodo 10456320) with DESI Legacy images in g, r "
        "and z as the folder that data.source: probes reads.",
    )
    probes.add_argument("-n", "--number", required=True, type=positive, metavar="N")
    _add_common(probes)
    probes.set_defaults(run=_probes)


def _add_place(parser, bands):
    parser.add_argument("--ra", required=True, type=float, help="deg")
    parser.add_argument("--dec", required=True, type=float, help="deg")
    parser.add_argument("--bands", default=bands, help=f"default {bands}")
    parser.add_argument("--name", help="of the galaxy and its files; else by position")
    _add_common(parser)


def _add_common(parser):
    parser.add_argument("--size", type=_side, default=512, help="side [px]; default 512")
    parser.add_argument("-o", "--out", required=True, type=Path, help="folder")
    parser.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help=f"default {DEFAULT_CACHE}"
    )
    parser.add_argument("--offline", action="store_true", help="use the cache alone")


def _side(text):
    side = int(text)
    if side < 32:
        raise argparse.ArgumentTypeError(f"{side} px are too few; at least 32")
    return side


def _fetcher(args):
    from ..archives.fetching import Addresses, Fetcher

    return Fetcher(args.cache.expanduser(), Addresses(), offline=args.offline, log=say)


def _sdss(args):
    from ..archives.places import grid_of, sdss_image
    from ..archives.sdss_fields import Field, find_fields

    if args.fields is not None:
        fields = [Field.parse(text) for text in args.fields]
    else:
        fields = find_fields(args.ra, args.dec, args.size)
    grid, fetcher = None, _fetcher(args)
    for band in args.bands:
        hdu = sdss_image(fetcher, args.ra, args.dec, band, args.size, fields=fields, grid=grid)
        grid = grid or grid_of(hdu)
        _write(args, band, hdu)
    return 0


def _legacy(args):
    from ..archives.places import legacy_image

    fetcher = _fetcher(args)
    for band in args.bands:
        where = {"pixscale": args.pixscale, "layer": args.layer}
        _write(args, band, legacy_image(fetcher, args.ra, args.dec, band, args.size, **where))
    return 0


def _write(args, band, hdu):
    from ..names import safe_name
    from ..output import replacing

    if args.name:
        hdu.header["OBJECT"] = args.name
    path = args.out / f"{safe_name(hdu.header['OBJECT'])}-{band}.fits"
    with replacing(path) as aside:
        hdu.writeto(aside, overwrite=True)
    if hdu.header["COVERED"] < 1:
        say(f"{path}: note: {1 - hdu.header['COVERED']:.1%} of its pixels have no data")
    print(path, flush=True)


def _probes(args):
    from ..archives.probes import write_folder

    rows = write_folder(_fetcher(args), args.out, args.number, size=args.size, log=say)
    found = len(set(rows["name"])) if len(rows) else 0
    say(f"{found} galaxies in {args.out}, for data.source: probes, data.folder: {args.out}")
    return int(found < args.number)
