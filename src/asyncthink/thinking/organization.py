"""What an organizer does with a countdown puzzle: which branches it has searched, in which order, what came too late.

Read from the texts of the word language, in the order of the organizer's actions: its own search names a branch after
`|`, a sub-query names branches after its target.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from asyncthink.episode import Episode
from asyncthink.protocol import Answer, Fork, Join, Think
from asyncthink.tasks import TASKS
from asyncthink.tasks.countdown_search import COUNT, LARGEST_RESULT, SPELLED, Numbers, branches, sorted_numbers
from asyncthink.tasks.task import Score

NAN = float("nan")
CACHED = 4096  # items, or answers to them, that are remembered
COUNTS = ("branches", "repeated_branches", "forked_branches", "forked_hits")

_OWN = re.compile(r"\| ([a-d][-+*/][a-d])")
_ASKED = re.compile(r"[a-d][-+*/][a-d]")


@dataclass(frozen=True)
class Search:
    """A branch that was searched, or handed out to be: its name, and whether a sub-query named it."""

    name: str
    forked: bool


def searches(episode: Episode) -> list[Search]:
    """All of them, in the order in which the organizer began them or handed them out."""
    found: list[Search] = []
    for action in episode.traces[0].actions:
        if isinstance(action, Think):
            found += [Search(name, False) for name in _OWN.findall(action.text)]
        elif isinstance(action, Fork):
            found += [Search(name, True) for name in _ASKED.findall(action.query.partition("=")[2])]
    return found


def is_readable(episode: Episode) -> bool:
    """Whether an organizer has thought about a puzzle of the game in the word language."""
    if episode.mode != "asynchronous" or episode.task != "countdown":
        return False
    four = {number for number in episode.item["numbers"] if 1 <= number <= LARGEST_RESULT}
    game = len(four) == len(episode.item["numbers"]) == COUNT and 1 <= episode.item["target"] <= LARGEST_RESULT
    return game and episode.traces[0].prompt.startswith("<organizer>")


def counts(episode: Episode) -> dict[str, float]:
    """Branches searched or handed out, those of them that came before, the new ones handed out, hits among these."""
    begun = searches(episode)
    return counted(begun, first_times(begun), hits(episode.item))


def counted(begun: Sequence[Search], new: Sequence[Search], hit: Mapping[str, bool]) -> dict[str, float]:
    """The same, by all searches and those of them that come first; `hit` says of a branch whether it holds a hit."""
    forked = [search.name for search in new if search.forked]
    return {
        "branches": float(len(begun)),
        "repeated_branches": float(len(begun) - len(new)),
        "forked_branches": float(len(forked)),
        "forked_hits": float(sum(hit.get(name, False) for name in forked)),
    }


def first_times(begun: Sequence[Search]) -> list[Search]:
    """Each branch where it comes first."""
    first: dict[str, Search] = {}
    for search in begun:
        first.setdefault(search.name, search)
    return list(first.values())


def hits(item: Mapping[str, Any]) -> dict[str, bool]:
    """For each branch of an item, by name, whether it holds a hit."""
    return dict(_hits(sorted_numbers(item), item["target"]))


@lru_cache(maxsize=CACHED)
def _hits(numbers: Numbers, target: int) -> dict[str, bool]:
    return {branch.name: bool(branch.hits(target)) for branch in branches(numbers)}


def grader(episode: Episode) -> Callable[[str | None], Score]:
    """What the episode's task says of a text as its answer; samples of an item mostly hold the same few solutions."""
    return partial(_graded, episode.task, json.dumps(episode.item))


@lru_cache(maxsize=CACHED)
def _graded(task: str, item: str, answer: str | None) -> Score:
    return TASKS[task].score(json.loads(item), answer)


def tokens_after(episode: Episode) -> float:
    """The clock from the last solution that was asked for to the Answer's first token; nan where one is missing.

    A solution is in hand where the organizer's own search has spelled it out, or where the Join ends that brings it.
    nan too for a plan that does not tell the actions of its text.
    """
    steps, actions = _merged(episode.plan["organizer"]), list(episode.traces[0].actions)
    if list(map(_planned, steps)) != [(type(action).__name__.lower(), getattr(action, "id", 0)) for action in actions]:
        return NAN
    grade = grader(episode)
    known: set[str] = set()
    starts: dict[int, int] = {}
    clock, since = 0, NAN
    workers = {trace.fork: trace for trace in episode.traces[1:]}
    for step, action in zip(steps, actions, strict=True):
        if isinstance(action, Answer):
            return clock - since
        clock += step["think"] if isinstance(action, Think) else step["tokens"]
        after = 0
        if isinstance(action, Fork):
            starts[action.id] = clock
        elif isinstance(action, Join):
            clock = max(clock, starts[action.id] + episode.plan["workers"][str(action.id)])
            returned = workers[action.id].returned or ""
            known.update(*(grade(solution)["solutions"] for solution in returned.split(" ; ")))
        elif isinstance(action, Think):
            for match in SPELLED.finditer(action.text):
                known.update(grade(match[1])["solutions"])
                after = len(action.text[match.end() :].split())
                if len(known) >= episode.item["required"]:
                    break
        if len(known) >= episode.item["required"] and since != since:
            since = clock - after
    return NAN


def _planned(step: Mapping[str, int]) -> tuple[str, int]:
    """The kind of a step, and the id of a Fork or a Join."""
    kind = next(name for name in step if name != "tokens")
    return kind, step[kind] if "tokens" in step else 0


def _merged(steps: Iterable[Mapping[str, int]]) -> list[Mapping[str, int]]:
    """The steps of a plan, thoughts that follow one another as one: a text does not part them."""
    merged: list[Mapping[str, int]] = []
    for step in steps:
        if "think" in step and merged and "think" in merged[-1]:
            merged[-1] = {"think": merged[-1]["think"] + step["think"]}
        else:
            merged.append(step)
    return merged
