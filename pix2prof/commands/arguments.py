"""Numbers on the command line, refused where they make no sense."""

from argparse import ArgumentTypeError


def count(text):
    """Read a whole number that is not negative, as ``type`` of an argument."""
    number = int(text)
    if number < 0:
        raise ArgumentTypeError(f"{number} is negative")
    return number


def positive(text):
    """Read a whole number of at least 1, as ``type`` of an argument."""
    number = count(text)
    if number == 0:
        raise ArgumentTypeError("it must be at least 1")
    return number
