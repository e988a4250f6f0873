"""Claims on what happens during training: its dynamics (C8), collapse (C10), diversity of structures (C11)."""

from collections.abc import Sequence

import numpy as np

from asyncthink.evaluation.claims_of_arms import listed
from asyncthink.evaluation.evidence import ASYNC, FIXED_STRUCTURES, FOUR_AGENTS, LEVERAGE, Evidence
from asyncthink.evaluation.histories import PARTS, Curve, History, mean_of_steps
from asyncthink.evaluation.statistics import Statistic
from asyncthink.evaluation.verdicts import Finding, NotRun, Part, Untestable, above, below, text

COLLAPSE = 0.1  # points of a share; a smaller fall is no collapse
NEAR = 0.05  # sums of learning rates count as equal within 5 %
# measure of a step: label, factor and digits for readers
CURVES = {
    "accuracy": ("accuracy on training items (%)", 100, 1),
    "concurrency_ratio": ("η/c (%)", 100, 1),
    "forks": ("forks", 1, 2),
    "latency": ("latency", 1, 1),
}


def dynamics(evidence: Evidence) -> Finding:
    """C8: accuracy, η/c and forks rise, η/c after a dip; latency rises and then falls."""
    runs = evidence.runs(ASYNC)
    curves = {key: Curve(runs, key) for key in CURVES}
    up, down = curves["latency"].peak()
    parts = (
        above("accuracy rises", "points", curves["accuracy"].rise()),
        above("η/c rises", "points", curves["concurrency_ratio"].rise()),
        above("η/c dips first", "points", curves["concurrency_ratio"].dip(), core=False),
        above("forks a query rise", "forks", curves["forks"].rise(), core=False),
        above("latency rises to its peak", "tokens", up, core=False),
        above("latency falls from its peak", "tokens", down, core=False),
    )
    words = "; ".join(
        f"{label} {factor * curves[key].mean(0).value:.{digits}f} to {factor * curves[key].mean(-1).value:.{digits}f}"
        for key, (label, factor, digits) in CURVES.items()
    )
    return Finding(words, parts, [run.seed for run in runs], (ASYNC,))


def collapse(evidence: Evidence) -> Finding:
    """C10: with a reward for Forks after Joins, training collapses and falls below AsyncThink's."""
    theirs, ours = _paired(evidence.runs(LEVERAGE), evidence.runs(ASYNC))
    fall, less = Curve(theirs, "accuracy").peak()[1], _at_equal_learning(evidence, theirs, ours)
    parts = [
        above("accuracy falls from its peak, by ten points or more", "points", fall, least=COLLAPSE),
        below("accuracy at the end, less AsyncThink's at equal learning", "points", less, core=False),
    ]
    labels = ["on training items: fall from the peak", "accuracy less AsyncThink's"]
    if len(theirs[0].steps) == len(ours[0].steps):
        mine, other, _ = evidence.diversity(*evidence.evaluations(LEVERAGE, ASYNC))
        parts.append(below("diversity of structures, less AsyncThink's", "structures", mine - other, core=False))
        labels.append("diversity")
    lengths = f"{len(theirs[0].steps)} steps against {len(ours[0].steps)}"
    untold = "" if len(parts) > 2 else "; diversity not compared: it was not measured at equal steps"
    return Finding(
        f"{listed(parts, labels)}; {lengths}{untold}", parts, [run.seed for run in theirs], (LEVERAGE, ASYNC)
    )


def _paired(theirs: Sequence[History], ours: Sequence[History]) -> tuple[list[History], list[History]]:
    """The runs of the seeds that both have, in the same order."""
    mine = {run.seed: run for run in ours}
    both = [run for run in theirs if run.seed in mine]
    if not both:
        raise NotRun(f"needs a seed that was trained for both {LEVERAGE} and {ASYNC}")
    return both, [mine[run.seed] for run in both]


def _at_equal_learning(evidence: Evidence, theirs: Sequence[History], ours: Sequence[History]) -> Statistic:
    """Accuracy over the last tenth of their steps, less ours over as many steps around the same learning.

    Learning is the learning rate summed over the steps: a run of its own length and schedule is not held to a step
    number. Theirs is that of the middle of the tenth; our steps are centred on it.
    """
    if not {LEVERAGE, ASYNC} <= set(evidence.learning):
        raise NotRun(f"needs the learning rates of {LEVERAGE} and {ASYNC} (arms in params.yaml)")
    for arm, run in ((LEVERAGE, theirs[0]), (ASYNC, ours[0])):
        if len(run.steps) != len(evidence.learning[arm]):
            counts = f"{len(run.steps)} steps, and {len(evidence.learning[arm])} by params.yaml"
            raise NotRun(f"needs the learning rates of the records: {arm} has {counts}")
    length = len(theirs[0].steps) // PARTS
    learned_T, amount = evidence.learning[ASYNC], evidence.learning[LEVERAGE][-length:].mean()
    first = np.arange(len(learned_T) - length + 1)
    nearest = int(np.argmin([abs(learned_T[start : start + length].mean() - amount) for start in first]))
    reached = learned_T[nearest : nearest + length].mean()
    if abs(reached - amount) > NEAR * amount:
        raise Untestable(f"{ASYNC} never learned as much as {LEVERAGE} in the end, summed over the learning rates")
    last_ST = np.stack([run.column("accuracy")[-length:] for run in theirs])
    same_ST = np.stack([run.column("accuracy")[nearest : nearest + length] for run in ours])
    return mean_of_steps(last_ST - same_ST)


def structures(evidence: Evidence) -> Finding:
    """C11: random action sequences give more diverse structures after RL. The corpus only shows the generator."""
    if evidence.corpus is None:
        raise NotRun("needs the metrics of the asynchronous corpus")
    distinct = evidence.corpus["topologies"]["distinct"]
    beyond = evidence.corpus["topologies"]["beyond_the_two"]
    corpus = f"of the corpus' {distinct} topologies {beyond} are neither interleaved nor batch, as it was made to be"
    try:
        evaluations = evidence.evaluations(FOUR_AGENTS, FIXED_STRUCTURES)
    except NotRun as reason:
        raise NotRun(f"{corpus}; {reason}") from None
    if min(evaluation.thinking["capacity"] for evaluation in evaluations) < 3:
        raise Untestable("with c = 2 one worker runs at a time, so that every structure is Fork, Join, Fork, Join")
    ours, theirs, seeds = evidence.diversity(*evaluations)
    parts: list[Part] = [above("diversity after RL, less that without", "structures", ours - theirs)]
    words = (
        f"after RL {ours.value:.2f} structures in effect against {theirs.value:.2f} without, "
        f"{text(parts[0].shown, 'structures')} more; {corpus}"
    )
    return Finding(words, parts, seeds, (FOUR_AGENTS, FIXED_STRUCTURES))
