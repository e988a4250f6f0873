"""`asyncthink schedule` and `asyncthink measure`, as a script calls them: 10,000 episodes of 50 events each.

Seconds are of the whole command, its start and its reading and writing of JSON included. An episode of 50 events has
about twelve workers and takes some 10 kB as a record. `measure` is timed on 100 and on 1,600, and told for all.
"""

import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from asyncthink import episode
from asyncthink.schedule import contract
from benchmarks import record, synthetic, timing

EPISODES, EVENTS, CAPACITY = 10_000, 50, 4
FEW, SOME = 100, 1_600  # that `measure` reads
REPEATS = 3
TRIED = (
    "Tried: lines that orjson writes back as they came, in place of a look at every pair of keys, took reading from 242"
    " to 39 microseconds; texts parsed once and solutions graded once, a whole pass from 1,811 to 792; no import of"
    " transformers, the start from 2.6 to 1.5 s; weights of the branch predictor read and not fitted, 0.5 s; segments"
    " that are whole at first sight taken so, answers graded once a text and tags found by their first character, an"
    " episode from 953 to 544 microseconds. Records read by pydantic, types and all, were no faster, and without the"
    " garbage collector nothing changed. Of what is left, the types of a record and its texts' actions take most"
)
COMMAND = (sys.executable, "-m", "asyncthink")


def measure() -> list[record.Row]:
    """Processor seconds of each command."""
    with tempfile.TemporaryDirectory() as folder:
        plans, episodes = Path(folder) / "plans.jsonl", Path(folder) / "episodes.jsonl"
        drawn = [synthetic.plan(index, EVENTS, CAPACITY) for index in range(EPISODES)]
        plans.write_text("".join(json.dumps(plan) + "\n" for plan in drawn))
        assert not any(contract(plan)["format_error"] for plan in drawn)
        scheduled = [timing.of_command([*COMMAND, "schedule", plans]) for _ in range(REPEATS)]
        pairs = [(_measured(episodes, FEW), _measured(episodes, SOME)) for _ in range(REPEATS)]
    each = median((some - few) / (SOME - FEW) for few, some in pairs)
    measured = [_told(*pair) for pair in pairs]
    start = median(few for few, _ in pairs) - FEW * each
    return [
        _row("schedule", scheduled, "every plan is one without a format error", ""),
        _row(
            "measure",
            measured,
            "the command computes schedule and score again and refuses a record that contradicts them",
            f"reckoned from {FEW:,} and {SOME:,} episodes: of `measure`, {start:.1f} s are its start (imports) and "
            f"{1e6 * each:.0f} microseconds each episode. {TRIED}",
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
