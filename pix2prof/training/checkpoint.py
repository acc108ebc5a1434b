"""Checkpoints that survive a kill, a full disk and a damaged file."""

import hashlib
import io
import os
import re
from pathlib import Path

import torch

KEEP = 2
PATTERN = re.compile(r"epoch-(\d{4,})-([0-9a-f]{16})\.pt")


class ResumeError(RuntimeError):
    """A checkpoint that was made under other parameters."""


def save_checkpoint(folder, epoch, content):
    """Write a checkpoint in one stroke, and keep the last two.

    The file's name carries the epoch and the start of the content's SHA-256, so that a damaged
    file is known by itself.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    epoch : int
    content : dict
        Tensors and plain values.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    OSError
        If it cannot be written (a full disk); what was there before is still there.
    """
    folder = Path(folder)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getbuffer()
    path = folder / f"epoch-{epoch:04d}-{hashlib.sha256(data).hexdigest()[:16]}.pt"
    temporary = folder / ".unfinished.pt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    for old in list_checkpoints(folder)[KEEP:]:
        old.unlink()
    return path


def list_checkpoints(folder):
    """List a folder's checkpoints, newest first."""
    files = [path for path in Path(folder).glob("*.pt") if PATTERN.fullmatch(path.name)]
    return sorted(files, key=lambda path: int(PATTERN.fullmatch(path.name)[1]), reverse=True)


def load_checkpoint(folder, log=print):
    """Read the newest checkpoint that is whole.

    Parameters
    ----------
    folder : path-like
    log : callable
        Is told of damaged files.

    Returns
    -------
    content : dict or None
        None where there is no whole checkpoint.
    """
    for path in list_checkpoints(folder):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest().startswith(PATTERN.fullmatch(path.name)[2]):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        log(f"{path}: this checkpoint is damaged; the one before it is taken")
    return None


def check_same(stored, wanted, folder):
    """Refuse to go on under other parameters.

    Parameters
    ----------
    stored, wanted : dict
        Parameters of the checkpoint and of this run, nested, of plain values.
    folder : path-like
        Named in the message.

    Raises
    ------
    ResumeError
        If they differ; the message lists every key that does, and says what to do.
    """
    old, new = _flatten(stored), _flatten(wanted)
    different = [
        f"{key}: {old.get(key, 'absent')} there, {new.get(key, 'absent')} now"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    if different:
        raise ResumeError(
            f"{folder} holds the checkpoints of a run under other parameters ("
            + "; ".join(different)
            + "). Put them back to resume it, or remove that folder to start anew"
        )


def _flatten(values, prefix=""):
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
