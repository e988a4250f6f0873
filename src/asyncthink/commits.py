"""Which commit last changed a rule, the code that judges by it, or the records: asked of git, never typed in."""

import inspect
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from asyncthink.evaluation import frontier, metrics, statistics, verdicts
from asyncthink.evaluation.claims import CLAIMS, Commits
from asyncthink.provenance import MANIFEST, read_manifest

JUDGING = (statistics, verdicts, metrics, frontier)
UNCOMMITTED = "uncommitted"


def of_rules(records: Path | None = None) -> Commits:
    """The commits of all rules and of what judges, and of a folder of records if there is one."""
    rules = {name: of_function(claim.find) for name, claim in CLAIMS.items()}
    return Commits(rules, of_files(*(_source(module) for module in JUDGING)), records and of_records(records))


def of_records(folder: Path) -> str | None:
    """The commits whose code made a reference, from its manifest; of other records the newest that changed them."""
    if not (folder / MANIFEST).is_file():
        return of_files(folder)
    return ", ".join(commit[:7] for commit in read_manifest(folder).commits)


def of_function(function: Callable[..., Any]) -> str | None:
    """The newest commit among those that wrote the lines of a function."""
    lines, first = inspect.getsourcelines(function)
    path = _source(function)
    told = _git(path.parent, "blame", "--porcelain", "-L", f"{first},+{len(lines)}", "--", path.name)
    if not told:
        return None
    hashes = re.findall(r"^([0-9a-f]{40}) \d+ \d+ \d+$", told, re.MULTILINE)
    times = re.findall(r"^committer-time (\d+)$", told, re.MULTILINE)
    if any(set(commit) == {"0"} for commit in hashes):
        return UNCOMMITTED
    newest = dict(zip(map(int, times), dict.fromkeys(hashes), strict=True))
    return newest[max(newest)][:7]


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
