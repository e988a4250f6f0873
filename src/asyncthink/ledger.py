"""Two ledgers of one graph: Snakemake's provenance and DVC's lock file.

Each tool knows by itself what is stale. `record` writes into dvc.lock what a Snakemake run made, `adopt` tells
Snakemake that the files DVC brought are up to date, and each of them refuses unless the other tool has nothing left to
do: a ledger that was written beside stale files would call them fresh for ever. Nothing else writes dvc.lock.
"""

import re
import subprocess
import sys
from pathlib import Path

from asyncthink import stages
from asyncthink.errors import InputError
from asyncthink.files import replacing

LOCK = Path("dvc.lock")


def record() -> str:
    """Write what Snakemake made into dvc.lock; a DVC that a killed `record` left writing is waited for."""
    _require("dvc.yaml")
    steps = pending()
    if steps:
        raise InputError(f"{_listed(steps)} not up to date; run `snakemake --cores all` first, then record")
    if not stages.are_current(Path()):
        raise InputError(
            "dvc.yaml is not of this Snakefile and params.yaml; run `asyncthink stages` first, then record"
        )
    _commit()
    return "dvc.lock now holds what Snakemake made; commit dvc.lock and metrics, and `dvc push` to share the rest"


def _commit() -> None:
    """Write dvc.lock anew: where a kill cut it off, DVC could not read it. It stays as it was if DVC fails."""
    before = LOCK.read_bytes() if LOCK.exists() else None
    LOCK.unlink(missing_ok=True)
    try:
        _call("dvc", "--wait-for-lock", "commit", "--force", "--quiet")
    except InputError:
        if before is not None:
            with replacing(LOCK) as place:
                place.write_bytes(before)
        raise


def adopt() -> str:
    """Tell Snakemake that all files are as DVC's lock file says."""
    _require("dvc.lock")
    if _call("dvc", "status", "--json").strip() not in ("", "{}"):
        raise InputError("the files are not what dvc.lock says; run `dvc pull` (or `dvc checkout`) first, then adopt")
    _call("snakemake", "--cores", "1", "--touch", "--forceall", "--quiet", "all")
    return "Snakemake now holds every file for up to date"


def pending() -> dict[str, int]:
    """What a Snakemake run would do now: {"grpo": 4, ...}, empty when everything is up to date."""
    return jobs_by_rule(_call("snakemake", "--dry-run", "--quiet", "rules", "--nolock"))


def jobs_by_rule(dry_run: str) -> dict[str, int]:
    """The counts in the job table of `snakemake --dry-run`."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)^total", dry_run, re.DOTALL | re.MULTILINE)
    rows = (line.split() for line in table[1].splitlines()) if table else ()
    return {rule: int(count) for rule, count in rows if rule != "all"}


def _require(name: str) -> None:
    if not Path(name).exists():
        raise InputError(f"no {name} here; run this in the root of the project" + _hint(name))


def _hint(name: str) -> str:
    return ", after `git pull`, or make the results with `snakemake --cores all`" if name == "dvc.lock" else ""


def _listed(steps: dict[str, int]) -> str:
    return f"{sum(steps.values())} steps ({', '.join(steps)}) are"


def _call(*command: str) -> str:
    """Run a tool of this environment; what it says when it fails is the error."""
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode:
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith((" ", "Using workflow"))]
        raise InputError(f"{command[0]} failed: {' '.join(lines[-2:]) or done.returncode}")
    return done.stdout
