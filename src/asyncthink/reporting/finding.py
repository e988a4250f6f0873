"""The report in ten seconds: what was found, in one sentence that a rule writes from the ledger, and one timeline.

The sentence is about C3, the trade of accuracy and latency, which one number can tell fairly. It takes the state of
each part from the ledger (holds, contrary, open) and says no more than that. There are two parts: at equal accuracy,
and at as many items all correct.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from asyncthink.evaluation.ledger import Ledger, LedgerPart
from asyncthink.evaluation.verdicts import ONE_RUN
from asyncthink.reporting.case_table import slots

CLAIM = "C3"
BEYOND = "at least (it reaches"  # in the ledger's words: of an accuracy that parallel thinking never has
ALIKE = ("is as accurate", "has as many items all correct")


def finding(ledger: Ledger) -> str:
    """One sentence, true whatever the verdict is."""
    row = next((row for row in ledger["claims"] if row["id"] == CLAIM), None)
    parts = [part for part in row["parts"] if part["core"]] if row else []
    if row is None or not parts:
        why = f"{row['verdict']}, {row['reason']}" if row else "the ledger has no such claim"
        return f"Whether AsyncThink answers sooner than parallel thinking that {ALIKE[0]} is not told here: {why}."
    first, *rest = (_told(part, alike) for part, alike in zip(parts, ALIKE, strict=False))
    same = len({part["state"] for part in parts}) == 1
    told = ", and ".join([first, *(second.removeprefix("answers ") if same else second for second in rest)])
    whose = "In this one training run " if row["verdict"].startswith(ONE_RUN) else ""
    beyond = (
        "; where parallel thinking does not get that far, than at its best" if BEYOND in (row["ours"] or "") else ""
    )
    return f"{whose}AsyncThink {told}{beyond}."


def _told(part: LedgerPart, alike: str) -> str:
    than = f"than parallel thinking that {alike}"
    if part["state"] == "holds":
        return f"answers {_share(part, 1)} sooner {than}"
    if part["state"] == "contrary":
        return f"answers {_share(part, -1)} later {than}"
    return f"cannot be told from parallel thinking that {alike} by its time to answer ({part['text']} less)"


def _share(part: LedgerPart, sign: int) -> str:
    """A positive share of the latency, with its interval."""
    low, high = sorted(sign * 100 * (bound or 0.0) for bound in part["interval"])
    return f"{sign * 100 * (part['value'] or 0.0):.1f} % [{low:.1f}, {high:.1f}]"


def reasons(evaluations: pd.DataFrame, organization: pd.DataFrame) -> str:
    """What an answer's time hangs on, beside what it could be: agents that decode, and branches chosen first."""
    headline = evaluations[(evaluations.variant == "headline") & (evaluations.measure == "concurrency_ratio")]
    busy = headline.groupby("arm").ours.first()
    first = organization[(organization.arm == "asyncthink") & ~(organization.x > 1)].groupby("measure").ours.first()
    parts = []
    if {"asyncthink", "parallel"} <= set(busy.index):
        parts.append(
            f"the agents of AsyncThink decode {busy.asyncthink:.1f} % of the time (η/c), those of parallel thinking "
            f"{busy.parallel:.1f} %"
        )
    if {"hit", "chance", "predicted"} <= set(first.index):
        parts.append(
            f"of the branches that it hands out first {first.hit:.1f} % hold a solution, against {first.chance:.1f} % "
            f"by chance and {first.predicted:.1f} % in the order of a regression on the puzzle's numbers"
        )
    return f"Why: {'; '.join(parts)}." if parts else ""


@dataclass(frozen=True)
class Bar:
    """A stretch of a lane: whose, its kind, its beginning and its length in percent of the whole width, its tokens."""

    agent: str
    kind: str
    left: float
    width: float
    tokens: int


@dataclass(frozen=True)
class Timeline:
    """One episode on the clock: the organizer, the slots of its pool, and the same tokens one after another."""

    question: str
    episode: str
    lanes: Mapping[str, Sequence[Bar]]
    sequence: Sequence[Bar]
    latency: int
    work: int


def timeline(cases: pd.DataFrame, test_set: str) -> Timeline | None:
    """Of a test set's case studies the one that has most side by side; None where no worker ran."""
    shown = cases[cases.test_set == test_set].dropna(subset="episode")
    drawn = [_drawn(rows) for _, rows in shown.groupby("case", sort=False) if (rows.kind == "work").any()]
    return max(drawn, key=lambda each: each.work / each.latency, default=None)


def _drawn(rows: pd.DataFrame) -> Timeline:
    decoded = rows[rows.kind != "wait"].sort_values("start", kind="stable")
    lengths = (decoded.end - decoded.start).astype(int)
    work, latency = int(lengths.sum()), int(rows[rows.agent == "organizer"].end.max())
    width = max(work, int(rows.end.max()))
    lanes = {str(name): _bars(own, width) for name, own in rows.groupby(rows.agent.map(slots(rows)))}
    ends = lengths.cumsum()
    sequence = _bars(decoded.assign(start=ends - lengths, end=ends), width)
    first = rows.iloc[0]
    return Timeline(str(first.question), str(first.episode), lanes, sequence, latency, work)


def _bars(rows: pd.DataFrame, width: int) -> list[Bar]:
    lengths = (rows.end - rows.start).astype(int)
    stretches = zip(rows.agent, rows.kind, rows.start, lengths, strict=True)
    return [
        Bar(agent, kind, _percent(start, width), _percent(length, width), length)
        for agent, kind, start, length in stretches
    ]


def _percent(steps: Any, width: int) -> float:
    return round(100 * float(steps) / width, 3)
