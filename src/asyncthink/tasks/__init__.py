"""The tasks: what is asked, and what an answer is worth (see `task.Task`). Nothing here knows models."""

from typing import Any

from asyncthink.tasks import competition_math, countdown, multiple_choice, sudoku
from asyncthink.tasks.task import Task

__all__ = ["TASKS", "Task"]


def _task(module: Any) -> Task[Any]:
    functions = (module.prompt, module.score, module.aggregate, module.union, module.check)
    return Task(*functions, getattr(module, "mistakes", None))


TASKS: dict[str, Task[Any]] = {
    "countdown": _task(countdown),
    "sudoku": _task(sudoku),
    "competition_math": _task(competition_math),
    "multiple_choice": _task(multiple_choice),
}
