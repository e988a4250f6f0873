"""Every table, as pandas frames with fixed columns: ours with its interval, the paper's own value beside it.

Shares are in percent. A table without data has its columns and no rows, so that what reads it says "not run at this
scale" and does not fail. Each row names the scale that it was made at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from asyncthink.evaluation import frontier
from asyncthink.evaluation.claims import ledger
from asyncthink.evaluation.histories import History
from asyncthink.evaluation.metrics import diversity, rounded
from asyncthink.evaluation.paper import PAPER
from asyncthink.evaluation.recordings import HEADLINE, Evaluation, note
from asyncthink.reporting import task_tables
from asyncthink.reporting.source import WAYS, Rows, Source, label, named, shown
from asyncthink.synthesis.structures import CLASSES, topology_class

ABLATIONS = ("asyncthink", "no_concurrency_reward", "no_cold_start", "no_rl")
ABLATION_MEASURES = ("all_correct", "accuracy", "concurrency_ratio", "elapsed")
HACKING_MEASURES = (
    "empty_share",
    "duplicate_share",
    "unused_share",
    "unjoined_share",
    "cut_share",
    "concurrency_ratio_right",
    "concurrency_ratio_wrong",
)
DYNAMICS = (
    "reward",
    "accuracy",
    "all_correct",
    "concurrency_ratio",
    "forks",
    "latency",
    "valid",
    "work",
    "episodes",
    "entropy",
    "kl",
)
LEARNING = ("loss", "token_accuracy", "tag_accuracy", "arithmetic", "hit_recall", "copying")


@dataclass(frozen=True)
class Table:
    """What a row is, its columns, and the function that yields the rows."""

    about: str
    columns: tuple[str, ...]
    rows: Callable[[Source], Rows]

    def frame(self, source: Source) -> pd.DataFrame:
        """The table; the last column names the scale."""
        label = note(source.scale) or source.scale
        rows = [{**row, "scale": label} for row in self.rows(source)]
        return pd.DataFrame(rows, columns=[*self.columns, "scale"])


def _correct_at_least_k(source: Source) -> Rows:
    for evaluation in source.headlines(WAYS):
        statistics = source.statistics(evaluation)
        theirs = PAPER["countdown"]["arms"][evaluation.arm]["at_least"]
        for k in range(1, evaluation.measured.required + 1):
            paper = theirs[k - 1] if k <= len(theirs) else None
            yield {**named(evaluation), "k": k, **shown("at_least", statistics[f"at_least_{k}"]), "paper": paper}


def _ablations(source: Source) -> Rows:
    for evaluation in source.headlines(ABLATIONS):
        statistics = source.statistics(evaluation)
        theirs = PAPER["countdown"]["arms"][evaluation.arm]
        paper = {
            "all_correct": theirs["at_least"][-1],
            "concurrency_ratio": theirs["concurrency_ratio"],
            "elapsed": theirs["latency"],
        }
        for name in ABLATION_MEASURES:
            measured = shown(name, statistics[name])
            yield {**named(evaluation), "measure": name, **measured, "paper": paper.get(name)}
    yield from task_tables.math_ablations(source)


def _training_dynamics(source: Source) -> Rows:
    for history in source.evidence.histories:
        if history.stage == "grpo":
            for row in history.steps:
                values = {name: row.get(name) for name in DYNAMICS}
                yield {**_run(history), **values, **_step(row)}


def _run(history: History) -> dict[str, Any]:
    return {"arm": history.name, "label": label(history.name), "seed": history.seed}


def _step(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"step": row.get("step")}


def _frontier(source: Source) -> Rows:
    for arm in WAYS:
        points = source.evidence.budgets(arm)
        statistics = [source.statistics(point) for point in points]
        values = [np.array([s[key].value for s in statistics]) for key in ("elapsed", "accuracy")]
        best = set(frontier.pareto(*values)[0].tolist()) if points else set()
        for point, found in zip(points, statistics, strict=True):
            yield {
                "way": arm,
                **named(point),
                "variant": point.variant,
                "organizer_budget": point.thinking["organizer_budget"],
                "worker_budget": point.thinking["worker_budget"] if arm == "asyncthink" else None,
                "capacity": point.thinking["capacity"],
                **_prefixed("accuracy", shown("accuracy", found["accuracy"])),
                **_prefixed("latency", shown("elapsed", found["elapsed"])),
                "best": found["elapsed"].value in best,
            }


def _prefixed(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name if key == "ours" else f"{name}_{key}": value for key, value in values.items()}


def _topologies(source: Source) -> Rows:
    corpus = (source.evidence.corpus or {}).get("topologies")
    if corpus:
        counts = {kind: corpus["classes"][kind] for kind in CLASSES}
        total = sum(count["demonstrations"] for count in counts.values()) or 1
        for kind, count in counts.items():
            share = rounded(100 * count["demonstrations"] / total)
            row = {"source": "corpus", "label": "Corpus of demonstrations", "kind": kind, "share": share}
            yield {**row, "distinct": count["distinct"], "effective": None}
    for arm in source.evidence.recordings.arms:
        evaluation = source.evidence.recordings.find(arm)
        if evaluation is not None and evaluation.measured.topologies is not None:
            yield from _structures(source, evaluation)


def _structures(source: Source, evaluation: Evaluation) -> Rows:
    names = evaluation.measured.topologies.ravel().tolist()
    kinds = {name: topology_class(name.split()) for name in set(names)}
    effective = rounded(diversity(evaluation.measured).value)
    for kind in CLASSES:
        share = rounded(100 * sum(kinds[name] == kind for name in names) / len(names))
        row = {"source": evaluation.arm, "label": label(evaluation.arm), "kind": kind, "share": share}
        yield {**row, "distinct": list(kinds.values()).count(kind), "effective": effective}


def _claims(source: Source) -> Rows:
    for row in ledger(source.evidence, source.scale)["claims"]:
        yield {**{key: row[key] for key in ("id", "claim", "paper", "ours", "verdict", "reason")}, **_row_seeds(row)}


def _row_seeds(row: Mapping[str, Any]) -> dict[str, str]:
    return {"seeds": " ".join(map(str, row["seeds"]))}


def _learning_curves(source: Source) -> Rows:
    for history in source.evidence.histories:
        if history.stage in ("pretrain", "sft"):
            for row in history.steps:
                values = {name: row.get(name) for name in LEARNING}
                yield {"stage": history.stage, **_run(history), **values, **_step(row)}


def _hacking(source: Source) -> Rows:
    for arm in source.evidence.recordings.arms:
        evaluation = source.evidence.recordings.find(arm)
        if evaluation is not None and evaluation.mode == "asynchronous":
            statistics = source.statistics(evaluation)
            for name in HACKING_MEASURES:
                yield {**named(evaluation), "measure": name, **shown(name, statistics[name])}


def _evaluations(source: Source) -> Rows:
    for evaluation in source.evidence.recordings.evaluations:
        row = {
            **named(evaluation),
            "variant": evaluation.variant,
            "aggregation": evaluation.aggregation,
            **{key: evaluation.thinking[key] for key in ("capacity", "organizer_budget", "worker_budget")},
        }
        for name, statistic in source.statistics(evaluation).items():
            yield {**row, "measure": name, **shown(name, statistic)}


TEST_SET_MEASURES = ("accuracy", "elapsed", "forked", "valid", "concurrency_ratio")


def _test_sets(source: Source) -> Rows:
    for name, recordings in source.evidence.elsewhere.items():
        own = Source(source.evidence.on(name), source.scale)
        for evaluation in own.headlines(recordings.arms):
            statistics = own.statistics(evaluation)
            for measure in TEST_SET_MEASURES:
                row = {"test_set": name, **named(evaluation), "measure": measure}
                yield {**row, **shown(measure, statistics[measure])}


_OURS = ("ours", "low", "high")
_ARM = ("arm", "label")
_RUN = ("seeds", "items")
_COMPARED = (*_ARM, "measure", *_OURS, "paper", *_RUN)
TABLES = {
    "correct_at_least_k": Table(
        "share of items with at least k correct solutions, %", (*_ARM, "k", *_OURS, "paper", *_RUN), _correct_at_least_k
    ),
    "ablations": Table("one measure of one ablation", _COMPARED, _ablations),
    "math": Table("one measure of one way at one budget", _COMPARED, task_tables.math),
    "sudoku": Table("one measure of one way", _COMPARED, task_tables.sudoku),
    "training_dynamics": Table("one step of RL", (*_ARM, "seed", "step", *DYNAMICS), _training_dynamics),
    "frontier": Table(
        "accuracy (%) and latency (decoding steps, all episodes) at one budget; an arm is a budget in training",
        (
            "way",
            *_ARM,
            "variant",
            "organizer_budget",
            "worker_budget",
            "capacity",
            "accuracy",
            "accuracy_low",
            "accuracy_high",
            "latency",
            "latency_low",
            "latency_high",
            "best",
            *_RUN,
        ),
        _frontier,
    ),
    "topologies": Table(
        "share (%) and number of distinct organizer structures of one kind",
        ("source", "label", "kind", "share", "distinct", "effective"),
        _topologies,
    ),
    "claims": Table("one claim of the paper", ("id", "claim", "paper", "ours", "verdict", "reason", "seeds"), _claims),
    "learning_curves": Table("one logged step", ("stage", "arm", "label", "seed", "step", *LEARNING), _learning_curves),
    "hacking": Table("one sign of reward hacking, %", (*_ARM, "measure", *_OURS, *_RUN), _hacking),
    "test_sets": Table(
        "one measure of one arm on a further test set; shares in %",
        ("test_set", *_ARM, "measure", *_OURS, *_RUN),
        _test_sets,
    ),
    "evaluations": Table(
        "one metric of one evaluation; shares in %",
        (
            *_ARM,
            "variant",
            "aggregation",
            "capacity",
            "organizer_budget",
            "worker_budget",
            "measure",
            *_OURS,
            *_RUN,
        ),
        _evaluations,
    ),
}


def text(frame: pd.DataFrame) -> str:
    """A table as CSV text; the same data are the same bytes."""
    return frame.to_csv(index=False, lineterminator="\n")


def headline(evaluations: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Each arm's headline out of the table of evaluations, to compare runs: {"asyncthink": {"accuracy": 79.4, ...}}."""
    chosen = (evaluations["variant"] == HEADLINE) & evaluations["aggregation"].fillna("vote").eq("vote")
    arms = evaluations[chosen].dropna(subset="ours").groupby("arm", sort=False)
    return {arm: dict(zip(own["measure"], own["ours"], strict=True)) for arm, own in arms}
