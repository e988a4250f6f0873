"""Tables of the report that gather rows of the long tables: ways of thinking, signs of hacking, test sets, cost."""

from collections.abc import Iterable, Iterator

import pandas as pd

from asyncthink.reporting.exhibits import in_prose, interval
from asyncthink.reporting.source import FRONTIERS, LABELS

COLUMNS = {
    "accuracy": "accuracy, %",
    "all_correct": "all correct, %",
    "elapsed": "latency, tokens",
    "work": "work, tokens",
    "concurrency_ratio": "η/c, %",
}
ARMS = [arm for arm in LABELS if arm.startswith(FRONTIERS)]
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
    groups = [group for _, group in chosen.groupby(keys, sort=False)]
    return [[_name(group.iloc[0]), *_cells(group, COLUMNS)] for group in sorted(groups, key=_order)]


def _order(group: pd.DataFrame) -> tuple[int, bool, int, bool]:
    first = group.iloc[0]
    return ARMS.index(first.arm), first.variant != "headline", first.capacity, first.aggregation == "union"


def _name(row: pd.Series) -> str:
    return f"{row.label}, n = {row.capacity}, {row.aggregation}" if row.arm.startswith("parallel") else row.label


def hacking(table: pd.DataFrame) -> Rows:
    """One row a sign, one column an arm with an organizer; the first row names the arms."""
    arms = [group for _, group in table.groupby("arm", sort=False)]
    if not arms:
        return []
    return [
        ["", *(in_prose(group.label.iloc[0]) for group in arms)],
        *([title, *(_cells(group, [name])[0] for group in arms)] for name, title in HACKING.items()),
    ]


def test_sets(table: pd.DataFrame) -> Rows:
    """One row an arm on a further test set, with the number of its items; the first row names the measures."""
    groups = table.groupby(["test_set", "label"], sort=False)
    rows = [
        [f"{str(name).replace('_', ' ')}: {label}", f"{own['items'].iloc[0]:.0f}", *_cells(own, TEST_SETS)]
        for (name, label), own in groups
    ]
    return [["", "items", *TEST_SETS.values()], *rows] if rows else []


def cost(evaluations: pd.DataFrame, training: pd.DataFrame, pretrained: int, samples: int) -> Rows:
    """What the run cost in tokens, which no machine changes.

    Tokens of pretraining (`pretrained`), then episodes and decoded tokens of RL and of the evaluation on countdown's
    test set, by arm; samples: episodes an item.
    """
    base = [["base model", "–", f"{pretrained:,} (trained on)"]] if pretrained else []
    steps = training.assign(tokens=training.episodes * training.work)
    work = evaluations[(evaluations.measure == "work") & (evaluations.aggregation != "union")]
    seeds = work.seeds.astype(str).map(lambda names: len(names.split()))
    episodes = work["items"].astype(float) * seeds.astype(float) * samples
    decoded = work.assign(episodes=episodes, tokens=episodes * work.ours)
    return [*base, *_decoded("RL", steps), *_decoded("evaluation", decoded)]


def _decoded(step: str, table: pd.DataFrame) -> Iterator[list[str]]:
    for (_, label), rows in table.groupby(["arm", "label"], sort=False):
        yield [f"{step}, {in_prose(str(label))}", f"{rows.episodes.sum():,.0f}", f"{rows.tokens.sum():,.0f}"]


def _cells(group: pd.DataFrame, measures: Iterable[str]) -> list[str]:
    return [_cell(group[group.measure == name]) for name in measures]


def _cell(rows: pd.DataFrame) -> str:
    measured = rows.dropna(subset="ours")
    return "–" if measured.empty else f"{measured.ours.iloc[0]:.1f}{interval(measured.iloc[0])}"
