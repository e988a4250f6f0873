"""Claims on the trade between accuracy and latency (C3, C9), from evaluations at several budgets."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np

from asyncthink.evaluation import frontier
from asyncthink.evaluation.claims_of_arms import Statistics, gap, reading
from asyncthink.evaluation.evidence import ASYNC, BASELINES, FIXED_PLAN, PARALLEL, PRICED, Evidence
from asyncthink.evaluation.recordings import Evaluation
from asyncthink.evaluation.verdicts import Finding, NotRun, Untestable, above, common_seeds, testable, text

LOWER_LATENCY = 0.28  # on mathematics
LOWER_PLAN = 0.10  # than a fixed plan
FEWEST_BUDGETS = 5
FEWEST_POINTS = 3
NAMES = {PARALLEL: "parallel thinking", FIXED_PLAN: "the best fixed plan"}
EQUAL = {"accuracy": "equal accuracy", "all_correct": "as many all correct"}
MATHEMATICS = {"aime_24": "AIME-24", "amc_23": "AMC-23"}


def lower_latency(
    evidence: Evidence, arm: str = ASYNC, baseline: str = PARALLEL, equal: Sequence[str] = tuple(EQUAL)
) -> Finding:
    """C3: less latency than a baseline needs for what AsyncThink reaches; equal: keys of EQUAL."""
    theirs_named = NAMES.get(baseline, NAMES[PARALLEL])
    (headline,) = evidence.evaluations(arm)
    points = evidence.budgets(baseline)
    if len(points) < 2:
        raise NotRun(f"needs {theirs_named} at two budgets or more")
    (ours, *theirs), seeds = evidence.statistics(headline, *points)
    testable("accuracy", [statistics["accuracy"].value for statistics in (ours, *theirs)])
    for key in equal:
        _told_apart(ours[key].value, theirs, key, theirs_named)
    needed = {key: reading(frontier.latency_at, ours[key], theirs, key) for key in equal}
    parts = [
        above(f"latency below that of {theirs_named} at {EQUAL[key]}", "% less", 1.0 - ours["elapsed"] / tokens)
        for key, tokens in needed.items()
    ]
    needs = [f"{theirs_named} needs {_told(needed, 'accuracy', ours, theirs)}"]
    if "all_correct" in equal:
        all_correct = f"all correct {100 * ours['all_correct'].value:.1f} %, for which it needs "
        needs.append(all_correct + _told(needed, "all_correct", ours, theirs))
    words = (
        f"lower by {text(parts[0].shown, '% less')}: {100 * ours['accuracy'].value:.1f} % at "
        f"{ours['elapsed'].value:.1f} tokens, for which {'; '.join(needs)}"
    )
    return Finding(words, parts, seeds, (arm, *dict.fromkeys(point.arm for point in points)))


def lower_latency_on_mathematics(evidence: Evidence) -> Finding:
    """C3 on competition math: the same on both test sets, and by the paper's 28 % at equal accuracy."""
    findings = {
        label: lower_latency(evidence.on(name), "asyncthink_math", "parallel_math")
        for name, label in MATHEMATICS.items()
    }
    parts = []
    for label, finding in findings.items():
        parts += [replace(part, name=f"{label}: {part.name}") for part in finding.parts]
        at_accuracy = finding.parts[0]
        effect = replace(at_accuracy.effect, value=at_accuracy.effect.value - LOWER_LATENCY)
        parts.append(replace(at_accuracy, name=f"{label}: by 28 % or more", effect=effect, core=False))
    words = "; ".join(f"{label} {finding.ours}" for label, finding in findings.items())
    return Finding(words, parts, common_seeds(findings.values()), next(iter(findings.values())).arms)


def priced(evidence: Evidence) -> Finding:
    """O1: with a price on tokens less latency than parallel thinking, and than the best of many fixed plans."""
    parts, words, findings = [], [], []
    for baseline, least in ((PARALLEL, LOWER_LATENCY), (FIXED_PLAN, LOWER_PLAN)):
        finding = lower_latency(evidence, PRICED, baseline, ["accuracy"])
        lower = finding.parts[0]
        by_so_much = replace(lower.effect, value=lower.effect.value - least)
        parts += [lower, replace(lower, name=f"{lower.name}, by {100 * least:.0f} % or more", effect=by_so_much)]
        words.append(f"than {NAMES[baseline]} {text(lower.shown, '% less')}")
        findings.append(finding)
    arms = dict.fromkeys(arm for finding in findings for arm in finding.arms)
    return Finding("; ".join(words), parts, common_seeds(findings), tuple(arms))


