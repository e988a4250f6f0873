"""The smoke graph from nothing, one job at a time: what the front end adds to the steps, and each step's memory.

A step's own time is what its rule's `benchmark:` file says, its start included. The smoke graph has the jobs of every
arm of one seed, each as short as can be, so that the share of the front end is larger than at any other scale.
"""

import csv
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks import noop, record, timing

SEEN = 5.0  # seconds: Snakemake looks at the memory of a shorter job too seldom to say anything of it
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def measure() -> list[record.Row]:
    """The overhead, the two no-ops, and the largest memory of each step."""
    from checkout import Project

    with tempfile.TemporaryDirectory() as scratch:
        project = Project.laid_out(Path(scratch) / "project", "smoke")
        seconds = timing.wall(lambda: project.run("snakemake", "--cores", "1"))
        steps = _steps(project.directory / "results" / "times")
        project.run("asyncthink", "record")
        idle = noop.rows(project.directory)
    own = sum(sum(times) for times, _ in steps.values())
    jobs = sum(len(times) for times, _ in steps.values())
    overhead: record.Row = {
        "what": f"pipeline overhead of the smoke graph, {jobs} jobs on one core",
        "against": "the sum of the steps' own times",
        "goal": "≤ 0.1 of it",
        "ratio": seconds / own - 1,
        "unit": "s",
        "ours": [seconds],
        "theirs": [own],
        "checked": "every rule ran, from an empty checkout to the report",
        "note": f"smoke steps are short; the front end takes {(seconds - own) / jobs:.1f} s a job at any scale",
    }
    seen = {step: max(peaks) for step, (times, peaks) in sorted(steps.items()) if max(times) > SEEN}
    return [overhead, *idle, *(_memory(step, peak) for step, peak in seen.items())]


def _steps(folder: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds and MiB of all jobs of each step."""
    steps: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for path in sorted(folder.rglob("*.tsv")):
        times, peaks = steps[path.relative_to(folder).parts[0].removesuffix(".tsv")]
        with open(path, encoding="utf-8") as table:
            for row in csv.DictReader(table, delimiter="\t"):
                times.append(float(row["s"]))
                peaks.append(0.0 if row["max_rss"] == "NA" else float(row["max_rss"]))
    return steps


def _memory(step: str, peak: float) -> record.Row:
    return {
        "what": f"largest memory of {step}, smoke",
        "against": "",
        "goal": "",
        "ratio": None,
        "unit": "MiB",
        "ours": [peak],
        "theirs": [],
        "checked": "as the rule's benchmark file says",
    }


if __name__ == "__main__":
    record.main(measure)
