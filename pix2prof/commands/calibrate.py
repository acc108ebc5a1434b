"""``pix2prof calibrate``: errors of a trained network scaled anew."""

from pathlib import Path

from .actions import say


def add_calibrate(commands):
    """Add the command to those of a parser.

    Parameters
    ----------
    commands : argparse._SubParsersAction
        As ``ArgumentParser.add_subparsers`` gives it.
    """
    calibrate = commands.add_parser(
        "calibrate",
        help="scale the errors of a network anew, on a survey",
        description="Write a network whose errors hold on the validation set of a survey, as the "
        "stage data builds it; its weights and its profiles remain what they are.",
    )
    calibrate.add_argument("survey", metavar="SURVEY", type=Path, help="folder")
    calibrate.add_argument("-o", "--out", required=True, type=Path, help="folder of the network")
    calibrate.add_argument(
        "--model", default="pix2prof", help="pix2prof (the default), or a folder of your own"
    )
    calibrate.add_argument("--label", help="words for the survey, kept with the network")
    calibrate.set_defaults(run=_calibrate)


def _calibrate(args):
    from ..dataset.stored import load_survey
    from ..model.calibration import ERRORS
    from ..training.recalibrating import recalibrate

    factors = recalibrate(args.model, load_survey(args.survey), args.out, label=args.label)
    for name, row in zip(ERRORS, factors, strict=True):
        say(f"{name} over the predicted scale, by place: {' '.join(f'{x:.3f}' for x in row)}")
    print(args.out, flush=True)
    return 0
