"""What tables are made from, and how their rows name and show what was measured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asyncthink.evaluation.evidence import Evidence
from asyncthink.evaluation.metrics import rounded
from asyncthink.evaluation.recordings import Evaluation, Recordings
from asyncthink.evaluation.statistics import Statistic

LABELS = {
    "asyncthink": "AsyncThink",
    "parallel": "Parallel thinking",
    "sequential": "Sequential thinking",
    "no_concurrency_reward": "− concurrency reward",
    "no_cold_start": "− format fine-tuning",
    "no_rl": "− reinforcement learning",
    "parallel_no_rl": "Parallel, no RL",
    "parallel_medium": "Parallel, medium traces",
    "parallel_long": "Parallel, longer traces",
    "parallel_longest": "Parallel, longest traces",
    "sequential_medium": "Sequential, medium traces",
    "sequential_long": "Sequential, longer traces",
    "sequential_longest": "Sequential, longest traces",
    "no_random_structures": "− random structures",
    "leverage": "+ leverage reward",
}
WAYS = ("asyncthink", "parallel", "sequential")
COUNTS = frozenset({"latency", "elapsed", "work", "forks", "joins", "correct", "offered", "string_distinct"})
Rows = Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class Source:
    """All that a table is made from."""

    evidence: Evidence
    scale: str

    def statistics(self, evaluation: Evaluation) -> dict[str, Statistic]:
        """Every metric of one evaluation over its own seeds."""
        return evaluation.statistics()

    def on(self, test_set: str) -> Recordings:
        """The evaluations of another test set, none where it was not run."""
        return self.evidence.elsewhere.get(test_set, Recordings(None, ()))

    def headlines(self, arms: Sequence[str]) -> list[Evaluation]:
        """The headline evaluations that are there."""
        found = [self.evidence.recordings.find(arm) for arm in arms]
        return [evaluation for evaluation in found if evaluation is not None]


def label(arm: str) -> str:
    """An arm's name for readers."""
    return LABELS.get(arm, arm.replace("_", " "))


def shown(name: str, statistic: Statistic) -> dict[str, float | None]:
    """ours, low, high: shares in percent, counts as they are."""
    estimate, factor = statistic.estimate(), 1 if name in COUNTS else 100
    low, high = np.clip((estimate.low, estimate.high), 0.0, None if name in COUNTS else 1.0)
    keys = {"ours": estimate.value, "low": low, "high": high}
    return {key: rounded(value * factor) for key, value in keys.items()}


def named(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "arm": evaluation.arm,
        "label": label(evaluation.arm),
        "seeds": " ".join(map(str, evaluation.seeds)),
        "items": evaluation.items,
    }
