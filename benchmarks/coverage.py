"""What organization can win at all: coverage of idealized policies, without a model.

    python benchmarks/coverage.py --numbers 5 6 --required 3 4 --capacity 2 3 4

Every policy here has perfect skills (arithmetic, marks, copying) and searches the branches of synthesis.search, so an
item is all correct exactly if the lines that hold its solutions are searched by somebody.

    coordinated   rounds in which the organizer forks c - 1 branches, searches one itself, and joins; every branch once
    forked        the same, but the organizer only waits: rounds of c - 1 branches
    one_by_one    fork, join, fork, join
    parallel      n = c traces of equal length that cannot talk; each starts at a random branch and goes round the
                  circle, or takes the branches in a random order, whichever covers more
    alike         the same, but all traces start at the first branch: what is left of it without diversity

Latency T is the critical path in tokens, answer included. The three structures search everything, so they solve every
item; the last columns show at which trace length parallel thinking solves a share of the items, and how much less the
structure takes.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from asyncthink import schedule
from asyncthink.config import params
from asyncthink.randomness import keyed
from asyncthink.synthesis.solver_teacher import Desk
from asyncthink.tasks import countdown

ITEMS = 200
DRAWS = 64  # sets of traces an item
LEVELS = (0.8, 0.9, 0.95, 1.0)  # shares of items that are all correct
COLUMNS = ("n", "operations", "K", "N", "search", "c", "structure", "T", "eta/c", "organizer", "worker")
COLUMNS += ("parallel at T", "alike at T", *(f"parallel for {level}" for level in LEVELS))


@dataclass(frozen=True)
class Search:
    """One item: for each branch its length in tokens a line, and which solution (or -1) each line holds."""

    desk: Desk
    tokens: tuple[tuple[int, ...], ...]
    holds: tuple[tuple[int, ...], ...]


def searches(settings: params.Params) -> list[Search]:
    """The validation items of a world, searched."""
    items = countdown.generate(settings.puzzles, settings.seed)["validation"]
    return [_search(Desk(item, settings.thinking, settings.puzzles.largest_result)) for item in items]


def _search(desk: Desk) -> Search:
    solutions: dict[str, int] = {}
    tokens: list[tuple[int, ...]] = []
    holds: list[tuple[int, ...]] = []
    for search in desk.searches:
        tokens.append(tuple(desk.surface.length(desk.surface.line(step)) for step in search))
        names = [countdown.canonical(step.expression) if step.hit else None for step in search]
        holds.append(tuple(-1 if name is None else solutions.setdefault(name, len(solutions)) for name in names))
    return Search(desk, tuple(tokens), tuple(holds))


def rounds(branches: int, agents: int, thinks: bool) -> Iterator[list[str]]:
    """Rounds of actions that take every branch once: forks, perhaps a thought, joins."""
    forked, left = 0, branches
    while left:
        size = min(agents if thinks else agents - 1, left)
        ids = range(forked + 1, forked + 1 + size - thinks)
        yield [f"F{i}" for i in ids] + ["T"] * thinks + [f"J{i}" for i in ids]
        forked, left = forked + len(ids), left - size


STRUCTURES = {
    "coordinated": lambda branches, capacity: rounds(branches, capacity, True),
    "forked": lambda branches, capacity: rounds(branches, capacity, False),
    "one_by_one": lambda branches, capacity: rounds(branches, 2, False),
}


def plan(search: Search, name: str, capacity: int) -> dict[str, Any]:
    """The schedule's plan when the branches are dealt out in order along a structure."""
    desk, surface = search.desk, search.desk.surface
    structure = [action for part in STRUCTURES[name](len(search.tokens), capacity) for action in part]
    dealt = iter(range(len(search.tokens)))
    organizer, workers = [], {}
    for action in structure:
        if action[0] == "J":
            organizer.append({"join": int(action[1:]), "tokens": surface.length(surface.join(1))})
            continue
        branch = next(dealt)
        if action == "T":
            organizer.append({"think": sum(search.tokens[branch])})
        else:
            fork = surface.length(surface.fork(1, desk.query(branch)))
            organizer.append({"fork": int(action[1:]), "tokens": fork})
            found = [step.expression for step in desk.searches[branch] if step.hit]
            workers[action[1:]] = sum(search.tokens[branch]) + surface.length(surface.returned(found))
    organizer.append({"answer": desk.longest_answer})
    return {"capacity": capacity, "organizer": organizer, "workers": workers, "slot_release": "join"}


