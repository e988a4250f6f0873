"""`asyncthink schedule` and `asyncthink measure`, as a script calls them: 10,000 episodes of 50 events each.

Seconds are of the whole command, its start and its reading and writing of JSON included. An episode of 50 events has
about twelve workers and takes some 10 kB as a record. `measure` is timed on a tenth of them and told for all.
"""

import json
import sys
import tempfile
from pathlib import Path

from asyncthink import episode
from asyncthink.schedule import contract
from benchmarks import record, synthetic, timing

EPISODES, EVENTS, CAPACITY = 10_000, 50, 4
FEW, SOME = 100, 600  # that `measure` reads
REPEATS = 3
COMMAND = (sys.executable, "-m", "asyncthink")


def measure() -> list[record.Row]:
    """Processor seconds of each command."""
    with tempfile.TemporaryDirectory() as folder:
        plans, episodes = Path(folder) / "plans.jsonl", Path(folder) / "episodes.jsonl"
        drawn = [synthetic.plan(index, EVENTS, CAPACITY) for index in range(EPISODES)]
        plans.write_text("".join(json.dumps(plan) + "\n" for plan in drawn))
        assert not any(contract(plan)["format_error"] for plan in drawn)
        scheduled = [timing.of_command([*COMMAND, "schedule", plans]) for _ in range(REPEATS)]
        measured = [_told(*(_measured(episodes, count) for count in (FEW, SOME))) for _ in range(REPEATS)]
    return [
        _row("schedule", scheduled, "every plan is one without a format error", ""),
        _row(
            "measure",
            measured,
            "the command computes schedule and score again and refuses a record that contradicts them",
            "`measure` reads JSON whose keys may not come twice, and checks the types of every record",
        ),
    ]


def _measured(path: Path, count: int) -> float:
    """Seconds of `asyncthink measure` on so many episodes."""
    episode.write(path, (synthetic.episode(index, EVENTS, CAPACITY) for index in range(count)))
    return timing.of_command([*COMMAND, "measure", path])


def _told(few: float, some: float) -> float:
    """The seconds of all episodes: the command's start, and what each one adds."""
    return few + (some - few) / (SOME - FEW) * (EPISODES - FEW)


def _row(command: str, seconds: list[float], checked: str, note: str) -> record.Row:
    return {
        "what": f"asyncthink {command}: {EPISODES:,} episodes of {EVENTS} events",
        "against": "",
        "goal": "≤ 1 s",
        "ratio": None,
        "unit": "CPU s",
        "ours": seconds,
        "theirs": [],
        "checked": checked,
        "note": note,
    }


if __name__ == "__main__":
    record.main(measure)
