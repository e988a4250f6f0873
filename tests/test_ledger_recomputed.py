"""The ledger of the committed reference, computed a second time by another method and with none of its code.

From the records of single episodes alone: values from the raw lists, frontiers by their own few lines, intervals by the
jackknife: with one seed, over items; with several, over seeds, items, and cells of both (two-way clusters: seeds plus
items less cells; Cameron, Gelbach and Miller, 2011). It is the infinitesimal one, in which each weighs a little less.
"""

import json
import math
from functools import cache
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).parents[1]
RECORDS, LEDGER = ROOT / "metrics/reference/nano", ROOT / "metrics/reference/nano.json"
SEEDS = tuple(json.loads(LEDGER.read_text())["seeds"])
WAYS = {
    "sequential thinking": ("sequential", "sequential_long"),
    "parallel thinking": ("parallel", "parallel_diversified", "parallel_long", "parallel_diversified_long"),
    "the best fixed plan": ("fixed_plan",),
}
FLOOR = 0.02  # of shares
LESS = 0.01  # of a weight


@cache
def episodes(arm, variant, test_set="countdown"):
    """measure -> (seeds, items) of one evaluation."""
    rows = []
    for seed in SEEDS:
        record = json.loads((RECORDS / f"evaluate/{test_set}/{arm}/{seed}.json").read_text())
        rows.append(record["evaluations"][variant]["episodes"])
    return {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0] if name != "topology"}


@cache
def variants(arm):
    """Names of the evaluations with as many agents as the headline, no union."""
    record = json.loads((RECORDS / f"evaluate/countdown/{arm}/{SEEDS[0]}.json").read_text())["evaluations"]
    capacity = record["headline"]["config"]["thinking"]["capacity"]
    return [
        name
        for name, entry in record.items()
        if entry["aggregation"] != "union" and entry["config"]["thinking"]["capacity"] == capacity
    ]


@cache
def sums(arm, measure, variant, test_set):
    """Values by seed and item, 0 where there is none; of each seed their sum and their number; where there are any."""
    table = (
        np.where(episodes(arm, variant, test_set)["correct"] >= int(measure[-1]), 1.0, 0.0)
        if measure.startswith("at_least")
        else episodes(arm, variant, test_set)[measure]
    )
    here = ~np.isnan(table)
    rows = np.nan_to_num(table)
    return rows.tolist(), rows.sum(axis=1).tolist(), here.sum(axis=1).tolist(), here.tolist()


class Sample:
    """The reference with one seed, one item, or one item of one seed weighing a little less."""

    def __init__(self, seed=None, item=None):
        self.seed, self.item = seed, item

    def mean(self, arm, measure, variant="headline", test_set="countdown"):
        rows, totals, counts, here = sums(arm, measure, variant, test_set)
        mean = weight = 0.0
        for seed, (total, count) in enumerate(zip(totals, counts, strict=True)):
            own = 1.0 - LESS * (self.item is None and self.seed == seed)
            if self.item is not None and self.seed in (None, seed):
                total -= LESS * rows[seed][self.item]
                count -= LESS * here[seed][self.item]
            mean, weight = mean + own * total / count, weight + own
        return mean / weight

    def points(self, way, axis, measure):
        """(cost, share) of every budget of a baseline, and of none at all."""
        return [(0.0, 0.0)] + [
            (self.mean(arm, axis, variant), self.mean(arm, measure, variant))
            for arm in WAYS[way]
            for variant in variants(arm)
        ]


def share_within(points, cost):
    """The best share that a budget, or a mixture of two, reaches at a cost."""
    mixed = [
        y0 + (y1 - y0) * (cost - x0) / (x1 - x0) for (x0, y0), (x1, y1) in permutations(points, 2) if x0 < cost < x1
    ]
    return max([y for x, y in points if x <= cost] + mixed)


def cost_of(points, share):
    """The least cost at which a budget, or a mixture of two, reaches a share; where none does, that of the best."""
    if share > max(y for _, y in points):
        return min(points, key=lambda point: (-point[1], point[0]))[0]
    mixed = [
        x0 + (x1 - x0) * (share - y0) / (y1 - y0) for (x0, y0), (x1, y1) in permutations(points, 2) if y0 < share < y1
    ]
    return min([x for x, y in points if y >= share] + mixed)


def undominated(points):
    best, line = -1.0, []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if y > best:
            best = y
            line.append((x, y))
    return line


def lead(measure, way, axis, variant="headline"):
    """How far AsyncThink lies above a baseline at its own latency or work; `axis` None: above the baseline's headline,
    at an equal budget."""

    def effect(sample):
        ours = sample.mean("asyncthink", measure, variant)
        if axis is None:
            return ours - sample.mean(WAYS[way][0], measure)
        return ours - share_within(sample.points(way, axis, measure), sample.mean("asyncthink", axis, variant))

    return effect


