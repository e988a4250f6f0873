"""What tables are made from, and how their rows name and show what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from asyncthink.evaluation.evidence import Evidence
from asyncthink.evaluation.ledger import Ledger
from asyncthink.evaluation.metrics import rounded
from asyncthink.evaluation.recordings import Evaluation, Recordings
from asyncthink.evaluation.statistics import Statistic

LABELS = {
    "asyncthink": "AsyncThink",
    "asyncthink_priced": "AsyncThink, tokens priced",
    "asyncthink_ordered": "AsyncThink, order given",
    "asyncthink_4": "AsyncThink, c = 4",
    "fixed_plan": "Fixed plan",
    "parallel": "Parallel thinking",
    "parallel_diversified": "Parallel, diversified",
    "parallel_long": "Parallel, longer traces",
    "parallel_diversified_long": "Parallel, diversified, longer traces",
    "sequential": "Sequential thinking",
    "sequential_long": "Sequential, longer traces",
    "sequential_untaught": "Sequential, − cold start",
    "no_concurrency_reward": "− concurrency reward",
    "no_cold_start": "− cold start",
    "no_rl": "− reinforcement learning",
    "no_random_structures": "− random structures",
    "leverage": "+ leverage reward",
}
WAYS = ("asyncthink", "parallel", "sequential")
FRONTIERS = (*WAYS, "fixed_plan", "asyncthink_priced")  # beside the paper's three ways: the strongest baseline, ours
COUNTS = frozenset(
    {
        *("latency", "elapsed", "work", "forks", "joins", "correct", "offered", "string_distinct"),
        *("solutions", "branches", "forked_branches", "tokens_after", "regret"),
    }
)
Cell = str | float | bool | None
Row = dict[str, Cell]
Rows = Iterable[Row]


@dataclass(frozen=True)
class Source:
    """All that a table is made from; of the claims their verdicts, which are not judged again."""

    evidence: Evidence
    ledger: Ledger

    @property
    def scale(self) -> str:
        """The scale that all of it was made at."""
        return self.ledger["scale"]

    def on(self, test_set: str) -> Recordings:
        """The evaluations of another test set, none where it was not run."""
        return self.evidence.elsewhere.get(test_set, Recordings())

    def headlines(self, arms: Sequence[str]) -> list[Evaluation]:
        """The headline evaluations that are there."""
        return list(filter(None, map(self.evidence.recordings.find, arms)))


def label(arm: str) -> str:
    """An arm's name for readers."""
    return LABELS.get(arm, arm.replace("_", " "))


def shown(name: str, statistic: Statistic) -> Row:
    """ours, low, high: shares in percent, counts as they are."""
    estimate, factor = statistic.estimate(), 1 if name in COUNTS else 100
    low, high = np.clip((estimate.low, estimate.high), 0.0, None if name in COUNTS else 1.0)
    values = {"ours": estimate.value, "low": low, "high": high}
    return {key: rounded(value * factor) for key, value in values.items()}


def named(evaluation: Evaluation) -> Row:
    """The arm, and what its numbers rest on."""
    seeds = " ".join(map(str, evaluation.seeds))
    return {"arm": evaluation.arm, "label": label(evaluation.arm), "seeds": seeds, "items": evaluation.items}
