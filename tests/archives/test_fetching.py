import hashlib
import itertools
import json
import multiprocessing
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
from loopback import (
    Loopback,
    hang_up,
    instead,
    resuming,
    silent,
    status,
    trickle,
    truncated,
)

from pix2prof.archives import fetching
from pix2prof.archives.downloads import ArchiveError, NoNetwork, NotFound
from pix2prof.archives.fetching import Fetcher

BODY = b"SIMPLE  " + bytes(range(256)) * 40
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def server():
    server = Loopback()
    server.bodies["/one.fits"] = BODY
    yield server
    server.close()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def fetcher(tmp_path, waits):
    return Fetcher(tmp_path / "cache", interval=0.0, timeout=5.0, sleep=waits.append)


def is_body(path):
    if not path.read_bytes().startswith(b"SIMPLE"):
        raise ValueError(f"{path}: this is not a FITS file")


def left_over(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_file_is_asked_for_once(server, fetcher):
    for _ in range(3):
        path = fetcher.get(f"{server.url}/one.fits", "a/one.fits", check=is_body)
        assert path == fetcher.cache / "a" / "one.fits"
        assert path.read_bytes() == BODY
    assert len(server.asked) == 1
    assert left_over(fetcher.cache) == ["one.fits", "one.fits.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(BODY[:-1]),
        lambda path: path.write_bytes(BODY[:-1] + b"x"),
        lambda path: path.unlink(),
        lambda path: path.with_name("one.fits.json").unlink(),
        lambda path: path.with_name("one.fits.json").write_text("[]"),
        lambda path: path.with_name("one.fits.json").write_text("{"),
    ],
)
def test_a_file_that_is_not_as_it_came_is_fetched_anew(server, fetcher, spoil):
    path = fetcher.get(f"{server.url}/one.fits", "one.fits")
    spoil(path)
    assert fetcher.get(f"{server.url}/one.fits", "one.fits").read_bytes() == BODY
    assert len(server.asked) == 2


def test_the_same_name_from_elsewhere_is_another_file(server, fetcher):
    server.bodies["/mirror/one.fits"] = BODY[::-1]
    fetcher.get(f"{server.url}/one.fits", "one.fits")
    path = fetcher.get(f"{server.url}/mirror/one.fits", "one.fits")
    assert path.read_bytes() == BODY[::-1]


@pytest.mark.parametrize(
    "misbehaviour",
    [status(503), status(429), status(500), truncated(), hang_up, instead(b"<html>oops</html>")],
)
def test_it_is_asked_again_and_recovers(server, fetcher, waits, misbehaviour):
    server.script["/one.fits"] = [misbehaviour, misbehaviour]
    path = fetcher.get(f"{server.url}/one.fits", "one.fits", check=is_body)
    assert path.read_bytes() == BODY
    assert waits == [2.0, 4.0]
    assert left_over(fetcher.cache) == ["one.fits", "one.fits.json"]


@pytest.mark.parametrize(
    "misbehaviour", [silent(1.5), trickle(0.05)], ids=["silent", "a byte at a time"]
)
def test_a_slow_server_is_left_and_asked_again(server, fetcher, misbehaviour):
    fetcher.timeout = 0.3
    server.script["/one.fits"] = [misbehaviour]
    started = time.monotonic()
    assert fetcher.get(f"{server.url}/one.fits", "one.fits").read_bytes() == BODY
    assert time.monotonic() - started < 20
    assert len(server.asked) == 2


def test_waits_double_and_end(server, fetcher, waits):
    server.script["/one.fits"] = [status(503)] * 20
    fetcher.patience = 10.0
    with pytest.raises(NoNetwork, match=r"HTTP 503.*6 times over"):
        fetcher.get(f"{server.url}/one.fits", "one.fits")
    assert waits == [2.0, 4.0, 8.0, 10.0, 10.0]
    assert len(server.asked) == 6
    assert left_over(fetcher.cache) == []


def test_retry_after_in_seconds_is_honoured(server, fetcher, waits):
    server.script["/one.fits"] = [status(429, Retry_After="17")]
    fetcher.get(f"{server.url}/one.fits", "one.fits")
    assert waits == [17.0]


def test_retry_after_as_a_date_is_honoured(server, fetcher, waits):
    later = formatdate(time.time() + 60, usegmt=True)
    server.script["/one.fits"] = [status(503, Retry_After=later)]
    fetcher.get(f"{server.url}/one.fits", "one.fits")
    assert 45 < waits[0] <= 60


def test_retry_after_that_makes_no_sense_is_passed_over(server, fetcher, waits):
    server.script["/one.fits"] = [status(503, Retry_After="soon")]
    fetcher.get(f"{server.url}/one.fits", "one.fits")
    assert waits == [2.0]


def test_a_server_that_asks_for_hours_is_left_alone(server, fetcher, waits):
    server.script["/one.fits"] = [status(429, Retry_After="7200")]
    with pytest.raises(NoNetwork, match="asks to wait for 7200 s"):
        fetcher.get(f"{server.url}/one.fits", "one.fits")
    assert waits == [] and len(server.asked) == 1


def test_what_is_not_there_is_not_asked_for_again(server, fetcher):
    with pytest.raises(NotFound, match=r"two\.fits: HTTP 404"):
        fetcher.get(f"{server.url}/two.fits", "two.fits")
    assert len(server.asked) == 1


def test_what_is_forbidden_is_not_asked_for_again(server, fetcher):
    server.script["/one.fits"] = [status(403)] * 5
    with pytest.raises(ArchiveError, match="HTTP 403"):
        fetcher.get(f"{server.url}/one.fits", "one.fits")
    assert len(server.asked) == 1


