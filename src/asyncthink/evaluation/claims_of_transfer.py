"""Claims on tasks that the protocol was not trained on (C7, C12)."""

from asyncthink.evaluation.claims_of_arms import comparable, percent
from asyncthink.evaluation.evidence import ASYNC, BASELINES, Evidence
from asyncthink.evaluation.statistics import Draws
from asyncthink.evaluation.verdicts import Finding, Part, above, text

SUBJECTS = {"graph_theory": "graph theory", "genetics": "genetics"}


def sudoku(evidence: Evidence) -> Finding:
    """C7: on Sudoku more accurate than both baselines, and by forking."""
    (ours, *theirs), seeds = evidence.on("sudoku").statistics(*comparable(evidence.on("sudoku")))
    parts = [
        above(f"accuracy, above {name} thinking", "points", ours["accuracy"] - other["accuracy"])
        for name, other in zip(BASELINES, theirs, strict=True)
    ]
    forked = ours["forked"]
    parts.append(more_than_half("episodes with a Fork", forked, core=False))
    sequential, parallel = (percent(other["accuracy"]) for other in theirs)
    shown = text(ours["accuracy"].estimate(), "%")
    words = (
        f"{shown} against {parallel} (parallel) and {sequential} (sequential); a Fork in {percent(forked)} % of the "
        f"episodes, {percent(ours['valid'])} % right in form"
    )
    return Finding(words, parts, seeds, (ASYNC, *BASELINES))


def case_studies(evidence: Evidence) -> Finding:
    """C12: on subjects of MMLU-Pro it forks, and right in form."""
    parts, words, seeds = [], [], ()
    for name, label in SUBJECTS.items():
        found = evidence.on(name)
        (ours,), seeds = found.statistics(*found.evaluations("asyncthink_math"))
        parts += [
            more_than_half(f"{label}: episodes with a Fork", ours["forked"]),
            more_than_half(f"{label}: right in form", ours["valid"]),
        ]
        words.append(f"{label}: a Fork in {percent(ours['forked'])} %, {percent(ours['accuracy'])} % right")
    return Finding("; ".join(words), parts, seeds, ("asyncthink_math",))


def more_than_half(name: str, share: Draws, core: bool = True) -> Part:
    """A part that predicts a share above one half."""
    return Part(f"{name}, more than half", "%", share.estimate(), (share - 0.5).estimate(), core)
