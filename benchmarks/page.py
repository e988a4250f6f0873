"""The page of a recording of more episodes than it shows: how long it takes, how much memory, how large it is.

The command shows as many as a browser opens without a wait, says so, and reads one line beyond them, so that a
recording of one more is as good as one of 100,000. Episodes have eight events, as nano's have. The report is not here:
it reads tables, whose size does not depend on the number of episodes.
"""

import sys
import tempfile
from pathlib import Path

from asyncthink import episode
from asyncthink.cli.page import MOST
from benchmarks import record, synthetic, timing

REPEATS = 3
EVENTS, CAPACITY = 8, 3
GOALS = {"CPU s": "≤ 10 s", "MiB of memory": "≤ 1024 MiB", "MiB of HTML": "≤ 50 MiB"}


def measure() -> list[record.Row]:
    """Three rows."""
    with tempfile.TemporaryDirectory() as scratch:
        episodes, page = Path(scratch) / "episodes.jsonl", Path(scratch) / "page.html"
        episode.write(episodes, (synthetic.episode(index, EVENTS, CAPACITY) for index in range(MOST + 1)))
        command = [sys.executable, "-m", "asyncthink", "page", episodes, "-o", page]
        spent = [timing.of_process(command) for _ in range(REPEATS)]
        size = page.stat().st_size / 2**20
    values = {
        "CPU s": [one.seconds for one in spent],
        "MiB of memory": [one.peak_mib for one in spent],
        "MiB of HTML": [size],
    }
    return [_row(unit, measured) for unit, measured in values.items()]


def _row(unit: str, values: list[float]) -> record.Row:
    return {
        "what": f"the page of 100,000 episodes, of which it shows {MOST:,}, {unit}",
        "against": "",
        "goal": GOALS[unit],
        "ratio": None,
        "unit": unit,
        "ours": values,
        "theirs": [],
        "checked": "the command's own page",
        "note": f"measured on {MOST + 1:,} episodes, as the command reads no further; of the report for 100,000 there"
        " is no row: it reads tables, whose size does not depend on the number of episodes",
    }


if __name__ == "__main__":
    record.main(measure)
