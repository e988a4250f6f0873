"""Claims on the trade between accuracy and latency (C3, C9), from evaluations at several budgets."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from asyncthink.evaluation import frontier
from asyncthink.evaluation.evidence import ASYNC, BASELINES, PARALLEL, Evidence
from asyncthink.evaluation.statistics import Draws, combine
from asyncthink.evaluation.verdicts import Finding, NotRun, Part, above, exact, text

LOWER_LATENCY = 0.28
FEWEST_BUDGETS = 5
MATHEMATICS = {"aime_24": "AIME-24", "amc_23": "AMC-23"}
Statistics = dict[str, Draws]


def lower_latency(evidence: Evidence, arm: str = ASYNC, baseline: str = PARALLEL) -> Finding:
    """C3: 28 % less latency than parallel thinking needs for AsyncThink's accuracy."""
    (headline,) = evidence.evaluations(arm)
    points = evidence.budgets(baseline)
    if len(points) < 2:
        raise NotRun("needs parallel thinking at two budgets or more")
    (ours, *theirs), seeds = evidence.statistics(headline, *points)
    needed = {key: reading(frontier.latency_at, ours[key], theirs, key) for key in ("accuracy", "all_correct")}
    lower = {key: combine(np.subtract, 1.0, ours["elapsed"] / tokens) for key, tokens in needed.items()}
    shown = lower["accuracy"].estimate()
    parts = (
        above("latency below parallel thinking's at equal accuracy", "%", lower["accuracy"]),
        above("latency below parallel thinking's at as many all correct", "%", lower["all_correct"]),
        Part("by 28 % or more", "%", shown, exact(1.0 if shown.value >= LOWER_LATENCY else -1.0), core=False),
    )
    words = (
        f"lower by {text(shown, '%')}: {100 * ours['accuracy'].value:.1f} % at {ours['elapsed'].value:.1f} tokens, "
        f"for which parallel thinking needs {_told(needed, 'accuracy', ours, theirs)}; all correct "
        f"{100 * ours['all_correct'].value:.1f} %, for which it needs {_told(needed, 'all_correct', ours, theirs)}"
    )
    return Finding(words, parts, seeds, (arm, *dict.fromkeys(point.arm for point in points)))


def lower_latency_on_mathematics(evidence: Evidence) -> Finding:
    """C3 on competition math: the same on both test sets."""
    found = {
        label: lower_latency(evidence.on(name), "asyncthink_math", "parallel_math")
        for name, label in MATHEMATICS.items()
    }
    parts = [replace(part, name=f"{label}: {part.name}") for label, each in found.items() for part in each.parts]
    words = "; ".join(f"{label} {each.ours}" for label, each in found.items())
    seeds = tuple(dict.fromkeys(seed for each in found.values() for seed in each.seeds))
    return Finding(words, parts, seeds, next(iter(found.values())).arms)


def _told(needed: Statistics, key: str, ours: Statistics, theirs: Sequence[Statistics]) -> str:
    most = max(stats[key].value for stats in theirs)
    beyond = "" if most >= ours[key].value else f" at least (it reaches {100 * most:.1f} %)"
    return f"{needed[key].value:.1f}{beyond}"


def dominates(evidence: Evidence) -> Finding:
    """C9: AsyncThink's frontier lies above those of both baselines."""
    budgets = {arm: evidence.budgets(arm) for arm in (ASYNC, *BASELINES)}
    short = [arm for arm, found in budgets.items() if len(found) < FEWEST_BUDGETS]
    if short:
        raise NotRun(f"needs {FEWEST_BUDGETS} budgets or more of {', '.join(short)}")
    statistics, seeds = evidence.statistics(*(e for found in budgets.values() for e in found))
    ends = np.cumsum([len(found) for found in budgets.values()])
    ours, *theirs = (statistics[end - len(found) : end] for end, found in zip(ends, budgets.values(), strict=True))
    parts, words = [], []
    for name, points in zip(BASELINES, theirs, strict=True):
        gaps = [_gap(stats, points) for stats in best(ours)]
        mean = above(f"mean gap above {name} thinking at equal latency", "points", combine(_mean, *gaps))
        parts += [mean, above(f"smallest gap above {name} thinking", "points", combine(_least, *gaps), core=False)]
        ahead = sum(gap.value > 0 for gap in gaps)
        where = f"{ahead} of {len(gaps)} points of its frontier"
        words.append(f"above {name} thinking at {where}, {text(mean.shown, 'points')}")
    arms = dict.fromkeys(evaluation.arm for found in budgets.values() for evaluation in found)
    return Finding("; ".join(words), parts, seeds, tuple(arms))


def best(points: Sequence[Statistics]) -> list[Statistics]:
    """Those that no other one beats."""
    latency_P, accuracy_P = (np.array([stats[key].value for stats in points]) for key in ("elapsed", "accuracy"))
    kept = set(frontier.pareto(latency_P, accuracy_P)[0].tolist())
    return [stats for stats in points if stats["elapsed"].value in kept]


def _gap(ours: Statistics, theirs: Sequence[Statistics]) -> Draws:
    """How far one of our points lies above the other frontier at its own latency."""
    return ours["accuracy"] - reading(frontier.accuracy_at, ours["elapsed"], theirs, "accuracy")


def reading(function: Callable[..., float], at: Draws, points: Sequence[Statistics], key: str) -> Draws:
    """`latency_at` or `accuracy_at` of a frontier of latency and a share, on the data and on each resample."""
    pairs = [(stats["elapsed"], stats[key]) for stats in points]
    latency_RP, accuracy_RP = (np.stack([pair[i].resampled_R for pair in pairs], axis=1) for i in (0, 1))
    value = function(at.value, *(np.array([pair[i].value for pair in pairs]) for i in (0, 1)))
    rows = zip(at.resampled_R, latency_RP, accuracy_RP, strict=True)
    return Draws(value, np.array([function(*row) for row in rows]))


def _mean(*values: np.ndarray) -> np.ndarray:
    return np.stack(values).mean(axis=0)


def _least(*values: np.ndarray) -> np.ndarray:
    return np.stack(values).min(axis=0)
