"""Every table, as pandas frames with fixed columns: ours with its interval, the paper's own value beside it.

Shares are in percent. A table without data has its columns and no rows, so that what reads it says "not run at this
scale" and does not fail. Each row names the scale that it was made at.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import StringIO
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from asyncthink.errors import InputError
from asyncthink.evaluation import frontier
from asyncthink.evaluation.histories import History
from asyncthink.evaluation.measures import POSITIONS
from asyncthink.evaluation.metrics import diversity, rounded
from asyncthink.evaluation.paper import PAPER
from asyncthink.evaluation.recordings import Evaluation, note
from asyncthink.evaluation.statistics import mean
from asyncthink.reporting import task_tables
from asyncthink.reporting.comparison import HACKING, TEST_SETS
from asyncthink.reporting.source import FRONTIERS, WAYS, Row, Rows, Source, label, named, shown
from asyncthink.settings import HEADLINE
from asyncthink.synthesis.structures import CLASSES, topology_class

ABLATIONS = ("asyncthink", "no_concurrency_reward", "no_cold_start", "no_rl")
ABLATION_MEASURES = ("all_correct", "accuracy", "concurrency_ratio", "elapsed")
ORGANIZATION = ("chance", "hit_rate", "repeated_share", "branches", "tokens_after", "regret")
DYNAMICS = (
    *("reward", "accuracy", "all_correct", "concurrency_ratio", "forks", "latency", "valid", "work", "episodes"),
    *("entropy", "kl", "repeated_share"),
)
CONCURRENCY_MARKS = ("alone", "target")  # of η/c: 1/c, and τ where there is a reward for it
LEARNING = ("loss", "token_accuracy", "tag_accuracy", "arithmetic", "hit_recall", "copying")
OURS = ("ours", "low", "high")
ARM, RUN = ("arm", "label"), ("seeds", "items")
COMPARED = (*ARM, "measure", *OURS, "paper", *RUN)
BUDGETS = ("capacity", "organizer_budget", "worker_budget")


@dataclass(frozen=True)
class Table:
    """Its columns, and the function that yields its rows."""

    columns: tuple[str, ...]
    rows: Callable[[Source], Rows]

    def frame(self, source: Source) -> pd.DataFrame:
        """The table; the last column names the scale."""
        scale = note(source.scale) or source.scale
        rows = [{**row, "scale": scale} for row in self.rows(source)]
        return pd.DataFrame(rows, columns=[*self.columns, "scale"])


def correct_at_least_k(source: Source) -> Rows:
    """Share of items with at least k correct solutions, %."""
    for evaluation in source.headlines(WAYS):
        theirs = PAPER["countdown"]["arms"][evaluation.arm]["at_least"]
        for k in range(1, evaluation.measured.required + 1):
            paper = theirs[k - 1] if k <= len(theirs) else None
            measured = shown("at_least", evaluation.statistics[f"at_least_{k}"])
            yield {**named(evaluation), "k": k, **measured, "paper": paper}


def ablations(source: Source) -> Rows:
    """One measure of one ablation."""
    for evaluation in source.headlines(ABLATIONS):
        theirs = PAPER["countdown"]["arms"][evaluation.arm]
        paper = {"all_correct": theirs["at_least"][-1], "elapsed": theirs["latency"]}
        paper |= {"concurrency_ratio": theirs["concurrency_ratio"]}
        for row in _measured(evaluation, ABLATION_MEASURES):
            yield {**row, "paper": paper.get(str(row["measure"]))}
    yield from task_tables.math_ablations(source)


def _measured(evaluation: Evaluation, names: Iterable[str]) -> Rows:
    """One row a measure."""
    for name in names:
        yield {**named(evaluation), "measure": name, **shown(name, evaluation.statistics[name])}


def training_dynamics(source: Source) -> Rows:
    """One step of RL; beside it the η/c of an organizer that never forks, and the one that is rewarded in full."""
    for run in source.evidence.histories:
        if run.stage == "grpo":
            marks = _concurrency_marks(source.evidence.recordings.find(run.name))
            yield from ({**row, **marks} for row in _logged(run, DYNAMICS))


def _concurrency_marks(evaluation: Evaluation | None) -> Row:
    if evaluation is None or "reward" not in evaluation.config:
        return dict.fromkeys(CONCURRENCY_MARKS)
    reward = evaluation.config["reward"]
    target = reward["concurrency_target"] if reward["concurrency_weight"] else None
    return dict(zip(CONCURRENCY_MARKS, (rounded(1 / evaluation.thinking["capacity"]), target), strict=True))


def learning_curves(source: Source) -> Rows:
    """One logged step of the base model's training or of a format fine-tuning."""
    for run in source.evidence.histories:
        if run.stage in ("pretrain", "sft"):
            yield from ({"stage": run.stage, **row} for row in _logged(run, LEARNING))


