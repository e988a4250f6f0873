"""Seconds of two sides, taken in turns."""

import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median


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


def of_command(command: Sequence[str | Path], directory: Path | None = None) -> float:
    """Processor seconds of a command and all that it starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(list(map(str, command)), cwd=directory, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
