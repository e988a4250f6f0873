"""The ledger of the committed reference, computed a second time by another method and with none of its code.

From the records of single episodes alone: values from the raw lists, frontiers by their own few lines, intervals by the
jackknife, leaving out a seed, a group of items, or a cell of both (two-way clusters: seeds + items - cells; Cameron,
Gelbach and Miller, 2011).
"""

import json
import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).parents[1]
RECORDS, LEDGER = ROOT / "metrics/reference/nano", ROOT / "metrics/reference/nano.json"
SEEDS, GROUPS = (1, 2, 3), 40
RL = {"warmup": 0.15, "asyncthink": 200, "leverage": 60}  # of the reference's recipe
WAYS = {
    "sequential": ("sequential", "sequential_medium", "sequential_long", "sequential_longest"),
    "parallel": ("parallel", "parallel_medium", "parallel_long", "parallel_longest"),
}


@cache
def episodes(arm, variant, test_set="countdown"):
    """measure -> (seeds, items) of one evaluation."""
    rows = []
    for seed in SEEDS:
        record = json.loads((RECORDS / f"evaluate/{test_set}/{arm}/{seed}.json").read_text())
        rows.append(record["evaluations"][variant]["episodes"])
    return {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0] if name != "topology"}


@cache
def structures(arm):
    """(seeds, items) of structure numbers."""
    records = [json.loads((RECORDS / f"evaluate/countdown/{arm}/{seed}.json").read_text()) for seed in SEEDS]
    return np.array([record["evaluations"]["headline"]["episodes"]["topology"] for record in records])


@cache
def variants(arm):
    """Names of the evaluations with as many agents as the headline, no union."""
    record = json.loads((RECORDS / f"evaluate/countdown/{arm}/1.json").read_text())["evaluations"]
    capacity = record["headline"]["config"]["thinking"]["capacity"]
    return [
        name
        for name, entry in record.items()
        if entry["aggregation"] != "union" and entry["config"]["thinking"]["capacity"] == capacity
    ]


class Sample:
    """The reference with one seed, one group of items, or one cell of both left out."""

    def __init__(self, seed=None, group=None):
        self.seed, self.group = seed, group

    def kept(self, table):
        kept = np.ones(table.shape, dtype=bool)
        out_seed = np.zeros(table.shape, dtype=bool)
        out_group = np.zeros(table.shape, dtype=bool)
        if self.seed is not None:
            out_seed[self.seed] = True
        if self.group is not None:
            out_group[:, self.group :: GROUPS] = True
        both = self.seed is not None and self.group is not None
        kept &= ~(out_seed & out_group) if both else ~(out_seed | out_group)
        return kept

    def mean(self, arm, measure, variant="headline", test_set="countdown"):
        table = (
            np.where(episodes(arm, variant, test_set)["correct"] >= int(measure[-1]), 1.0, 0.0)
            if measure.startswith("at_least")
            else episodes(arm, variant, test_set)[measure]
        )
        kept = self.kept(table)
        return np.mean([np.nanmean(row[own]) for row, own in zip(table, kept, strict=True) if own.any()])

    def points(self, way, axis, measure):
        """(cost, share) of every budget of a baseline, and of none at all."""
        return [(0.0, 0.0)] + [
            (self.mean(arm, axis, variant), self.mean(arm, measure, variant))
            for arm in WAYS[way]
            for variant in variants(arm)
        ]

    def diversity(self, arm):
        """The mean over seeds of exp(entropy)."""
        table = structures(arm)
        kept = self.kept(table)
        numbers = []
        for row, mask in zip(table, kept, strict=True):
            if mask.any():
                shares = np.bincount(row[mask]) / mask.sum()
                numbers.append(math.exp(-sum(share * math.log(share) for share in shares if share)))
        return np.mean(numbers)


def share_within(points, cost):
    """The best share that straight lines between undominated points reach at a cost."""
    line = undominated(points)
    for (x0, y0), (x1, y1) in pairwise(line):
        if cost <= x1:
            return y0 + (y1 - y0) * (cost - x0) / (x1 - x0)
    return line[-1][1]


