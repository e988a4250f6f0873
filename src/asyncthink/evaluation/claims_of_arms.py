"""Claims that compare arms at their headline: the baselines (C1, C2) and the ablations (C4, C5, C6)."""

from collections.abc import Mapping, Sequence
from functools import partial

from asyncthink.evaluation import frontier
from asyncthink.evaluation.evidence import ASYNC, BASELINES, NO_COLD_START, NO_REWARD, NO_RL, Evidence
from asyncthink.evaluation.recordings import Evaluation
from asyncthink.evaluation.statistics import Statistic, combine
from asyncthink.evaluation.verdicts import Finding, NotRun, Part, above, at_an_end, below, text

AT_MINIMUM = 0.02  # η/c counts as 1/c within two points
NOT_RIGHT = 0.05  # before RL the answers are not right: fewer than one item in twenty is all correct
EQUAL = {"equal latency": "elapsed", "equal work": "work"}  # column -> what is held equal, beside the budget
Statistics = dict[str, Statistic]


def baselines(evidence: Evidence) -> Finding:
    """C1: accuracy and all-correct above sequential and parallel thinking."""
    measures = {"all_correct": "all correct", "accuracy": "accuracy"}
    (ours, *theirs), parts, seeds = _standing(evidence, measures)
    shown = text(ours["all_correct"].estimate(), "%")
    others = [f"{percent(other['all_correct'])} at {_tokens(other)}" for other in theirs]
    words = (
        f"all correct: {shown} at {_tokens(ours)} tokens against {others[0]} (sequential) and {others[1]} (parallel); "
        + "; ".join(f"at {column} {_least(parts, column)}" for column in EQUAL)
    )
    return Finding(words, parts, seeds, (ASYNC, *BASELINES))


def every_k(evidence: Evidence) -> Finding:
    """C2: at least k correct above both baselines, for every k."""
    required = evidence.evaluations(ASYNC)[0].measured.required
    measures = {f"at_least_{k}": f"at least {k} correct" for k in range(1, required + 1)}
    everything, parts, seeds = _standing(evidence, measures)
    curves = [" / ".join(percent(statistics[key]) for key in measures) for statistics in everything]
    words = (
        f"k = 1 to {required}: {curves[0]} against {curves[1]} (sequential) and {curves[2]} (parallel); "
        + "; ".join(f"at {column} {_least(parts, column)}" for column in EQUAL)
    )
    return Finding(words, parts, seeds, (ASYNC, *BASELINES))


def _standing(evidence: Evidence, measures: Mapping[str, str]) -> tuple[list[Statistics], list[Part], tuple[int, ...]]:
    """How far AsyncThink stands above each baseline, in measures with their labels.

    In three columns: at an equal budget a trace; at its own latency and at its own work, read from the baseline's
    frontier over budgets (level after its longest point, since no longer one was measured).
    """
    headlines = comparable(evidence)
    points = [evidence.budgets(name) for name in BASELINES]
    everything, seeds = evidence.statistics(*headlines, *(point for own in points for point in own))
    (ours, *theirs), rest = everything[:3], everything[3:]
    frontiers = dict(zip(BASELINES, (rest[: len(points[0])], rest[len(points[0]) :]), strict=True))
    parts = []
    for name, other in zip(BASELINES, theirs, strict=True):
        for key, label in measures.items():
            lead = ours[key] - other[key]
            parts.append(_lead(f"{label}, above {name} thinking", ours[key], lead, "equal budget"))
    for column, axis in EQUAL.items():
        for name, own in frontiers.items():
            longest = max(point[axis].value for point in own)
            beyond = ours[axis].value > longest
            against = f"{name} thinking at its longest" if beyond else f"{name} thinking"
            for key, label in measures.items():
                lead = gap(ours, own, key, axis)
                parts.append(_lead(f"{label}, above {against}", ours[key], lead, column, bound=beyond))
    return [ours, *theirs], parts, seeds


def _lead(name: str, ours: Statistic, lead: Statistic, column: str, bound: bool = False) -> Part:
    end = at_an_end(ours.value, ours.value - lead.value)
    return above(name, "points", lead, column=column, bound=bound, end=end)


def gap(ours: Statistics, points: Sequence[Statistics], key: str = "accuracy", axis: str = "elapsed") -> Statistic:
    """How far one of our points lies above another frontier at its own latency (or work)."""
    return ours[key] - reading(frontier.accuracy_at, ours[axis], points, key, axis)


