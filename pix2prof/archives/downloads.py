"""One HTTP transfer: a file comes whole, or the reason says whether to try again."""

import email.utils
import errno
import http.client
import socket
import time
import urllib.error
import urllib.request

from .. import __version__

BUSY = (408, 425, 429, 500, 502, 503, 504)
AWAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
HERE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
CHUNK = 2**18
LARGEST = 2**31
SLOWEST = 2**10


class ArchiveError(OSError):
    """An archive did not give what was asked for."""


class NotFound(ArchiveError):
    """The archive has no such thing."""


class NoNetwork(ArchiveError):
    """The archive is out of reach from here, or may not be asked."""


class OutOfFootprint(ArchiveError):
    """The survey has not imaged the place."""


class TryAgain(Exception):
    """A transfer that failed and may yet succeed.

    Parameters
    ----------
    reason : str
        Why it failed.
    wait : float
        How long the server asked to wait [s].
    spoilt : bool
        Whether something else came than was asked for.
    """

    def __init__(self, reason, wait=0.0, spoilt=False):
        super().__init__(reason)
        self.wait, self.spoilt = wait, spoilt


def download(url, target, *, timeout, start=0):
    """Download a file.

    Parameters
    ----------
    url : str
        ``http`` or ``https``.
    target : path-like
        Where to.
    timeout : float
        How long the server may keep silent [s]; it may take that long in all, and a second more
        for each kilobyte.
    start : int
        Bytes of `target` that are there already; the rest is asked for and added.

    Raises
    ------
    NotFound, NoNetwork, ArchiveError
        If it is of no use to try again.
    TryAgain
        If it may be.
    """
    headers = {"User-Agent": f"pix2prof/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    if request.type not in ("http", "https"):
        raise ArchiveError(f"{url}: only http and https are fetched")
    try:
        with _open(request, timeout) as answer:
            resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            with open(target, "ab" if resumed else "wb") as stream:
                _receive(answer, stream, timeout)
    except urllib.error.HTTPError as error:
        _refused(url, target, error)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        number = getattr(reason, "errno", None)
        if number in HERE:
            raise
        away = isinstance(reason, socket.gaierror) or number in AWAY
        if away or "Tunnel connection failed" in str(reason):
            raise NoNetwork(
                f"{url}: no way there ({reason}); check the network. What is in the cache needs "
                "none"
            ) from error
        raise TryAgain(f"{type(reason).__name__}: {reason}") from error


def _open(request, timeout):
    """Open a URL, by way of the proxy that is set up unless it is this computer's own."""
    handlers = [urllib.request.ProxyHandler({})] if request.host.startswith("127.") else []
    return urllib.request.build_opener(*handlers).open(request, timeout=timeout)


def _receive(answer, stream, timeout):
    claimed = answer.headers.get("Content-Length")
    received, started = 0, time.monotonic()
    while chunk := answer.read1(CHUNK):
        received += stream.write(chunk)
        if stream.tell() > LARGEST:
            stream.truncate(0)
            raise TryAgain(f"more than {LARGEST} bytes came", spoilt=True)
        if time.monotonic() - started > timeout + received / SLOWEST:
            raise TryAgain(f"too slow: {received} bytes in {timeout:.0f} s")
    if claimed is not None and claimed.isdigit() and received < int(claimed):
        raise TryAgain(f"broken off after {received} of {claimed} bytes")


def _refused(url, target, error):
    """Raise what an HTTP status means."""
    with error:
        words = f"HTTP {error.code} {error.reason}"
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        target.unlink(missing_ok=True)
        raise TryAgain(words) from None
    if error.code in BUSY:
        raise TryAgain(words, _retry_after(error.headers.get("Retry-After"))) from None
    if error.code in (404, 410):
        raise NotFound(f"{url}: {words}; the archive has no such thing") from None
    raise ArchiveError(f"{url}: {words}") from None


def _retry_after(value):
    """Seconds that a ``Retry-After`` header asks for: a number or a date; 0 if neither."""
    text = (value or "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0
