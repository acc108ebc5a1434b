"""Files from public archives, politely: one at a time, tried again with patience, kept."""

import contextlib
import fcntl
import hashlib
import json
import os
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..output import replacing
from .downloads import ArchiveError, NoNetwork, TryAgain, download

SPOILT = 3


@dataclass(frozen=True)
class Addresses:
    """Where the archives are; a mirror has others.

    Parameters
    ----------
    sdss : str
        The Science Archive Server.
    legacy : str
        The viewer of the DESI Legacy Imaging Surveys.
    zenodo : str
        Zenodo's REST interface.
    """

    sdss: str = "https://data.sdss.org/sas"
    legacy: str = "https://www.legacysurvey.org/viewer"
    zenodo: str = "https://zenodo.org/api"


@dataclass
class Fetcher:
    """Fetches files and keeps them: what is in the cache and whole is never asked for again.

    Beside every file of the cache lies ``<file>.json`` with its URL, length and SHA-256, which
    are checked each time; a file that was cut short or changed is fetched anew.

    Parameters
    ----------
    cache : path-like
        Folder of the files.
    addresses : Addresses
        The archives.
    interval : float
        Least time between two requests to one host [s].
    attempts : int
        How often one file is asked for.
    backoff : float
        Wait before the second attempt [s]; twice as long before each further one.
    patience : float
        Longest wait [s]; a server that asks for a longer one ends it.
    timeout : float
        How long a server may keep silent [s].
    offline : bool
        Use the cache alone.
    sleep : callable
        Waits; takes seconds.
    log : callable
        Takes a line for each file fetched and each wait.
    """

    cache: Path
    addresses: Addresses = Addresses()
    interval: float = 1.0
    attempts: int = 6
    backoff: float = 2.0
    patience: float = 300.0
    timeout: float = 60.0
    offline: bool = False
    sleep: Callable = time.sleep
    log: Callable = lambda line: None
    _asked: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        self.cache = Path(self.cache)

    def get(self, url, name, *, check=None, md5=None):
        """Give a file of an archive, from the cache if it is there.

        Parameters
        ----------
        url : str
            ``http`` or ``https``.
        name : str
            The file's path inside the cache.
        check : callable, optional
            Takes the path of what came, and raises ValueError if it is not what it should be.
        md5 : str, optional
            Checksum that the archive gives; such a file goes on where it broke off.

        Returns
        -------
        path : pathlib.Path
            The file, whole. It is put in place when all of it has come and been checked.

        Raises
        ------
        NotFound
            If the archive has no such file.
        NoNetwork
            If the host cannot be reached, is busy or broken in all of `attempts`, asks to wait
            for longer than `patience`, or `offline` is set: what else is asked of it fares alike.
        ArchiveError
            If what came was spoilt each time; the message says how.
        """
        path = self.cache / name
        if _whole(path, url):
            return path
        if self.offline:
            raise NoNetwork(f"{url}: not in {self.cache}, and offline: nothing is asked for")
        if md5 is None:
            return self._fetch(url, path, check, md5)
        with _alone(path.parent):  # what came of it so far lies there under one name
            return path if _whole(path, url) else self._fetch(url, path, check, md5)

    def _fetch(self, url, path, check, md5):
        """Ask for a file until it has come, or it is of no use to go on."""
        host, name = urllib.parse.urlsplit(url).netloc, path.relative_to(self.cache)
        spoilt, wait = 0, 0.0
        for attempt in range(1, self.attempts + 1):
            self._pace(host, wait)
            try:
                self._attempt(url, path, check, md5)
                self.log(f"{name}: {path.stat().st_size / 1e6:.2f} MB from {host}")
                return path
            except TryAgain as failure:
                spoilt += failure.spoilt
                wait = max(self.backoff * 2 ** (attempt - 1), failure.wait)
                if wait > self.patience and failure.wait > self.patience:
                    raise NoNetwork(
                        f"{url}: {host} asks to wait for {failure.wait:.0f} s; start again "
                        "later, what came so far is kept"
                    ) from failure
                wait, reason = min(wait, self.patience), str(failure)
                if spoilt >= SPOILT:
                    break
                if attempt < self.attempts:
                    self.log(f"{name}: {reason}; waiting {wait:.0f} s")
        kind = ArchiveError if spoilt >= SPOILT else NoNetwork
        raise kind(
            f"{url}: {reason}, {attempt} times over; start again later, what came before is kept"
        )

    def _pace(self, host, wait):
        since = time.monotonic() - self._asked.get(host, -1e9)
        wait = max(wait, self.interval - since)
        if wait > 0:
            self.sleep(wait)
        self._asked[host] = time.monotonic()

    def _attempt(self, url, path, check, md5):
        part = path.with_name(path.name + ".part") if md5 else None
        with replacing(path) as aside:
            target = part or aside
            download(url, target, timeout=self.timeout, start=_size(part))
            try:
                if md5 and (found := _digest(target, "md5")) != md5:
                    raise ValueError(f"its MD5 is {found}, not {md5}")
                if check:
                    check(target)
            except ValueError as error:
                words = f"not what was asked for ({_without(error, target)}){_beginning(target)}"
                target.unlink()
                raise TryAgain(words, spoilt=True) from error
            if part:
                part.replace(aside)
            note = {"url": url, "bytes": _size(aside), "sha256": _digest(aside, "sha256")}
        with replacing(_note(path)) as aside:
            aside.write_text(json.dumps(note, indent=2) + "\n")


@contextlib.contextmanager
def _alone(folder):
    """Wait until no other process fetches into a folder, and keep it so."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _note(path):
    return path.with_name(path.name + ".json")


def _size(path):
    return path.stat().st_size if path is not None and path.is_file() else 0


def _digest(path, kind):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def _whole(path, url):
    """Whether a file lies in the cache as it came from `url`."""
    try:
        note = json.loads(_note(path).read_text())
        known = note["url"] == url and _size(path) == note["bytes"]
        return known and _digest(path, "sha256") == note["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _without(error, path):
    return str(error).replace(f"{path}: ", "")


def _beginning(path, length=60):
    """The first words of a text that came in place of data."""
    with open(path, "rb") as stream:
        start = stream.read(length)
    text = " ".join(start.decode("ascii", "replace").split())
    return f", it begins {text!r}" if text.isprintable() and text else ""