def reading(
    function: frontier.Reading, at: Statistic, points: Sequence[Statistics], key: str, axis: str = "elapsed"
) -> Statistic:
    """`latency_at` or `accuracy_at` of the frontier of some points, with the uncertainty of all of them."""
    ends = [statistics[name] for name in (axis, key) for statistics in points]
    return combine(partial(_read, function, len(points)), at, *ends)


def _read(function: frontier.Reading, points: int, at: float, *ends: float) -> float:
    return function(at, ends[:points], ends[points:])


def _least(parts: Sequence[Part], column: str) -> str:
    """The part of a column with the smallest effect."""
    least = min((part for part in parts if part.column == column), key=lambda part: part.effect.value)
    return f"{text(least.shown, least.unit)} or more ({least.name})"


def comparable(evidence: Evidence) -> list[Evaluation]:
    """AsyncThink and the baselines, if their traces had the same budget and the parallel ones were c."""
    ours, *theirs = evidence.evaluations(ASYNC, *BASELINES)
    for other in theirs:
        budgets = ("organizer_budget", "latency_budget")
        for key in budgets if other.mode == "sequential" else (*budgets, "capacity"):
            if other.thinking[key] != ours.thinking[key]:
                raise NotRun(f"needs {other.arm} at the {key} of {ours.arm}, {ours.thinking[key]}")
    return [ours, *theirs]


def no_concurrency_reward(evidence: Evidence) -> Finding:
    """C4: without R_eta less concurrent, slower and less accurate."""
    (full, without), seeds = evidence.statistics(*evidence.evaluations(ASYNC, NO_REWARD))
    slower = without["elapsed"] / full["elapsed"] - 1.0
    parts = (
        below("η/c without the reward", "points", without["concurrency_ratio"] - full["concurrency_ratio"]),
        above("latency without the reward", "% change", slower),
        below("accuracy without the reward", "points", without["accuracy"] - full["accuracy"], core=False),
    )
    return Finding(listed(parts, ("η/c", "latency", "accuracy")), parts, seeds, (ASYNC, NO_REWARD))


def no_cold_start(evidence: Evidence) -> Finding:
    """C5: without format fine-tuning there are no Forks, so η/c is 1/c, and accuracy falls."""
    headlines = evidence.evaluations(ASYNC, NO_COLD_START)
    (full, without), seeds = evidence.statistics(*headlines)
    alone = 1 / headlines[1].thinking["capacity"]
    parts = (
        below("η/c stays at 1/c", "%", without["concurrency_ratio"], most=alone + AT_MINIMUM),
        below("accuracy without the cold start", "points", without["accuracy"] - full["accuracy"]),
    )
    words = f"{listed(parts, ('η/c', 'accuracy'))}; 1/c = {100 * alone:.1f} %"
    return Finding(words, parts, seeds, (ASYNC, NO_COLD_START))


def no_rl(evidence: Evidence) -> Finding:
    """C6: format fine-tuning teaches the form and not the answers."""
    (full, without), seeds = evidence.statistics(*evidence.evaluations(ASYNC, NO_RL))
    all_correct, valid = without["all_correct"], without["valid"]
    parts = (
        above("accuracy gained by RL", "points", full["accuracy"] - without["accuracy"]),
        above("all correct gained by RL", "points", full["all_correct"] - all_correct),
        above("right in form before RL, more than half", "%", valid, least=0.5),
        below("all correct before RL, fewer than 5 %", "%", all_correct, core=False, most=NOT_RIGHT),
    )
    words = (
        f"all correct {text(all_correct.estimate(), '%')} before RL with {percent(valid)} % right in form, "
        f"{percent(full['all_correct'])} % after"
    )
    return Finding(words, parts, seeds, (ASYNC, NO_RL))


def percent(statistic: Statistic) -> str:
    """A share, times 100, with one digit."""
    return f"{100 * statistic.value:.1f}"


def _tokens(statistics: Statistics) -> str:
    return f"{statistics['elapsed'].value:.1f}"


def listed(parts: Sequence[Part], labels: Sequence[str]) -> str:
    """Parts in one line: `η/c -4.7 points [-6.0, -3.1], latency +22.6 % [...]`."""
    return ", ".join(f"{label} {text(part.shown, part.unit)}" for label, part in zip(labels, parts, strict=True))