def organized(found: Sequence[Search], name: str, capacity: int) -> dict[str, float]:
    """Means over items: latency, eta/c, tokens of the organizer and of its longest worker."""
    plans = [plan(search, name, capacity) for search in found]
    results = [schedule.simulate(each) for each in plans]
    workers = [list(each["workers"].values()) for each in plans]
    return {
        "latency": fmean(each.latency for each in results),
        "concurrency_ratio": fmean(each.concurrency_ratio for each in results),
        "organizer": max(each.work - sum(own) for each, own in zip(results, workers, strict=True)),
        "worker": max(max(own, default=0) for own in workers),
    }


ORDERS = {
    "circle": lambda rng, count: _circle(rng.randrange(count), count),
    "shuffled": lambda rng, count: rng.sample(range(count), count),
    "alike": lambda rng, count: _circle(0, count),
}


def _circle(start: int, count: int) -> list[int]:
    return [(start + place) % count for place in range(count)]


def merged(found: Sequence[Search], agents: int, order: str) -> np.ndarray:
    """all_correct_L: the share of items that `agents` traces of L tokens each solve together, answer included."""
    answer = max(search.desk.longest_answer for search in found)
    solved_L = np.zeros(max(sum(map(sum, search.tokens)) for search in found) + answer + 1)
    for place, search in enumerate(found):
        rng = keyed("coverage", place, agents)
        for _ in range(DRAWS):
            traces = [_trace(search, ORDERS[order](rng, len(search.tokens))) for _ in range(agents)]
            first = sorted(min(times) for times in zip(*traces, strict=True))
            solved_L[first[search.desk.item["required"] - 1] + answer :] += 1
    return solved_L / (len(found) * DRAWS)


def _trace(search: Search, order: Sequence[int]) -> list[int]:
    """After how many tokens a trace has found each solution."""
    clock, times = 0, {}
    for branch in order:
        for tokens, solution in zip(search.tokens[branch], search.holds[branch], strict=True):
            clock += tokens
            if solution >= 0:
                times.setdefault(solution, clock)
    return [times[solution] for solution in sorted(times)]


def reached(solved_L: np.ndarray, level: float) -> int:
    """The shortest trace at which so many items are all correct."""
    return int(np.nonzero(solved_L >= level - 1e-9)[0][0])


def world(settings: params.Params, numbers: int, operations: str, required: int) -> params.Params:
    """The settings with another world; ITEMS validation items with exactly `required` solutions."""
    sizes = {"train": 1, "validation": ITEMS, "test": 1}
    rules = {"numbers": numbers, "operations": operations, "required": required, "most_solutions": required}
    return replace(settings, puzzles=replace(settings.puzzles, **rules, **sizes))


def rows(found: Sequence[Search], capacity: int) -> Iterator[list[object]]:
    """The table's rows of one world under one capacity, from column c on."""
    parallel_L = np.maximum(merged(found, capacity, "circle"), merged(found, capacity, "shuffled"))
    alike_L = merged(found, 1, "alike")
    for name in STRUCTURES:
        own = organized(found, name, capacity)
        latency = round(own["latency"])
        at = min(latency, len(parallel_L) - 1)
        row = [capacity, name, latency, f"{own['concurrency_ratio']:.2f}", own["organizer"], own["worker"]]
        row += [f"{parallel_L[at]:.2f}", f"{alike_L[at]:.2f}"]
        needed = [reached(parallel_L, level) for level in LEVELS]
        yield row + [f"{tokens} ({latency / tokens - 1:+.0%})" for tokens in needed]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--numbers", type=int, nargs="+", default=[5])
    parser.add_argument("--operations", nargs="+", default=["+-*"])
    parser.add_argument("--required", type=int, nargs="+", default=[3])
    parser.add_argument("--capacity", type=int, nargs="+", default=[2, 3, 4, 5])
    args = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for rules in product(args.numbers, args.operations, args.required):
        found = searches(world(params.read(args.params), *rules))
        head = [*rules, len(found[0].tokens), max(sum(map(sum, search.tokens)) for search in found)]
        for capacity in args.capacity:
            for row in rows(found, capacity):
                print("| " + " | ".join(map(str, [*head, *row])) + " |", flush=True)


if __name__ == "__main__":
    main()
