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
SHARE = 10  # `measure` reads every tenth
REPEATS = 3
COMMAND = (sys.executable, "-m", "asyncthink")


def measure() -> list[record.Row]:
    """Processor seconds of each command."""
    with tempfile.TemporaryDirectory() as folder:
        plans, episodes = Path(folder) / "plans.jsonl", Path(folder) / "episodes.jsonl"
        drawn = [synthetic.plan(index, EVENTS, CAPACITY) for index in range(EPISODES)]
        plans.write_text("".join(json.dumps(plan) + "\n" for plan in drawn))
        assert not any(contract(plan)["format_error"] for plan in drawn)
        episode.write(episodes, (synthetic.episode(index, EVENTS, CAPACITY) for index in range(EPISODES // SHARE)))
        scheduled = [timing.of_command([*COMMAND, "schedule", plans]) for _ in range(REPEATS)]
        start = timing.of_command([*COMMAND, "measure", "--help"])
        measured = [timing.of_command([*COMMAND, "measure", episodes]) for _ in range(REPEATS)]
    return [
        _row("schedule", scheduled, "every plan is one without a format error", ""),
        _row(
            "measure",
            [start + SHARE * (seconds - start) for seconds in measured],
            "the command computes schedule and score again and refuses a record that contradicts them",
            "reading JSON in which no key may come twice takes 1.4 s of it, checking the records' types 2.2 s",
        ),
    ]


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
