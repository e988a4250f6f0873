"""Which files of the graph are proved to be as they would be made now, and a stage of dvc.yaml that makes the others.

Snakemake compares a job's parameters, code and inputs with its record of the job. It takes a file without a record for
fresh, looks at contents only where time stamps ask for it, and does not know when DVC or Git put another version in
place. So a file counts as proved only if there is a record of this very file, all its inputs have the contents that
were recorded, and Snakemake itself would not make it again. Whatever else a stage finds is made anew: DVC then never
records new parameters beside old files.
"""

import csv
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import yaml
from snakemake.io import IOFile
from snakemake.persistence.file import FilePersistence

from asyncthink.errors import InputError
from asyncthink.files import sha256


@dataclass(frozen=True)
class Output:
    """A file that a rule makes, and whether Snakemake would make it again."""

    path: str
    rule: str
    pending: bool


def outputs() -> list[Output]:
    """Every output of the graph."""
    rows = csv.DictReader(call("snakemake", "--summary", "--nolock").splitlines(), delimiter="\t")
    return [Output(row["output_file"], row["rule"], row["plan"] == "update pending") for row in rows]


def unrecorded(made: Iterable[Output]) -> list[str]:
    """Those of which Snakemake has no record: it would hold them for fresh whatever changes."""
    records = FilePersistence(nolock=True)
    return [output.path for output in made if records.metadata(IOFile(output.path)) is None]


def unproved(made: Iterable[Output]) -> list[str]:
    """Those that Snakemake would make again, and those of which its records do not prove that it need not."""
    records = FilePersistence(nolock=True)
    return [output.path for output in made if output.pending or not _proved(Path(output.path), records)]


def _proved(path: Path, records: FilePersistence) -> bool:
    record = records.metadata(IOFile(str(path)))
    if record is None or record.input is None or not path.exists() or record.endtime != path.stat().st_mtime:
        return False
    contents = record.input_checksums or {}
    return all(contents.get(name, "unknown") == _content(name) for name in record.input)


@cache
def _content(name: str) -> str | None:
    """The content of an input as Snakemake records it."""
    return f"sha256:{sha256(name)}" if Path(name).exists() else None


def run_stage(name: str) -> NoReturn:
    """What a stage of dvc.yaml calls: Snakemake makes what is not proved of its rule, in place of this process."""
    prepare_folders(name)
    made = [output for output in outputs() if output.rule == name]
    stale = unproved(made)
    if not stale:
        print(f"{name}: all {len(made)} files are as they would be made now")
        sys.exit(0)
    leaf = ["--cores", "all", "--allowed-rules", name, "--force", "--", *stale]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *leaf])


def prepare_folders(*names: str) -> None:
    """Make the folders of some stages of dvc.yaml, or of all: one that stays empty is an output too."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    if missing := set(names) - set(stages):
        raise InputError(f"no stage {missing.pop()} in dvc.yaml; there are {', '.join(stages)}")
    for stage in (stages[name] for name in names or stages):
        for out in stage["outs"]:
            path = Path(out if isinstance(out, str) else next(iter(out)))
            (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)


def call(*command: str) -> str:
    """Run a tool of this environment; what it says when it fails is the error."""
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode:
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith((" ", "Using workflow"))]
        raise InputError(f"{command[0]} failed: {' '.join(lines[-2:]) or done.returncode}")
    return done.stdout
