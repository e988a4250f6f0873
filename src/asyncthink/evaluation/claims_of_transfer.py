"""Claims on tasks that the protocol was not trained on (C7)."""

from asyncthink.evaluation.claims_of_arms import comparable, percent
from asyncthink.evaluation.evidence import ASYNC, BASELINES, Evidence
from asyncthink.evaluation.verdicts import Finding, Part, above, text


def sudoku(evidence: Evidence) -> Finding:
    """C7: on Sudoku more accurate than both baselines, and by forking."""
    (ours, *theirs), seeds = evidence.on("sudoku").statistics(*comparable(evidence.on("sudoku")))
    parts = [
        above(f"accuracy, above {name} thinking", "points", ours["accuracy"] - other["accuracy"])
        for name, other in zip(BASELINES, theirs, strict=True)
    ]
    forked = ours["forked"]
    parts.append(Part("episodes with a Fork, more than half", "%", forked.estimate(), (forked - 0.5).estimate(), False))
    sequential, parallel = (percent(other["accuracy"]) for other in theirs)
    shown = text(ours["accuracy"].estimate(), "%")
    words = (
        f"{shown} against {parallel} (parallel) and {sequential} (sequential); a Fork in {percent(forked)} % of the "
        f"episodes, {percent(ours['valid'])} % right in form"
    )
    return Finding(words, parts, seeds, (ASYNC, *BASELINES))
