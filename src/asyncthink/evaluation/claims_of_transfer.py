"""Claims on tasks that the protocol was not trained on (C7, C12)."""

from asyncthink.evaluation.claims_of_arms import comparable, percent
from asyncthink.evaluation.evidence import ASYNC, BASELINES, Evidence
from asyncthink.evaluation.statistics import Statistic
from asyncthink.evaluation.verdicts import Finding, NotRun, Part, Untestable, above, testable, text

SUBJECTS = {"graph_theory": "graph theory", "genetics": "genetics"}


def sudoku(evidence: Evidence) -> Finding:
    """C7: on Sudoku more accurate than both baselines, and by forking."""
    (ours, *theirs), seeds = evidence.on("sudoku").statistics(*comparable(evidence.on("sudoku")))
    forked = ours["forked"]
    told = f"a Fork in {percent(forked)} % of the episodes, {percent(ours['valid'])} % right in form"
    try:
        testable("accuracy of all three ways", [statistics["accuracy"].value for statistics in (ours, *theirs)])
    except Untestable as end:
        raise Untestable(f"{end}; {told}") from None
    parts = [
        above(f"accuracy, above {name} thinking", "points", ours["accuracy"] - other["accuracy"])
        for name, other in zip(BASELINES, theirs, strict=True)
    ]
    parts.append(more_than_half("episodes with a Fork", forked, core=False))
    sequential, parallel = (percent(other["accuracy"]) for other in theirs)
    shown = text(ours["accuracy"].estimate(), "%")
    words = f"{shown} against {parallel} (parallel) and {sequential} (sequential); {told}"
    return Finding(words, parts, seeds, (ASYNC, *BASELINES))


def case_studies(evidence: Evidence) -> Finding:
    """C12: on subjects of MMLU-Pro it forks, and right in form."""
    subjects = {label: evidence.on(name).evaluations("asyncthink_math")[0] for name, label in SUBJECTS.items()}
    seeds = tuple(sorted(set.intersection(*(set(subject.seeds) for subject in subjects.values()))))
    if not seeds:
        raise NotRun(f"needs a seed that was evaluated on both {' and '.join(SUBJECTS)}")
    parts, words = [], []
    for label, subject in subjects.items():
        ours = subject.of_seeds(seeds).statistics
        parts += [
            more_than_half(f"{label}: episodes with a Fork", ours["forked"]),
            more_than_half(f"{label}: right in form", ours["valid"]),
        ]
        words.append(f"{label}: a Fork in {percent(ours['forked'])} %, {percent(ours['accuracy'])} % right")
    return Finding("; ".join(words), parts, seeds, ("asyncthink_math",))


def more_than_half(name: str, share: Statistic, core: bool = True) -> Part:
    """A part that predicts a share above one half."""
    return above(f"{name}, more than half", "%", share, core, least=0.5)
