"""Two recordings held against each other, measure by measure: B less A, with an interval of 95 %.

On the same items and a training seed that both have, the difference is taken cell by cell, so what makes an item hard
falls out of it. Otherwise the two are independent, and the interval is Welch's. Whether the two agree is the test of
agreement.py over training seeds, with its margins. One seed each says nothing of another: then the same test is over
items, and its words are of these runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from asyncthink.evaluation import agreement
from asyncthink.evaluation.recordings import Evaluation
from asyncthink.evaluation.statistics import Estimate

MEASURES = {"accuracy": "%", "all_correct": "%", "concurrency_ratio": "%", "elapsed": "tokens", "work": "tokens"}
UNITS = {"%": "points", "tokens": "tokens"}  # of a difference
FACTORS = {"%": 100, "tokens": 1}  # from what is measured to its unit


@dataclass(frozen=True)
class Difference:
    """One measure of two evaluations: both values, B less A, and whether they agree, in the words of agreement.py."""

    measure: str
    unit: str
    one: float
    other: float
    difference: Estimate
    agrees: str


def between(one: Evaluation, other: Evaluation, *, same_items: bool) -> Iterator[Difference]:
    """The measures that both have."""
    for name, unit in MEASURES.items():
        if name in one.statistics and name in other.statistics:
            values = one.statistics[name].value, other.statistics[name].value
            difference, margin = _difference(one, other, name, same_items), agreement.MARGINS[UNITS[unit]]
            agrees = _agree(_by_seed(one, name), _by_seed(other, name), difference, margin)
            yield Difference(name, unit, *values, difference, agrees)


def common(one: Evaluation, other: Evaluation) -> tuple[int, ...]:
    """The training seeds that both have."""
    return tuple(seed for seed in one.seeds if seed in other.seeds)


def _difference(one: Evaluation, other: Evaluation, name: str, same_items: bool) -> Estimate:
    if same_items and (seeds := common(one, other)):
        mine, theirs = (evaluation.of_seeds(seeds).statistics[name] for evaluation in (one, other))
        return (theirs - mine).estimate()
    return welch(other.statistics[name].estimate(), one.statistics[name].estimate())


def welch(one: Estimate, other: Estimate) -> Estimate:
    """The difference of two independent estimates (Welch, 1947)."""
    error = float(np.hypot(one.error, other.error))
    parts = sum(each.error**4 / each.freedom for each in (one, other) if each.error)
    return Estimate(one.value - other.value, error, error**4 / parts if parts else np.inf)


def _by_seed(evaluation: Evaluation, name: str) -> Mapping[int, float]:
    return {seed: evaluation.of_seeds((seed,)).statistics[name].value for seed in evaluation.seeds}


def _agree(one: Mapping[int, float], other: Mapping[int, float], difference: Estimate, margin: float) -> str:
    if one == other:
        return agreement.SAME
    if len(one) == len(other) == 1:
        return of_two_runs(difference, margin)
    ours, theirs = (np.array(list(values.values())) for values in (one, other))
    return agreement.equivalence(ours, theirs, margin)


def of_two_runs(difference: Estimate, margin: float) -> str:
    """Whether two single trainings agree within a margin: agrees in these runs, differs in these runs, cannot tell."""
    judged = difference.at(1 - 2 * agreement.RISK)
    if -margin <= judged.low and judged.high <= margin:
        return f"{agreement.AGREES} in these runs"
    apart = judged.low > margin or judged.high < -margin
    return f"{agreement.DIFFERS} in these runs" if apart else agreement.UNTOLD
