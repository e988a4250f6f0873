"""A small world of countdown for tests, with readings of texts and arithmetic of its own."""

import re
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path

from asyncthink.config import params
from asyncthink.randomness import keyed
from asyncthink.synthesis import solver_teacher
from asyncthink.synthesis.assignment import Assignment
from asyncthink.tasks import expressions

ROOT = Path(__file__).parents[1]
WORLD = {"numbers": 5, "smallest": 1, "largest": 12, "uses": 2, "operations": "+-*", "largest_result": 60}
THINKING = {"capacity": 3, "organizer_budget": 96, "worker_budget": 46, "latency_budget": None, "prompts": "word"}
SYNTHESIZE = {
    "teacher": "solver",
    "demonstrations": 300,
    "interleaved": 0.33,
    "batch": 0.33,
    "fewest_forks": 1,
    "most_forks": 5,
    "join_order": "first_in_first_out",
    "overlap": 0.5,
    "think_share": 0.5,
    "window_share": 0.35,
    "first_branch_share": 0.35,
    "correct_share": 1.0,
}
LINE = re.compile(r"(\d+) ([-+*/]) (\d+) (\d+|void) ([.!])")


@cache
def committed():
    return params.read(ROOT / "params.yaml").to_mapping()


def settings_with(**sections) -> params.Params:
    """The committed file with this test's own world, so that a change of scale changes no test."""
    raw = params.merged(committed(), {"reward": {"concurrency_target": 1.0}})
    own = {"puzzles": {**WORLD, "required": 3}, "thinking": THINKING, "synthesize": SYNTHESIZE}
    own["pretrain"] = {"sudoku_share": 0.0}
    return params.from_mapping(params.merged(params.merged(raw, own), sections))


def values(numbers):
    """Every pair with every operation, worked out here: (expression, value)."""
    for x, y in combinations(sorted(numbers, reverse=True), 2):
        yield from ((f"{x} + {y}", x + y), (f"{x} - {y}", x - y), (f"{x} * {y}", x * y))


def puzzles(count=40, required=3):
    """Items with exactly three solutions."""
    rng, items = keyed("tests", count), []
    while len(items) < count:
        numbers = rng.sample(range(1, 13), 5)
        targets = Counter(value for _, value in values(numbers) if 0 < value <= 60)
        fitting = sorted(target for target, times in targets.items() if times == 3)
        if fitting:
            item = {"id": str(len(items)), "numbers": numbers, "target": rng.choice(fitting), "required": required}
            items.append(item | {"uses": 2, "operations": "+-*", "solutions": 3})
    return items


ITEMS = puzzles()


def demonstrations(chosen, form, items):
    """What the solver writes under some parameters."""
    assignment = Assignment(form, chosen.seed, chosen.synthesize, chosen.thinking)
    return solver_teacher.demonstrate(assignment, chosen.puzzles.largest_result, items)


def same(expression):
    return expressions.read(expression).text


def hits(text):
    """The pairs that a word text marks as hits."""
    return [f"{x} {operation} {y}" for x, operation, y, _, mark in LINE.findall(text) if mark == "!"]


def told(text):
    return [] if text == "none" else text.split(" ; ")


def is_first(found, place):
    return same(found[place]) not in map(same, found[:place])
