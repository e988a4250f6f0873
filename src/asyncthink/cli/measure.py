"""`asyncthink measure EPISODES`: JSON Lines of episodes in, one JSON object of metrics for each group out.

A terminal shows the metrics that people ask for first.

The graph has it write the metrics file of a recording instead, with the measures of single episodes in it.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from asyncthink import terminal

SHARES = {"accuracy": "accuracy, %", "all_correct": "all correct, %", "concurrency_ratio": "η/c, %"}
COUNTS = {"elapsed": "latency", "work": "work", "forks": "forks"}
UNITS = "latency, work: tokens, of all episodes; --json: every measure, and its interval; latency is `elapsed` there"
EXAMPLE = "asyncthink measure results/evaluate/countdown/asyncthink/1.jsonl.gz"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "episodes", type=Path, metavar="EPISODES.jsonl[.gz]", help="recorded episodes; - for standard input"
    )
    parser.add_argument("--recording", type=Path, help="what `evaluate` wrote beside them, for --metrics")
    parser.add_argument("--metrics", type=Path, help="written in place of the lines: metrics with intervals, JSON")
    terminal.argument(parser)


def run(args: argparse.Namespace) -> None:
    from asyncthink.errors import InputError
    from asyncthink.evaluation import measure, recordings

    if (args.recording is None) != (args.metrics is None):
        raise InputError("--recording and --metrics belong together; give both, or none to print the metrics")
    groups = measure.measured(args.episodes)
    if args.metrics is None and terminal.for_people(args):
        print(_for_people(list(measure.lines(groups))))
    elif args.metrics is None:
        for line in measure.lines(groups):
            print(json.dumps(line, ensure_ascii=False, allow_nan=False))
    else:
        recording = recordings.read_record(args.recording, measure.RECORDING, "a recording of `asyncthink evaluate`")
        recordings.write(args.metrics, measure.metrics_file(recording, groups))


def _for_people(lines: list[dict[str, Any]]) -> str:
    """One row a group, the measures that all know; --json has every one, with its interval."""
    titles = ("task", "arm", "seed", "variant", "episodes", *SHARES.values(), *COUNTS.values())
    return terminal.aligned(titles, map(_row, lines), left=4) + f"\n{UNITS}"


def _row(line: dict[str, Any]) -> list[object]:
    whose = [line["arm"], line["aggregation"]]
    seed = None if line["seed"] is None else str(line["seed"])
    head = [line["task"], " ".join(filter(None, whose)), seed, line["variant"], line["episodes"]]
    shares = [None if (value := line.get(name)) is None else f"{100 * value:.1f}" for name in SHARES]
    counts = [None if (value := line.get(name)) is None else f"{value:,.1f}" for name in COUNTS]
    return [*head, *shares, *counts]
