"""Which commit last changed a rule, the code that judges by it, or the records: asked of git, never typed in."""

import inspect
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from asyncthink.evaluation import evidence, frontier, histories, metrics, recordings, statistics, verdicts
from asyncthink.evaluation.claims import CLAIMS, Commits
from asyncthink.workflow.provenance import MANIFEST, read_manifest

JUDGING = (statistics, verdicts, metrics, frontier, histories, evidence, recordings)
UNCOMMITTED = "uncommitted"


def of_rules(records: Path | None = None) -> Commits:
    """The commits of the modules that hold the rules, of what judges by all of them, and of a folder of records."""
    rules = {name: of_files(_source(claim.find)) for name, claim in CLAIMS.items()}
    judging = of_files(*(_source(module) for module in JUDGING))
    return Commits(rules, judging, of_records(records) if records else None)


def of_records(folder: Path) -> str | None:
    """The commits whose code made a reference, from its manifest; of other records the newest that changed them."""
    manifest = read_manifest(folder) if (folder / MANIFEST).is_file() else None
    return ", ".join(commit[:7] for commit in manifest.commits) if manifest else of_files(folder)


def of_files(*paths: Path) -> str | None:
    """The newest commit that changed one of some files or folders; `uncommitted` where they differ from it."""
    folder, names = paths[0].resolve().parent, [str(path.resolve()) for path in paths]
    changed = _git(folder, "status", "--porcelain", "--", *names)
    if changed is None:
        return None
    if changed.strip():
        return UNCOMMITTED
    return (_git(folder, "log", "-1", "--format=%h", "--", *names) or "").strip() or None


def _source(code: Callable[..., Any] | ModuleType) -> Path:
    return Path(inspect.getsourcefile(code) or "").resolve()


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says in a folder; None outside of a checkout or without git."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