def _logged(run: History, names: tuple[str, ...]) -> Rows:
    for step in run.steps:
        about: Row = {"arm": run.name, "label": label(run.name), "seed": run.seed, "step": step.get("step")}
        logged = {**step, "repeated_share": _ratio(step.get("repeated_branches"), step.get("branches"))}
        yield about | {name: logged.get(name) for name in names}


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def frontiers(source: Source) -> Rows:
    """Accuracy (%) and latency (decoding steps, all episodes) at one budget; an arm is a budget in training."""
    for way in FRONTIERS:
        points = source.evidence.budgets(way)
        latency_P, accuracy_P = (
            np.array([point.statistics[key].value for point in points]) for key in ("elapsed", "accuracy")
        )
        hull = frontier.hull_positions(latency_P, accuracy_P)
        best = set(zip(latency_P[hull].tolist(), accuracy_P[hull].tolist(), strict=True))
        for point in points:
            accuracy, latency = point.statistics["accuracy"], point.statistics["elapsed"]
            budgets = {name: point.thinking[name] for name in BUDGETS}
            yield {
                **{"way": way, **named(point), "variant": point.variant, **budgets},
                "worker_budget": budgets["worker_budget"] if way == "asyncthink" else None,
                **dict(zip(_interval("accuracy"), shown("accuracy", accuracy).values(), strict=True)),
                **dict(zip(_interval("latency"), shown("elapsed", latency).values(), strict=True)),
                "best": (latency.value, accuracy.value) in best,
            }


def _interval(name: str) -> tuple[str, str, str]:
    return name, f"{name}_low", f"{name}_high"


def topologies(source: Source) -> Rows:
    """Share (%) and number of distinct organizer structures of one kind."""
    if source.evidence.corpus:
        classes = source.evidence.corpus["topologies"]["classes"]
        total = sum(counts["demonstrations"] for counts in classes.values()) or 1
        for kind in CLASSES:
            share = rounded(100 * classes[kind]["demonstrations"] / total)
            row: Row = {"source": "corpus", "label": "Corpus of demonstrations", "kind": kind, "share": share}
            yield {**row, "distinct": classes[kind]["distinct"], "effective": None}
    for evaluation in source.headlines(source.evidence.recordings.arms):
        yield from _structures(evaluation)


def _structures(evaluation: Evaluation) -> Rows:
    if evaluation.measured.topologies is None:
        return
    names = evaluation.measured.topologies.ravel().tolist()
    kinds = {name: topology_class(name.split()) for name in set(names)}
    effective = rounded(diversity(evaluation.measured).value)
    for kind in CLASSES:
        share = rounded(100 * sum(kinds[name] == kind for name in names) / len(names))
        row: Row = {"source": evaluation.arm, "label": label(evaluation.arm), "kind": kind, "share": share}
        yield {**row, "distinct": list(kinds.values()).count(kind), "effective": effective}


def organization(source: Source) -> Rows:
    """What an organizer has learned of the game, one number a row.

    x is the position of a branch that was handed out (hit, predicted), or an item's number of solutions (elapsed).
    """
    for evaluation in source.headlines(source.evidence.recordings.arms):
        measured = evaluation.measured.values
        if "branches" in measured:
            for name in ORGANIZATION:
                yield {**named(evaluation), "measure": name, "x": None, **shown(name, evaluation.statistics[name])}
            for name, position in product(("hit", "predicted"), range(1, POSITIONS + 1)):
                if f"{name}_{position}" in measured:
                    statistic = evaluation.statistics[f"{name}_{position}"]
                    yield {**named(evaluation), "measure": name, "x": position, **shown(name, statistic)}
        for solutions in np.unique(measured.get("solutions", ())):
            latency = mean(np.where(measured["solutions"] == solutions, measured["elapsed"], np.nan))
            yield {**named(evaluation), "measure": "elapsed", "x": int(solutions), **shown("elapsed", latency)}