def reduction(measure, way="parallel thinking", arm="asyncthink"):
    def effect(sample):
        needed = cost_of(sample.points(way, "elapsed", measure), sample.mean(arm, measure))
        return 1 - sample.mean(arm, "elapsed") / needed

    return effect


def operating_points():
    """AsyncThink's evaluations that no other one beats, in the order of latency."""
    whole = Sample()
    points = {
        (whole.mean("asyncthink", "elapsed", name), whole.mean("asyncthink", "accuracy", name)): name
        for name in reversed(variants("asyncthink"))
    }
    return [points[point] for point in undominated(points)]


def mean_lead(way):
    return lambda sample: np.mean([lead("accuracy", way, "elapsed", own)(sample) for own in operating_points()])


def less(arm, measure, other="asyncthink"):
    return lambda sample: sample.mean(arm, measure) - sample.mean(other, measure)


LABELS = {
    "all correct": "all_correct",
    "accuracy": "accuracy",
    **{f"at least {k} correct": f"at_least_{k}" for k in (1, 2, 3, 4)},
}
COLUMNS = {"equal budget": None, "equal latency": "elapsed", "equal work": "work"}
BASELINES = ("sequential thinking", "parallel thinking")
ITEMWISE = {
    **{
        (claim, column, f"{label}, above {way}{end}"): lead(LABELS[label], way, axis)
        for claim, labels in (("C1", list(LABELS)[:2]), ("C2", list(LABELS)[2:]))
        for label in labels
        for way in BASELINES
        for column, axis in COLUMNS.items()
        for end in ("", " at its longest")
    },
    ("C3", "", "latency below that of parallel thinking at equal accuracy"): reduction("accuracy"),
    ("C3", "", "latency below that of parallel thinking at as many all correct"): reduction("all_correct"),
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
    **{
        ("C9", "", f"gap above {way} at operating point {number}"): lead("accuracy", way, "elapsed", variant)
        for way in BASELINES
        for number, variant in enumerate(operating_points(), 1)
    },
    **{("C9", "", f"mean gap above {way} at equal latency"): mean_lead(way) for way in BASELINES},
    **{
        ("O1", "", f"latency below that of {way} at equal accuracy{end}"): reduction(
            "accuracy", way, "asyncthink_priced"
        )
        for way, by in (("parallel thinking", 28), ("the best fixed plan", 10))
        for end in ("", f", by {by} % or more")
    },
}
LEAST = {"right in form before RL, more than half": 0.5, ", by 28 % or more": 0.28, ", by 10 % or more": 0.1}
MOST = {"η/c stays at 1/c": 1 / 2 + 0.02, "all correct before RL, fewer than 5 %": 0.05}
DOWN = {"η/c without the reward", "accuracy without the reward", "accuracy without the cold start"}


def jackknifed(effect):
    """Value and standard error."""
    seeds, items = episodes("asyncthink", "headline")["correct"].shape
    of_items = spread([effect(Sample(item=i)) for i in range(items)], items)
    if seeds == 1:
        return effect(Sample()), math.sqrt(of_items)
    of_seeds = spread([effect(Sample(seed=s)) for s in range(seeds)], seeds)
    of_cells = spread([effect(Sample(s, i)) for s in range(seeds) for i in range(items)], items)
    share = seeds / (seeds - 1)  # cells hold a part of what items have in common, one in as many as there are seeds
    return effect(Sample()), math.sqrt(of_seeds + max(0.0, of_items - of_cells) * share)


def spread(changed, parts=None):
    """The jackknife's variance; of values in which one of so many parts weighs LESS, or, of none, was left out."""
    whole = (parts - LESS) / (LESS * (parts - 1)) if parts else 1.0  # to what leaving out would change, were it linear
    n = len(changed)
    return (n - 1) / n * whole**2 * sum((v - np.mean(changed)) ** 2 for v in changed)


@cache
def curve(arm, key, seed):
    rows = (RECORDS / f"grpo/{arm}/{seed}.jsonl").read_text().splitlines()
    return np.array([json.loads(row)[key] for row in rows], dtype=float)


def tenths(values):
    length = len(values) // 10
    return [values[end - length : end] for end in range(length, len(values) + 1, length)][:10]


def of_seeds(gaps):
    """Value and standard error of one number a seed."""
    return np.mean(gaps), np.std(gaps, ddof=1) / math.sqrt(len(gaps))


def of_steps(top, other):
    """Value and standard error of the difference of two means over steps of one run."""

    def gap(left_out=None):
        kept = [i for i in range(len(top)) if i != left_out]
        return np.nanmean(top[kept]) - np.nanmean(other[kept])

    return gap(), math.sqrt(spread([gap(left_out) for left_out in range(len(top))]))


