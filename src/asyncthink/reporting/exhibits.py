"""The report's exhibits: each has a title, where the paper shows it, how to read it, and a sentence on what it shows.

The sentence is made from the table, so it is never older than the figure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from asyncthink.evaluation.verdicts import NOT_RUN, VERDICTS
from asyncthink.reporting.style import MEASURES, has_data

Reading = Callable[[pd.DataFrame], str]


@dataclass(frozen=True)
class Exhibit:
    """columns are those that the report shows as a table under the figure; none where the table is long."""

    title: str
    where: str
    how: str
    reading: Reading
    columns: tuple[str, ...] = ()

    def sentence(self, table: pd.DataFrame) -> str:
        """What the table shows."""
        return in_prose(self.reading(table)) if has_data(table) else f"{NOT_RUN.capitalize()}."


def in_prose(text: str) -> str:
    """The figures' `− RL` as a sentence says it: `without RL`."""
    return text.replace("− ", "without ")


def interval(row: pd.Series) -> str:
    """` [low, high]`; nothing where there is none, as for one item of one seed."""
    return "" if pd.isna(row.low) else f" [{row.low:.1f}, {row.high:.1f}]"


def _value(row: pd.Series, unit: str = " %") -> str:
    if pd.isna(row.ours):
        return "not measured"
    return f"{row.ours:.1f}{unit}{interval(row)}"


def _correct_at_least_k(table: pd.DataFrame) -> str:
    last = table[table.k == table.k.max()]
    shares = ", ".join(f"{row.label} {_value(row)}" for _, row in last.iterrows())
    return f"All {table.k.max()} solutions on: {shares} of the items."


def _ablations(table: pd.DataFrame) -> str:
    rows = table[table.measure == "accuracy"]
    if rows.empty:
        return _compared(table)
    full, *others = (f"{row.label} {_value(row)}" for _, row in rows.iterrows())
    slower = ", ".join(f"{row.label} {row.ours:.0f}" for _, row in table[table.measure == "elapsed"].iterrows())
    return f"Accuracy: {full}; {'; '.join(others) or 'no ablation was run'}. Latency in tokens: {slower}."


def _compared(table: pd.DataFrame) -> str:
    run = table.dropna(subset="ours")
    ways = (
        f"{MEASURES[str(measure)]}: {', '.join(_over_budgets(own) for _, own in rows.groupby('arm', sort=False))}"
        for measure, rows in run.groupby("measure", sort=False)
    )
    return f"{'; '.join(ways)}."


def _over_budgets(rows: pd.DataFrame) -> str:
    """One way of thinking: its value, or the range over its budgets."""
    if len(rows) == 1:
        return f"{rows.label.iloc[0]} {_value(rows.iloc[0], '')}"
    return f"{rows.label.iloc[0].split(',')[0]} {rows.ours.min():.1f} to {rows.ours.max():.1f} over {len(rows)} budgets"


def _training_dynamics(table: pd.DataFrame) -> str:
    rows = table[table.arm == "asyncthink"]
    if rows.empty:
        return "AsyncThink itself was not trained."
    steps = sorted(rows.step.unique())
    tenth = max(1, len(steps) // 10)
    first, last = (rows[rows.step.isin(ends)] for ends in (steps[:tenth], steps[-tenth:]))
    changes = [
        f"{name} {factor * first[key].mean():.{digits}f} to {factor * last[key].mean():.{digits}f}{unit}"
        for key, (name, factor, digits, unit) in _DYNAMICS.items()
        if first[key].notna().any() and last[key].notna().any()
    ]
    return f"From the first tenth of {rows.step.max()} steps to the last: {', '.join(changes)}."


_DYNAMICS = {
    "accuracy": ("accuracy", 100, 1, " %"),
    "concurrency_ratio": ("η/c", 100, 1, " %"),
    "forks": ("forks", 1, 2, ""),
    "latency": ("latency", 1, 1, " tokens"),
}


def _frontier(table: pd.DataFrame) -> str:
    rows = [row for _, row in table[(table.variant == "headline") & (table.way == table.arm)].iterrows()]
    points = "; ".join(f"{row.label} {row.accuracy:.1f} % at {row.latency:.1f} tokens" for row in rows)
    counts = ", ".join(f"{(table.way == row.way).sum()} of {row.label}" for row in rows)
    return f"At the headline's budget: {points}. Budgets measured: {counts}."


def _organization(table: pd.DataFrame) -> str:
    rows = table[table.measure.isin(LEARNED)]
    label, values = table.label.iloc[0], rows[rows.arm == table.arm.iloc[0]].set_index("measure").ours
    known = {key: words for key, words in LEARNED.items() if pd.notna(values.get(key))}
    parts = [f"{name} {values[key]:.{digits}f}{unit}" for key, (name, digits, unit) in known.items()]
    return f"{label}: {', '.join(parts)}."


LEARNED = {
    "hit_rate": ("new branches handed out that hold a hit", 1, " %"),
    "chance": ("chance", 1, " %"),
    "repeated_share": ("branches searched again", 1, " %"),
    "tokens_after": ("tokens after the last solution", 1, ""),
    "regret": ("T/T*", 2, ""),
}


def _topologies(table: pd.DataFrame) -> str:
    counts = "; ".join(
        f"{label} {rows.distinct.sum()} ({rows.share[rows.kind == 'other'].iloc[0]:.0f} %)"
        for label, rows in table.groupby("label", sort=False)
    )
    return f"Distinct structures, and the share of traces that are neither interleaved nor batch: {counts}."


def _claims(table: pd.DataFrame) -> str:
    counts = table.verdict.value_counts()
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if verdict in counts) + "."


