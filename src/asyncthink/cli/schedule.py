"""`asyncthink schedule`: plans in, critical-path schedules out."""

import argparse

from asyncthink import schedule
from asyncthink.cli import json_lines

_PLAN = (
    '{"capacity": 2, "organizer": [{"think": 12}, {"fork": 1, "tokens": 6}, {"think": 7}, {"join": 1, "tokens": 3}, '
    '{"answer": 4}], "workers": {"1": 25}}'
)
EXAMPLE = f"echo '{_PLAN}' | asyncthink schedule"


def arguments(parser: argparse.ArgumentParser) -> None:
    json_lines.arguments(parser)
    parser.epilog = (
        'A line: a plan as in the example, optionally with "slot_release": "join" (default) or "completion".\n'
        "Numbers are decoded tokens."
    )


def run(args: argparse.Namespace) -> None:
    json_lines.answer(args, schedule.contract)
