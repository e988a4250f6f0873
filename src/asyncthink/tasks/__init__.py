"""The tasks: what is asked, and what an answer is worth (see `task.Task`). Nothing here knows models.

Its modules:

    task                what a task is made of; splits: which split a thing belongs to; sources: items of further sets
    countdown           what an answer is worth; countdown_puzzles: puzzles; countdown_search: branches; solver
    expressions         arithmetic, its exact value and canonical form; notation: what stands around it
    branch_predictor    which branches hold a hit, as far as the numbers tell
    sudoku              4x4 grids; grid_text: a grid in an answer
    competition_math    one answer; stated_value: in prose; preparation, numerals: as LaTeX
    equality            whether two answers are equal, within a limit; judge, comparison: the process that tells
    multiple_choice     a letter; stated_letter: in prose
    single_answer       what the tasks with one right answer share
"""

from pathlib import Path
from typing import Any

from asyncthink.errors import InputError
from asyncthink.files import made_json_lines
from asyncthink.tasks import competition_math, countdown, multiple_choice, sudoku
from asyncthink.tasks.task import Task

__all__ = ["TASKS", "Task", "read_items"]


def _task(module: Any) -> Task[Any]:
    functions = (module.prompt, module.score, module.aggregate, module.union, module.check)
    return Task(*functions, getattr(module, "mistakes", None))


TASKS: dict[str, Task[Any]] = {
    "countdown": _task(countdown),
    "sudoku": _task(sudoku),
    "competition_math": _task(competition_math),
    "multiple_choice": _task(multiple_choice),
}


def read_items(path: str | Path, task: str) -> list[Any]:
    """The items of a file that a step makes; InputError for a line that is none of the task's, or if there are none."""
    items = []
    for where, item in made_json_lines(path):
        try:
            TASKS[task].check(item)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        items.append(item)
    if not items:
        raise InputError(f"{path}: holds no items")
    return items
