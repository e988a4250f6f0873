"""What a step of reinforcement learning saw of its episodes: one line of history.jsonl.

The numbers go by way of TRL's log, under EPISODES, so that a saved state has them. A line has the means over the step's
episodes that have the number (`numbers`), and after them what is of the step as a whole:

    episodes       how many there were
    kl             of the policy from the model at the start, nats a token
    entropy        of the policy, nats a token
    sampler_gap    |log p of the sampler - log p of the trainer|, nats: the mean over sampled tokens, and the largest
    format_errors  how many episodes ended on each
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import nan
from typing import Any

from asyncthink.episode import Episode
from asyncthink.protocol import FORMAT_ERRORS
from asyncthink.thinking import organization

EPISODES = "episodes/"
MEANS = (
    *("reward", "reward_accuracy", "reward_concurrency", "accuracy", "all_correct", "concurrency_ratio"),
    *("forks", "latency", "valid", "work", "unjoined", "cut_workers", *organization.COUNTS),
)
OF_THE_STEP = ("episodes", "kl", "entropy", "sampler_gap", "largest_sampler_gap")


def numbers(episode: Episode) -> dict[str, float | None]:
    """What the means are of. Latency and concurrency do not exist on a format error (paper: T ends at the Answer)."""
    schedule, reward, accuracy = episode.schedule, episode.reward, episode.score["accuracy"]
    valid = schedule["format_error"] is None
    searched = organization.counts(episode) if organization.is_readable(episode) else dict.fromkeys(organization.COUNTS)
    return {
        "reward": reward["total"],
        "reward_accuracy": reward["accuracy"],
        "reward_concurrency": reward["concurrency"],
        "accuracy": accuracy,
        "all_correct": float(accuracy == 1),
        "concurrency_ratio": schedule["concurrency_ratio"] if valid else None,
        "forks": schedule["forks"],
        "latency": schedule["latency"] if valid else None,
        "valid": float(valid),
        "work": sum(trace.decoded for trace in episode.traces),
        "unjoined": schedule["unjoined"],
        "cut_workers": sum(trace.role == "worker" and trace.stop == "budget" for trace in episode.traces),
        **searched,
    }


def summary(told: Sequence[tuple[dict[str, float | None], str | None]]) -> dict[str, float]:
    """What TRL's log is given of a step, from the numbers and the format error of each of its episodes."""
    errors = Counter(error for _, error in told)
    means = {name: mean(own[name] for own, _ in told) for name in told[0][0]}
    return {**means, "episodes": len(told), **{name: errors[name] for name in FORMAT_ERRORS}}


def mean(values: Iterable[float | None]) -> float:
    """The mean of the values that are there; NaN, which TRL logs as None, where none is."""
    present = [float(value) for value in values if value is not None]
    return sum(present) / len(present) if present else nan


def step_record(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a step, from what TRL logged at it."""
    own = {name: entry[EPISODES + name] for name in (*MEANS, *OF_THE_STEP)}
    errors = {name: int(entry[EPISODES + name]) for name in FORMAT_ERRORS}
    return {"step": entry["step"], **own, "episodes": int(own["episodes"]), "format_errors": errors}
