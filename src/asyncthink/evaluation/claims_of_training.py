"""Claims on what happens during training: its dynamics (C8), collapse (C10), diversity of structures (C11)."""

from asyncthink.evaluation.claims_of_arms import listed
from asyncthink.evaluation.evidence import ASYNC, FIXED_STRUCTURES, LEVERAGE, Evidence
from asyncthink.evaluation.histories import Curve
from asyncthink.evaluation.paper import PAPER
from asyncthink.evaluation.verdicts import Finding, NotRun, Part, above, below, exact, text

# measure of a step: label, factor and digits for readers
CURVES = {
    "accuracy": ("accuracy (%)", 100, 1),
    "concurrency_ratio": ("η/c (%)", 100, 1),
    "forks": ("forks", 1, 2),
    "latency": ("latency", 1, 1),
}


def dynamics(evidence: Evidence) -> Finding:
    """C8: accuracy, η/c and forks rise; latency rises and then falls."""
    runs = evidence.runs(ASYNC)
    curves = {key: Curve(runs, key, evidence.resamples) for key in CURVES}
    up, down = curves["latency"].peak()
    parts = (
        above("accuracy rises", "points", curves["accuracy"].rise()),
        above("η/c rises", "points", curves["concurrency_ratio"].rise()),
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
    """C10: with a reward for Forks behind Joins, training ends lower and less diverse."""
    groups = [evidence.runs(arm) for arm in (LEVERAGE, ASYNC)]
    seeds = [run.seed for run in groups[0] if run.seed in {other.seed for other in groups[1]}]
    groups = [[run for run in group if run.seed in seeds] for group in groups]
    steps = min(len(run.steps) for group in groups for run in group)
    ours, theirs = (Curve(group, "accuracy", evidence.resamples, steps).mean(-1) for group in groups)
    fewer = evidence.diversity(*evidence.evaluations(LEVERAGE, ASYNC))
    parts = (
        below("accuracy at the end, less AsyncThink's at the same step", "points", ours - theirs),
        below("diversity of structures, less AsyncThink's", "structures", fewer, core=False),
    )
    return Finding(listed(parts, ("accuracy", "diversity")), parts, seeds, (LEVERAGE, ASYNC))


def structures(evidence: Evidence) -> Finding:
    """C11: random action sequences give more topologies, in the corpus and after RL."""
    if evidence.corpus is None:
        raise NotRun("needs the metrics of the asynchronous corpus")
    distinct = evidence.corpus["topologies"]["distinct"]
    fixed = PAPER["topologies"]["without_random_structures"]
    try:
        evaluations = evidence.evaluations(ASYNC, FIXED_STRUCTURES)
    except NotRun as reason:
        raise NotRun(f"the corpus holds {distinct} topologies against {fixed} without; {reason}") from None
    parts = (
        Part("topologies in the corpus, more than two", "structures", exact(distinct), exact(distinct - fixed)),
        above("diversity after RL, less that without", "structures", evidence.diversity(*evaluations)),
    )
    words = f"{distinct} topologies in the corpus; after RL {text(parts[1].shown, 'structures')} more than without"
    return Finding(words, parts, evaluations[0].seeds, (ASYNC, FIXED_STRUCTURES))
