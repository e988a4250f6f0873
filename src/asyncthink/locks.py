"""A lock that dies with its holder: the system frees it (flock) when the holder ends, however it ends.

On a shared file system this takes one on which flock reaches all machines, as on NFS 4; where there is none at all,
nothing is written.
"""

import os
import socket
import sys
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from asyncthink.errors import InputError


def acquire(path: Path, patience: float, what: str | None = None) -> FileLock:
    """The lock of a file, held until it is released or this process ends. InputError if another keeps holding it.

    patience: seconds. what: the name of what it guards, for messages; by default the file beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, on_acquired=_sign, poll_interval=0.2)
    try:
        lock.acquire(blocking=False)
    except NotImplementedError:
        raise InputError(f"{path}: this file system knows no locks (flock), so nothing may be written here") from None
    except Timeout:
        if patience:
            print(f"{_held(path, what)}; waiting up to {patience:.0f} s for it to end", file=sys.stderr, flush=True)
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            advice = "wait until it ends, or end it, then the same command goes on"
            raise InputError(f"{_held(path, what)}; {advice}") from None
    return lock


def _sign(descriptor: int) -> None:
    """Write into a lock file who holds it."""
    job = os.environ.get("SLURM_JOB_ID")
    where = socket.gethostname() + (f", SLURM job {job}" if job else "")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {where}, since {datetime.now():%Y-%m-%d %H:%M}\n".encode(), 0)


def _held(path: Path, what: str | None) -> str:
    try:
        holder = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:  # it has ended in this moment, and with it its lock
        holder = ""
    return f"{what or path.with_suffix('')} is held by {holder or 'another process'}"
