"""Claims that compare arms at their headline: the baselines (C1, C2) and the ablations (C4, C5, C6)."""

from asyncthink.evaluation.evidence import ASYNC, BASELINES, NO_COLD_START, NO_REWARD, NO_RL, Evidence
from asyncthink.evaluation.recordings import Evaluation
from asyncthink.evaluation.statistics import Draws
from asyncthink.evaluation.verdicts import Finding, NotRun, Part, above, below, text

AT_MINIMUM = 0.02  # η/c counts as 1/c within two points


def baselines(evidence: Evidence) -> Finding:
    """C1: accuracy and all-correct above sequential and parallel thinking at equal budgets a trace."""
    (ours, *theirs), seeds = evidence.statistics(*comparable(evidence))
    parts = [
        above(f"{label}, above {name} thinking", "points", ours[key] - other[key])
        for name, other in zip(BASELINES, theirs, strict=True)
        for key, label in (("all_correct", "all correct"), ("accuracy", "accuracy"))
    ]
    sequential, parallel = (percent(other["all_correct"]) for other in theirs)
    shown = text(ours["all_correct"].estimate(), "%")
    words = f"all correct: {shown} against {sequential} (sequential) and {parallel} (parallel)"
    return Finding(words, parts, seeds, (ASYNC, *BASELINES))


def every_k(evidence: Evidence) -> Finding:
    """C2: at least k correct above both baselines, for every k."""
    found = comparable(evidence)
    everything, seeds = evidence.statistics(*found)
    names = [f"at_least_{k}" for k in range(1, found[0].measured.required + 1)]
    ours, *theirs = everything
    parts = [
        above(f"at least {k} correct, above {name} thinking", "points", ours[key] - other[key])
        for name, other in zip(BASELINES, theirs, strict=True)
        for k, key in enumerate(names, 1)
    ]
    curves = [" / ".join(percent(stats[key]) for key in names) for stats in everything]
    words = f"k = 1 to {len(names)}: {curves[0]} against {curves[1]} (sequential) and {curves[2]} (parallel)"
    return Finding(words, parts, seeds, (ASYNC, *BASELINES))


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
    found = evidence.evaluations(ASYNC, NO_COLD_START)
    (full, without), seeds = evidence.statistics(*found)
    least = 1 / found[1].thinking["capacity"]
    ratio = without["concurrency_ratio"]
    close = _from(AT_MINIMUM + least, ratio)
    parts = (
        Part("η/c stays at 1/c", "%", ratio.estimate(), close.estimate()),
        below("accuracy without the cold start", "points", without["accuracy"] - full["accuracy"]),
    )
    words = f"{listed(parts, ('η/c', 'accuracy'))}; 1/c = {100 * least:.1f} %"
    return Finding(words, parts, seeds, (ASYNC, NO_COLD_START))


def no_rl(evidence: Evidence) -> Finding:
    """C6: format fine-tuning teaches the form and not the answers."""
    (full, without), seeds = evidence.statistics(*evidence.evaluations(ASYNC, NO_RL))
    valid = without["valid"]
    parts = (
        above("accuracy gained by RL", "points", full["accuracy"] - without["accuracy"]),
        above("all correct gained by RL", "points", full["all_correct"] - without["all_correct"]),
        Part("right in form without RL, more than half", "%", valid.estimate(), (valid - 0.5).estimate()),
    )
    words = (
        f"all correct {text(without['all_correct'].estimate(), '%')} before RL with {percent(valid)} % right in form, "
        f"{percent(full['all_correct'])} % after"
    )
    return Finding(words, parts, seeds, (ASYNC, NO_RL))


def _from(value: float, statistic: Draws) -> Draws:
    return Draws(value - statistic.value, value - statistic.resampled_R)


def percent(statistic: Draws) -> str:
    """A share, times 100, with one digit."""
    return f"{100 * statistic.value:.1f}"


def listed(parts: tuple[Part, ...], labels: tuple[str, ...]) -> str:
    """Parts in one line: `η/c -4.7 points [-6.0, -3.1], latency +22.6 % [...]`."""
    return ", ".join(f"{label} {text(part.shown, part.unit)}" for label, part in zip(labels, parts, strict=True))