def _told_apart(share: float, points: Sequence[Statistics], key: str, named: str) -> None:
    """Untestable where the two points of the frontier around a share (or its two best) may be the same."""
    latency_P, share_P = (np.array([stats[name].value for stats in points]) for name in ("elapsed", key))
    best = [points[position] for position in frontier.hull_positions(latency_P, share_P)]
    if len(best) < 2 or share <= best[0][key].value:
        return
    upper = next((i for i, stats in enumerate(best) if i and stats[key].value >= share), len(best) - 1)
    if not (best[upper][key] - best[upper - 1][key]).estimate().low > 0:
        ends = " and ".join(f"{100 * best[i][key].value:.1f} %" for i in (upper - 1, upper))
        raise Untestable(f"the frontier of {named} is flat there: {ends} may be the same")


def _told(needed: Statistics, key: str, ours: Statistics, theirs: Sequence[Statistics]) -> str:
    most = max(stats[key].value for stats in theirs)
    beyond = "" if most >= ours[key].value else f" at least (it reaches {100 * most:.1f} %)"
    return f"{needed[key].value:.1f}{beyond}"


def dominates(evidence: Evidence) -> Finding:
    """C9: AsyncThink's frontier lies above those of both baselines."""
    budgets = {arm: evidence.budgets(arm) for arm in (ASYNC, *BASELINES)}
    short = [arm for arm, evaluations in budgets.items() if len(evaluations) < FEWEST_BUDGETS]
    if short:
        raise NotRun(f"needs {FEWEST_BUDGETS} budgets or more of {', '.join(short)}")
    points = {arm: distinct(evaluations) for arm, evaluations in budgets.items()}
    statistics, seeds = evidence.statistics(*(e for own in points.values() for e in own))
    rows = iter(statistics)
    ours, *theirs = ([next(rows) for _ in own] for own in points.values())
    best = operating_points(ours)
    parts, words = [], []
    for name, other in zip(BASELINES, theirs, strict=True):
        gaps = [gap(point, other) for point in best]
        mean_gap = reduce(add, gaps) / float(len(gaps))
        longest = max(point["elapsed"].value for point in other)
        beyond = [point["elapsed"].value > longest for point in best]
        label = f"mean gap above {name} thinking at equal latency"
        parts.append(above(label, "points", mean_gap, bound=any(beyond)))
        for number, (own, bound) in enumerate(zip(gaps, beyond, strict=True), 1):
            label = f"gap above {name} thinking at operating point {number}"
            parts.append(above(label, "points", own, core=False, bound=bound))
        ahead = sum(own.value > 0 for own in gaps)
        where = f"{ahead} of {len(gaps)} operating points"
        words.append(f"above {name} thinking at {where}, {text(mean_gap.estimate(), 'points')}")
    arms = dict.fromkeys(evaluation.arm for own in budgets.values() for evaluation in own)
    return Finding("; ".join(words), parts, seeds, tuple(arms))


def distinct(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Evaluations that differ: a budget that binds nowhere leaves the same episodes, and is no second point."""
    kept: list[Evaluation] = []
    for evaluation in evaluations:
        if not any(_same(evaluation, other) for other in kept):
            kept.append(evaluation)
    return kept


def _same(one: Evaluation, other: Evaluation) -> bool:
    pairs = ((one.measured.values[key], other.measured.values[key]) for key in ("accuracy", "elapsed"))
    return all(a.shape == b.shape and np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def operating_points(points: Sequence[Statistics]) -> list[Statistics]:
    """The points that no other one beats, in the order of latency; Untestable where they make no frontier.

    A frontier has three points or more, and the accuracies of its fastest and its slowest differ.
    """
    latency_P, accuracy_P = (np.array([stats[key].value for stats in points]) for key in ("elapsed", "accuracy"))
    best = [points[position] for position in frontier.pareto_positions(latency_P, accuracy_P)]
    if len(best) < FEWEST_POINTS or not (best[-1]["accuracy"] - best[0]["accuracy"]).estimate().low > 0:
        told = ", ".join(f"{100 * p['accuracy'].value:.1f} % at {p['elapsed'].value:.1f} tokens" for p in best)
        raise Untestable(
            f"no frontier: it takes {FEWEST_POINTS} operating points or more, with accuracies that differ; of "
            f"{len(points)} distinct ones no other beats {told}"
        )
    return best
