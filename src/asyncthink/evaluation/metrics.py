"""From the measures of single episodes to metrics with intervals.

A *measurement* is everything that one way of evaluating left: for each measure an array over items and samples, from
which every table, figure and claim is computed again without the episodes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired

import numpy as np
from typing_extensions import TypedDict

from asyncthink.evaluation.measures import Measures
from asyncthink.evaluation.statistics import Statistic, mean, mean_of_seeds

DIGITS = 6
UNION = "union"  # of the solutions of parallel traces, beside their vote
# Per Fork or per branch rather than per episode: the numerator and the denominator are measures.
SHARES = {
    "empty_share": ("empty_queries", "forks"),
    "duplicate_share": ("duplicate_queries", "forks"),
    "unused_share": ("unused_queries", "forks"),
    "unjoined_share": ("unjoined_workers", "forks"),
    "cut_share": ("cut_workers", "forks"),
    "repeated_share": ("repeated_branches", "branches"),
    "hit_rate": ("forked_hits", "forked_branches"),
}
COUNTED = frozenset(name for pair in SHARES.values() for name in pair) - {"forks", "branches", "forked_branches"}


@dataclass(frozen=True)
class Measurement:
    """values: measure -> array over (seeds, items, samples), one seed before seeds are merged; nan: no such number.

    topologies has the structure's name where the mode has an organizer, in the same order.
    """

    required: int
    values: Mapping[str, np.ndarray]
    topologies: np.ndarray | None = None

    def only(self, names: Sequence[str]) -> "Measurement":
        """Those of the measures that the task has, without the structures."""
        return Measurement(self.required, {name: self.values[name] for name in names if name in self.values})


def measurement(rows: Sequence[Measures]) -> Measurement:
    """The measures of one arm's episodes by item and sample; nan where samples of an item are missing."""
    samples: dict[tuple[str, int], list[Measures]] = {}
    for row in sorted(rows, key=lambda row: row.position):
        samples.setdefault(row.position[:2], []).append(row)
    shape = (1, len(samples), max(map(len, samples.values())))
    values: dict[str, np.ndarray] = {}
    structures = np.full(shape, None, dtype=object)
    for item, group in enumerate(samples.values()):
        for sample, row in enumerate(group):
            structures[0, item, sample] = row.structure
            for name, value in row.values.items():
                if name not in values:
                    values[name] = np.full(shape, np.nan)
                values[name][0, item, sample] = value
    organized = rows[0].structure is not None
    return Measurement(max(row.required for row in rows), values, structures if organized else None)


def statistics(measured: Measurement) -> dict[str, Statistic]:
    """Every metric: means of measures, shares per Fork, and at least k correct for every k.

    forked is the share of episodes with a Fork.
    """
    means = {name: mean(values) for name, values in measured.values.items()}
    result = {name: statistic for name, statistic in means.items() if name not in COUNTED}
    result |= {name: means[a] / means[b] for name, (a, b) in SHARES.items() if a in means and b in means}
    for k in range(1, measured.required + 1):
        correct = measured.values["correct"]
        result[f"at_least_{k}"] = mean(np.where(np.isnan(correct), np.nan, correct >= k))
    forks = measured.values.get("forks")
    if forks is not None:
        result["forked"] = mean(np.where(np.isnan(forks), np.nan, forks > 0))
    return result


class Summary(TypedDict):
    """Value and interval of 95 % of each metric, None where there was nothing to measure; how often a structure was."""

    metrics: dict[str, float | None]
    intervals: dict[str, list[float | None]]
    topologies: NotRequired[dict[str, int]]


def summary(measured: Measurement) -> Summary:
    """The metrics of a measurement as files and commands tell them."""
    estimates = {name: statistic.estimate() for name, statistic in statistics(measured).items()}
    result: Summary = {
        "metrics": {name: rounded(estimate.value) for name, estimate in estimates.items()},
        "intervals": {name: [rounded(estimate.low), rounded(estimate.high)] for name, estimate in estimates.items()},
    }
    if measured.topologies is not None:
        names = Counter(name for name in measured.topologies.ravel().tolist() if name is not None)
        result["topologies"] = dict(sorted(names.items()))
    return result


def diversity(measured: Measurement) -> Statistic:
    """How many equally frequent structures would be as diverse: the exponential of the entropy of their shares.

    Of each training seed by itself, then their mean: seeds that collapse to different structures are not diverse.
    """
    assert measured.topologies is not None, "a way of thinking without an organizer has no structures"
    seeds = [_effective_number(structures_IN.astype(str)) for structures_IN in measured.topologies]
    return mean_of_seeds(np.array([number for number, _ in seeds]), np.stack([cells_I for _, cells_I in seeds]))


def _effective_number(structures_IN: np.ndarray) -> tuple[float, np.ndarray]:
    """The effective number of structures of one seed, and each item's influence on it."""
    _, codes, counts_K = np.unique(structures_IN, return_inverse=True, return_counts=True)
    surprise_K = -np.log(counts_K / counts_K.sum())
    entropy = float((counts_K * surprise_K).sum() / counts_K.sum())
    number = float(np.exp(entropy))
    return number, number * (surprise_K[codes].reshape(structures_IN.shape).mean(1) - entropy)


def rounded(value: float) -> float | None:
    """For files: few digits, so that the same data are the same bytes; None for nan."""
    return round(float(value), DIGITS) if np.isfinite(value) else None