def test_wrong_content_is_given_up_on_soon_and_quoted(server, fetcher):
    server.script["/one.fits"] = [instead(b"<html>no such layer</html>")] * 9
    with pytest.raises(ArchiveError, match=r"this is not a FITS file.*'<html>no such layer"):
        fetcher.get(f"{server.url}/one.fits", "one.fits", check=is_body)
    assert len(server.asked) == fetching.SPOILT
    assert left_over(fetcher.cache) == []


def test_requests_to_a_host_keep_their_distance(server, tmp_path):
    fetcher = Fetcher(tmp_path, interval=0.2)
    for k in range(3):
        server.bodies[f"/{k}"] = b"x"
        fetcher.get(f"{server.url}/{k}", str(k))
    times = [when for _, when in server.asked]
    assert min(b - a for a, b in itertools.pairwise(times)) > 0.15


def test_a_file_with_a_checksum_goes_on_where_it_broke_off(server, fetcher):
    server.script["/one.fits"] = [truncated(0.5), resuming]
    path = fetcher.get(f"{server.url}/one.fits", "one.fits", md5=MD5)
    assert path.read_bytes() == BODY
    assert server.ranges == [None, f"bytes={len(BODY) // 2}-"]
    assert left_over(fetcher.cache) == ["one.fits", "one.fits.json"]


def test_two_at_once_fetch_a_file_with_a_checksum_once(server, tmp_path):
    server.script["/one.fits"] = [truncated(0.5), slow(0.5)]
    fetchers = [Fetcher(tmp_path, interval=0.0, timeout=5.0, backoff=0.1) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        got = [pool.submit(f.get, f"{server.url}/one.fits", "one.fits", md5=MD5) for f in fetchers]
        assert all(one.result().read_bytes() == BODY for one in got)
    assert len(server.asked) == 2
    assert left_over(tmp_path) == ["one.fits", "one.fits.json"]


def slow(seconds):
    def misbehave(handler, body):
        time.sleep(seconds)
        resuming(handler, body)

    return misbehave


def test_a_server_that_cannot_go_on_begins_anew(server, fetcher):
    server.script["/one.fits"] = [truncated(0.3)]
    assert fetcher.get(f"{server.url}/one.fits", "one.fits", md5=MD5).read_bytes() == BODY


def test_a_rest_that_does_not_fit_is_thrown_away(server, fetcher):
    fetcher.cache.mkdir()
    (fetcher.cache / "one.fits.part").write_bytes(b"of another version" * 9)
    server.script["/one.fits"] = [resuming, status(416)]
    assert fetcher.get(f"{server.url}/one.fits", "one.fits", md5=MD5).read_bytes() == BODY
    assert left_over(fetcher.cache) == ["one.fits", "one.fits.json"]


def test_a_wrong_checksum_is_told(server, fetcher):
    with pytest.raises(ArchiveError, match=f"its MD5 is {MD5}, not 0123"):
        fetcher.get(f"{server.url}/one.fits", "one.fits", md5="0123")


def test_offline_only_the_cache_serves(server, fetcher):
    fetcher.get(f"{server.url}/one.fits", "one.fits")
    fetcher.offline = True
    assert fetcher.get(f"{server.url}/one.fits", "one.fits").read_bytes() == BODY
    with pytest.raises(NoNetwork, match=r"two\.fits: not in .*cache, and offline"):
        fetcher.get(f"{server.url}/two.fits", "two.fits")
    assert len(server.asked) == 1


def test_without_network_it_says_so_at_once(fetcher, waits, monkeypatch):
    def no_name(*args, **kwargs):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    with pytest.raises(NoNetwork, match=r"no way there .*name resolution.*check the network"):
        fetcher.get("http://archive.invalid/one.fits", "one.fits")
    assert waits == []


def test_a_host_that_is_down_is_named(fetcher):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fetcher.attempts = 2
    with pytest.raises(ArchiveError, match=f"127.0.0.1:{port}.*refused"):
        fetcher.get(f"http://127.0.0.1:{port}/one.fits", "one.fits")


def test_no_proxy_comes_between_it_and_this_computer(server, fetcher, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    assert fetcher.get(f"{server.url}/one.fits", "one.fits").read_bytes() == BODY


def test_other_schemes_are_refused(fetcher, tmp_path):
    (tmp_path / "secret").write_text("x")
    with pytest.raises(ArchiveError, match="only http and https"):
        fetcher.get(f"file://{tmp_path}/secret", "one.fits")


def test_a_full_disk_is_not_the_archives_fault(server, fetcher, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pix2prof.archives.downloads.open", full, raising=False)
    with pytest.raises(OSError, match="No space left"):
        fetcher.get(f"{server.url}/one.fits", "one.fits")
    assert len(server.asked) == 1


def fetch_for_ever(url, cache):
    Fetcher(cache, interval=0.0, timeout=60.0).get(url, "one.fits")


def test_killed_half_way_it_leaves_no_file_that_looks_whole(server, tmp_path):
    server.script["/one.fits"] = [trickle(0.01)]
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=fetch_for_ever, args=(f"{server.url}/one.fits", tmp_path))
    child.start()
    for _ in range(2400):
        if any(path.stat().st_size for path in tmp_path.glob(".one.*")):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child never began")
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not (tmp_path / "one.fits").exists()
    path = Fetcher(tmp_path, interval=0.0).get(f"{server.url}/one.fits", "one.fits")
    assert path.read_bytes() == BODY
    assert json.loads((tmp_path / "one.fits.json").read_text())["bytes"] == len(BODY)