def cost_of(points, share):
    line = undominated(points)
    for (x0, y0), (x1, y1) in pairwise(line):
        if share <= y1:
            return x0 + (x1 - x0) * (share - y0) / (y1 - y0)
    return line[-1][0]


def undominated(points):
    best, line = -1.0, []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if y > best:
            best = y
            line.append((x, y))
    return line


def standing(measure, way, column):
    def effect(sample):
        ours = sample.mean("asyncthink", measure)
        if column == "equal budget":
            return ours - sample.mean(way, measure)
        axis = {"equal latency": "elapsed", "equal work": "work"}[column]
        return ours - share_within(sample.points(way, axis, measure), sample.mean("asyncthink", axis))

    return effect


def reduction(measure):
    def effect(sample):
        needed = cost_of(sample.points("parallel", "elapsed", measure), sample.mean("asyncthink", measure))
        return 1 - sample.mean("asyncthink", "elapsed") / needed

    return effect


def less(arm, measure, other="asyncthink"):
    return lambda sample: sample.mean(arm, measure) - sample.mean(other, measure)


LABELS = {
    "all correct": "all_correct",
    "accuracy": "accuracy",
    **{f"at least {k} correct": f"at_least_{k}" for k in (1, 2, 3)},
}
COLUMNS = ("equal budget", "equal latency", "equal work")
ITEMWISE = {
    **{
        (claim, column, f"{label}, above {way} thinking{end}"): standing(LABELS[label], way, column)
        for claim, labels in (("C1", list(LABELS)[:2]), ("C2", list(LABELS)[2:]))
        for label in labels
        for way in WAYS
        for column in COLUMNS
        for end in ("", " at its longest")
    },
    ("C3", "", "latency below parallel thinking's at equal accuracy"): reduction("accuracy"),
    ("C3", "", "latency below parallel thinking's at as many all correct"): reduction("all_correct"),
    ("C4", "", "η/c without the reward"): less("no_concurrency_reward", "concurrency_ratio"),
    ("C4", "", "latency without the reward"): lambda s: (
        s.mean("no_concurrency_reward", "elapsed") / s.mean("asyncthink", "elapsed") - 1
    ),
    ("C4", "", "accuracy without the reward"): less("no_concurrency_reward", "accuracy"),
    ("C5", "", "η/c stays at 1/c"): lambda s: s.mean("no_cold_start", "concurrency_ratio"),
    ("C5", "", "accuracy without the cold start"): less("no_cold_start", "accuracy"),
    ("C6", "", "accuracy gained by RL"): less("asyncthink", "accuracy", "no_rl"),
    ("C6", "", "all correct gained by RL"): less("asyncthink", "all_correct", "no_rl"),
    ("C6", "", "right in form before RL, more than half"): lambda s: s.mean("no_rl", "valid"),
    ("C6", "", "all correct before RL, fewer than 5 %"): lambda s: s.mean("no_rl", "all_correct"),
    ("C11", "", "diversity after RL, less that without"): lambda s: (
        s.diversity("asyncthink") - s.diversity("no_random_structures")
    ),
}
LEAST = {"right in form before RL, more than half": 0.5, "accuracy falls from its peak, by ten points or more": 0.1}
MOST = {"η/c stays at 1/c": 1 / 3 + 0.02, "all correct before RL, fewer than 5 %": 0.05}
DOWN = {
    *("η/c without the reward", "accuracy without the reward", "accuracy without the cold start"),
    *("accuracy at the end, less AsyncThink's at equal learning",),
}


def jackknifed(effect):
    """Value and standard error."""
    value = effect(Sample())
    by_seed = [effect(Sample(seed=s)) for s in range(len(SEEDS))]
    by_group = [effect(Sample(group=g)) for g in range(GROUPS)]
    by_cell = [effect(Sample(seed=s, group=g)) for s in range(len(SEEDS)) for g in range(GROUPS)]
    of_seeds, of_items, of_cells = map(spread, (by_seed, by_group, by_cell))
    share = len(SEEDS) / (len(SEEDS) - 1)  # cells hold one part in three of what items have in common
    return value, math.sqrt(of_seeds + max(0.0, of_items - of_cells) * share)


