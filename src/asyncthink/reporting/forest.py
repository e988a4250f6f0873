"""A claim's core parts as a strip: a line an interval, zero in the middle, the paper's own effect as a diamond.

Every unit has a scale of its own, so that zero stands in one place; what is a share and no difference has no zero, and
no line. The colour of a line says what the rule says of the part, and so does its shape: bars at the ends where it
holds, none where it is open, a cross where it speaks against the claim. A line is labelled with what tells it from the
others; where several measures are held against the same baselines, a group of lines has one label, and a caption says
the order within each.
"""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import takewhile
from statistics import fmean
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from asyncthink.evaluation.ledger import LedgerPart, LedgerRow
from asyncthink.evaluation.paper import PAPER

LABELLED, PLOT, MARGIN = 98, 170, 5  # pixels; the whole is as wide as a phone lets it be
PITCH, SPOKEN, GAP = 7, 12, 4  # pixels: a line without a label, a line of a label, between groups
LETTERS = 19  # of a label, a line
ZERO = LABELLED + PLOT / 2
LEAD = re.compile("(?P<measure>.+), above (?P<way>.+) thinking( at its longest)?")
BUDGET = ("", "equal budget")  # the columns in which the paper has its figures
BOUNDS = {"points": (-1.0, 1.0), "% less": (-math.inf, 1.0)}  # a symmetric interval may pass them, the effect cannot
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


class Group(NamedTuple):
    """Lines that share a label."""

    label: str
    parts: list[LedgerPart]


def strip(row: LedgerRow) -> Markup | None:
    """The strip and its caption; None where no core part is an effect with an interval."""
    parts = [part for part in row["parts"] if part["core"] and part["unit"] != "%" and None not in part["interval"]]
    if not parts:
        return None
    effects = paper_effects()
    paper = [effects.get((row["id"], part["name"])) if part["column"] in BUDGET else None for part in parts]
    most = dict.fromkeys([part["unit"] for part in parts], 0.0)
    for part, mark in zip(parts, paper, strict=True):
        most[part["unit"]] = max(most[part["unit"]], _reach(part, mark))
    marks, (groups, caption) = iter(paper), grouped(parts)
    drawn, y = list[str](), float(MARGIN)
    for label, own in groups:
        lines = textwrap.wrap(label, LETTERS)
        height = max(PITCH * len(own), SPOKEN * len(lines))
        y += GAP if drawn and len(own) > 1 else 0
        drawn += [
            f'<text x="0" y="{y + height / 2 + SPOKEN * (at - len(lines) / 2 + 0.75):.1f}">{escape(line)}</text>'
            for at, line in enumerate(lines)
        ]
        for at, part in enumerate(own):
            scale = (PLOT / 2 - MARGIN) / (most[part["unit"]] or 1.0)
            drawn += _line(part, next(marks), y + height / 2 + PITCH * (at - (len(own) - 1) / 2), scale)
        y += height
    height = round(y + MARGIN)
    spoken = escape(f"{row['id']}: {len(parts)} effects with their intervals; zero is in the middle")
    size = f'viewBox="0 0 {LABELLED + PLOT} {height}" width="{LABELLED + PLOT}" height="{height}"'
    zero = LINE.format("zero", ZERO, 0, ZERO, height)
    picture = f'<svg class="forest" role="img" aria-label="{spoken}" {size}>{zero}{"".join(drawn)}</svg>'
    return Markup(f"{picture}<small>{escape(caption)}</small>" if caption else picture)


def grouped(parts: Sequence[LedgerPart]) -> tuple[list[Group], str]:
    """Parts, in their order, with the labels that tell them apart; and what is said of all groups, if anything."""
    leads = [LEAD.fullmatch(part["name"]) for part in parts]
    measures = list(dict.fromkeys(lead["measure"] for lead in leads if lead))
    groups: list[Group] = []
    for lead, part in zip(leads, parts, strict=True):
        label = f"{part['column'].removeprefix('equal ')}, {lead['way'] if lead else ''}".removeprefix(", ")
        if not groups or groups[-1].label != label:
            groups.append(Group(label, []))
        groups[-1].parts.append(part)
    whole = [lead["measure"] for lead in leads if lead] == measures * len(groups)
    if len(measures) < 2 or None in leads or not whole:
        return [Group(label, [part]) for label, part in zip(_labels(parts), parts, strict=True)], ""
    before, tellings, after = _telling(measures)
    columns = ", ".join(dict.fromkeys(part["column"].removeprefix("equal ") for part in parts))
    equal = f"at equal {columns}; " if columns else ""
    return groups, f"{equal}in each group, downwards: {before}{', '.join(tellings)}{after}"


def _labels(parts: Sequence[LedgerPart]) -> list[str]:
    """What is left of the names without what all of them say; of one that only adds `, by so much`, that."""
    names = [f"{part['name']}{', at ' * bool(part['column'])}{part['column']}" for part in parts]
    bases = [name.partition(", by ") for name in names]
    _, labels, _ = _telling([base for base, _, _ in bases])
    return [
        f"by {more}" if more and base in [earlier for earlier, _, _ in bases[:at]] else label
        for at, (label, (base, _, more)) in enumerate(zip(labels, bases, strict=True))
    ]


def _telling(names: Sequence[str]) -> tuple[str, list[str], str]:
    """The words that all names begin with, what tells each from the others, and the words that all end with."""
    split = [name.split() for name in names]
    if len(set(names)) < 2:
        return "", [""] * len(names), ""  # the only one is named beside the strip
    first = len(list(takewhile(lambda column: len(set(column)) == 1, zip(*split, strict=False))))
    rest = [words[first:] for words in split]
    last = len(list(takewhile(lambda column: len(set(column)) == 1, zip(*map(reversed, rest), strict=False))))
    told = [" ".join(words[: len(words) - last]).strip(",:") for words in rest]
    ends = " ".join(split[0][:first]), " ".join(split[0][len(split[0]) - last :]) if last else ""
    return f"{ends[0]} ".lstrip(), told, f" {ends[1]}".rstrip()


def _reach(part: LedgerPart, mark: float | None) -> float:
    return max(*map(abs, _ends(part)), abs(mark or 0.0))


def _ends(part: LedgerPart) -> Sequence[float]:
    least, most = BOUNDS.get(part["unit"], (-math.inf, math.inf))
    return [max(least, min(most, end or 0.0)) for end in part["interval"]]


def _line(part: LedgerPart, mark: float | None, y: float, scale: float) -> list[str]:
    low, high = (ZERO + scale * end for end in _ends(part))
    value, state = ZERO + scale * (part["value"] or 0.0), part["state"]
    column = f", at {part['column']}" if part["column"] else ""
    made = [f"<g><title>{escape(part['name'] + column)}: {escape(part['text'])}</title>"]
    made.append(LINE.format(state, low, y, high, y))
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
        x = ZERO + scale * mark
        made.append(f'<path class="paper" d="M{x:.1f} {y - 3.4:.1f}l3.4 3.4l-3.4 3.4l-3.4 -3.4z"/>')
    return [*made, "</g>"]
