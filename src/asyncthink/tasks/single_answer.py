"""What the tasks with one right answer share: the score, the vote, and the union of parallel traces."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Item = Mapping[str, Any]
COUNTED = ("offered", "out_of_time")


def scored(right: bool, offered: str | None) -> dict[str, Any]:
    """The score of one answer; `offered` is what was read as the answer, None if nothing was."""
    return {
        "accuracy": float(right),
        "correct": int(right),
        "offered": int(offered is not None),
        "solutions": [offered] if right else [],
    }


def majority(answers: Sequence[str | None], same: Callable[[str, str], bool]) -> str | None:
    """The answer that most of the others equal, the earliest where votes are equal; None without any answer."""
    votes: dict[str, int] = {}
    for answer in answers:
        if answer is not None:
            first = next((each for each in votes if each == answer or same(each, answer)), answer)
            votes[first] = votes.get(first, 0) + 1
    return max(votes, key=lambda answer: votes[answer], default=None)


def union(
    score: Callable[[Item, str | None], dict[str, Any]],
) -> Callable[[Item, Sequence[str | None]], dict[str, Any]]:
    """A task's union: the best score of any of the answers, with what is counted in COUNTED summed over all."""

    def best(item: Item, answers: Sequence[str | None]) -> dict[str, Any]:
        scores = [score(item, answer) for answer in answers] or [score(item, None)]
        counts = {name: sum(each[name] for each in scores) for name in COUNTED if name in scores[0]}
        return max(scores, key=lambda each: each["accuracy"]) | counts

    return best
