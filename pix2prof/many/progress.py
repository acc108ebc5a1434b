"""One line on how far a run is: done, rate, time left."""

import sys
import time


class Progress:
    """Says how far a run is, on a terminal every second, else every half minute.

    Parameters
    ----------
    total : int
        Items to do now.
    before : int
        Items that an earlier run did.
    stream : file, optional
        Standard error if left out.
    """

    def __init__(self, total, before=0, stream=None):
        self.total, self.before, self.done, self.failed = total, before, 0, 0
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._start = self._said = time.monotonic()

    def add(self, done, failed):
        """Count items, and say so when it is time."""
        self.done += done
        self.failed += failed
        if time.monotonic() - self._said > (1 if self._live else 30):
            self.say()

    def say(self, end=""):
        """Write the line."""
        self._said = time.monotonic()
        line, end = (f"\r\033[K{self._words()}", end) if self._live else (self._words(), "\n")
        print(line, end=end, file=self._stream, flush=True)

    def _words(self):
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = self.done / seconds
        words = [
            f"pix2prof: {self.before + self.done} of {self.before + self.total}",
            f"{rate:.3g} a second",
        ]
        left = self.total - self.done
        if rate and left > 0:
            words.append(f"{duration(left / rate)} left")
        if self.failed:
            words.append(f"{self.failed} failed")
        return ", ".join(words)


def duration(seconds):
    """A time in words: ``40 s``, ``12 min``, ``3.5 h``, ``4.2 d``."""
    for unit, size, above in (("d", 86400, 172800), ("h", 3600, 7200), ("min", 60, 120)):
        if seconds >= above:
            return f"{seconds / size:.{0 if unit == 'min' else 1}f} {unit}"
    return f"{seconds:.0f} s"
