"""The paper's tables of other tasks: mathematics (table 2, and its half of table 3) and Sudoku (table 4).

Their rows are those of the paper whether or not they were run, so that a table has one layout at every scale: `ours`
is empty where nothing was run. Budgets of ours that the paper does not have come on top.
"""

from collections.abc import Mapping

from asyncthink.evaluation.paper import PAPER
from asyncthink.evaluation.recordings import Evaluation, Recordings
from asyncthink.reporting.source import WAYS, Row, Rows, Source, label, named, shown

MATH = {"aime24": "aime_24", "amc23": "amc_23"}  # our names of the test sets
ABLATED = "amc23"  # the one that the paper's table 3 has
LATENCY, ACCURACY, CONCURRENCY = "elapsed", "accuracy", "concurrency_ratio"


def math(source: Source) -> Rows:
    """One measure, accuracy or latency, of one way at one budget on AIME-24 or AMC-23."""
    for arm in WAYS:
        theirs = {row["budget"]: row for row in PAPER["math"]["rows"] if row["way"] == arm}
        for budget in _budgets(source, arm, set(theirs)):
            for test_set in MATH:
                row = theirs.get(budget, {})
                paper = {ACCURACY: row.get(test_set), LATENCY: row.get(f"{test_set}_latency")}
                yield from _rows(_at(source.on(MATH[test_set]), arm, budget), _name(arm, budget), f"{test_set}_", paper)


def math_ablations(source: Source) -> Rows:
    """The ablations on AMC-23."""
    for arm, theirs in PAPER["math"]["ablations"].items():
        paper = {ACCURACY: theirs["accuracy"], CONCURRENCY: theirs["concurrency_ratio"], LATENCY: theirs["latency"]}
        yield from _rows(source.on(MATH[ABLATED]).find(f"{arm}_math"), _name(arm, None), f"{ABLATED}_", paper)


def sudoku(source: Source) -> Rows:
    """One measure, accuracy or latency, of one way on 4x4 Sudoku."""
    for arm in WAYS:
        theirs = PAPER["sudoku"]["arms"][arm]
        paper = {ACCURACY: theirs["accuracy"], LATENCY: theirs["latency"]}
        yield from _rows(source.on("sudoku").find(arm), _name(arm, None), "", paper)


def _budgets(source: Source, arm: str, theirs: set[int | None]) -> list[int | None]:
    """The paper's budgets of an arm and ours; AsyncThink has the one row of its headline."""
    if theirs == {None}:
        return [None]
    trained = [evaluation for name in MATH.values() for evaluation in _trained(source.on(name), arm)]
    ours = {evaluation.thinking["organizer_budget"] for evaluation in trained}
    return sorted(ours | theirs, key=lambda budget: budget or 0)


def _at(recordings: Recordings, arm: str, budget: int | None) -> Evaluation | None:
    """AsyncThink's headline, or that of a baseline trained at a budget a trace."""
    if budget is None:
        return recordings.find(f"{arm}_math")
    trained = _trained(recordings, arm)
    return next((evaluation for evaluation in trained if evaluation.thinking["organizer_budget"] == budget), None)


def _trained(recordings: Recordings, arm: str) -> list[Evaluation]:
    """The headlines of an arm on mathematics, one a budget that it was trained at."""
    names = [name for name in recordings.arms if f"{name}_".startswith(f"{arm}_math_")]
    return list(filter(None, map(recordings.find, names)))


def _name(arm: str, budget: int | None) -> Row:
    return {"arm": arm, "label": label(arm) if budget is None else f"{label(arm).split()[0]}, {budget:,}"}


def _rows(evaluation: Evaluation | None, name: Row, prefix: str, paper: Mapping[str, float | None]) -> Rows:
    for measure, theirs in paper.items():
        ours = {**named(evaluation), **shown(measure, evaluation.statistics[measure])} if evaluation else {}
        yield {**ours, **name, "measure": prefix + measure, "paper": theirs}