def spread(left_out):
    n = len(left_out)
    return (n - 1) / n * sum((v - np.mean(left_out)) ** 2 for v in left_out)


@cache
def curve(arm, key, seed):
    rows = (RECORDS / f"grpo/{arm}/{seed}.jsonl").read_text().splitlines()
    return np.array([json.loads(row)[key] for row in rows], dtype=float)


def tenths(values):
    length = len(values) // 10
    return [values[end - length : end] for end in range(length, len(values) + 1, length)][:10]


def rise(key):
    parts = [tenths(curve("asyncthink", key, seed)) for seed in SEEDS]
    return [np.mean(part[-1]) - np.mean(part[0]) for part in parts]


def extreme(arm, key, sign, end):
    """How far the highest (sign 1) or lowest tenth lies beyond another; which one it is, the other seeds say."""
    parts = [tenths(curve(arm, key, seed)) for seed in SEEDS]
    gaps = []
    for own in range(len(SEEDS)):
        levels = [np.nanmean([part[t] for i, part in enumerate(parts) if i != own]) for t in range(10)]
        chosen = max(range(10), key=lambda t, levels=levels: sign * levels[t])
        gaps.append(sign * (np.nanmean(parts[own][chosen]) - np.nanmean(parts[own][end])))
    return gaps


def at_equal_learning():
    """The last six steps of the short run against the six whose mean sum of learning rates is nearest to theirs."""

    def summed(steps):
        rising, total, out = math.ceil(RL["warmup"] * steps), 0.0, []
        for step in range(steps):
            total += min(1.0, (step + 1) / rising) * (1 + math.cos(math.pi * step / steps)) / 2
            out.append(total)
        return out

    amount, ours = np.mean(summed(RL["leverage"])[-6:]), summed(RL["asyncthink"])
    at = min(range(len(ours) - 5), key=lambda i: abs(np.mean(ours[i : i + 6]) - amount))
    return [
        np.mean(curve("leverage", "accuracy", s)[-6:]) - np.mean(curve("asyncthink", "accuracy", s)[at : at + 6])
        for s in SEEDS
    ]


BY_SEED = {
    ("C8", "accuracy rises"): lambda: rise("accuracy"),
    ("C8", "η/c rises"): lambda: rise("concurrency_ratio"),
    ("C8", "forks a query rise"): lambda: rise("forks"),
    ("C8", "η/c dips first"): lambda: extreme("asyncthink", "concurrency_ratio", -1, 0),
    ("C8", "latency rises to its peak"): lambda: extreme("asyncthink", "latency", 1, 0),
    ("C8", "latency falls from its peak"): lambda: extreme("asyncthink", "latency", 1, -1),
    ("C10", "accuracy falls from its peak, by ten points or more"): lambda: extreme("leverage", "accuracy", 1, -1),
    ("C10", "accuracy at the end, less AsyncThink's at equal learning"): at_equal_learning,
}


def recomputed(claim, part):
    """Value and standard error of a part."""
    values = BY_SEED.get((claim, part["name"]))
    if values is None:
        return jackknifed(ITEMWISE[claim, part["column"], part["name"]])
    values = np.array(values())
    return values.mean(), values.std(ddof=1) / math.sqrt(len(values))


LEDGER_ROWS = {row["id"]: row for row in json.loads(LEDGER.read_text())["claims"]}
PARTS = [(row["id"], position) for row in LEDGER_ROWS.values() for position in range(len(row["parts"]))]


