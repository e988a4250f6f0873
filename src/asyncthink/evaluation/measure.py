"""The metrics of recorded episodes, from the episodes alone: schedule and score are computed again from the record."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from asyncthink import episode
from asyncthink.episode import Episode
from asyncthink.errors import InputError
from asyncthink.evaluation import metrics
from asyncthink.evaluation.measures import scored

GROUP = ("task", "arm", "mode", "capacity", "seed", "variant")
# What a record that is no episode leads to, wherever it is looked at first.
WRONG = (AttributeError, IndexError, InputError, KeyError, TypeError, ValueError, ZeroDivisionError)


def rescored(path: str | Path) -> Iterator[Episode]:
    """The episodes of a file, scored again; each is measured once alone, so that a broken one is named by its line."""
    where = None
    for where, recorded in episode.read_lines(path):
        try:
            each = scored(recorded)
            for aggregated in metrics.aggregations([each]).values():
                metrics.measurement(aggregated)
        except WRONG as error:
            problem = f"{type(error).__name__}: {error}"
            raise InputError(f"{where} is not an episode: {' '.join(problem.split())}") from None
        yield each
    if where is None:
        raise InputError(f"{path}: holds no episodes")


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
