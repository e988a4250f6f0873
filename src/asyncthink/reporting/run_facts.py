"""Where and with what a report was made: the one part of it that differs from run to run."""

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pandas as pd

from asyncthink.errors import InputError

PACKAGES = ("asyncthink", "torch", "transformers", "trl", "numpy", "pandas", "matplotlib", "snakemake", "dvc")


@dataclass(frozen=True)
class Duration:
    """One step of the graph, all its jobs together: seconds of wall clock, and the most memory that one took."""

    step: str
    jobs: int
    seconds: float
    megabytes: float


def facts() -> dict[str, str]:
    """Commit, hardware and versions, as far as this machine tells."""
    return {
        "Commit": commit(),
        "Processor": f"{processor()}, {len(os.sched_getaffinity(0))} cores usable",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "GPU": gpu(),
        "Python": platform.python_version(),
        "Packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def commit() -> str:
    """The commit of the checkout, and whether tracked files differ from it."""
    head = _said("git", "rev-parse", "HEAD")
    if not head:
        return "not a git checkout"
    return f"{head} with changes" if _said("git", "status", "--porcelain", "--untracked-files=no") else head


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def gpu() -> str:
    """The GPUs' names, or none."""
    names = _said("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    return ", ".join(names) or "none"


def version(package: str) -> str:
    """An installed version."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def durations(paths: Iterable[Path]) -> list[Duration]:
    """Snakemake's benchmark files, .../times/STEP/....tsv, summed by step."""
    jobs: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        try:
            step = path.parts[path.parts.index("times") + 1]
            job = pd.read_csv(path, sep="\t")[["s", "max_rss"]].apply(pd.to_numeric, errors="coerce").fillna(0.0)
        except (ValueError, LookupError):
            raise InputError(f"{path}: not what a job took, .../times/STEP/*.tsv, as Snakemake writes it") from None
        jobs.setdefault(step, []).append(job)
    steps = {step: pd.concat(rows) for step, rows in jobs.items()}
    return [Duration(step, len(rows), rows.s.sum(), rows.max_rss.max()) for step, rows in steps.items()]


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