def rise(key):
    parts = [tenths(curve("asyncthink", key, seed)) for seed in SEEDS]
    if len(parts) == 1:
        return of_steps(parts[0][-1], parts[0][0])
    return of_seeds([np.mean(part[-1]) - np.mean(part[0]) for part in parts])


def extreme(arm, key, sign, end):
    """How far the highest (sign 1) or lowest tenth lies beyond another; which one it is, the other seeds say, or, of
    one seed, every other step."""
    parts = [tenths(curve(arm, key, seed)) for seed in SEEDS]
    if len(parts) == 1:
        chosen = max(range(10), key=lambda t: sign * np.nanmean(parts[0][t][::2]))
        return of_steps(sign * parts[0][chosen][1::2], sign * parts[0][end][1::2])
    gaps = []
    for own in range(len(SEEDS)):
        levels = [np.nanmean([part[t] for i, part in enumerate(parts) if i != own]) for t in range(10)]
        chosen = max(range(10), key=lambda t, levels=levels: sign * levels[t])
        gaps.append(sign * (np.nanmean(parts[own][chosen]) - np.nanmean(parts[own][end])))
    return of_seeds(gaps)


BY_STEP = {
    "accuracy rises": lambda: rise("accuracy"),
    "η/c rises": lambda: rise("concurrency_ratio"),
    "forks a query rise": lambda: rise("forks"),
    "η/c dips first": lambda: extreme("asyncthink", "concurrency_ratio", -1, 0),
    "latency rises to its peak": lambda: extreme("asyncthink", "latency", 1, 0),
    "latency falls from its peak": lambda: extreme("asyncthink", "latency", 1, -1),
}


def recomputed(claim, part):
    """Value and standard error of a part."""
    if claim == "C8":
        return BY_STEP[part["name"]]()
    return jackknifed(ITEMWISE[claim, part["column"], part["name"]])


def edge_of(name):
    return next((edge for end, edge in {**LEAST, **MOST}.items() if name.endswith(end)), 0.0)


LEDGER_ROWS = {row["id"]: row for row in json.loads(LEDGER.read_text())["claims"]}
PARTS = [(row["id"], position) for row in LEDGER_ROWS.values() for position in range(len(row["parts"]))]


@cache
def again(claim):
    """For each part of a claim, in order: value, standard error, the way predicted (+1 or -1), and from what."""
    rows = []
    for part in LEDGER_ROWS[claim]["parts"]:
        down = part["name"] in DOWN or part["name"] in MOST
        rows.append((*recomputed(claim, part), -1 if down else 1, edge_of(part["name"])))
    return rows


@pytest.mark.parametrize(("claim", "position"), PARTS, ids=[f"{c} {i}" for c, i in PARTS])
def test_a_part_comes_out_the_same(claim, position):
    part, (value, error, _, _) = LEDGER_ROWS[claim]["parts"][position], again(claim)[position]
    assert part["value"] == pytest.approx(value, abs=2e-5)
    assert part["error"] == pytest.approx(error, rel=0.02, abs=1e-4)
    quantile = stats.t.ppf((1 + part["level"]) / 2, part["freedom"]) if part["error"] else 0.0
    ends = [part["value"] + sign * quantile * part["error"] for sign in (-1, 1)]
    assert part["judged"] == pytest.approx(ends, abs=2e-5 + 1e-6 * quantile)  # of six digits each
    assert part["error"] == 0 or 0 < part["freedom"] <= len(SEEDS) * 400  # below 1 where components nearly cancel


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


def test_sudoku_is_untestable_at_a_floor_and_only_there():
    shares = [Sample().mean(arm, "accuracy", test_set="sudoku") for arm in ("asyncthink", "sequential", "parallel")]
    assert (LEDGER_ROWS["C7"]["verdict"] == "untestable") == (max(shares) <= FLOOR)


def test_a_frontier_has_three_operating_points_or_the_claim_on_it_is_untestable():
    names = operating_points()
    value, error = jackknifed(
        lambda s: s.mean("asyncthink", "accuracy", names[-1]) - s.mean("asyncthink", "accuracy", names[0])
    )
    frontier = len(names) >= 3 and value > 2 * error
    assert (LEDGER_ROWS["C9"]["verdict"] == "untestable") == (not frontier)


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
    verdict = verdicts.pop() if len(verdicts) == 1 else "partly"
    of_one_run = {"reproduced": "seen", "partly": "seen in part", "not reproduced": "not seen"}
    assert row["verdict"] == (f"this training run only: {of_one_run[verdict]}" if len(SEEDS) == 1 else verdict)
