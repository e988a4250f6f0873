"""Case studies (the paper's figures 8 to 11): which recorded episodes are shown, by rules and not by hand.

Each rule looks at AsyncThink's headline episodes of one test set that no rule before it took; of equals it takes the
fastest, then the first. An episode is *right* if its whole score is there, and only forked ones are looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from asyncthink import protocol
from asyncthink.episode import Episode
from asyncthink.evaluation.measures import moves, organizer_actions, pieces, position
from asyncthink.settings import COUNTDOWN

Rule = Callable[[Sequence[Episode]], Episode | None]


@dataclass(frozen=True)
class Case:
    """title and why: the rule in words, short and in full."""

    title: str
    why: str
    choose: Rule


def chosen(test_set: str, episodes: Sequence[Episode]) -> Iterator[tuple[Case, Episode | None]]:
    """The cases of one test set; None where a rule fits no episode."""
    left = sorted(filter(forked, episodes), key=_order)
    for name in CASES if test_set == COUNTDOWN else ELSEWHERE:
        choice = CASES[name].choose(left)
        left = [episode for episode in left if episode is not choice]
        yield CASES[name], choice


def forked(episode: Episode) -> bool:
    """Whether it is right in form and has a Fork."""
    return episode.schedule.get("format_error") is None and bool(episode.schedule.get("forks"))


def right(episode: Episode) -> bool:
    """Whether its answer has the whole score."""
    return episode.score.get("accuracy") == 1


def stages(episode: Episode) -> int:
    """Rounds of fork-join: runs of Forks, each ended by Joins."""
    kinds = [move[0] for move in moves(organizer_actions(episode))]
    return sum(kind == "F" and before != "F" for before, kind in zip(["", *kinds], kinds, strict=False))


def contributions(episode: Episode) -> int:
    """Workers whose joined result stands in the answer; of a single answer, workers that agree with it."""
    joined = {action.id for action in organizer_actions(episode) if isinstance(action, protocol.Join)}
    answer = set(pieces(episode.answer))
    results = [set(pieces(t.returned)) for t in episode.traces[1:] if t.fork in joined]
    return sum(not result.isdisjoint(answer) for result in results)


def _most_stages(episodes: Sequence[Episode]) -> Episode | None:
    return max(filter(right, episodes), key=stages, default=None)


def _all_contribute(episodes: Sequence[Episode]) -> Episode | None:
    whole = [episode for episode in episodes if right(episode) and contributions(episode) == len(episode.traces) - 1]
    return max(whole, key=contributions, default=None)


def _median(episodes: Sequence[Episode]) -> Episode | None:
    ordered = list(filter(right, episodes))
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def _nearest_miss(episodes: Sequence[Episode]) -> Episode | None:
    wrong = [episode for episode in episodes if not right(episode)]
    return max(wrong, key=lambda e: (e.score.get("accuracy", 0.0), len(e.traces)), default=None)


def _order(episode: Episode) -> tuple[int, int, tuple[str, int, int]]:
    return episode.schedule["latency"], episode.key.get("seed", 0), position(episode)


CASES = {
    "most_stages": Case("Most stages", "the right one with the most rounds of fork and join", _most_stages),
    "all_contribute": Case(
        "Every worker contributes",
        "of the right ones in whose answer every worker's result stands, the one with the most workers",
        _all_contribute,
    ),
    "median": Case("The median", "the right one of median latency", _median),
    "nearest_miss": Case(
        "The nearest miss", "of the wrong ones the one with the highest score, then the most workers", _nearest_miss
    ),
}
ELSEWHERE = ("all_contribute", "nearest_miss")  # on the other test sets
