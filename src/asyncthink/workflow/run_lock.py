"""Who runs steps in this directory: locks that die with their holder, so no process is ever looked for or killed.

* A run holds RUN from its start to its end. Reading the graph (`snakemake -n`, `dvc status`) holds nothing.
* The shell of each step holds a file of its own in STEPS until the last of its processes has ended. After a run that
  was killed, the next one starts nothing before that. On the run's machine it is soon: steps end with their run.
* A step that keeps states holds the lock beside its scratch folder (training/checkpoints.py), which also keeps apart
  steps that were started by hand.
"""

import fcntl
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from asyncthink.errors import InputError
from asyncthink.locks import acquire

RUN = Path(".snakemake/run.lock")
HERE = "this directory"
STEPS = Path(".snakemake/steps")
SNAKEMAKE = Path(".snakemake/locks")  # Snakemake's own, which outlive it
STARTED_BY = "ASYNCTHINK_RUN"  # in the environment of a step: the lock of the run on this machine that started it
PATIENCE = 60.0  # seconds: a run that was killed takes its steps along, and a stage of DVC is often short
ENDED = 75  # exit code of a step whose run has ended: try again (EX_TEMPFAIL)

# In front of the command of each step; doubled braces are for Snakemake.
SHELL = (
    f'mkdir -p {STEPS}; exec 9>"{STEPS}/$HOSTNAME.$$"; '
    "python -IS -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'; "
    "echo \"process $$ on $HOSTNAME${{SLURM_JOB_ID:+, SLURM job $SLURM_JOB_ID}}, since $(date '+%F %H:%M')\" >&9; "
)


def left_at_work() -> list[str]:
    """Steps that have outlived their run. To be asked by the holder of RUN; the files of all others are removed."""
    alive = []
    for path in sorted(STEPS.glob("*")):
        try:
            with FileLock(path, blocking=False):
                path.unlink()
        except Timeout:
            alive.append(path.read_text(encoding="utf-8").strip())
    return alive


def unlock(patience: float = 0.0) -> bool:
    """Free what a run that was killed has left; whether there was something. InputError while a run or a step lives."""
    run = acquire(RUN, patience, HERE)
    try:
        return _freed(patience)
    finally:
        run.release()


def _freed(patience: float) -> bool:
    """What `unlock` does, by the holder of RUN."""
    deadline = time.monotonic() + patience
    while alive := left_at_work():
        if time.monotonic() >= deadline:
            raise InputError(
                f"a step of a run that has ended is still at work: {'; '.join(alive)}. Wait until it ends, or end it,"
                " then the same command goes on"
            )
        time.sleep(0.2)
    stale = list(SNAKEMAKE.glob("*"))
    for lock in stale:
        lock.unlink(missing_ok=True)
    return bool(stale)


class Guard(logging.Handler):
    """Takes the directory for a run of Snakemake when it starts, before Snakemake looks at its own locks."""

    def emit(self, record: logging.LogRecord) -> None:
        """Snakemake tells this event when it is to run something, and when it is only to read the graph it does not."""
        if getattr(record, "event", None) != "workflow_started":
            return
        from snakemake.exceptions import WorkflowError

        try:
            self.held = acquire(RUN, PATIENCE, HERE)
            if _freed(PATIENCE):
                print("The last run here was killed; going on from what it left.", file=sys.stderr)
        except InputError as error:
            raise WorkflowError(str(error)) from None
        os.environ[STARTED_BY] = str(RUN.resolve())


def guard(workflow: Any) -> None:
    """Let a real run of the graph hold this directory; reading the graph changes nothing."""
    from snakemake.logging import logger

    if not workflow.is_main_process:
        os.environ.pop(STARTED_BY, None)  # a cluster's job may outlive the run that submitted it
    elif not workflow.output_settings.dryrun:
        logger.addHandler(Guard())


def end_with_run() -> None:
    """Let this step end as soon as the run that started it has ended. Its states are whole, as after any kill."""
    if STARTED_BY in os.environ:
        threading.Thread(target=_follow, args=[os.environ[STARTED_BY]], daemon=True).start()


def _follow(run: str) -> None:
    with open(run, encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # comes back when the run has ended
        print("the run that started this step has ended, and so does the step", file=sys.stderr, flush=True)
        os._exit(ENDED)
