"""Recorded metrics as files, one for each task, arm and seed, and merged over seeds for tables and claims.

A file holds the metrics of the headline and of every variant, and after each the measures of single episodes, so that
differences between arms can be computed pair by pair from these files alone.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from asyncthink.errors import InputError, complaint
from asyncthink.evaluation.metrics import UNION, Measurement, Summary, rounded, statistics
from asyncthink.evaluation.recording import EngineRecord, Evaluated
from asyncthink.evaluation.statistics import Statistic
from asyncthink.files import json_object, read_text, write_text
from asyncthink.settings import HEADLINE

# What readers ask of every evaluation: measures of its episodes, and settings of its thinking.
NEEDED = ("accuracy", "correct", "latency", "elapsed", "work", "concurrency_ratio", "valid")
SETTINGS = ("capacity", "organizer_budget", "worker_budget", "latency_budget", "temperature")
PROCESSOR = re.compile(r"(?<=compiled) [0-9a-f]+")  # in the local engine's version: its machine code, by the processor
SMOKE_NOTE = "smoke: shows the graph, not the science"
T = TypeVar("T")


class EvaluationRecord(Summary):
    """One evaluation as its file holds it; `episodes` has the measures of single episodes, by item, then sample."""

    variant: str
    aggregation: str | None  # vote | union for parallel thinking
    mode: str
    config: dict[str, dict[str, Any]]
    required: int
    episodes: dict[str, list[FiniteFloat | None]]


class MetricsFile(Evaluated):
    """A metrics file: what was evaluated, and each evaluation by name."""

    note: str | None
    evaluations: dict[str, EvaluationRecord]


METRICS_FILE = TypeAdapter(MetricsFile)


def note(scale: str) -> str | None:
    """What everything made at this scale must say about itself."""
    return SMOKE_NOTE if scale == "smoke" else None


def read_record(path: str | Path, kind: TypeAdapter[T], what: str) -> T:
    """A JSON file of a known kind; InputError, in one line, where it is missing or is none."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the step that makes it (snakemake {path})") from None
    try:
        return kind.validate_python(json_object(text, "it"), strict=True)
    except InputError as error:
        raise InputError(f"{path}: not {what}: {error}") from None
    except ValidationError as error:
        raise InputError(f"{path}: not {what}: {complaint(error)}") from None


def episode_values(measured: Measurement) -> dict[str, list[float | None]]:
    """The measures of single episodes as flat lists in the order of items, then samples; None for nan.

    topology: each episode's structure as a position in the sorted names of all structures.
    """
    lists = {name: [_short(value) for value in values.ravel().tolist()] for name, values in measured.values.items()}
    if measured.topologies is None:
        return lists
    codes = np.unique(measured.topologies.ravel().astype(str), return_inverse=True)[1]
    return {**lists, "topology": codes.tolist()}


def _short(value: float) -> float | None:
    digits = rounded(value)
    return int(digits) if digits is not None and digits == int(digits) else digits


def write(path: str | Path, record: MetricsFile) -> None:
    """Write one metrics file: indented for people and diffs, lists of numbers on one line."""
    _check_lists(path, record)
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, re.sub(r"\[[^][{}\"]*\]", lambda numbers: "".join(numbers[0].split()), text) + "\n")


@dataclass(frozen=True)
class Evaluation:
    """One arm under one variant and aggregation, merged over seeds: arrays are (seeds, items, samples)."""

    arm: str
    variant: str
    aggregation: str | None  # vote | union for parallel thinking
    mode: str
    config: Mapping[str, Mapping[str, Any]]  # sections thinking, arm and, where it is read, reward
    seeds: tuple[int, ...]
    measured: Measurement

    @property
    def items(self) -> int:
        """Test items."""
        return len(self.measured.values["accuracy"][0])

    @property
    def thinking(self) -> Mapping[str, Any]:
        """The settings it was made with; `capacity` is the number of traces for parallel thinking."""
        return self.config["thinking"]

    def of_seeds(self, seeds: Sequence[int]) -> "Evaluation":
        """The same for some of its seeds, in the order given."""
        rows = [self.seeds.index(seed) for seed in seeds]
        values = {name: array[rows] for name, array in self.measured.values.items()}
        structures = None if self.measured.topologies is None else self.measured.topologies[rows]
        return replace(self, seeds=tuple(seeds), measured=Measurement(self.measured.required, values, structures))

    @cached_property
    def statistics(self) -> dict[str, Statistic]:
        """Every metric."""
        return statistics(self.measured)


