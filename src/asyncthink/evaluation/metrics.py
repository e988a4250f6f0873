"""From recorded episodes to metrics with intervals; `evaluate` and `measure` print the same numbers.

A *measurement* is everything that one way of evaluating left: for each measure an array over items and samples, from
which every table, figure and claim is computed again without the episodes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asyncthink.episode import Episode
from asyncthink.evaluation import measures
from asyncthink.evaluation.statistics import Statistic, mean, mean_of_seeds

DIGITS = 6
UNION = "union"  # of the solutions of parallel traces, beside their vote
# Per Fork rather than per episode: the numerator and the denominator are measures.
PER_FORK = {
    "empty_share": ("empty_queries", "forks"),
    "duplicate_share": ("duplicate_queries", "forks"),
    "unused_share": ("unused_queries", "forks"),
    "unjoined_share": ("unjoined_workers", "forks"),
    "cut_share": ("cut_workers", "forks"),
}
COUNTED = frozenset(name for pair in PER_FORK.values() for name in pair) - {"forks"}


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


def measurement(episodes: Sequence[Episode]) -> Measurement:
    """Measure episodes of one arm in the order of items and samples; where samples of an item are missing, nan."""
    samples: dict[Any, list[Episode]] = {}
    for episode in sorted(episodes, key=position):
        samples.setdefault(position(episode)[:2], []).append(episode)
    shape = (1, len(samples), max(map(len, samples.values())))
    values: dict[str, np.ndarray] = {}
    structures = np.full(shape, None, dtype=object)
    for i, group in enumerate(samples.values()):
        for n, episode in enumerate(group):
            structures[0, i, n] = measures.episode_topology(episode)
            for name, value in measures.measures(episode).items():
                values.setdefault(name, np.full(shape, np.nan))[0, i, n] = value
    required = max(measures.required(episode.item) for episode in episodes)
    return Measurement(required, values, structures if episodes[0].mode == "asynchronous" else None)


def aggregations(episodes: Sequence[Episode]) -> Mapping[str | None, Sequence[Episode]]:
    """Parallel thinking is scored by the vote of its traces, and beside it by the union of what they found."""
    if episodes[0].mode != "parallel":
        return {None: episodes}
    return {"vote": episodes, UNION: [measures.union_scored(e) for e in episodes]}


def position(episode: Episode) -> tuple[str, int, int]:
    """Where an episode stands: split and index of its item, then the sample."""
    return str(episode.key.get("split", "")), int(episode.key.get("index", 0)), int(episode.key.get("sample", 0))


def statistics(measured: Measurement) -> dict[str, Statistic]:
    """Every metric: means of measures, shares per Fork, and at least k correct for every k.

    forked is the share of episodes with a Fork.
    """
    means = {name: mean(values) for name, values in measured.values.items()}
    result = {name: statistic for name, statistic in means.items() if name not in COUNTED}
    result |= {name: means[a] / means[b] for name, (a, b) in PER_FORK.items() if a in means and b in means}
    for k in range(1, measured.required + 1):
        correct = measured.values["correct"]
        result[f"at_least_{k}"] = mean(np.where(np.isnan(correct), np.nan, correct >= k))
    forks = measured.values.get("forks")
    if forks is not None:
        result["forked"] = mean(np.where(np.isnan(forks), np.nan, forks > 0))
    return result


def summary(measured: Measurement) -> dict[str, Any]:
    """`metrics`: name -> value, `intervals`: name -> [low, high] of 95 %; None where there was nothing to measure."""
    estimates = {name: statistic.estimate() for name, statistic in statistics(measured).items()}
    result = {
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
