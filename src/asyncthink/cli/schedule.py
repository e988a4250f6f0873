"""`asyncthink schedule`: plans in, critical-path schedules out."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from asyncthink import schedule, terminal
from asyncthink.cli import json_lines

_PLAN = (
    '{"capacity": 2, "organizer": [{"think": 12}, {"fork": 1, "tokens": 6}, {"think": 7}, {"join": 1, "tokens": 3}, '
    '{"answer": 4}], "workers": {"1": 25}}'
)
COLUMNS = {
    "line": ">4",
    "latency": ">8",
    "work": ">8",
    "busy": ">6",
    "η/c": ">6",
    "forks": ">5",
    "joins": ">5",
    "": "<",
}
EXAMPLE = f"echo '{_PLAN}' | asyncthink schedule"


def arguments(parser: argparse.ArgumentParser) -> None:
    json_lines.arguments(parser)
    parser.epilog = (
        'A line: a plan as in the example, optionally with "slot_release": "join" (default) or "completion".\n'
        "Numbers are decoded tokens. Out come the latency (tokens on the critical path), the work (tokens in all),\n"
        "the concurrency η (agents busy, on average) and η/c, its share of the capacity; or a format error alone.\n"
        "`asyncthink page PLANS.jsonl -o plans.html` draws their timelines."
    )


def run(args: argparse.Namespace) -> None:
    json_lines.answer(args, schedule.contract, json_lines.Shown(terminal.Table(COLUMNS), _rows))


def _rows(told: dict[str, Any]) -> Iterator[Sequence[object]]:
    numbers = ("latency", "work", "concurrency", "concurrency_ratio", "forks", "joins")
    yield [*(told[name] for name in numbers), terminal.REASONS.get(told["format_error"], "")]
