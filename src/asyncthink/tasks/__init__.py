"""The tasks: what is asked, and what an answer is worth. Nothing here knows models.

prompt(item, style)       the question, in the word language or the chat style
score(item, answer)       {"accuracy": 0..1, "correct": n, "offered": n, ...}; answer None is no answer
aggregate(item, answers)  the one answer that parallel traces agree on: a vote; None if there is none
union(item, answers)      the score if whatever one of the traces has right counts
check(item)               InputError, in one line, unless it is an item of the task
mistakes(item, answer)    what is wrong with the answer, in words; a task may leave it out
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asyncthink.tasks import competition_math, countdown, multiple_choice, sudoku
from asyncthink.tasks.mistake import Mistake

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """One task as its functions."""

    prompt: Callable[[Item, str], str]
    score: Callable[[Item, str | None], dict[str, Any]]
    aggregate: Callable[[Item, Sequence[str | None]], str | None]
    union: Callable[[Item, Sequence[str | None]], dict[str, Any]]
    check: Callable[[Any], None]
    mistakes: Callable[[Item, str | None], list[Mistake]] | None = None


def _task(module: Any) -> Task:
    functions = (module.prompt, module.score, module.aggregate, module.union, module.check)
    return Task(*functions, getattr(module, "mistakes", None))


TASKS = {
    "countdown": _task(countdown),
    "sudoku": _task(sudoku),
    "competition_math": _task(competition_math),
    "multiple_choice": _task(multiple_choice),
}
