"""The smoke graph from nothing, one job at a time: what the front end adds to the steps, and each step's memory.

A step's own time is the life of the shell that Snakemake starts for it; the rest is the front end's. The smoke graph
has the jobs of every arm of one seed, each as short as can be, so that the share of the front end is larger than at any
other scale. Memory is the largest that the kernel has seen of any process of a step.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks import noop, record
from benchmarks.record import ROOT

LOOK = 0.02  # seconds between two looks at the shells and what runs in them
LEAST = 1e-4  # share that the clocks can tell from none
sys.path.insert(0, str(ROOT / "tests"))


def measure() -> list[record.Row]:
    """The overhead, the two no-ops, and the largest memory of each step."""
    from checkout import Project

    with tempfile.TemporaryDirectory() as scratch:
        project = Project.laid_out(Path(scratch) / "project", "smoke")
        with open(Path(scratch) / "log", "wb") as log, project.started("snakemake", "--cores", "1", output=log) as run:
            seconds, steps, peaks = _lives(run)
        assert run.returncode == 0, (Path(scratch) / "log").read_text()[-2000:]
        project.run("asyncthink", "record")
        idle = noop.rows(project.directory)
    own, jobs = sum(steps), len(steps)
    overhead: record.Row = {
        "what": "pipeline overhead of the smoke graph on one core",
        "against": "the sum of the steps' own times",
        "goal": "≤ 0.1 of it",
        "ratio": max(seconds / own - 1, LEAST),
        "unit": "s",
        "ours": [seconds],
        "theirs": [own],
        "checked": "every rule ran, from an empty checkout to the report",
        "note": f"{jobs} jobs; the front end takes {(seconds - own) / jobs:.2f} s a job, its own start included, at any"
        " scale",
    }
    return [overhead, *idle, *(_memory(step, peak) for step, peak in peaks.items())]


def _lives(run: subprocess.Popen[bytes]) -> tuple[float, list[float], dict[str, float]]:
    """Seconds of a run on the wall, and of each shell that it starts; the largest MiB of a process of each step."""
    begin, front = time.time(), psutil.Process(run.pid)
    lives: dict[tuple[int, float], float] = {}
    peaks: dict[str, float] = {}
    while run.poll() is None:
        with suppress(psutil.NoSuchProcess, OSError):
            for shell in front.children():
                if shell.name() == "bash":
                    lives[shell.pid, shell.create_time()] = time.time()
                    for process in shell.children(recursive=True):
                        step = _step(process.cmdline())
                        peaks[step] = max(peaks.get(step, 0.0), _peak(process.pid))
        time.sleep(LOOK)
    peaks.pop("", None)
    return time.time() - begin, [seen - born for (_, born), seen in lives.items()], dict(sorted(peaks.items()))


def _step(command: list[str]) -> str:
    """`python -m asyncthink STEP ...`, or a notebook's, which draws figures; empty for what else runs."""
    if "asyncthink" in command[:-1]:
        return command[command.index("asyncthink") + 1]
    return "figures" if any("papermill" in word or "ipykernel" in word for word in command) else ""


def _peak(pid: int) -> float:
    """MiB, of the whole life of a process so far."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _memory(step: str, peak: float) -> record.Row:
    return {
        "what": f"largest memory of {step}, smoke",
        "against": "",
        "goal": "",
        "ratio": None,
        "unit": "MiB",
        "ours": [peak],
        "theirs": [],
        "checked": "as the kernel says of each process, seen every 20 ms",
    }


if __name__ == "__main__":
    record.main(measure)
