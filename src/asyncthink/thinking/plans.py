"""From plans to what an episode records of its schedule."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from asyncthink.schedule import Schedule, simulate

FIELDS = tuple(field.name for field in fields(Schedule) if field.name not in ("lanes", "arrows", "critical"))


def summary(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of one plan's schedule."""
    schedule = simulate(plan)
    return {field: getattr(schedule, field) for field in FIELDS}


def side_by_side(schedules: Sequence[Mapping[str, Any]], answer: str | None, capacity: int) -> dict[str, Any]:
    """The schedule of parallel thinking: all traces start at 0, and the slowest decides (paper, section on latency).

    A trace that was cut takes part with the tokens that it decoded. No aggregated answer is the format error no_answer.
    """
    tokens = [schedule["elapsed"] for schedule in schedules]
    elapsed, work = max(tokens), sum(tokens)
    numbers = dict.fromkeys(FIELDS, 0) | {"work": work, "elapsed": elapsed}
    if answer is None:
        return numbers | {"format_error": "no_answer", "latency": None, "concurrency": None, "concurrency_ratio": None}
    return numbers | {
        "format_error": None,
        "latency": elapsed,
        "concurrency": work / elapsed,
        "concurrency_ratio": work / (elapsed * capacity),
    }
