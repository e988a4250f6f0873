"""The metrics of recorded episodes, from the episodes alone: schedule and score are computed again from the record,
and a recorded schedule that contradicts the plan is refused."""

from collections.abc import Iterable, Iterator
from math import isclose
from pathlib import Path
from typing import Any

from asyncthink import episode
from asyncthink.episode import Episode
from asyncthink.errors import InputError
from asyncthink.evaluation import metrics
from asyncthink.evaluation.measures import scored
from asyncthink.tasks import TASKS

GROUP = ("task", "arm", "mode", "capacity", "seed", "variant")


def rescored(path: str | Path) -> Iterator[Episode]:
    """The episodes of a file, scored again; one that is none, or contradicts itself, is named by its line."""
    where = None
    for where, recorded in episode.read_lines(path):
        try:
            each = _rescored(recorded)
            for aggregated in metrics.aggregations([each]).values():
                metrics.measurement(aggregated)
        except InputError as error:
            raise InputError(f"{where} is not an episode: {error}") from None
        except OverflowError:
            raise InputError(f"{where} is not an episode: it holds a number beyond 1e308") from None
        yield each
    if where is None:
        raise InputError(f"{path}: holds no episodes")


def _rescored(recorded: Episode) -> Episode:
    if recorded.task not in TASKS:
        raise InputError(f"task is {ascii(recorded.task)[:40]}; known: {', '.join(TASKS)}")
    if recorded.capacity < 1:
        raise InputError(f"capacity is {recorded.capacity}; wanted: an integer of at least 1")
    TASKS[recorded.task].check(recorded.item)
    again = scored(recorded)
    for name, value in recorded.schedule.items():
        if name not in again.schedule:
            raise InputError(f"schedule.{ascii(name)[:60]} is an unknown key; allowed: {', '.join(again.schedule)}")
        if not _agree(value, again.schedule[name]):
            raise InputError(f"schedule.{name} is {ascii(value)[:60]}, but the plan gives {again.schedule[name]!r}")
    return again


def _agree(recorded: Any, computed: Any) -> bool:
    numbers = (int, float)
    if type(recorded) in numbers and type(computed) in numbers:
        return isclose(recorded, computed, rel_tol=1e-5, abs_tol=1e-6)
    return recorded == computed


def measure(episodes: Iterable[Episode]) -> Iterator[dict[str, Any]]:
    """One object for each arm, seed and variant, in the order in which they come; parallel thinking twice."""
    groups: dict[tuple[Any, ...], list[Episode]] = {}
    for each in episodes:
        key = (each.task, each.arm, each.mode, each.capacity, each.key.get("seed"), each.key.get("variant"))
        groups.setdefault(key, []).append(each)
    for key, group in groups.items():
        for aggregation, chosen in metrics.aggregations(group).items():
            measured = metrics.measurement(chosen)
            named = dict(zip(GROUP, key, strict=True)) | {"aggregation": aggregation, "episodes": len(chosen)}
            found = metrics.summary(measured)
            yield named | found.pop("metrics") | found
