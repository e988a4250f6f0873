"""A small world of countdown for tests, with readings of its texts and arithmetic of its own."""

import re
from functools import cache
from pathlib import Path

from asyncthink.config import params
from asyncthink.synthesis import solver_teacher
from asyncthink.synthesis.assignment import Assignment
from asyncthink.tasks import countdown_puzzles, expressions

ROOT = Path(__file__).parents[1]
WORLD = {"smallest": 1, "largest": 12, "base_largest": 14, "largest_target": 60, "required": 3, "most_solutions": 12}
THINKING = {"capacity": 3, "organizer_budget": 260, "worker_budget": 160, "latency_budget": None, "prompts": "word"}
SYNTHESIZE = {
    "teacher": "solver",
    "demonstrations": 300,
    "interleaved": 0.33,
    "batch": 0.33,
    "fewest_forks": 1,
    "most_forks": 5,
    "join_order": "first_in_first_out",
    "overlap": 0.5,
    "least_think_share": 0.0,
    "most_think_share": 1.0,
    "most_branches": 3,
    "systematic_share": 0.0,
    "ordered_share": 0.0,
}
NAME = re.compile(r"[a-d][-+*/][a-d]")
BRANCH = re.compile(rf"\| ({NAME.pattern}) (\d+) (\d+) (\d+)([^|<]*)")
SPELLED = re.compile(r"[-+*/!]{2} (?=[^!]*\()((?:\(*\d+\)* [-+*/] ){3}\(*\d+\)*)")


@cache
def committed():
    return params.read(ROOT / "params.yaml").to_mapping()


def settings_with(**sections) -> params.Params:
    """The committed file with this test's own world, so that a change of scale changes no test."""
    raw = params.merged(committed(), {"reward": {"concurrency_target": 1.0}})
    own = {"puzzles": WORLD, "thinking": THINKING, "synthesize": SYNTHESIZE, "pretrain": {"sudoku_share": 0.0}}
    return params.from_mapping(params.merged(params.merged(raw, own), sections))


ITEMS = countdown_puzzles.drawn(settings_with().puzzles, 0, "train", 40)


def demonstrations(chosen, form, items):
    """What the solver writes under some parameters."""
    assignment = Assignment(form, chosen.seed, chosen.synthesize, chosen.thinking)
    return solver_teacher.demonstrate(assignment, items)


def same(expression):
    return expressions.read(expression).text


def hits(text):
    """The solutions that a search spells out, in its order."""
    return [solution for solution in SPELLED.findall(text) if "(" in solution]


def searched(text):
    """The branches that a text searches, by their names."""
    return [name for name, *_ in BRANCH.findall(text)]


def named(name, numbers):
    """The first step of a branch, `13-10`, from its name and the puzzle's numbers: `a` is the largest."""
    large, operation, small = name
    letters = dict(zip("abcd", sorted(numbers, reverse=True), strict=True))
    return f"{letters[large]}{operation}{letters[small]}"


def told(text):
    return [] if text == "none" else text.split(" ; ")
