"""Tables as the benchmarks print them, and a log of what was printed."""

import sys


class Log:
    """Standard output that is also kept in a file.

    Parameters
    ----------
    path : path-like or None
        Where to append; None keeps nothing.
    """

    def __init__(self, path=None):
        self._stream, self._file = sys.stdout, path and open(path, "a")

    def write(self, text):
        """Write to both, at once."""
        for stream in filter(None, (self._stream, self._file)):
            stream.write(text)
            stream.flush()

    def flush(self):
        """Nothing waits to be written."""


def show(title, header, rows):
    """Print a table, as Markdown.

    Parameters
    ----------
    title : str
    header : sequence of str
    rows : iterable of sequences
        Strings and integers as they are, other numbers to four digits.
    """
    cells = [[v if isinstance(v, str) else _number(v) for v in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    print(f"\n{title}\n")
    for row in (header, ["-" * (width - 1) + ":" for width in widths], *cells):
        line = " | ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        print(f"| {line} |")


def _number(value):
    return f"{value:d}" if isinstance(value, int) else f"{value:.4g}"