@cache
def again(claim):
    """For each part of a claim, in order: value, standard error, the way predicted (+1 or -1), and from what."""
    rows = []
    for part in LEDGER_ROWS[claim]["parts"]:
        down = part["name"] in DOWN or part["name"] in MOST
        edge = LEAST.get(part["name"], MOST.get(part["name"], 0.0))
        rows.append((*recomputed(claim, part), -1 if down else 1, edge))
    return rows


@pytest.mark.parametrize(("claim", "position"), PARTS, ids=[f"{c} {i}" for c, i in PARTS])
def test_a_part_comes_out_the_same(claim, position):
    part, (value, error, _, _) = LEDGER_ROWS[claim]["parts"][position], again(claim)[position]
    assert part["value"] == pytest.approx(value, abs=2e-5)
    assert part["error"] == pytest.approx(error, rel=0.15, abs=3e-4)
    half = part["error"] and part["error"] * stats.t.ppf((1 + part["level"]) / 2, part["freedom"])
    assert part["judged"] == pytest.approx([part["value"] - half, part["value"] + half], abs=2e-5)
    assert part["error"] == 0 or 1 <= part["freedom"] <= len(SEEDS) * 400


@pytest.mark.parametrize("claim", [name for name, row in LEDGER_ROWS.items() if row["parts"]])
def test_holms_correction_gives_the_same_states(claim):
    parts = LEDGER_ROWS[claim]["parts"]
    for column in {part["column"] for part in parts}:
        states = {}
        chosen = [i for i, part in enumerate(parts) if part["column"] == column and part["state"] != "untestable"]
        core = sorted((p_value(parts[i], again(claim)[i]), i) for i in chosen if parts[i]["core"])
        significant = True
        for rank, (p, i) in enumerate(core):
            significant = significant and p <= 0.05 / (len(core) - rank)
            states[i] = sided(again(claim)[i]) if significant else "open"
        for i in chosen:
            if not parts[i]["core"]:
                states[i] = sided(again(claim)[i]) if p_value(parts[i], again(claim)[i]) <= 0.05 else "open"
            if states[i] == "holds" and parts[i]["name"].endswith("at its longest"):
                states[i] = "open"
            near = abs(parts[i]["judged"][0 if parts[i]["value"] > 0 else 1]) < 0.15 * abs(parts[i]["value"])
            assert parts[i]["state"] == states[i] or near, parts[i]["name"]


def p_value(part, row):
    value, error, _, edge = row
    return 0.0 if error < 1e-9 else 2 * stats.t.sf(abs(value - edge) / error, part["freedom"])


def sided(row):
    value, _, sign, edge = row
    return "holds" if sign * (value - edge) > 0 else "contrary" if sign * (value - edge) < 0 else "open"


def test_the_floor_of_sudoku_is_one():
    assert LEDGER_ROWS["C7"]["verdict"] == "untestable"
    for arm in ("asyncthink", "sequential", "parallel"):
        assert np.max(episodes(arm, "headline", "sudoku")["accuracy"]) == 0


def test_the_budgets_of_workers_are_two_operating_points():
    points = {
        (round(Sample().mean("asyncthink", "elapsed", v), 6), round(Sample().mean("asyncthink", "accuracy", v), 6))
        for v in variants("asyncthink")
    }
    assert len(undominated([(0.0, 0.0), *points])) == 3  # two, beside answering nothing
    assert LEDGER_ROWS["C9"]["verdict"] == "untestable"


@pytest.mark.parametrize("claim", [name for name, row in LEDGER_ROWS.items() if row["parts"]])
def test_a_verdict_follows_from_the_states_of_its_parts(claim):
    row = LEDGER_ROWS[claim]
    verdicts = set()
    for column in {part["column"] for part in row["parts"]}:
        parts = [p for p in row["parts"] if p["column"] == column and p["state"] != "untestable"]
        core = [part["state"] for part in parts if part["core"]]
        every = all(part["state"] == "holds" for part in parts)
        none = "contrary" in core or "holds" not in core
        verdicts.add("reproduced" if every else "not reproduced" if none else "partly")
    assert row["verdict"] == (verdicts.pop() if len(verdicts) == 1 else "partly")
