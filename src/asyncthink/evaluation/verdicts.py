"""How a claim is judged: parts with intervals, and a rule that turns them into a verdict.

A claim has parts, each an effect with an interval and a direction that the claim predicts. A part *holds* where its
whole interval lies on the predicted side, is *contrary* where the whole interval lies on the other, and is *open*
otherwise; no part is judged by its value alone. Some parts are the core of the claim. Parts may stand in columns (equal
budget, equal latency, equal work): each column is judged by itself.

The core parts of a column are held together by Holm's step-down correction (Holm, 1979): the part with the smallest
p-value of m is judged by its interval at 1 - .05/m, the next at 1 - .05/(m - 1), and so on; after the first interval
that includes zero the rest are open. So the chance that any of them holds by accident stays below one in forty. Parts
outside the core are judged at 95 %.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asyncthink.evaluation.ledger import LedgerPart
from asyncthink.evaluation.metrics import rounded
from asyncthink.evaluation.statistics import LEVEL, Estimate, Statistic

REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly", "not reproduced"
UNTESTABLE, NOT_RUN = "untestable", "not run at this scale"
ONE_RUN = "this training run only"
OF_ONE_RUN = {
    REPRODUCED: f"{ONE_RUN}: seen",
    PARTLY: f"{ONE_RUN}: seen in part",
    NOT_REPRODUCED: f"{ONE_RUN}: not seen",
}
VERDICTS = (REPRODUCED, PARTLY, NOT_REPRODUCED, *OF_ONE_RUN.values(), UNTESTABLE, NOT_RUN)
RULE = (
    "Reproduced: the whole interval of every part lies on the side that the claim predicts, in every column. Not "
    "reproduced: a part of the claim's core lies on the other side, or no part of the core lies on the predicted one. "
    "Partly: anything between. Where parts stand in columns, each column has a verdict by this rule; if they differ, "
    "the claim is partly reproduced. A part is left out where all that it compares lies within two points of 0 or of "
    "100 %. Intervals are of 95 % and speak of a new training seed on new items; the core parts of "
    "a column are held together by Holm's correction. One training seed says nothing of another: then the verdict is "
    "of this training run only. Untestable: what is compared lies at a floor or a ceiling, or there is nothing to "
    "compare it with. Not run at this scale: what it takes was not run."
)
END = 0.02  # shares within two points of 0 or of 1 are at the floor or the ceiling
_FACTORS = {"points": 100, "%": 100, "% less": 100, "% change": 100}
ENDS = {"points": (-1.0, 1.0), "%": (0.0, 1.0)}


class NotRun(Exception):
    """What a claim needs was not run; the message says what."""


class Untestable(Exception):
    """What was run cannot tell; the message says why, with the figures."""


@dataclass(frozen=True)
class Part:
    """One effect of a claim. `shown` is what a reader sees, in `unit`; `effect` is predicted to lie above zero.

    unit: "%" (a share), "points" (a difference of shares), "% less", "% change", or the name of what is counted.
    level: of the interval by which it is judged. bound: the effect is at most this, so it may speak against the claim
    but not for it. end: all that is compared lies at a floor or a ceiling, so that nothing is told.
    """

    name: str
    unit: str
    shown: Estimate
    effect: Estimate
    core: bool = True
    column: str = ""
    level: float = LEVEL
    bound: bool = False
    end: bool = False

    @property
    def state(self) -> str:
        """holds | open | contrary | untestable"""
        judged = self.effect.at(self.level)
        if self.end:
            return UNTESTABLE
        if judged.low > 0:
            return "open" if self.bound else "holds"
        return "contrary" if judged.high < 0 else "open"

    def published(self, by_seed: list[float | None]) -> LedgerPart:
        """The part as the ledger has it."""
        judged = self.shown.at(self.level)
        return {
            "name": self.name,
            "column": self.column,
            "unit": self.unit,
            "value": rounded(self.shown.value),
            "interval": [rounded(self.shown.low), rounded(self.shown.high)],
            "error": rounded(self.shown.error),
            "freedom": rounded(self.shown.freedom),
            "level": rounded(self.level),
            "judged": [rounded(judged.low), rounded(judged.high)],
            "core": self.core,
            "state": self.state,
            "text": text(self.shown, self.unit),
            "judged_text": text(judged, self.unit),
            "by_seed": by_seed,
        }


@dataclass(frozen=True)
class Finding:
    """What a claim's rule found: our figure in words, the parts, and the seeds and arms it rests on."""

    ours: str
    parts: Sequence[Part]
    seeds: Sequence[int]
    arms: Sequence[str]


def common_seeds(findings: Iterable[Finding]) -> tuple[int, ...]:
    """The seeds that all of several findings rest on; NotRun where there are none."""
    seeds = [finding.seeds for finding in findings]
    common = tuple(seed for seed in seeds[0] if all(seed in other for other in seeds))
    if not common:
        raise NotRun("needs a seed that was evaluated on every test set")
    return common


