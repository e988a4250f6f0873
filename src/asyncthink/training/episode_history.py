"""What a step of reinforcement learning saw: one object of numbers over its episodes, for history.jsonl."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from asyncthink.episode import Episode
from asyncthink.protocol import FORMAT_ERRORS

GAP = "sampling/sampling_logp_difference/mean"  # TRL's name: |log p of the sampler - log p of the trainer|, in nats
NUMBERS = (
    *("reward", "reward_accuracy", "reward_concurrency", "accuracy", "all_correct"),
    *("concurrency_ratio", "forks", "latency", "valid", "work", "unjoined", "cut_workers", "episodes", "kl"),
)


def line(entry: dict[str, Any]) -> dict[str, Any]:
    """One line of history.jsonl, from what was logged at a step; in a fixed order, as a saved state sorts its keys."""
    told = entry["episodes"]
    errors = {name: told["format_errors"][name] for name in FORMAT_ERRORS}
    numbers = {name: told[name] for name in NUMBERS}
    gap = {"sampler_gap": entry[GAP]} if GAP in entry else {}
    return {"step": entry["step"], **numbers, "entropy": entry["entropy"], **gap, "format_errors": errors}


def record(episode: Episode) -> dict[str, Any]:
    """The numbers of one episode; latency and concurrency do not exist on a format error (paper: T ends at Answer)."""
    schedule, reward = episode.schedule, episode.reward
    workers = [trace for trace in episode.traces if trace.role == "worker"]
    return {
        "reward": reward["total"],
        "reward_accuracy": reward["accuracy"],
        "reward_concurrency": reward["concurrency"],
        "accuracy": episode.score["accuracy"],
        "all_correct": float(episode.score["accuracy"] == 1),
        "concurrency_ratio": schedule["concurrency_ratio"] if schedule["format_error"] is None else None,
        "forks": schedule["forks"],
        "latency": schedule["latency"] if schedule["format_error"] is None else None,
        "valid": float(schedule["format_error"] is None),
        "work": sum(trace.decoded for trace in episode.traces),
        "unjoined": schedule["unjoined"],
        "cut_workers": sum(worker.stop == "budget" for worker in workers),
        "format_error": schedule["format_error"],
    }


def summary(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the episodes that have the number (None where none has), and how often each format error came."""
    errors = Counter(each["format_error"] for each in records)
    means = {key: mean(each[key] for each in records) for key in records[0] if key != "format_error"}
    return {
        **means,
        "format_errors": {name: errors[name] for name in FORMAT_ERRORS},
        "episodes": len(records),
    }


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are there."""
    present = [float(value) for value in values if value is not None]
    return sum(present) / len(present) if present else None
