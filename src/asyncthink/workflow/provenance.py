"""What the records of a reference were made by: one commit, one params.yaml, and files that are what they were.

The manifest stands in the folder of the reference. A record carries none of it, for the same code and parameters make
the same bytes whatever the commit is called; `asyncthink reference` writes down what git and Snakemake know.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from asyncthink.config.params import Params
from asyncthink.errors import InputError
from asyncthink.files import sha256, write_json
from asyncthink.workflow import freshness, graph
from asyncthink.workflow.records import Records, difference

MANIFEST = "manifest.json"
MAKERS = tuple(takewhile(lambda step: step not in ("claims", "tables"), graph.READS))  # the steps before a record
WRITTEN = ("metrics", "README.md", "dvc.lock", "dvc.yaml", "params.yaml")  # what is not code


@dataclass(frozen=True)
class Record:
    """A file of the reference: the commit whose code trained or decoded it, and the hash of its content."""

    commit: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """params: those of every record, without the seeds; code: the hash of each step's sources, None where unknown."""

    params: Mapping[str, Any]
    seeds: tuple[int, ...]
    code: Mapping[str, str] | None
    records: Mapping[str, Record]

    @property
    def commits(self) -> list[str]:
        """The commits that its records are of."""
        return sorted({record.commit for record in self.records.values()})

    def write(self, folder: Path) -> None:
        """Put it into the folder of the reference."""
        write_json(folder / MANIFEST, asdict(self))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a reference; None where there is no reference yet."""
    if not folder.exists():
        return None
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        records = {name: Record(**record) for name, record in raw["records"].items()}
        return Manifest(raw["params"], tuple(raw["seeds"]), raw["code"], records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / MANIFEST}: not a manifest ({error}), so nothing says what made the records beside it;"
            f" remove {folder} to begin a new reference"
        ) from None


def shared(params: Params) -> dict[str, Any]:
    """What all seeds of a reference have in common: params.yaml without its seeds, as JSON gives it back."""
    mapping = json.loads(json.dumps(params.to_mapping()))
    return {key: value for key, value in mapping.items() if key != "seeds"}


def current_commit() -> str:
    """The commit that is checked out, whose code made everything here; of params.yaml the manifest holds all.

    InputError where a file was changed and not committed, where a step before the records is not up to date, or where
    Snakemake has no record of what it made: that it would hold for fresh, whatever code it is of.
    """
    commit = _git("rev-parse", "HEAD").strip()
    excluded = [f":(exclude){name}" for name in WRITTEN]
    changed = _git("status", "--porcelain", "--untracked-files=all", "--", ".", *excluded).splitlines()
    if changed:
        raise InputError(f"{changed[0][3:]} is not as commit {commit[:7]} has it; commit it, run again, then reference")
    made = [output for output in freshness.outputs() if output.rule in MAKERS]
    if stale := sorted({output.rule for output in made if output.pending}):
        raise InputError(
            f"{', '.join(stale)}: not up to date, so the records are not all of this code; run `snakemake`"
        )
    if brought := freshness.unrecorded(made):
        raise InputError(
            f"{brought[0]} is not from a run here; if DVC brought it, run `asyncthink adopt`, then reference"
        )
    return commit


def check_kept(manifest: Manifest, folder: Path, params: Params, commit: str) -> None:
    """InputError unless a reference is whole and of the same parameters and commit as the run that joins it."""
    for name, record in manifest.records.items():
        if not (folder / name).is_file() or sha256(folder / name) != record.sha256:
            raise InputError(f"{folder / name}: not what {MANIFEST} says; `git checkout {folder}` brings it back")
    if manifest.params != shared(params):
        key = difference(manifest.params, shared(params))
        raise InputError(f"{folder} is of other parameters than this run: {key}; remove it to begin a new reference")
    if manifest.commits != [commit]:
        said = ", ".join(other[:7] for other in manifest.commits)
        raise InputError(
            f"{folder} is of commit {said} and this run of {commit[:7]}: a reference is of one commit; run its seeds"
            f" {', '.join(map(str, manifest.seeds))} here too, and remove it to begin a new one"
        )


def described(folder: Path, records: Records, params: Params, commit: str) -> Manifest:
    """The manifest of the records that lie in a folder, all of one commit."""
    made = {name.as_posix(): Record(commit, sha256(folder / name)) for name in records.all}
    return Manifest(shared(params), records.seeds, {step: graph.code(step) for step in MAKERS}, made)


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"git {words[0]} failed: {reason}; a reference says which commit made it")
    return done.stdout
