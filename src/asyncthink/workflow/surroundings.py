"""What a check of `asyncthink doctor` looks at, and the checks on what a run stumbles over late.

These are folders, the notebooks' kernel, disk, locks.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from asyncthink.config.params import Params
from asyncthink.errors import InputError
from asyncthink.workflow import caches, estimate, run_lock

GIGA = 1e9
TEMPORARY = 0.5e9  # bytes of the temporary folder, for notebooks and the workflow tool
SLOW = 30.0  # seconds in which the math library starts on a busy machine
KERNEL_PATIENCE = 90.0  # seconds for a kernel to start and to end
KERNEL = """
from jupyter_client.manager import run_kernel
with run_kernel(kernel_name="python3") as client:
    print(client.is_alive())
"""


@dataclass(frozen=True)
class Finding:
    """What a check says."""

    state: Literal["ok", "note", "lacks"]
    said: str


@dataclass(frozen=True)
class Place:
    """What the checks look at: parameters, the root of the checkout, environment variables."""

    params: Params
    root: Path
    environment: Mapping[str, str]


def attention(place: Place) -> Finding:
    """What trainings compute attention with."""
    from asyncthink.training import attention

    missing = attention.package()
    try:
        if attention.asked(place.environment) == attention.FLASH:
            return Finding("lacks" if missing else "ok", f"{attention.FLASH}{f', but {missing}' if missing else ''}")
    except InputError as error:
        return Finding("lacks", str(error))
    other = "" if missing else f"; {attention.CHOICE}={attention.FLASH} has sft and grpo take flash-attn"
    return Finding("ok", f"torch's own (sdpa){other}")


def home(place: Place) -> Finding:
    """The home directory; a run does without one that can be written."""
    path = Path(place.environment.get("HOME") or Path.home())
    if caches.writable(path):
        return Finding("ok", f"{path} can be written")
    return Finding("note", f"{path} cannot be written; a run keeps its caches in {caches.OWN}")


def cache_folders(place: Place) -> Finding:
    """The folders that variables name; a run does not choose another one in place of a person's own."""
    named = {name: place.environment[name] for name in caches.VARIABLES if place.environment.get(name)}
    closed = [f"{name}={path}" for name, path in named.items() if not caches.writable(Path(path))]
    if closed:
        return Finding("lacks", f"{', '.join(closed)} cannot be written; name a folder that can be, or unset it")
    if named:
        return Finding("ok", f"{', '.join(named)} can be written")
    usual = caches.folder(place.environment)
    return Finding("ok", str(usual if caches.writable(usual) else place.root / caches.OWN))


def kernel(place: Place) -> Finding:
    """The kernel of the notebooks, started as the rule `figures` starts it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), place.environment.get("PATH", os.defpath)])
    environment = {**place.environment, "PATH": path, "JUPYTER_PATH": str(place.root / "workflow")}
    command = [sys.executable, "-c", KERNEL]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=KERNEL_PATIENCE)
    except subprocess.TimeoutExpired:
        return Finding("lacks", f"no answer in {KERNEL_PATIENCE:.0f} s; figures need it")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Finding("lacks", f"does not start, and figures need it: {reason}; pip install ipykernel papermill")
    return Finding("ok", "starts")


def temporary(place: Place) -> Finding:
    """The temporary folder: free space, and whether it can be written."""
    try:
        path = tempfile.gettempdir()
    except OSError as error:
        return Finding("lacks", f"{error.strerror}; let TMPDIR name a folder that can be written")
    free = shutil.disk_usage(path).free
    said = f"{path}: {free / GIGA:.1f} GB free; a run needs {TEMPORARY / GIGA:.1f} GB"
    if free < TEMPORARY:
        return Finding("lacks", f"{said}; free some, or let TMPDIR name another folder")
    return Finding("ok", said)


def disk_needed(place: Place, least: float) -> float:
    """Bytes: what runs of the scale have left behind, or what the estimate says of this params.yaml if it is more."""
    return max(least, estimate.disk(place.params, list(estimate.loads(place.params))))


def mathematics(place: Place) -> Finding:
    """The library that compares answers, in a process of its own: whether it starts, and how long it takes."""
    from asyncthink.tasks.equality import Comparer

    comparer, began = Comparer(), time.monotonic()
    try:
        right = comparer.equal(r"\frac{1}{2}", "0.5")
    except InputError as error:
        return Finding("lacks", str(error))
    finally:
        comparer.close()
    said = f"math-verify starts in {time.monotonic() - began:.1f} s"
    if not right:
        return Finding("lacks", "math-verify does not know that 1/2 is 0.5; pip install --force-reinstall math-verify")
    slow = time.monotonic() - began > SLOW
    return Finding("note", f"{said}: a slow disk, or a busy machine") if slow else Finding("ok", said)


def locks(place: Place) -> Finding:
    """Whether this file system has locks, whether a run is at work here, and whether one was killed."""
    try:
        if _held(place.root / "params.yaml"):
            return Finding("note", "params.yaml is locked by another program")
    except OSError as error:
        return Finding("lacks", f"{place.root}: no locks (flock) on this file system: {error.strerror}; move elsewhere")
    if _held(place.root / run_lock.RUN):
        who = (place.root / run_lock.RUN).read_text(encoding="utf-8").strip()
        return Finding("note", f"a run is at work here: {who}; another one waits for it")
    if alive := [path for path in sorted((place.root / run_lock.STEPS).glob("*")) if _held(path)]:
        who = alive[0].read_text(encoding="utf-8").strip()
        return Finding("note", f"a step of a run that has ended is still at work: {who}")
    if any((place.root / run_lock.SNAKEMAKE).glob("*")):
        return Finding("note", "left by a run that was killed; the next run frees them, or asyncthink unlock")
    return Finding("ok", "no run is at work here")


def _held(path: Path) -> bool:
    """Whether a process holds a lock on a file, which is only read."""
    try:
        with open(path, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
