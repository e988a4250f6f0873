"""`asyncthink grade`: items with answers in, scores out."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from asyncthink import terminal
from asyncthink.cli import json_lines
from asyncthink.errors import InputError
from asyncthink.tasks import TASKS, Task
from asyncthink.tasks.task import Mistake, Score

_ANSWERS = """\
A line in: {"item": {...}, "answer": "..."}; a null answer is none.
A line out: accuracy from 0 to 1, correct and offered (how many), solutions (the right ones), and mistakes: the parts
of the answer that are wrong, each with its reason.

countdown         one expression a line, or separated by ;
    {"item": {"numbers": [3, 5, 7, 9], "target": 24, "required": 2}, "answer": "9+7+5+3\\n1. $9 \\\\times 5-7*3 = 24$"}
    also in an item: "uses": 3 (so many of the numbers), "operations": "+-*"
sudoku            four rows of four digits; 0 is empty in a puzzle
    {"item": {"puzzle": [[1,0,3,0],[0,4,0,2],[2,0,4,0],[0,3,0,1]]}, "answer": "1 2 3 4\\n3 4 1 2\\n2 1 4 3\\n4 3 2 1"}
competition_math  the last \\boxed{...}, or a short answer
    {"item": {"answer": "204"}, "answer": "So it is \\\\boxed{204}."}
multiple_choice   a letter: C, (c), or a sentence that states one
    {"item": {"answer": "C", "options": 4}, "answer": "The answer is (C)."}
"""
EXAMPLE = r"""echo '{"item": {"numbers": [2, 3, 4], "target": 24, "required": 1}, "answer": "2*3*4 = 24"}' | \
    asyncthink grade --task countdown"""
COLUMNS = {"line": ">4", "accuracy": ">8", "correct": ">7", "offered": ">7", "": "<5", "answer": "<"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", required=True, help=f"one of {', '.join(TASKS)}")
    json_lines.arguments(parser)
    parser.epilog = _ANSWERS


def run(args: argparse.Namespace) -> None:
    if args.task not in TASKS:
        raise InputError(f"no task {ascii(args.task)[:60]}; allowed: {', '.join(TASKS)}")
    shown = json_lines.Shown(terminal.Table(COLUMNS), _rows)
    json_lines.answer(args, lambda given: _graded(TASKS[args.task], given), shown)


def _rows(told: dict[str, Any]) -> Iterator[Sequence[object]]:
    """The score; below it what is right, and what is wrong with the reason."""
    right = [("right", solution) for solution in told["solutions"]]
    wrong = [("wrong", ": ".join(filter(None, each.values()))) for each in told["mistakes"]]
    first, *rest = [*right, *wrong] or [("", "")]
    yield told["accuracy"], told["correct"], told["offered"], *first
    for line in rest:
        yield "", "", "", *line


def _graded(task: Task[Any], given: dict[str, Any]) -> dict[str, Any]:
    json_lines.known(given, allowed=("item", "answer"), required=("item", "answer"))
    task.check(given["item"])
    if not isinstance(given["answer"], str | None):
        raise InputError(f"answer must be a text or null, not {ascii(given['answer'])[:60]}")
    score = task.score(given["item"], given["answer"])
    mistakes = _mistakes(task, given["item"], given["answer"], score)
    return {**score, "mistakes": [asdict(mistake) for mistake in mistakes]}


def _mistakes(task: Task[Any], item: dict[str, Any], answer: str | None, score: Score) -> list[Mistake]:
    if task.mistakes:
        return task.mistakes(item, answer)
    if score["accuracy"] == 1:
        return []
    if score.get("out_of_time"):
        return [Mistake(answer or "", "comparing it with the item's answer ran out of time")]
    return [Mistake(answer or "", "is not the item's answer" if score["offered"] else "holds no answer")]
