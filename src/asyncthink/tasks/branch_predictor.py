"""Which first steps of countdown hold a hit, as far as the numbers alone tell: a logistic regression.

The best order of search that can be had without searching: what an organizer's choice of branches is measured against,
and the order of a fixed plan. Features are cheap functions of the puzzle and the first step; the fit is Newton's, with
a small ridge, on puzzles over sets of numbers that no validation or test item has. What it found lies beside this file,
so that no command fits it anew; `python -m asyncthink.tasks.branch_predictor` writes that file again.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asyncthink.files import write_text
from asyncthink.randomness import keyed
from asyncthink.tasks.countdown_puzzles import SHARES
from asyncthink.tasks.countdown_search import COUNT, Branch, Numbers, branches, solution_counts, sorted_numbers
from asyncthink.tasks.expressions import OPERATIONS
from asyncthink.tasks.splits import split_of

RIDGE, STEPS = 1.0, 12
LARGEST, LARGEST_TARGET, REQUIRED, FITTED = 13, 60, 4, 400  # the game that `of_the_game` is fitted on, and its sets
SIZES = 10  # bins of log(result / target)
FOUND = Path(__file__).with_suffix(".json")

Array = npt.NDArray[np.float64]


def hit_flags(item: dict[str, Any]) -> list[bool]:
    """For each branch of an item whether it holds a hit."""
    return [bool(branch.hits(item["target"])) for branch in _branches(item)]


@dataclass(frozen=True)
class Predictor:
    """Weights over standardized features, the intercept first."""

    mean_F: Array
    scale_F: Array
    weight_F: Array

    def order(self, item: dict[str, Any]) -> list[int]:
        """The branches of an item, the likeliest to hold a hit first."""
        return [int(place) for place in np.argsort(-self.scores(item), kind="stable")]

    def scores(self, item: dict[str, Any]) -> Array:
        """The log-odds of each branch."""
        return _design(np.array(_rows(item)), self.mean_F, self.scale_F) @ self.weight_F


def fitted(items: Sequence[dict[str, Any]]) -> Predictor:
    """The predictor that some items teach."""
    raw_RF = np.array([row for item in items for row in _rows(item)])
    hit_R = np.array([flag for item in items for flag in hit_flags(item)], dtype=float)
    mean_F, scale_F = raw_RF.mean(0), raw_RF.std(0) + 1e-6
    design_RF = _design(raw_RF, mean_F, scale_F)
    weight_F = np.zeros(design_RF.shape[1])
    ridge_FF = RIDGE * np.eye(len(weight_F))
    for _ in range(STEPS):
        chance_R = 1 / (1 + np.exp(-(design_RF @ weight_F)))
        curvature_FF = design_RF.T @ (design_RF * (chance_R * (1 - chance_R))[:, None]) + ridge_FF
        weight_F = weight_F + np.linalg.solve(curvature_FF, design_RF.T @ (hit_R - chance_R) - RIDGE * weight_F)
    return Predictor(mean_F, scale_F, weight_F)


@cache
def of_the_game() -> Predictor:
    """The predictor of puzzles with K solutions or more, as it was fitted once."""
    return Predictor(**{name: np.array(values) for name, values in json.loads(FOUND.read_text("utf-8")).items()})


def fitted_on_the_game() -> Predictor:
    """The same, fitted anew; there are always enough of these puzzles to learn from."""
    rng = keyed("branch predictor")
    sets = [numbers for numbers in combinations(range(LARGEST, 0, -1), COUNT) if not _is_held_out(numbers)]
    items = []
    for numbers in rng.sample(sets, FITTED):
        targets = [target for target in range(1, LARGEST_TARGET + 1) if solution_counts(numbers)[target] >= REQUIRED]
        if targets:
            items.append({"numbers": numbers, "target": rng.choice(targets)})
    return fitted(items)


def _is_held_out(numbers: Numbers) -> bool:
    return split_of(f"countdown/{numbers}", SHARES) in ("validation", "test")


def _branches(item: dict[str, Any]) -> tuple[Branch, ...]:
    return branches(sorted_numbers(item))


def _design(raw_RF: Array, mean_F: Array, scale_F: Array) -> Array:
    return np.concatenate([np.ones((len(raw_RF), 1)), (raw_RF - mean_F) / scale_F], 1)


def _rows(item: dict[str, Any]) -> list[list[float]]:
    return [_features(item, branch) for branch in _branches(item)]


def _features(item: dict[str, Any], branch: Branch) -> list[float]:
    target, result = item["target"], branch.result
    rest = sorted(set(item["numbers"]) - {branch.left, branch.right}, reverse=True)
    size = min(SIZES - 1, max(0, int((math.log(result / target) + 2.5) / 0.5)))
    flags = [
        *(operation == branch.operation and size == bin for operation in OPERATIONS for bin in range(SIZES)),
        result == target,
        target % result == 0,
        result % target == 0,
        any(number > 1 and target % number == 0 for number in rest),
        1 in (branch.left, branch.right),
        1 in rest,
        *(target % number == 0 for number in rest),
        result in rest,
        target in rest,
        rest[0] + rest[1] == abs(target - result),
        rest[0] - rest[1] == abs(target - result),
    ]
    sizes = [target / 60, result / 100, rest[0] / 13, rest[1] / 13]
    by_operation = [value * (operation == branch.operation) for operation in OPERATIONS for value in sizes]
    return [*map(float, flags), *by_operation]


if __name__ == "__main__":
    rows = (f'"{name}": {json.dumps(values_F.tolist())}' for name, values_F in vars(fitted_on_the_game()).items())
    write_text(FOUND, "{" + ",\n".join(rows) + "}\n")
