"""What a task is made of: its functions, the score of an answer, and why an answer is worth no more than it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NotRequired, TypedDict, TypeVar

_LONGEST = 80
Item = TypeVar("Item")


class Score(TypedDict):
    """What an answer is worth.

    accuracy is from 0 to 1, correct and offered count what is right and what was read as an answer, solutions are the
    right ones. out_of_time counts the comparisons whose outcome nobody knows, in the task that compares.
    """

    accuracy: float
    correct: int
    offered: int
    solutions: list[str]
    out_of_time: NotRequired[int]


@dataclass(frozen=True)
class Mistake:
    """text: the part of the answer that is meant, cut to 80 characters; reason: what is wrong with it."""

    text: str
    reason: str

    def __post_init__(self) -> None:
        cut = self.text if len(self.text) <= _LONGEST else self.text[: _LONGEST - 1] + "…"
        object.__setattr__(self, "text", cut)


@dataclass(frozen=True)
class Task(Generic[Item]):
    """One task as its functions.

    prompt(item, style)       the question, in the word language or the chat style
    score(item, answer)       what an answer is worth; None is no answer
    aggregate(item, answers)  the one answer that parallel traces agree on: a vote; None if there is none
    union(item, answers)      the score if whatever one of the traces has right counts
    check(item)               InputError, in one line, unless it is an item of the task
    mistakes(item, answer)    what is wrong with the answer, in words; a task may leave it out
    """

    prompt: Callable[[Item, str], str]
    score: Callable[[Item, str | None], Score]
    aggregate: Callable[[Item, Sequence[str | None]], str | None]
    union: Callable[[Item, Sequence[str | None]], Score]
    check: Callable[[object], None]
    mistakes: Callable[[Item, str | None], list[Mistake]] | None = None
