"""The smoke graph from nothing, one job at a time: what the front end adds to the steps, and each step's memory.

A step's own time is the life of the shell that Snakemake starts for it; the rest is the front end's. The smoke graph
has the jobs of every arm of one seed, each as short as can be, so that the share of the front end is larger than at any
other scale. Memory is what a rule's `benchmark:` file says.
"""

import csv
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks import noop, record

SEEN = 5.0  # seconds: Snakemake looks at the memory of a shorter job too seldom to say anything of it
LOOK = 0.02  # seconds between two looks at the shells
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def measure() -> list[record.Row]:
    """The overhead, the two no-ops, and the largest memory of each step."""
    from checkout import Project

    with tempfile.TemporaryDirectory() as scratch:
        project = Project.laid_out(Path(scratch) / "project", "smoke")
        with open(Path(scratch) / "log", "wb") as log, project.started("snakemake", "--cores", "1", output=log) as run:
            seconds, steps = _lives(run)
        assert run.returncode == 0, (Path(scratch) / "log").read_text()[-2000:]
        peaks = _peaks(project.directory / "results" / "times")
        project.run("asyncthink", "record")
        idle = noop.rows(project.directory)
    own, jobs = sum(steps), len(steps)
    overhead: record.Row = {
        "what": f"pipeline overhead of the smoke graph, {jobs} jobs on one core",
        "against": "the sum of the steps' own times",
        "goal": "≤ 0.1 of it",
        "ratio": seconds / own - 1,
        "unit": "s",
        "ours": [seconds],
        "theirs": [own],
        "checked": "every rule ran, from an empty checkout to the report",
        "note": f"the front end takes {(seconds - own) / jobs:.2f} s a job, its own start included, at any scale",
    }
    return [overhead, *idle, *(_memory(step, peak) for step, peak in peaks.items())]


def _lives(run: subprocess.Popen[bytes]) -> tuple[float, list[float]]:
    """Seconds of a run on the wall, and of each shell that it starts."""
    begin, front = time.time(), psutil.Process(run.pid)
    lives: dict[tuple[int, float], float] = {}
    while run.poll() is None:
        with suppress(psutil.NoSuchProcess):
            for child in front.children():
                if child.name() == "bash":
                    lives[child.pid, child.create_time()] = time.time()
        time.sleep(LOOK)
    return time.time() - begin, [seen - born for (_, born), seen in lives.items()]


def _peaks(folder: Path) -> dict[str, float]:
    """The largest MiB of each step whose jobs are long enough for Snakemake to say anything of it."""
    steps: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, encoding="utf-8") as table:
            for row in csv.DictReader(table, delimiter="\t"):
                peak = 0.0 if row["max_rss"] == "NA" else float(row["max_rss"])
                steps[path.relative_to(folder).parts[0].removesuffix(".tsv")].append((float(row["s"]), peak))
    return {step: max(peak for _, peak in jobs) for step, jobs in steps.items() if max(jobs)[0] > SEEN}


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
