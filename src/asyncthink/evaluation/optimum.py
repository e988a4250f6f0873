"""The best schedule of a countdown item, by an organizer that knows where the solutions are: a bound, not a policy.

It searches only branches with hits, forks at most once a worker, and answers as soon as it has what is asked for. Texts
and lengths are those of the word language, as models write them (synthesis.surfaces), so that T / T* says how far an
organizer is from the least latency that its own way of searching allows.
"""

from collections.abc import Sequence
from functools import cache
from itertools import combinations, product
from typing import Any

from asyncthink.synthesis.pieces import Desk


def least_latency(item: dict[str, Any], capacity: int) -> int:
    """T* in tokens: the latency of the shortest plan that ends with all solutions that are asked for."""
    desk = Desk.of(item, "word")
    return _least(desk, capacity)


@cache
def _least(desk: Desk, capacity: int) -> int:
    hits = [branch.hits(desk.target) for branch in desk.branches]
    fruitful = [place for place, found in enumerate(hits) if found]
    best: int | None = None
    for size in range(1, min(desk.required, len(fruitful)) + 1):
        for chosen in combinations(fruitful, size):
            if len({solution for place in chosen for solution in hits[place]}) >= desk.required:
                for owners in product(range(capacity), repeat=size):
                    shares = [
                        [p for p, owner in zip(chosen, owners, strict=True) if owner == a] for a in range(capacity)
                    ]
                    latency = _latency(desk, shares)
                    best = latency if best is None else min(best, latency)
    if best is None:
        raise ValueError(f"{desk.numbers} have fewer than {desk.required} ways to make {desk.target}")
    return best


def _latency(desk: Desk, shares: Sequence[Sequence[int]]) -> int:
    """Fork all shares but the first, search the first, join in the order in which workers end, answer."""
    show = desk.surface
    clock = 0
    ends: list[int] = []
    known: list[str] = []
    for number, share in enumerate(filter(None, shares[1:]), 1):
        clock += show.length(show.fork(number, desk.query(share)))
        worker = desk.search(share, closing=show.returned)
        ends.append(clock + worker.tokens)
        known += worker.found
    own = desk.search(shares[0], known)
    clock += own.tokens
    for number, end in enumerate(sorted(ends), 1):
        clock = max(clock + show.length(show.join(number)), end)
    return clock + show.length(show.answer([*known, *own.found][: desk.required]))
