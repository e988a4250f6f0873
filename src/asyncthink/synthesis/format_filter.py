"""The rule-based filter: it looks at the form of a demonstration, and never at whether its answer is right.

The paper drops traces with a format error; ours also drops those that could not be replayed within the budgets. What
is right in the corpus is measured and reported, and decides nothing.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from asyncthink import protocol, schedule
from asyncthink.settings import Thinking
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.structures import CLASSES, followed, topology, topology_class
from asyncthink.tasks import TASKS

REASONS = (
    *protocol.FORMAT_ERRORS,
    "missing_worker",  # a Fork without a trace of its worker
    "surplus_worker",  # a worker's trace that no Fork asked for
    "unreturned_worker",  # a worker's trace without <RETURN>...</RETURN>: a Join would bring nothing
    "unclosed_join",  # a Join that its teacher never closed: the result stays as the organizer's own words
    "invented_join",  # a Join whose text is not what the worker returned
    "organizer_too_long",
    "worker_too_long",
    "over_latency_budget",
)


def reason(demonstration: Demonstration, thinking: Thinking, count: Callable[[str], int]) -> str | None:
    """Why a demonstration is dropped, the first of REASONS that holds, or None; `count` gives a text's tokens.

    A sequential demonstration has a pool of one agent, so a Fork in it is a pool overflow.
    """
    capacity = thinking.capacity if demonstration.form == "asynchronous" else 1
    error = schedule.format_error(demonstration.actions, capacity)
    if error:
        return error
    workers, joined, forked = demonstration.workers, demonstration.joined or {}, demonstration.queries.keys()
    broken: dict[str, object] = {
        "missing_worker": forked - workers.keys(),
        "surplus_worker": workers.keys() - forked,
        "unreturned_worker": [i for i, text in workers.items() if protocol.returned(text) is None],
        "unclosed_join": _written_joins(demonstration) - joined.keys(),
        "invented_join": [i for i, text in joined.items() if not _same(text, workers.get(i))],
        "organizer_too_long": count(demonstration.organizer) > thinking.organizer_budget,
        "worker_too_long": any(count(text) > thinking.worker_budget for text in workers.values()),
    }
    if thinking.latency_budget is not None and not any(broken.values()):
        latency = schedule.simulate(plan(demonstration, thinking, count)).elapsed
        broken["over_latency_budget"] = latency > thinking.latency_budget
    return next((name for name, holds in broken.items() if holds), None)


def _written_joins(demonstration: Demonstration) -> set[int]:
    """The ids of the Joins into which the teacher should have written a text."""
    joins = (action.id for action in demonstration.actions if isinstance(action, protocol.Join))
    return set() if demonstration.joined is None else set(joins)


def _same(joined: str, worker: str | None) -> bool:
    """Whether a Join holds what its worker returned, white space apart."""
    return worker is not None and joined.split() == (protocol.returned(worker) or "").split()


class _Tally(NamedTuple):
    """What the report needs of one demonstration; lengths in tokens."""

    accuracy: float
    topology: str
    forks: int
    latency: int | None
    concurrency_ratio: float | None
    organizer: int
    workers: list[int]


def _tally(shown: Demonstration, thinking: Thinking, count: Callable[[str], int]) -> _Tally:
    accuracy = TASKS[shown.task].score(shown.item, shown.answer)["accuracy"]
    ran = schedule.simulate(plan(shown, thinking, count))
    workers = [count(text) for text in shown.workers.values()]
    name = sys.intern(topology(followed(shown.actions)))
    return _Tally(accuracy, name, ran.forks, ran.latency, ran.concurrency_ratio, count(shown.organizer), workers)


def report(
    kept: Iterable[Demonstration], reasons: Sequence[str], thinking: Thinking, count: Callable[[str], int]
) -> dict[str, Any]:
    """What the corpus is like: counts, topologies, share of right answers, lengths in tokens, latency.

    reasons has one entry for each rejected demonstration; means are over the kept ones and None where there are none.
    """
    tallies = [_tally(shown, thinking, count) for shown in kept]
    return {
        "demonstrations": len(tallies) + len(reasons),
        "kept": len(tallies),
        "rejected": dict(Counter(reasons).most_common()),
        "accuracy": _mean([each.accuracy for each in tallies]),
        "all_correct": _mean([each.accuracy == 1 for each in tallies]),
        "topologies": topologies([each.topology for each in tallies]),
        "forks": _mean([each.forks for each in tallies]),
        "latency": _mean([each.latency for each in tallies]),
        "concurrency_ratio": _mean([each.concurrency_ratio for each in tallies]),
        "organizer_tokens": _lengths([each.organizer for each in tallies]),
        "worker_tokens": _lengths([tokens for each in tallies for tokens in each.workers]),
    }


def topologies(names: Sequence[str]) -> dict[str, Any]:
    """Of the topology of each demonstration: how many there are, and how many of both are in each class.

    Left alone, the paper's teacher wrote interleaved and batch only: `beyond_the_two` counts the topologies outside.
    """
    counts = Counter(names)
    kinds = Counter(topology_class(name.split()) for name in counts)
    sizes = Counter(topology_class(name.split()) for name in names)
    classes = {name: {"demonstrations": sizes[name], "distinct": kinds[name]} for name in CLASSES}
    return {"distinct": len(counts), "beyond_the_two": kinds["other"], "classes": classes}


def plan(demonstration: Demonstration, thinking: Thinking, count: Callable[[str], int]) -> schedule.Plan:
    """The schedule's plan of a demonstration, lengths as `count` tells them."""
    organizer: list[schedule.PlannedAction] = []
    for action in demonstration.actions:
        match action:
            case protocol.Think(text):
                organizer.append(schedule.planned("think", count(text)))
            case protocol.Fork(i, query):
                text = f"{protocol.fork_open(i)} {query} {protocol.fork_close(i)}"
                organizer.append(schedule.planned("fork", count(text), i))
            case protocol.Join(i):
                organizer.append(schedule.planned("join", count(protocol.join_open(i)), i))
            case protocol.Answer(text):
                text = f"{protocol.ANSWER_OPEN} {text} {protocol.ANSWER_CLOSE}"
                organizer.append(schedule.planned("answer", count(text)))
    workers = {str(i): count(text) for i, text in demonstration.workers.items()}
    capacity = thinking.capacity if demonstration.form == "asynchronous" else 1
    return {"capacity": capacity, "organizer": organizer, "workers": workers, "slot_release": thinking.slot_release}


def _mean(values: Sequence[float | None]) -> float | None:
    """None only where there is nothing; a schedule without a format error, like all that are kept, has its numbers."""
    known = [value for value in values if value is not None]
    return round(fmean(known), 6) if known else None


def _lengths(tokens: Sequence[int]) -> dict[str, float | None]:
    return {"mean": _mean(tokens), "longest": max(tokens, default=None)}