def above(
    name: str, unit: str, effect: Statistic, core: bool = True, column: str = "", least: float = 0.0, **known: bool
) -> Part:
    """A part that the claim predicts above `least`; known: `bound` and `end` of Part."""
    shown = effect.estimate()
    return Part(name, unit, shown, replace(shown, value=shown.value - least), core, column, **known)


def below(name: str, unit: str, effect: Statistic, core: bool = True, column: str = "", most: float = 0.0) -> Part:
    """A part that the claim predicts below `most`."""
    shown = effect.estimate()
    return Part(name, unit, shown, replace(shown, value=most - shown.value), core, column)


def judged(parts: Sequence[Part]) -> list[Part]:
    """The parts, each with the level at which it is judged."""
    levels = dict(level for column in columns(parts) for level in _holm(parts, column))
    return [replace(part, level=levels.get(position, LEVEL)) for position, part in enumerate(parts)]


def _holm(parts: Sequence[Part], column: str) -> list[tuple[int, float]]:
    """The level of each core part of a column, by its position."""
    judging = [i for i, part in enumerate(parts) if part.core and not part.end and part.column == column]
    core = [(_p_value(parts[i]), i) for i in judging]
    levels, failed = [], None
    for rank, (p_value, position) in enumerate(sorted(core)):
        risk = (1 - LEVEL) / (len(core) - rank) if failed is None else failed
        if p_value > risk:
            failed = risk
        levels.append((position, 1 - risk))
    return levels


def _p_value(part: Part) -> float:
    p_value = part.effect.p_value
    return p_value if np.isfinite(p_value) else 1.0


def columns(parts: Sequence[Part]) -> list[str]:
    """The columns that the parts stand in, in order."""
    return list(dict.fromkeys(part.column for part in parts))


def verdict(parts: Sequence[Part]) -> str:
    """The rule in words is RULE; `parts` have their levels (`judged`)."""
    verdicts = {_of_column([part for part in parts if part.column == column]) for column in columns(parts)}
    return verdicts.pop() if len(verdicts) == 1 else PARTLY


def by_column(parts: Sequence[Part]) -> dict[str, str]:
    """The verdict of each column, where there are several."""
    names = columns(parts)
    return {name: verdict([p for p in parts if p.column == name]) for name in names} if len(names) > 1 else {}


def _of_column(parts: Sequence[Part]) -> str:
    parts = [part for part in parts if not part.end]
    core = [part.state for part in parts if part.core]
    if not core:
        return UNTESTABLE
    if all(part.state == "holds" for part in parts):
        return REPRODUCED
    if "contrary" in core or "holds" not in core:
        return NOT_REPRODUCED
    return PARTLY


def at_an_end(*shares: float) -> bool:
    """Whether all of the shares that are compared lie within two points of 0, or all within two points of 1."""
    return max(shares) <= END or min(shares) >= 1 - END


def testable(name: str, shares: Sequence[float]) -> None:
    """Untestable where all of the shares lie at one end."""
    if at_an_end(*shares):
        end = "a floor" if max(shares) <= END else "a ceiling"
        raise Untestable(f"{end}: {name} {', '.join(f'{100 * share:.1f}' for share in shares)} %")


def measured(parts: Sequence[Part]) -> None:
    """Untestable where a part of the core has no value: what was not measured speaks neither for nor against."""
    absent = [part.name for part in parts if part.core and not part.end and not np.isfinite(part.effect.value)]
    if absent:
        raise Untestable(f"no value of: {', '.join(absent)}")


def text(estimate: Estimate, unit: str) -> str:
    """An estimate for readers: `+7.0 points [+3.1, +10.9]`, `46.0 % [41.5, 50.4]`, `71.3 tokens [69.0, 73.2]`."""
    if not np.isfinite(estimate.value):
        return "not measured"
    sign, bounds = "+" if unit in ("points", "% change") else "", (estimate.low, estimate.high)
    if unit in ENDS:  # a share ends at 0 and at 1, though a symmetric interval does not
        bounds = tuple(np.clip(bounds, *ENDS[unit]))
    value, low, high = (_number(number * _FACTORS.get(unit, 1), sign) for number in (estimate.value, *bounds))
    unit = unit.removesuffix(" change").removesuffix(" less")
    interval = f" [{low}, {high}]" if np.isfinite(estimate.error) and estimate.low < estimate.high else ""
    return f"{value} {unit}{interval}"


def _number(number: float, sign: str) -> str:
    rounded_number = round(number, 1)
    return format(rounded_number, f"{sign if rounded_number else ''}.1f").replace("-0.0", "0.0")