def claims(source: Source) -> Rows:
    """One claim of the paper, as the ledger has it."""
    for row in source.ledger["claims"]:
        words = {"id": row["id"], "claim": row["claim"], "paper": row["paper"], "ours": row["ours"]}
        seeds = " ".join(map(str, row["seeds"]))
        yield {**words, "verdict": row["verdict"], "reason": row["reason"], "seeds": seeds}


def hacking(source: Source) -> Rows:
    """One sign of reward hacking, %."""
    for evaluation in source.headlines(source.evidence.recordings.arms):
        if evaluation.mode == "asynchronous":
            yield from _measured(evaluation, HACKING)


def test_sets(source: Source) -> Rows:
    """One measure of one arm on a further test set; shares in %."""
    for name, recordings in source.evidence.elsewhere.items():
        for evaluation in filter(None, map(recordings.find, recordings.arms)):
            yield from ({"test_set": name, **row} for row in _measured(evaluation, TEST_SETS))


def evaluations(source: Source) -> Rows:
    """One metric of one evaluation; shares in %."""
    for evaluation in source.evidence.recordings.evaluations:
        about = {"variant": evaluation.variant, "aggregation": evaluation.aggregation}
        budgets = {key: evaluation.thinking[key] for key in BUDGETS}
        for row in _measured(evaluation, evaluation.statistics):
            yield {**row, **about, **budgets}


TABLES = {
    "correct_at_least_k": Table((*ARM, "k", *OURS, "paper", *RUN), correct_at_least_k),
    "ablations": Table(COMPARED, ablations),
    "math": Table(COMPARED, task_tables.math),
    "sudoku": Table(COMPARED, task_tables.sudoku),
    "training_dynamics": Table((*ARM, "seed", "step", *DYNAMICS, *CONCURRENCY_MARKS), training_dynamics),
    "frontier": Table(
        (
            *("way", *ARM, "variant", "organizer_budget", "worker_budget", "capacity"),
            *(*_interval("accuracy"), *_interval("latency"), "best", *RUN),
        ),
        frontiers,
    ),
    "topologies": Table(("source", "label", "kind", "share", "distinct", "effective"), topologies),
    "organization": Table((*ARM, "measure", "x", *OURS, *RUN), organization),
    "claims": Table(("id", "claim", "paper", "ours", "verdict", "reason", "seeds"), claims),
    "learning_curves": Table(("stage", *ARM, "seed", "step", *LEARNING), learning_curves),
    "hacking": Table((*ARM, "measure", *OURS, *RUN), hacking),
    "test_sets": Table(("test_set", *ARM, "measure", *OURS, *RUN), test_sets),
    "evaluations": Table((*ARM, "variant", "aggregation", *BUDGETS, "measure", *OURS, *RUN), evaluations),
}


def text(frame: pd.DataFrame) -> str:
    """A table as CSV text; the same data are the same bytes."""
    return frame.to_csv(index=False, lineterminator="\n")


def read(folder: str | Path, name: str, columns: Iterable[str] = ()) -> pd.DataFrame:
    """A table from its file, with at least these columns."""
    path = Path(folder) / f"{name}.csv"
    try:
        table = _parsed(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `snakemake {path}`") from None
    except ValueError as error:
        raise InputError(f"{path}: not a table: {error}; run `snakemake --force {path}`") from None
    if missing := [column for column in columns if column not in table]:
        raise InputError(f"{path}: has no column {missing[0]}; run `snakemake --force {path}`")
    return table


def as_read(frame: pd.DataFrame) -> pd.DataFrame:
    """A table as it comes back from its file."""
    return _parsed(StringIO(text(frame)))


def _parsed(table: Path | StringIO) -> pd.DataFrame:
    """A carriage return in a model's text ends no row, and `None` or `N/A` is what it said; only nothing is nothing."""
    return pd.read_csv(table, lineterminator="\n", keep_default_na=False, na_values=[""])


def headline(evaluations: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Each arm's headline out of the table of evaluations, to compare runs: {"asyncthink": {"accuracy": 79.4, ...}}."""
    chosen = (evaluations["variant"] == HEADLINE) & evaluations["aggregation"].fillna("vote").eq("vote")
    arms = evaluations[chosen].dropna(subset="ours").groupby("arm", sort=False)
    return {str(arm): dict(zip(own["measure"], own["ours"], strict=True)) for arm, own in arms}
