"""The metrics of recorded episodes, from the episodes alone: schedule and score are computed again from the record,
and a recorded schedule that contradicts the plan is refused."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from asyncthink import episode
from asyncthink.episode import Episode
from asyncthink.errors import InputError
from asyncthink.evaluation import metrics, recordings
from asyncthink.evaluation.measures import Measures, measures, required, scored, union_scored
from asyncthink.evaluation.metrics import UNION, Measurement
from asyncthink.evaluation.recording import Recording
from asyncthink.evaluation.recordings import EvaluationRecord, MetricsFile, note
from asyncthink.settings import HEADLINE
from asyncthink.tasks import TASKS

MOST_REQUIRED = 1000  # answers of an item: there is a metric for each number of them
# What tables and claims read of a variant; the headline keeps every measure.
VARIANT_MEASURES = (
    *("accuracy", "correct", "all_correct", "valid", "latency", "elapsed", "work", "concurrency_ratio"),
    "out_of_time",
)


RECORDING = TypeAdapter(Recording)


class Group(NamedTuple):
    """What episodes have in common that are measured together."""

    task: str
    arm: str
    mode: str
    capacity: int
    seed: int | None
    variant: str | None
    aggregation: str | None


def measured(path: str | Path) -> dict[Group, list[Measures]]:
    """The measures of a file's episodes, in one pass; one that is none, or contradicts itself, is named by its line."""
    groups: dict[Group, list[Measures]] = {}
    for where, _, again in recorded_once([path]):
        with told_of(where):
            for group, row in _rows(again):
                groups.setdefault(group, []).append(row)
    if not groups:
        raise InputError(f"{path}: holds no episodes")
    return groups


def recorded_once(paths: Iterable[str | Path]) -> Iterator[tuple[str, Episode, Episode]]:
    """The line, the episode as recorded and scored again, of each in recordings; one that comes again is refused."""
    seen: set[tuple[object, ...]] = set()
    for where, recorded in chain.from_iterable(map(episode.read_lines, paths)):
        with told_of(where):
            again = rescored(recorded)
        whose = (recorded.task, recorded.arm, recorded.mode, *sorted(recorded.key.items()))
        if "sample" in recorded.key and whose in seen:
            raise InputError(f"{where}: an episode of the same key came before it; give each once")
        seen.add(whose)
        yield where, recorded, again


@contextmanager
def told_of(where: str) -> Iterator[None]:
    """What is wrong with a recorded episode, with the line where it stands."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where} is not an episode: {error}") from None
    except OverflowError:
        raise InputError(f"{where} is not an episode: it holds a number beyond 1e308") from None


def _rows(recorded: Episode) -> Iterator[tuple[Group, Measures]]:
    """Parallel thinking is scored by the vote of its traces, and beside it by the union of what they found."""
    parallel, key = recorded.mode == "parallel", recorded.key
    head = (recorded.task, recorded.arm, recorded.mode, recorded.capacity, key.get("seed"), key.get("variant"))
    yield Group(*head, "vote" if parallel else None), measures(recorded)
    if parallel:
        yield Group(*head, UNION), measures(union_scored(recorded))


def rescored(recorded: Episode) -> Episode:
    """A recorded episode, checked against its task and its plan, and scored again."""
    if recorded.task not in TASKS:
        raise InputError(f"task is {ascii(recorded.task)[:40]}; known: {', '.join(TASKS)}")
    if recorded.capacity < 1:
        raise InputError(f"capacity is {recorded.capacity}; wanted: an integer of at least 1")
    TASKS[recorded.task].check(recorded.item)
    if not 1 <= required(recorded.item) <= MOST_REQUIRED:
        raise InputError(f"item.required is {recorded.item['required']}; wanted: from 1 to {MOST_REQUIRED:,}")
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
    return bool(recorded == computed)


def lines(groups: dict[Group, list[Measures]]) -> Iterator[dict[str, Any]]:
    """One object for each arm, seed and variant, in the order in which they come; parallel thinking twice."""
    for group, rows in groups.items():
        summary = metrics.summary(metrics.measurement(rows))
        others = {name: value for name, value in summary.items() if name != "metrics"}
        yield {**group._asdict(), "episodes": len(rows), **summary["metrics"], **others}


def metrics_file(recording: Recording, groups: dict[Group, list[Measures]]) -> MetricsFile:
    """What a recording's metrics file holds: each evaluation with intervals, and the measures of its episodes."""
    evaluations: dict[str, EvaluationRecord] = {}
    for group, rows in groups.items():
        for key in ("task", "arm", "seed"):
            own, other = getattr(group, key), recording[key]
            if own != other:
                raise InputError(f"the episodes are of the {key} {own}, and the recording of {other}; give its own")
        if group.variant not in recording["evaluations"]:
            raise InputError(f"the episodes are of the variant {group.variant}, which the recording does not name")
        name = f"{group.variant}_{UNION}" if group.aggregation == UNION else group.variant
        evaluations[name] = _entry(group, recording["evaluations"][group.variant], metrics.measurement(rows))
    return {**recording, "note": note(recording["scale"]), "evaluations": evaluations}


def _entry(group: Group, config: dict[str, dict[str, Any]], whole: Measurement) -> EvaluationRecord:
    kept = whole if group.variant == HEADLINE and group.aggregation != UNION else whole.only(VARIANT_MEASURES)
    return {
        "variant": group.variant or HEADLINE,
        "mode": group.mode,
        "config": config,
        "aggregation": group.aggregation,
        "required": kept.required,
        "episodes": recordings.episode_values(kept),
        **metrics.summary(kept),
    }
