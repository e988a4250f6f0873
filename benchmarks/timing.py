"""Seconds of two sides, taken in turns."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

STARTER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
open(sys.argv[1], "w").write(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss}")
sys.exit(code)
"""


def cpu(call: Callable[[], object]) -> float:
    """Processor seconds of this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def wall(call: Callable[[], object]) -> float:
    """Seconds on the clock."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Spent:
    """What a process took: processor seconds, with those of the children that it waited for, and its largest memory."""

    seconds: float
    peak_mib: float


def of_process(command: Sequence[str | Path], directory: Path | None = None) -> Spent:
    """A command's whole life; CalledProcessError, with what it printed last, where it fails.

    A small process starts it: a child's largest memory begins with that of the process that it was split from.
    """
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as spent:
        words = [sys.executable, "-c", STARTER, spent.name, *map(str, command)]
        code = subprocess.run(words, cwd=directory, stdout=output, stderr=output).returncode
        if code:
            output.seek(0)
            raise subprocess.CalledProcessError(code, words[4:], output.read()[-2000:].decode())
        seconds, kib = map(float, spent.read().split())
    return Spent(seconds, kib / 1024)


def of_command(command: Sequence[str | Path], directory: Path | None = None) -> float:
    """Processor seconds of a command and all that it starts and waits for."""
    return of_process(command, directory).seconds


def alternating(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    repeats: int,
    seconds: Callable[[Callable[[], object]], float] = cpu,
) -> tuple[list[float], list[float]]:
    """One after the other, `repeats` times, so that what else runs on the machine meets both."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    return [own for own, _ in pairs], [other for _, other in pairs]


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of neighbours: a slow moment of the machine is in both."""
    return median(a / b for a, b in zip(above, below, strict=True))
