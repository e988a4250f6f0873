"""How a claim is judged: parts with intervals, and a rule that turns them into a verdict.

A claim has parts, each an effect with a 95 % interval and a direction that the claim predicts. A part *holds* where
the whole interval lies on the predicted side, is *contrary* where it lies on the other, and is *open* otherwise. Some
parts are the core of the claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asyncthink.evaluation.metrics import rounded
from asyncthink.evaluation.statistics import Draws, Estimate

REPRODUCED, PARTLY, NOT_REPRODUCED, NOT_RUN = "reproduced", "partly", "not reproduced", "not run at this scale"
VERDICTS = (REPRODUCED, PARTLY, NOT_REPRODUCED, NOT_RUN)
RULE = (
    "Reproduced: the whole 95 % interval of every part lies on the side that the claim predicts. "
    "Not reproduced: a part of the claim's core lies on the other side, or no part of the core lies on the predicted "
    "one. Partly: anything between. Not run at this scale: what it takes was not run."
)
_FACTORS = {"points": 100, "%": 100, "% change": 100}


class NotRun(Exception):
    """What a claim needs was not run; the message says what."""


@dataclass(frozen=True)
class Part:
    """One effect of a claim. `shown` is what a reader sees, in `unit`; `effect` is predicted to lie above zero.

    unit: "%" (a share), "points" (a difference of shares), "% change", or the name of what is counted.
    """

    name: str
    unit: str
    shown: Estimate
    effect: Estimate
    core: bool = True

    @property
    def state(self) -> str:
        """holds | open | contrary"""
        return "holds" if self.effect.above_zero else "contrary" if self.effect.below_zero else "open"

    def to_mapping(self) -> dict[str, Any]:
        """The part as the ledger publishes it."""
        return {
            "name": self.name,
            "unit": self.unit,
            "value": rounded(self.shown.value),
            "interval": [rounded(self.shown.low), rounded(self.shown.high)],
            "core": self.core,
            "state": self.state,
            "text": text(self.shown, self.unit),
        }


@dataclass(frozen=True)
class Finding:
    """What a claim's rule found: our figure in words, the parts, and the seeds and arms it rests on."""

    ours: str
    parts: Sequence[Part]
    seeds: Sequence[int]
    arms: Sequence[str]


def above(name: str, unit: str, effect: Draws, core: bool = True) -> Part:
    """A part that the claim predicts above zero."""
    shown = effect.estimate()
    return Part(name, unit, shown, shown, core)


def below(name: str, unit: str, effect: Draws, core: bool = True) -> Part:
    """A part that the claim predicts below zero."""
    shown = effect.estimate()
    return Part(name, unit, shown, Estimate(-shown.value, -shown.high, -shown.low), core)


def exact(value: float) -> Estimate:
    """A number without an interval: it was counted, not sampled."""
    return Estimate(value, value, value)


def verdict(parts: Sequence[Part]) -> str:
    """The rule in words is RULE."""
    core = [part.state for part in parts if part.core]
    if all(part.state == "holds" for part in parts):
        return REPRODUCED
    if "contrary" in core or "holds" not in core:
        return NOT_REPRODUCED
    return PARTLY


def text(estimate: Estimate, unit: str) -> str:
    """An estimate for readers: `+7.0 points [+3.1, +10.9]`, `46.0 % [41.5, 50.4]`, `71.3 tokens [69.0, 73.2]`."""
    if not np.isfinite(estimate.value):
        return "not measured"
    sign = "+" if unit in ("points", "% change") else ""
    value, low, high = (
        _number(number * _FACTORS.get(unit, 1), sign) for number in (estimate.value, estimate.low, estimate.high)
    )
    interval = "" if estimate.low == estimate.high else f" [{low}, {high}]"
    return f"{value} {unit.removesuffix(' change')}{interval}"


def _number(number: float, sign: str) -> str:
    rounded_number = round(number, 1)
    return format(rounded_number, f"{sign if rounded_number else ''}.1f").replace("-0.0", "0.0")
