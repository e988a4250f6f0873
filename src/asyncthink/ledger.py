"""Two ledgers of one graph: Snakemake's provenance and DVC's lock file, and who holds the directory.

Each tool knows by itself what is stale. `record` writes into dvc.lock what a Snakemake run made, `adopt` tells
Snakemake that the files DVC brought are up to date, and each of them refuses unless the other tool has nothing left to
do: a ledger that was written beside stale files would call them fresh for ever. Nothing else writes dvc.lock.

After `kill -9` of a run the same command goes on by itself: `take_over` frees the locks the dead run left behind.
"""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from asyncthink import freshness
from asyncthink.errors import InputError
from asyncthink.files import replacing, write_text

LOCK = Path("dvc.lock")
LOCKS = Path(".snakemake/locks")
HOLDER = Path(".snakemake/holder")  # the machine whose run took the locks last
RUN = "ASYNCTHINK_RUN"  # in the environment of every process that a run starts: the process id of the run


def record() -> str:
    """Write what Snakemake made into dvc.lock; a DVC that a killed `record` left writing is ended first."""
    _require("dvc.yaml")
    os.environ[RUN] = str(os.getpid())
    _end([seen for seen in _processes_here() if _is("dvc", seen.command) and _orphaned(seen)])
    outputs = freshness.outputs()
    if pending := [output for output in outputs if output.pending]:
        rules = ", ".join(dict.fromkeys(output.rule for output in pending))
        files = f"{len(pending)} files ({rules})"
        raise InputError(f"{files} are not up to date; run `snakemake --cores all` first, then record")
    if brought := freshness.unrecorded(outputs):
        raise InputError(f"{brought[0]} is not from a run here; if DVC brought it, run `asyncthink adopt`, then record")
    freshness.prepare_folders()
    _commit()
    return "dvc.lock now holds what Snakemake made; commit dvc.lock and metrics, and `dvc push` to share the rest"


def _commit() -> None:
    """Write dvc.lock anew: where a kill cut it off, DVC could not read it. It stays as it was if DVC fails."""
    before = LOCK.read_bytes() if LOCK.exists() else None
    LOCK.unlink(missing_ok=True)
    try:
        freshness.call("dvc", "commit", "--force", "--quiet")
    except InputError:
        if before is not None:
            with replacing(LOCK) as place:
                place.write_bytes(before)
        raise


def adopt() -> str:
    """Tell Snakemake that all files are as DVC's lock file says."""
    _require("dvc.lock")
    freshness.prepare_folders()
    if freshness.call("dvc", "status", "--json").strip() not in ("", "{}"):
        raise InputError("the files are not what dvc.lock says; run `dvc pull` (or `dvc checkout`) first, then adopt")
    freshness.call("snakemake", "--cores", "1", "--touch", "--forceall", "--quiet", "all")
    return "Snakemake now holds every file for up to date"


def take_over() -> None:
    """Free the locks of a run that was killed, and end what it left running.

    Only where the locks were taken on this machine and no run of this directory lives on it; else they stay, and
    Snakemake refuses to start.
    """
    os.environ[RUN] = str(os.getpid())
    locks = list(LOCKS.glob("*"))
    if not locks:
        return
    holder = HOLDER.read_text(encoding="utf-8").strip() if HOLDER.exists() else socket.gethostname()
    if holder != socket.gethostname():
        print(f"Locked by a run on {holder}. If it is dead: snakemake --unlock", file=sys.stderr)
        return
    runs = [seen for seen in _processes_here() if _is("snakemake", seen.command) and RUN not in seen.environment]
    if all(_abandoned(run) for run in runs):
        _end(runs)
        _end([seen for seen in _processes_here() if _orphaned(seen)])
        for lock in locks:
            lock.unlink(missing_ok=True)
        print("The last run here was killed; going on from what it left.", file=sys.stderr)


def sign_lock() -> None:
    """Note which machine holds the locks."""
    write_text(HOLDER, socket.gethostname())


@dataclass(frozen=True)
class _Seen:
    """A living process, with the command lines of it and of those above it."""

    process: psutil.Process
    command: list[str]
    environment: dict[str, str]
    above: list[list[str]]


def _processes_here() -> Iterator[_Seen]:
    """Processes whose working directory is this one, without us and those that started us."""
    here, own = os.getcwd(), {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in own and process.cwd() == here:
                above = [parent.cmdline() for parent in process.parents()]
                yield _Seen(process, process.cmdline(), process.environ(), above)


def _is(tool: str, command: list[str]) -> bool:
    return any(Path(word).name == tool for word in command[:3])


def _abandoned(run: _Seen) -> bool:
    """A stage of a `dvc repro` that is dead itself."""
    return "DVC_STAGE" in run.environment and not any(_is("dvc", command) for command in run.above)


def _orphaned(seen: _Seen) -> bool:
    """Started by a run that is dead."""
    run = seen.environment.get(RUN)
    return run is not None and int(run) != os.getpid() and not psutil.pid_exists(int(run))


def _end(found: list[_Seen]) -> None:
    processes = [seen.process for seen in found]
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def _require(name: str) -> None:
    if not Path(name).exists():
        raise InputError(f"no {name} here; run this in the root of the project" + _hint(name))


def _hint(name: str) -> str:
    return ", after `git pull`, or make the results with `snakemake --cores all`" if name == "dvc.lock" else ""
