"""What an organizer does with a countdown puzzle: which branches it has searched, in which order, what came too late.

Read from the texts of the word language, in the order of the organizer's actions: its own search names a branch after
`|`, a sub-query names branches after its target.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from asyncthink import protocol
from asyncthink.episode import Episode
from asyncthink.evaluation.branch_predictor import hit_flags
from asyncthink.protocol import Fork, Think
from asyncthink.tasks.countdown_search import branches

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
    own = branches(tuple(sorted(item["numbers"], reverse=True)))
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