@dataclass(frozen=True)
class Recordings:
    """All evaluations of one test set at one scale; none where it was not run."""

    scale: str | None = None
    evaluations: tuple[Evaluation, ...] = ()
    items_hash: str | None = None  # of the file of the test items

    def find(self, arm: str, variant: str = HEADLINE) -> Evaluation | None:
        """One evaluation; for parallel thinking the vote."""
        return next((e for e in self.variants(arm) if e.variant == variant), None)

    def variants(self, arm: str) -> list[Evaluation]:
        """The headline and all variants of one arm; for parallel thinking the votes."""
        return [e for e in self.evaluations if e.arm == arm and e.aggregation != UNION]

    def of_seed(self, seed: int) -> "Recordings":
        """What one training seed left."""
        kept = [evaluation.of_seeds((seed,)) for evaluation in self.evaluations if seed in evaluation.seeds]
        return replace(self, evaluations=tuple(kept))

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Every arm that was evaluated."""
        return tuple(dict.fromkeys(e.arm for e in self.evaluations))


def read_all(paths: Iterable[str | Path]) -> dict[str, Recordings]:
    """Read metrics files by test set."""
    records: dict[str, list[tuple[Path, MetricsFile]]] = {}
    for path in paths:
        record = read_record(path, METRICS_FILE, "a metrics file of `asyncthink measure`")
        records.setdefault(record["test_set"], []).append((Path(path), record))
    return {test_set: _merged(own) for test_set, own in records.items()}


def _check_lists(path: str | Path, record: MetricsFile) -> None:
    """InputError where the measures of single episodes are not those of all items, or settings are missing."""
    count, samples = record["items"]["count"], record["samples"]
    for name, evaluation in record["evaluations"].items():
        where, lists = f"{path}: evaluations.{name}", evaluation["episodes"]
        if missing := [measure for measure in NEEDED if measure not in lists]:
            raise InputError(f"{where}.episodes has no {missing[0]}; measure the recording again")
        for measure, values in lists.items():
            if min(count, samples) < 1 or len(values) != count * samples:
                raise InputError(f"{where}.episodes.{measure} holds {len(values)}; wanted: {count} items x {samples}")
        kinds = range(len(evaluation.get("topologies", ())))
        if strange := [code for code in lists.get("topology", ()) if code not in kinds]:
            raise InputError(f"{where}.episodes.topology holds {strange[0]}; wanted: a place in topologies")
        thinking = evaluation["config"].get("thinking", {})
        if missing := [key for key in SETTINGS if key not in thinking]:
            raise InputError(f"{where}.config.thinking has no {missing[0]}; measure the recording again")
        if type(thinking["capacity"]) is not int or thinking["capacity"] < 1:
            raise InputError(
                f"{where}.config.thinking.capacity is {ascii(thinking['capacity'])[:60]}; wanted: 1 or more"
            )


def _merged(records: Sequence[tuple[Path, MetricsFile]]) -> Recordings:
    """Seeds of an arm are merged, and all must be of the same items and parameters; each seed is of one processor."""
    _agree(records, "were made at different scales", lambda record: record["scale"])
    _agree(records, "were made on different test items", lambda record: record["items"])
    _agree(records, "have different numbers of samples an item", lambda record: record["samples"])
    _agree(records, "were decoded by different engines", lambda record: PROCESSOR.sub("", _told(record["engine"])))
    for seed in sorted({record["seed"] for _, record in records}):
        own = [(path, record) for path, record in records if record["seed"] == seed]
        _agree(own, "are of one seed and of different processors", lambda record: _told(record["engine"]))
    _distinct(records)
    for path, record in records:
        _check_lists(path, record)
    groups: dict[tuple[str, str], dict[int, EvaluationRecord]] = {}
    for _, record in sorted(records, key=lambda pair: pair[1]["seed"]):
        for name, evaluation in record["evaluations"].items():
            groups.setdefault((record["arm"], name), {})[record["seed"]] = evaluation
    first = records[0][1]
    shape = (first["items"]["count"], first["samples"])
    evaluations = tuple(_over_seeds(arm, rows, shape) for (arm, _), rows in groups.items())
    return Recordings(first["scale"], evaluations, first["items"]["sha256"])


def _agree(records: Sequence[tuple[Path, MetricsFile]], complaint: str, value: Callable[[MetricsFile], object]) -> None:
    (first_path, first), *others = records
    for path, record in others:
        one, other = value(first), value(record)
        if one != other:
            values = f" ({one}; {other})" if isinstance(one, str) else ""
            again = "evaluate both again with one params.yaml and one engine"
            raise InputError(f"{first_path} and {path} {complaint}{values}; {again}")


def _told(engine: EngineRecord) -> str:
    exact = "exact" if engine["exact"] else "inexact"
    return f"{engine['name']} {engine['version'] or 'of unknown version'}, {exact}"


def _distinct(records: Sequence[tuple[Path, MetricsFile]]) -> None:
    seen: dict[tuple[str, int], Path] = {}
    for path, record in records:
        first = seen.setdefault((record["arm"], record["seed"]), path)
        if first != path:
            raise InputError(f"{first} and {path} are both of {record['arm']}, seed {record['seed']}; give one of them")


def _over_seeds(arm: str, rows: Mapping[int, EvaluationRecord], shape: tuple[int, int]) -> Evaluation:
    """One evaluation from its records by seed."""
    seeds = tuple(rows)
    first = rows[seeds[0]]
    for seed, row in rows.items():
        if row["config"] != first["config"]:
            raise InputError(f"{arm}: seed {seed} was evaluated with other parameters than seed {seeds[0]}")
    values = {
        name: np.stack([np.array(row["episodes"][name], dtype=float).reshape(shape) for row in rows.values()])
        for name in first["episodes"]
        if name != "topology"
    }
    structures = None
    if "topology" in first["episodes"]:
        structures = np.stack([_structures(row).reshape(shape) for row in rows.values()])
    measured = Measurement(first["required"], values, structures)
    return Evaluation(arm, first["variant"], first["aggregation"], first["mode"], first["config"], seeds, measured)


def _structures(evaluation: EvaluationRecord) -> np.ndarray:
    names = np.array(sorted(evaluation["topologies"]), dtype=object)
    return np.take(names, np.array(evaluation["episodes"]["topology"], dtype=int))
