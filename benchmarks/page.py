"""The page of recorded episodes: seconds, memory and size an episode, told for 100,000 of them.

Episodes have eight events, as nano's have. The report is not here: it reads tables, whose size does not depend on how
many episodes are behind them.
"""

import sys
import tempfile
from pathlib import Path

from asyncthink import episode
from benchmarks import record, synthetic, timing

MANY = 100_000
FEW, SOME = 1_000, 4_000
EVENTS, CAPACITY = 8, 3


def measure() -> list[record.Row]:
    """Three rows, each from the difference of two sizes."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        few, some = (_made(folder, count) for count in (FEW, SOME))

    def told(one: float, other: float) -> float:
        return one + (other - one) / (SOME - FEW) * (MANY - FEW)

    values = {
        "CPU s": told(few[0].seconds, some[0].seconds),
        "MiB of memory": told(few[0].peak_mib, some[0].peak_mib),
        "MiB of HTML": told(few[1], some[1]),
    }
    return [_row(unit, value) for unit, value in values.items()]


def _made(folder: Path, count: int) -> tuple[timing.Spent, float]:
    """What the page of so many episodes took, and its size in MiB."""
    episodes, page = folder / "episodes.jsonl", folder / "page.html"
    episode.write(episodes, (synthetic.episode(index, EVENTS, CAPACITY) for index in range(count)))
    spent = timing.of_process([sys.executable, "-m", "asyncthink", "page", episodes, "-o", page])
    return spent, page.stat().st_size / 2**20


def _row(unit: str, value: float) -> record.Row:
    return {
        "what": f"the page of {MANY:,} episodes",
        "against": "",
        "goal": "",
        "ratio": None,
        "unit": unit,
        "ours": [value],
        "theirs": [],
        "checked": f"the command writes the pages of {FEW:,} and {SOME:,} episodes",
    }


if __name__ == "__main__":
    record.main(measure)
