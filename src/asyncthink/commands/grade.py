"""`asyncthink grade`: items with answers in, scores out."""

import argparse
from typing import Any

from asyncthink.commands import json_lines
from asyncthink.errors import InputError
from asyncthink.tasks import TASKS, Task


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True, help=f"one of {', '.join(TASKS)}")
    json_lines.arguments(parser)
    parser.epilog = (
        'A line: {"item": {...}, "answer": "..."}; a null answer is none. Items: countdown {"numbers", "target", '
        '"required"} with optional "uses" and "operations"; sudoku {"puzzle": 4 rows, 0 for empty}; competition_math '
        '{"answer"}; multiple_choice {"answer", "options"}.'
    )


def run(args: argparse.Namespace) -> None:
    if args.task not in TASKS:
        raise InputError(f"no task {ascii(args.task)[:60]}; allowed: {', '.join(TASKS)}")
    json_lines.answer(args, lambda given: _graded(TASKS[args.task], given))


def _graded(task: Task, given: dict[str, Any]) -> dict[str, Any]:
    json_lines.known(given, allowed=("item", "answer"), required=("item", "answer"))
    task.check(given["item"])
    if not isinstance(given["answer"], str | None):
        raise InputError(f"answer must be a text or null, not {ascii(given['answer'])[:60]}")
    return task.score(given["item"], given["answer"])