def _case_studies(table: pd.DataFrame) -> str:
    cases = table.dropna(subset="episode").drop_duplicates(["test_set", "case"])
    named = ", ".join(f"{row.case[0].lower()}{row.case[1:]} ({row.test_set})" for _, row in cases.iterrows())
    return f"{len(cases)} episodes, chosen by rules: {named}."


_STAGES = {"pretrain": "base model", "sft": "format fine-tuning"}


def _learning_curves(table: pd.DataFrame) -> str:
    losses = []
    for (stage, label), rows in table.fillna({"label": ""}).groupby(["stage", "label"]):
        first, last = (rows.loss[rows.step == step].mean() for step in (rows.step.min(), rows.step.max()))
        losses.append(f"{_STAGES[str(stage)]}{f' ({label})' if label else ''}: {first:.2f} to {last:.2f}")
    return f"Loss, {'; '.join(losses)}."


EXHIBITS = {
    "correct_at_least_k": Exhibit(
        "At least k correct solutions",
        "The paper's figure 5",
        "A higher bar is better; a bar's line is its 95 % interval.",
        _correct_at_least_k,
        ("label", "k", "ours", "paper"),
    ),
    "frontier": Exhibit(
        "Accuracy against critical-path latency",
        "The paper's figure 7",
        "Up and to the left is better; each point is one budget, a line joins those that no mixture of others beats, "
        "and the arrow is the gap at AsyncThink's accuracy.",
        _frontier,
        ("label", "organizer_budget", "worker_budget", "accuracy", "latency"),
    ),
    "ablations": Exhibit(
        "Ablations",
        "The paper's table 3",
        "Each row leaves one ingredient out; the grey line is the whole.",
        _ablations,
        ("label", "measure", "ours", "paper"),
    ),
    "math": Exhibit(
        "Mathematics: accuracy and latency",
        "The paper's table 2",
        "Each row is a way of thinking at a budget of tokens a trace; right is better for accuracy, left for latency.",
        _compared,
        ("label", "measure", "ours", "paper"),
    ),
    "sudoku": Exhibit(
        "4x4 Sudoku, zero-shot: accuracy and latency",
        "The paper's table 4",
        "Trained on countdown alone; right is better for accuracy, left for latency.",
        _compared,
        ("label", "measure", "ours", "paper"),
    ),
    "training_dynamics": Exhibit(
        "What changes during RL",
        "The paper's figure 6",
        "Each panel is one measure over the RL steps; a band is the range over seeds.",
        _training_dynamics,
    ),
    "organization": Exhibit(
        "What the organizer has learned of the game",
        "Ours: no figure of the paper",
        "Left, higher means that the good branches are handed out first; right, lower for many solutions means that it "
        "stops when it has enough. T* is the least latency of an organizer that knows where the hits are.",
        _organization,
        ("label", "measure", "ours"),
    ),
    "topologies": Exhibit(
        "How the organizer organizes",
        "The paper's section on the cold start",
        "A structure is the order of Forks and Joins; left alone, the paper's teacher wrote the first two only.",
        _topologies,
        ("label", "kind", "share", "distinct"),
    ),
    "case_studies": Exhibit(
        "Case studies",
        "The paper's figures 8 to 11",
        "A lane is an agent; workers run while the organizer goes on, and it waits where a result is not yet there.",
        _case_studies,
    ),
    "learning_curves": Exhibit(
        "Learning before RL",
        "Not in the paper",
        "Loss of the base model and of the format fine-tunings over their steps.",
        _learning_curves,
    ),
}
LEDGER = Exhibit("The ledger of claims", "The whole paper", "A rule in code gives each verdict.", _claims)
