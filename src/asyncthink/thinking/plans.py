"""From traces to the episode's schedule."""

from collections.abc import Mapping, Sequence
from typing import Any

from asyncthink.schedule import simulate

FIELDS = (
    "format_error",
    "latency",
    "work",
    "concurrency",
    "concurrency_ratio",
    "forks",
    "joins",
    "elapsed",
    "unjoined",
)


def summary(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The schedule's numbers, as an episode records them."""
    schedule = simulate(plan)
    return {field: getattr(schedule, field) for field in FIELDS}


def side_by_side(schedules: Sequence[Mapping[str, Any]], answer: str | None, capacity: int) -> dict[str, Any]:
    """The schedule of parallel thinking: all traces start at 0, and the slowest decides (paper, section on latency).

    A trace that was cut takes part with the tokens that it decoded. No aggregated answer is the format error no_answer.
    """
    tokens = [schedule["elapsed"] for schedule in schedules]
    latency, work = max(tokens), sum(tokens)
    missing = answer is None
    return {
        "format_error": "no_answer" if missing else None,
        "latency": None if missing else latency,
        "work": work,
        "concurrency": None if missing else work / latency,
        "concurrency_ratio": None if missing else work / (latency * capacity),
        "forks": 0,
        "joins": 0,
        "elapsed": latency,
        "unjoined": 0,
    }
