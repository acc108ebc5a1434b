"""Pools of memory of the C library."""

import os
import platform
import subprocess
import sys

import pytest

from pix2prof.memory import ONE_POOL, one_pool

POOLS = """
import ctypes, threading
wait = threading.Barrier(5)
def work():
    block = ctypes.create_string_buffer(100_000)
    wait.wait()
for _ in range(4):
    threading.Thread(target=work).start()
wait.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, stream)
libc.fclose(stream)
"""


def pools():
    """Count those of a program with five threads."""
    program = [sys.executable, "-c", POOLS]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    return told.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="pools of glibc")
def test_programs_started_meanwhile_have_one_pool(monkeypatch):
    monkeypatch.delenv(ONE_POOL, raising=False)
    with one_pool():
        assert pools() == 1
    assert pools() > 1
    monkeypatch.setenv(ONE_POOL, "2")
    with one_pool():
        assert os.environ[ONE_POOL] == "2"
    assert os.environ[ONE_POOL] == "2"
