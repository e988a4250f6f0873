"""The report's exhibits: each has a title, where the paper shows it and how to read it.

The frontier and what changes during RL have a sentence too, made from the table; others have their numbers beneath.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from asyncthink.evaluation.verdicts import NOT_RUN
from asyncthink.reporting.style import has_data

Reading = Callable[[pd.DataFrame], str]


@dataclass(frozen=True)
class Exhibit:
    """columns are those that the report shows as a table under the figure; none where the table is long.

    reading: makes a sentence on what the table shows, where no table beneath does.
    """

    title: str
    where: str
    how: str
    reading: Reading | None = None
    columns: tuple[str, ...] = ()

    def sentence(self, table: pd.DataFrame) -> str:
        """What the table shows, or that it was not run."""
        if not has_data(table):
            return f"{NOT_RUN.capitalize()}."
        return in_prose(self.reading(table)) if self.reading else ""


def in_prose(text: str) -> str:
    """The figures' `− RL` as a sentence says it: `without RL`."""
    return text.replace("− ", "without ")


def interval(row: pd.Series, name: str = "ours") -> str:
    """` [low, high]`, of columns low, high or NAME_low, NAME_high; nothing where there is none, as for one item."""
    low, high = ("low", "high") if name == "ours" else (f"{name}_low", f"{name}_high")
    return "" if pd.isna(row.get(low)) else f" [{row[low]:.1f}, {row[high]:.1f}]"


def named(row: pd.Series) -> str:
    """Its label, and of a frontier's fixed plan which one it is: budgets do not tell one plan from another."""
    plan = row.get("variant") if row.get("arm") == "fixed_plan" else None
    return f"{row.label}, {plan.replace('_', ' ')}" if plan else str(row.label)


def _frontier(table: pd.DataFrame) -> str:
    best = table[(table.way == "parallel") & table.best]
    named = " and ".join(f"“{label}”" for label in dict.fromkeys(best.label))
    return f"Parallel thinking's points are of all its kinds; its line joins {named}." if named else ""


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
    "latency": ("latency of those right in form", 1, 1, " tokens"),
}


LEARNED = {
    "hit_rate": ("new branches handed out that hold a hit", 1, " %"),
    "chance": ("chance", 1, " %"),
    "repeated_share": ("branches searched again", 1, " %"),
    "tokens_after": ("tokens after the last solution", 1, ""),
    "regret": ("T/T*", 2, ""),
}


EXHIBITS = {
    "correct_at_least_k": Exhibit(
        "At least k correct solutions",
        "The paper's figure 5",
        "A higher bar is better; a bar's line is its 95 % interval.",
        columns=("label", "k", "ours", "paper"),
    ),
    "frontier": Exhibit(
        "Accuracy against critical-path latency",
        "The paper's figure 7",
        "Up and to the left is better; each point is one budget or one fixed plan, a line joins those that no mixture "
        "of others beats, and the arrow is the gap at AsyncThink's accuracy.",
        _frontier,
        columns=("label", "organizer_budget", "worker_budget", "accuracy", "latency"),
    ),
    "ablations": Exhibit(
        "Ablations",
        "The paper's table 3",
        "Each row leaves one ingredient out; the grey line is AsyncThink itself. Right is better, for latency left.",
        columns=("label", "measure", "ours", "paper"),
    ),
    "math": Exhibit(
        "Mathematics: accuracy and latency",
        "The paper's table 2",
        "Each row is a way of thinking at a budget of tokens a trace; right is better for accuracy, left for latency.",
        columns=("label", "measure", "ours", "paper"),
    ),
    "sudoku": Exhibit(
        "4x4 Sudoku, zero-shot: accuracy and latency",
        "The paper's table 4",
        "Trained on countdown alone; right is better for accuracy, left for latency.",
        columns=("label", "measure", "ours", "paper"),
    ),
    "training_dynamics": Exhibit(
        "What changes during RL",
        "The paper's figure 6",
        "Each panel is one measure of the training episodes over the RL steps; a band is the range over seeds. τ is "
        "the η/c from which on the reward pays no more, 1/c that of an agent alone. Here and in claim C8, unlike "
        "elsewhere, the latency is of the episodes right in form alone.",
        _training_dynamics,
    ),
    "organization": Exhibit(
        "What the organizer has learned of the game",
        "Ours: no figure of the paper",
        "Left, branches in the order in which they are handed out: higher at first means that good ones come first; "
        "right, lower for many solutions means that it stops when it has enough. T* is the least latency of an "
        "organizer that knows where the hits are.",
        columns=("label", "measure", "ours"),
    ),
    "topologies": Exhibit(
        "How the organizer organizes",
        "The paper's section on the cold start",
        "A structure is the order of Forks and Joins; left alone, the paper's teacher wrote the first two only.",
        columns=("label", "kind", "share", "distinct"),
    ),
    "case_studies": Exhibit(
        "Case studies",
        "The paper's figures 8 to 11",
        "A lane is the organizer or a slot of its pool, which a worker, numbered by its Fork, holds up to its Join; "
        "the organizer waits where a result is not yet there.",
    ),
    "learning_curves": Exhibit(
        "Learning before RL",
        "Not in the paper",
        "Loss of the base model and of the format fine-tunings over their steps.",
    ),
}
LEDGER = Exhibit("The ledger of claims", "The whole paper", "A rule in code gives each verdict.")
