"""What the rules of the claims may look at: recorded metrics, training histories, the corpus. No model, no episode."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from asyncthink.errors import InputError
from asyncthink.evaluation import histories, recordings
from asyncthink.evaluation.histories import History
from asyncthink.evaluation.metrics import diversity
from asyncthink.evaluation.recordings import Evaluation, Recordings
from asyncthink.evaluation.statistics import Statistic
from asyncthink.evaluation.verdicts import NotRun
from asyncthink.settings import COUNTDOWN, HEADLINE
from asyncthink.synthesis.structures import CLASSES

ASYNC, SEQUENTIAL, PARALLEL = "asyncthink", "sequential", "parallel"
NO_REWARD, NO_COLD_START, NO_RL = "no_concurrency_reward", "no_cold_start", "no_rl"
LEVERAGE, FIXED_STRUCTURES, FOUR_AGENTS = "leverage", "no_random_structures", "asyncthink_4"
BASELINES = (SEQUENTIAL, PARALLEL)
PRICED, FIXED_PLAN = "asyncthink_priced", "fixed_plan"
# Further points of a baseline's frontier: traces that begin apart, and, as the paper's at 1K beside 2K, a training.
ALSO = {
    SEQUENTIAL: ("sequential_long",),
    PARALLEL: ("parallel_diversified", "parallel_long", "parallel_diversified_long"),
    "parallel_math": ("parallel_math_1k",),
}


class Topologies(TypedDict):
    """The structures of a corpus: how many differ, how many of these are neither interleaved nor batch, by class."""

    distinct: int
    beyond_the_two: int
    classes: dict[str, dict[str, int]]


class Corpus(TypedDict):
    """What `filter` says of an arm's demonstrations that are read here."""

    arm: str
    topologies: Topologies


CORPUS = TypeAdapter(Corpus)


@dataclass(frozen=True)
class Evidence:
    """corpus: the metrics of the filtered demonstrations, of four agents or else of AsyncThink, if they are there.

    recordings are of countdown's test set, elsewhere those of the others. learning: of each arm, the learning rate
    summed up to each step of its RL.
    """

    recordings: Recordings
    histories: Sequence[History]
    corpus: Corpus | None
    elsewhere: Mapping[str, Recordings] = field(default_factory=dict)
    learning: Mapping[str, np.ndarray] = field(default_factory=dict)

    def on(self, test_set: str) -> "Evidence":
        """The same with the evaluations of another test set; NotRun where there are none."""
        if test_set not in self.elsewhere:
            raise NotRun(f"needs the evaluation on the test set {test_set} (test_sets in params.yaml)")
        return replace(self, recordings=self.elsewhere[test_set])

    def of_seed(self, seed: int) -> "Evidence":
        """What one training seed left."""
        elsewhere = {name: recorded.of_seed(seed) for name, recorded in self.elsewhere.items()}
        runs = [run for run in self.histories if run.seed == seed]
        return replace(self, recordings=self.recordings.of_seed(seed), histories=runs, elsewhere=elsewhere)

    def evaluations(self, *arms: str) -> list[Evaluation]:
        """The headline evaluations of some arms; NotRun where one is missing."""
        headlines = {arm: self.recordings.find(arm) for arm in arms}
        if missing := [arm for arm, evaluation in headlines.items() if evaluation is None]:
            raise NotRun(f"needs the evaluation of {', '.join(missing)}")
        return [evaluation for evaluation in headlines.values() if evaluation is not None]

    def statistics(self, *evaluations: Evaluation) -> tuple[list[dict[str, Statistic]], tuple[int, ...]]:
        """Every metric of each, over the seeds that all of them have."""
        seeds = _common_seeds(evaluations)
        return [e.of_seeds(seeds).statistics for e in evaluations], seeds

    def diversity(self, ours: Evaluation, theirs: Evaluation) -> tuple[Statistic, Statistic, tuple[int, ...]]:
        """How many structures, in effect, each of two arms uses within a seed, over the seeds that both have."""
        seeds = _common_seeds((ours, theirs))
        mine, other = (diversity(evaluation.of_seeds(seeds).measured) for evaluation in (ours, theirs))
        return mine, other, seeds

    def budgets(self, arm: str) -> list[Evaluation]:
        """The evaluations of an arm, and those ALSO of it, with as many agents as its headline.

        Each at the temperature of its own arm's headline: ways of thinking may be sampled at different ones.
        """
        headline = self.recordings.find(arm)
        if headline is None:
            return []
        alike = []
        for name in (arm, *ALSO.get(arm, ())):
            own = self.recordings.find(name)
            wanted = own and (headline.thinking["capacity"], own.thinking["temperature"])
            for e in self.recordings.variants(name):
                if (e.thinking["capacity"], e.thinking["temperature"]) == wanted:
                    alike.append(e)
        return sorted(alike, key=lambda e: (e.arm != arm, e.variant != HEADLINE, e.variant))

    def runs(self, arm: str) -> list[History]:
        """The RL runs of an arm; NotRun where they are too short to have tenths."""
        runs = histories.of_arm(self.histories, arm)
        steps = min((len(run.steps) for run in runs), default=0)
        if steps < histories.FEWEST_STEPS:
            raise NotRun(f"needs {histories.FEWEST_STEPS} steps of RL or more for {arm}; there are {steps}")
        return runs


def _common_seeds(evaluations: Sequence[Evaluation]) -> tuple[int, ...]:
    """The seeds that all have; NotRun where there is none."""
    seeds = tuple(seed for seed in evaluations[0].seeds if all(seed in e.seeds for e in evaluations))
    if not seeds:
        arms = ", ".join(sorted({evaluation.arm for evaluation in evaluations}))
        raise NotRun(f"needs a seed that was evaluated for all of {arms}")
    return seeds


def read(
    evaluations: Iterable[Path],
    training: Iterable[Path],
    filters: Sequence[Path],
    learning: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Evidence:
    """The evidence of one run from its files; any of them may be missing, and the claims say so."""
    corpora: dict[str, Corpus] = {}
    for path in filters:
        corpus = recordings.read_record(path, CORPUS, "a metrics file of `asyncthink filter`")
        if corpora.setdefault(corpus["arm"], corpus) is not corpus:
            raise InputError(f"{path}: a second corpus of {corpus['arm']}; give one of them")
        counted = corpus["topologies"]["classes"]
        if missing := [kind for kind in CLASSES if not {"demonstrations", "distinct"} <= counted.get(kind, {}).keys()]:
            raise InputError(f"{path}: topologies.classes has no counts of {missing[0]}; run `asyncthink filter` again")
    ours = corpora.get(FOUR_AGENTS, corpora.get(ASYNC))
    by_test_set = recordings.read_all(evaluations)
    on_countdown = by_test_set.pop(COUNTDOWN, Recordings())
    return Evidence(on_countdown, histories.read(training), ours, by_test_set, learning)
