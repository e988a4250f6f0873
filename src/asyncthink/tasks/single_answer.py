"""What the tasks with one right answer share: the score, the vote, and the union of parallel traces."""

from collections.abc import Callable, Sequence
from operator import eq
from typing import TypeVar

from asyncthink.tasks.task import Score

Item = TypeVar("Item")


def scored(right: bool, offered: str | None) -> Score:
    """The score of one answer; `offered` is what was read as the answer, None if nothing was."""
    return {
        "accuracy": float(right),
        "correct": int(right),
        "offered": int(offered is not None),
        "solutions": [offered] if right and offered is not None else [],
    }


def majority(answers: Sequence[str | None], same: Callable[[str, str], bool] = eq) -> str | None:
    """The answer that most of the others equal, the earliest where votes are equal; None without any answer."""
    votes: dict[str, int] = {}
    for answer in answers:
        if answer is not None:
            first = next((known for known in votes if known == answer or same(known, answer)), answer)
            votes[first] = votes.get(first, 0) + 1
    return max(votes, key=lambda answer: votes[answer], default=None)


def union(score: Callable[[Item, str | None], Score]) -> Callable[[Item, Sequence[str | None]], Score]:
    """A task's union: the best score of any of the answers; what was offered, and what ran out of time, is summed."""

    def best(item: Item, answers: Sequence[str | None]) -> Score:
        scores = [score(item, answer) for answer in answers] or [score(item, None)]
        highest = max(scores, key=lambda score: score["accuracy"]).copy()
        highest["offered"] = sum(score["offered"] for score in scores)
        if "out_of_time" in highest:
            highest["out_of_time"] = sum(score["out_of_time"] for score in scores)
        return highest

    return best
