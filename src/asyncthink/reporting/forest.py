"""A claim's core parts as a strip: a line an interval, zero in the middle, the paper's own effect as a diamond.

Every unit has a scale of its own, so that zero stands in one place; what is a share and no difference has no zero, and
no line. The colour of a line says what the rule says of the part, and so does its shape: bars at the ends where it
holds, none where it is open, a cross where it speaks against the claim.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from markupsafe import Markup, escape

from asyncthink.evaluation.ledger import LedgerPart, LedgerRow
from asyncthink.evaluation.paper import PAPER

WIDTH, PITCH, MARGIN = 170, 7, 5  # pixels
BUDGET = ("", "equal budget")  # the columns in which the paper has its figures
BOUND = {"points": 1.0, "% less": 1.0}  # what a symmetric interval may pass, and the effect cannot
LINE = '<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'


def paper_effects() -> Mapping[tuple[str, str], float]:
    """The paper's effect by claim and name of the part, where it has the same quantity; a share is from 0 to 1."""
    arms: Mapping[str, Any] = PAPER["countdown"]["arms"]
    at_least = {arm: [share / 100 for share in own["at_least"] if share is not None] for arm, own in arms.items()}
    effects: dict[tuple[str, str], float] = {}
    ours = at_least["asyncthink"]
    for way in ("sequential", "parallel"):
        theirs = at_least[way]
        effects["C1", f"all correct, above {way} thinking"] = ours[-1] - theirs[-1]
        effects["C1", f"accuracy, above {way} thinking"] = fmean(ours) - fmean(theirs)
        for k, (mine, other) in enumerate(zip(ours, theirs, strict=True), 1):
            effects["C2", f"at least {k} correct, above {way} thinking"] = mine - other
        sudoku = PAPER["sudoku"]["arms"]
        effects["C7", f"accuracy, above {way} thinking"] = (
            sudoku["asyncthink"]["accuracy"] - sudoku[way]["accuracy"]
        ) / 100
    full, without = arms["asyncthink"], arms["no_concurrency_reward"]
    busy, training = "concurrency_ratio", PAPER["training"]
    effects["C4", "η/c without the reward"] = (without[busy] - full[busy]) / 100
    effects["C4", "latency without the reward"] = without["latency"] / full["latency"] - 1
    effects["C6", "all correct gained by RL"] = ours[-1] - at_least["no_rl"][-1]
    effects["C8", "η/c rises"] = (training[busy][1] - training[busy][0]) / 100
    return effects


def weakest(row: LedgerRow) -> LedgerPart | None:
    """The core part that says least for the claim: one against it, else an open one, else the nearest to zero."""
    core = [part for part in row["parts"] if part["core"] and part["state"] != "untestable"]
    for state, choose in (("contrary", max), ("open", min), ("holds", min)):
        if own := [part for part in core if part["state"] == state]:
            return choose(own, key=_far)
    return None


def _far(part: LedgerPart) -> float:
    """How many standard errors a part lies from zero."""
    return abs(part["value"] or 0.0) / part["error"] if part["error"] else float("inf")


def strip(row: LedgerRow) -> Markup | None:
    """The strip; None where no core part is an effect with an interval."""
    parts = [part for part in row["parts"] if part["core"] and part["unit"] != "%" and None not in part["interval"]]
    if not parts:
        return None
    effects = paper_effects()
    marks = [effects.get((row["id"], part["name"])) if part["column"] in BUDGET else None for part in parts]
    height, middle = PITCH * len(parts) + 2 * MARGIN, WIDTH / 2
    drawn = [LINE.format("zero", middle, 0, middle, height)]
    for number, (part, mark) in enumerate(zip(parts, marks, strict=True)):
        most = max(
            _reach(other, given) for other, given in zip(parts, marks, strict=True) if other["unit"] == part["unit"]
        )
        drawn += _line(part, mark, MARGIN + PITCH * (number + 0.5), (middle - MARGIN) / (most or 1.0))
    label = escape(f"{row['id']}: {len(parts)} effects with their intervals; zero is in the middle")
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return Markup(f'<svg class="forest" role="img" aria-label="{label}" {size}>{"".join(drawn)}</svg>')


def _reach(part: LedgerPart, mark: float | None) -> float:
    return max(*map(abs, _ends(part)), abs(mark or 0.0))


def _ends(part: LedgerPart) -> Sequence[float]:
    most = BOUND.get(part["unit"], float("inf"))
    return [max(-most, min(most, end or 0.0)) for end in part["interval"]]


def _line(part: LedgerPart, mark: float | None, y: float, scale: float) -> list[str]:
    low, high = (WIDTH / 2 + scale * end for end in _ends(part))
    value, state = WIDTH / 2 + scale * (part["value"] or 0.0), part["state"]
    made = [LINE.format(state, low, y, high, y)]
    if state == "holds":
        made += [LINE.format(state, x, y - 2, x, y + 2) for x in (low, high)]
    if state == "contrary":
        made += [
            LINE.format(state, value - 3, y - 3, value + 3, y + 3),
            LINE.format(state, value - 3, y + 3, value + 3, y - 3),
        ]
    else:
        made.append(f'<circle class="{state}" cx="{value:.1f}" cy="{y:.1f}" r="2.4"/>')
    if mark is not None:
        x = WIDTH / 2 + scale * mark
        made.append(f'<path class="paper" d="M{x:.1f} {y - 3.4:.1f}l3.4 3.4l-3.4 3.4l-3.4 -3.4z"/>')
    return made
