"""Synthesis and filter of 43,000 demonstrations on one core, as the graph calls them.

Both commands run as processes of their own at two sizes. Time is the difference between the two, which leaves out the
start, told for 43,000; memory is constant if the larger one peaks no higher.
"""

import sys
import tempfile
from pathlib import Path

import yaml

from asyncthink.files import write_json_lines
from asyncthink.tasks import countdown_puzzles
from benchmarks import record, replay, timing

TRACES = 43_000
FEW, MANY = 500, 2_500
REPEATS = 3
TOLERATED = 1.1  # times the memory of the small one


def measure() -> list[record.Row]:
    """Seconds for all traces of both commands together, and the growth of their memory."""
    seconds: list[float] = []
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        given = replay.nano()
        items = countdown_puzzles.generate(given.puzzles, given.seed)["train"]
        write_json_lines(folder / "puzzles.jsonl", items)
        for _ in range(REPEATS):
            few, many = (both(folder, size, memory) for size in (FEW, MANY))
            seconds.append((many - few) / (MANY - FEW) * TRACES)
    growth = max(memory[f"{command} {MANY}"] / memory[f"{command} {FEW}"] for command in ("synthesize", "filter"))
    peaks = ", ".join(f"{name} traces {mib:.0f} MiB" for name, mib in memory.items())
    row: record.Row = {
        "what": "synthesis and filter of 43,000 traces",
        "against": "",
        "goal": "≤ 60 s",
        "ratio": None,
        "unit": "CPU s",
        "ours": seconds,
        "theirs": [],
        "checked": "the commands of the graph; the filter fails where it keeps too few",
        "note": f"reckoned from {FEW:,} and {MANY:,} traces",
    }
    grown: record.Row = {
        **row,
        "what": f"memory of synthesis and filter, {MANY // FEW} times the traces",
        "against": "the same with fewer traces",
        "goal": f"≤ {TOLERATED} times",
        "ratio": growth,
        "unit": "times",
        "ours": [],
        "note": f"{peaks}; of {TRACES:,} traces it was not measured",
    }
    return [row, grown]


def both(folder: Path, traces: int, memory: dict[str, float]) -> float:
    """Processor seconds of both commands; what each takes of memory is noted."""
    params = folder / "params.yaml"
    raw = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
    raw["synthesize"]["demonstrations"] = traces
    params.write_text(yaml.safe_dump(raw))
    given = ["--params", params, "--arm", "asyncthink", "--demonstrations", folder / "demonstrations.jsonl"]
    outputs = [part for name in ("kept", "rejected", "metrics") for part in (f"--{name}", folder / f"{name}.json")]
    commands = {"synthesize": [*given, "--puzzles", folder / "puzzles.jsonl"], "filter": [*given, *outputs]}
    total = 0.0
    for name, options in commands.items():
        spent = timing.of_process([sys.executable, "-m", "asyncthink", name, *options], folder)
        memory[f"{name} {traces}"] = spent.peak_mib
        total += spent.seconds
    return total


if __name__ == "__main__":
    record.main(measure)
