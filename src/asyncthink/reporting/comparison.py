"""Tables of the report that gather rows of the long tables: ways of thinking, signs of hacking, further test sets."""

from collections.abc import Sequence

import pandas as pd

from asyncthink.reporting.exhibits import in_prose, interval

COLUMNS = {
    "accuracy": "accuracy, %",
    "all_correct": "all correct, %",
    "elapsed": "latency, tokens",
    "work": "tokens in all",
    "concurrency_ratio": "η/c, %",
}
ARMS = (
    "asyncthink",
    "parallel",
    "parallel_medium",
    "parallel_long",
    "parallel_longest",
    "parallel_no_rl",
    "sequential",
    "sequential_medium",
    "sequential_long",
    "sequential_longest",
)
HACKING = {
    "empty_share": "empty sub-queries, %",
    "duplicate_share": "repeated sub-queries, %",
    "unused_share": "sub-queries of no use to the answer, %",
    "unjoined_share": "workers never joined, %",
    "cut_share": "workers without a RETURN, %",
    "concurrency_ratio_right": "η/c where the answer is right, %",
    "concurrency_ratio_wrong": "η/c where it is not, %",
}
TEST_SETS = {
    "accuracy": "accuracy, %",
    "elapsed": "latency, tokens",
    "forked": "episodes with a Fork, %",
    "valid": "right in form, %",
    "concurrency_ratio": "η/c, %",
}
Rows = list[list[str]]


def rows(evaluations: pd.DataFrame) -> Rows:
    """The headline of each way, parallel thinking's union, and other numbers of traces; one row each."""
    table = evaluations[evaluations.arm.isin(ARMS)]
    counted = table.variant.str.startswith("n_")
    chosen = table[(table.variant == "headline") | counted].fillna({"aggregation": ""})
    keys = ["arm", "label", "variant", "capacity", "aggregation"]
    groups = {key: group.set_index("measure") for key, group in chosen.groupby(keys, sort=False)}
    order = sorted(groups, key=lambda key: (ARMS.index(key[0]), key[2] != "headline", key[3], key[4] == "union"))
    return [[_name(key), *_cells(groups[key], COLUMNS)] for key in order]


def hacking(table: pd.DataFrame) -> Rows:
    """One row a sign, one column an arm with an organizer; the first row names the arms."""
    if table.empty:
        return []
    arms = [group.set_index("measure") for _, group in table.groupby("arm", sort=False)]
    return [
        ["", *(in_prose(group.label.iloc[0]) for group in arms)],
        *([title, *(_cells(group, [name])[0] for group in arms)] for name, title in HACKING.items()),
    ]


def test_sets(table: pd.DataFrame) -> Rows:
    """One row an arm on a further test set; the first row names the measures."""
    if table.empty:
        return []
    groups = table.groupby(["test_set", "label"], sort=False)
    found = [[name, label, *_cells(group.set_index("measure"), TEST_SETS)] for (name, label), group in groups]
    return [["", "", *TEST_SETS.values()], *([name.replace("_", " "), *cells] for name, *cells in found)]


def _name(key: tuple[str, str, str, int, str]) -> str:
    arm, label, _, capacity, aggregation = key
    return f"{label}, n = {capacity}, {aggregation}" if arm.startswith("parallel") else label


def _cells(group: pd.DataFrame, measures: Sequence[str]) -> list[str]:
    return [_cell(group.loc[name]) if name in group.index else "–" for name in measures]


def _cell(row: pd.Series) -> str:
    return "–" if pd.isna(row.ours) else f"{row.ours:.1f}{interval(row)}"
