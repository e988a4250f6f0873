"""Which first steps of countdown hold a hit, as far as the numbers alone tell: a logistic regression.

The best order of search that can be had without searching: what an organizer's choice of branches is measured against,
and the order of a fixed plan. Features are cheap functions of the puzzle and the first step. The weights lie beside
this file, so that no command fits them anew; tests/predictor_fit.py does, on puzzles over sets of numbers that no
validation or test item has.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asyncthink.tasks.countdown_search import Branch, branches, sorted_numbers
from asyncthink.tasks.expressions import OPERATIONS

SIZES = 10  # bins of log(result / target)
FOUND = Path(__file__).with_suffix(".json")

Array = npt.NDArray[np.float64]


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
        return design(features([item]), self.mean_F, self.scale_F) @ self.weight_F


@cache
def of_the_game() -> Predictor:
    """The predictor of puzzles with K solutions or more, as it was fitted once."""
    return Predictor(**{name: np.array(values) for name, values in json.loads(FOUND.read_text("utf-8")).items()})


def features(items: Iterable[dict[str, Any]]) -> Array:
    """(R, F): a row for each branch of each item."""
    return np.array([_features(item, branch) for item in items for branch in branches(sorted_numbers(item))])


def design(raw_RF: Array, mean_F: Array, scale_F: Array) -> Array:
    """The features standardized, a column of ones in front."""
    return np.concatenate([np.ones((len(raw_RF), 1)), (raw_RF - mean_F) / scale_F], 1)


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
