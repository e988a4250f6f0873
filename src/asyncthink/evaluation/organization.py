"""What an organizer does with a countdown puzzle: which branches it has searched, in which order, what came too late.

Read from the texts of the word language, in the order of the organizer's actions: its own search names a branch after
`|`, a sub-query names branches after its target.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from asyncthink import protocol
from asyncthink.episode import Episode
from asyncthink.protocol import Fork, Join, Think
from asyncthink.tasks import TASKS
from asyncthink.tasks.branch_predictor import hit_flags
from asyncthink.tasks.countdown_search import SPELLED, branches, sorted_numbers

POSITIONS = 8  # forked branches of which a hit rate is told by position
NAN = float("nan")

_OWN = re.compile(r"\| (\d+ [-+*/] \d+)")
_ASKED = re.compile(r"(\d+ [-+*/] \d+)")


@dataclass(frozen=True)
class Search:
    """A branch that was searched, or handed out to be: its name, and whether a sub-query named it."""

    name: str
    forked: bool


def searches(episode: Episode) -> list[Search]:
    """All of them, in the order in which the organizer began them or handed them out."""
    found: list[Search] = []
    for action in protocol.parse(episode.traces[0].own_text):
        if isinstance(action, Think):
            found += [Search(name, False) for name in _OWN.findall(action.text)]
        elif isinstance(action, Fork):
            found += [Search(name, True) for name in _ASKED.findall(action.query.partition("=")[2])]
    return found


def measures(episode: Episode) -> dict[str, float]:
    """Counts of an episode: branches searched, those a second time, those forked, those forked that hold a hit.

    hit_1, hit_2, ... say whether the first, second, ... branch that was forked holds one; nan where there is none.
    chance is the share of the item's branches that do.
    """
    item, begun = episode.item, searches(episode)
    flags = hit_flags(item)
    own = branches(sorted_numbers(item))
    hit = {branch.name: flag for branch, flag in zip(own, flags, strict=True)}
    forked = [hit.get(search.name, False) for search in begun if search.forked]
    return {
        "branches": float(len(begun)),
        "repeated_branches": float(len(begun) - len({search.name for search in begun})),
        "forked_branches": float(len(forked)),
        "forked_hits": float(sum(forked)),
        "chance": sum(flags) / len(flags),
        **{f"hit_{k + 1}": float(forked[k]) if k < len(forked) else NAN for k in range(POSITIONS)},
    }


def tokens_after(episode: Episode) -> float:
    """The clock from the last solution that was asked for to the Answer's first token; nan where one is missing.

    A solution is in hand where the organizer's own search has spelled it out, or where the Join ends that brings it.
    """
    known: set[str] = set()
    starts: dict[int, int] = {}
    clock, since = 0, NAN
    actions = iter(protocol.parse(episode.traces[0].own_text))
    returns = {trace.fork: protocol.returned(trace.own_text) or "" for trace in episode.traces[1:]}
    for step in episode.plan["organizer"]:
        if "answer" in step:
            return clock - since
        clock += step["think"] if "think" in step else step["tokens"]
        action, behind = next(actions), 0
        if isinstance(action, Fork):
            starts[action.id] = clock
        elif isinstance(action, Join):
            clock = max(clock, starts[action.id] + episode.plan["workers"][str(action.id)])
            known |= _right(episode, returns[action.id].split(" ; "))
        elif isinstance(action, Think):
            for match in SPELLED.finditer(action.text):
                known |= _right(episode, [match[1]])
                behind = len(action.text[match.end() :].split())
                if len(known) >= episode.item["required"]:
                    break
        if len(known) >= episode.item["required"] and since != since:
            since = clock - behind
    return NAN


def _right(episode: Episode, solutions: Iterable[str]) -> set[str]:
    grade = TASKS["countdown"].score
    return {same for solution in solutions for same in grade(episode.item, solution)["solutions"]}
