"""Two ledgers of one graph: Snakemake's provenance and DVC's lock file.

Each tool knows by itself what is stale. `record` writes into dvc.lock what a Snakemake run made, `adopt` tells
Snakemake that the files DVC brought are up to date, and each of them refuses unless the other tool has nothing left to
do: a ledger that was written beside stale files would call them fresh for ever. Nothing else writes dvc.lock.
"""

from pathlib import Path

from asyncthink.errors import InputError
from asyncthink.files import replacing
from asyncthink.workflow import freshness

LOCK = Path("dvc.lock")


def record() -> str:
    """Write what Snakemake made into dvc.lock; a DVC that a killed `record` left writing is waited for."""
    _require("dvc.yaml")
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
    """Write dvc.lock anew: where a kill cut it off, DVC could not read it.

    It stays as it was if DVC fails, or is interrupted.
    """
    before = LOCK.read_bytes() if LOCK.exists() else None
    LOCK.unlink(missing_ok=True)
    try:
        freshness.call("dvc", "--wait-for-lock", "commit", "--force", "--quiet")
    except BaseException:
        if before is not None:
            with replacing(LOCK) as temporary:
                temporary.write_bytes(before)
        raise


def adopt() -> str:
    """Tell Snakemake that all files are as DVC's lock file says."""
    _require("dvc.lock", "; get it with `git pull`, or make the results with `snakemake --cores all`")
    freshness.prepare_folders()
    if freshness.call("dvc", "status", "--json").strip() not in ("", "{}"):
        raise InputError("the files are not what dvc.lock says; run `dvc pull` (or `dvc checkout`) first, then adopt")
    freshness.call("snakemake", "--cores", "1", "--touch", "--forceall", "--quiet", "all")
    return "Snakemake now holds every file for up to date"


def _require(name: str, hint: str = "") -> None:
    if not Path(name).exists():
        raise InputError(f"no {name} here{hint}")
