"""Recorded metrics as files, one for each task, arm and seed, and merged over seeds for tables and claims.

A file holds the metrics of the headline and of every variant, and behind each the measures of single episodes, so that
differences between arms can be computed pair by pair from these files alone.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asyncthink.errors import InputError
from asyncthink.evaluation.metrics import Measurement, rounded, statistics
from asyncthink.evaluation.statistics import Statistic
from asyncthink.files import write_text

HEADLINE = "headline"
SMOKE_NOTE = "smoke: shows the graph, not the science"


def note(scale: str) -> str | None:
    """What everything made at this scale must say about itself."""
    return SMOKE_NOTE if scale == "smoke" else None


def episode_values(measured: Measurement) -> dict[str, list]:
    """The measures of single episodes as flat lists in the order of items, then samples; None for nan."""
    return {name: [_short(value) for value in values.ravel().tolist()] for name, values in measured.values.items()}


def _short(value: float) -> float | int | None:
    value = rounded(value)
    return int(value) if value is not None and value == int(value) else value


def topology_codes(measured: Measurement) -> list[int]:
    """Each episode's structure as a position in the sorted names of all structures."""
    return np.unique(measured.topologies.ravel().astype(str), return_inverse=True)[1].tolist()


def write(path: str | Path, record: Mapping[str, Any]) -> None:
    """Write one metrics file: indented for people and diffs, lists of numbers on one line."""
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, re.sub(r"\[[^][{}\"]*\]", lambda found: "".join(found[0].split()), text) + "\n")


@dataclass(frozen=True)
class Evaluation:
    """One arm under one variant and aggregation, merged over seeds: arrays are (seeds, items, samples)."""

    arm: str
    variant: str
    aggregation: str | None  # vote | union for parallel thinking
    mode: str
    config: Mapping[str, Any]  # sections thinking, arm and, where it is read, reward
    seeds: tuple[int, ...]
    measured: Measurement

    @property
    def items(self) -> int:
        """Test items."""
        return self.measured.values["accuracy"].shape[1]

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

    def statistics(self) -> dict[str, Statistic]:
        """Every metric."""
        return statistics(self.measured)


@dataclass(frozen=True)
class Recordings:
    """All evaluations of one test set at one scale."""

    scale: str | None
    evaluations: tuple[Evaluation, ...]

    def find(self, arm: str, variant: str = HEADLINE, aggregation: str | None = None) -> Evaluation | None:
        """One evaluation; for parallel thinking the vote unless the union is asked for."""
        for e in self.evaluations:
            if (e.arm, e.variant) == (arm, variant) and (aggregation or "vote") == (e.aggregation or "vote"):
                return e
        return None

    def of_seed(self, seed: int) -> "Recordings":
        """What one training seed left."""
        kept = [evaluation.of_seeds((seed,)) for evaluation in self.evaluations if seed in evaluation.seeds]
        return replace(self, evaluations=tuple(kept))

    def variants(self, arm: str, aggregation: str | None = None) -> list[Evaluation]:
        """The headline and all variants of one arm."""
        found = [self.find(e.arm, e.variant, aggregation) for e in self.evaluations if e.arm == arm]
        return list({e.variant: e for e in found if e is not None}.values())

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Every arm that was evaluated."""
        return tuple(dict.fromkeys(e.arm for e in self.evaluations))


def read_all(paths: Iterable[str | Path]) -> dict[str, Recordings]:
    """Read metrics files by test set."""
    records: dict[str, list[tuple[Path, dict]]] = {}
    for path in paths:
        loaded = _load(path)
        records.setdefault(loaded[1]["test_set"], []).append(loaded)
    return {name: _recordings(found) for name, found in records.items()}


def read(paths: Iterable[str | Path]) -> Recordings:
    """Read metrics files of one test set."""
    return _recordings([_load(path) for path in paths])


def _recordings(records: Sequence[tuple[Path, dict]]) -> Recordings:
    """Seeds of an arm are merged, and all must be of the same items and parameters."""
    _agree(records, "scale", "were made at different scales")
    _agree(records, "items", "were made on different test items")
    _agree(records, "samples", "have different numbers of samples an item")
    _agree(records, "engine", "were decoded by different engines", _engine)
    _distinct(records)
    groups: dict[tuple[str, str], list[tuple[int, dict]]] = {}
    for _, record in sorted(records, key=lambda pair: pair[1]["seed"]):
        for name, evaluation in record["evaluations"].items():
            groups.setdefault((record["arm"], name), []).append((record["seed"], evaluation))
    shape = (records[0][1]["items"]["count"], records[0][1]["samples"]) if records else (0, 0)
    merged = tuple(_merged(arm, rows, shape) for (arm, _), rows in groups.items())
    if not records:
        return Recordings(None, ())
    return Recordings(records[0][1]["scale"], merged)


def _load(path: str | Path) -> tuple[Path, dict[str, Any]]:
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        for key in ("scale", "test_set", "arm", "seed", "engine", "items", "samples", "evaluations"):
            record[key]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the step that makes it (snakemake {path})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a metrics file of `asyncthink evaluate`: {error}") from None
    return Path(path), record


def _agree(
    records: Sequence[tuple[Path, dict]], key: str, complaint: str, named: Callable[[Any], str] | None = None
) -> None:
    for path, record in records[1:]:
        if record[key] != records[0][1][key]:
            values = "" if named is None else f" ({named(records[0][1][key])}; {named(record[key])})"
            same = "params.yaml" if named is None else key
            raise InputError(f"{records[0][0]} and {path} {complaint}{values}; evaluate both again with one {same}")


def _engine(identity: Mapping[str, Any]) -> str:
    exact = "exact" if identity["exact"] else "inexact"
    return f"{identity['name']} {identity['version'] or 'of unknown version'}, {exact}"


def _distinct(records: Sequence[tuple[Path, dict]]) -> None:
    seen: dict[tuple[str, int], Path] = {}
    for path, record in records:
        first = seen.setdefault((record["arm"], record["seed"]), path)
        if first != path:
            raise InputError(f"{first} and {path} are both of {record['arm']}, seed {record['seed']}; give one of them")


def _merged(arm: str, rows: Sequence[tuple[int, dict]], shape: tuple[int, int]) -> Evaluation:
    first = rows[0][1]
    for seed, evaluation in rows[1:]:
        if evaluation["config"] != first["config"]:
            raise InputError(f"{arm}: seed {seed} was evaluated with other parameters than seed {rows[0][0]}")
    values = {
        name: np.stack([np.array(row["episodes"][name], dtype=float).reshape(shape) for _, row in rows])
        for name in first["episodes"]
        if name != "topology"
    }
    structures = None
    if "topology" in first["episodes"]:
        structures = np.stack([_named(row).reshape(shape) for _, row in rows])
    measured = Measurement(first["required"], values, structures)
    seeds = tuple(seed for seed, _ in rows)
    return Evaluation(arm, first["variant"], first["aggregation"], first["mode"], first["config"], seeds, measured)


def _named(evaluation: Mapping[str, Any]) -> np.ndarray:
    names = np.array(sorted(evaluation["topologies"]), dtype=object)
    return names[np.array(evaluation["episodes"]["topology"], dtype=int)]
