"""The files of metrics/ that a whole run of params.yaml leaves: the graph makes them, the reference keeps them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncthink.config.params import Params
from asyncthink.workflow import graph

KINDS = {"evaluations": ("evaluate",), "histories": ("pretrain", "sft", "grpo"), "filters": ("filter",)}


@dataclass(frozen=True)
class Records:
    """Evaluations, histories of training, and what the filter kept: paths below metrics/, unless `at` places them."""

    evaluations: tuple[Path, ...]
    histories: tuple[Path, ...]
    filters: tuple[Path, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its evaluations."""
        return tuple(sorted({int(path.stem) for path in self.evaluations}))

    @property
    def all(self) -> tuple[Path, ...]:
        """All of them."""
        return self.evaluations + self.histories + self.filters

    def at(self, place: Callable[[Path], Path]) -> "Records":
        """The same, each at its own place."""
        return Records(*(tuple(map(place, kind)) for kind in (self.evaluations, self.histories, self.filters)))


def of(params: Params) -> Records:
    """The records of a whole run, with every seed, arm and test set of its parameters."""
    stages = {"sft": graph.cold_starts("sft", params), "grpo": graph.trained(params)}
    histories = [f"pretrain/{seed}.jsonl" for seed in params.seeds]
    histories += [
        f"{stage}/{arm}/{seed}.jsonl" for stage, arms in stages.items() for arm in arms for seed in params.seeds
    ]
    evaluations = [
        f"evaluate/{test_set}/{arm}/{seed}.json"
        for test_set, arms in graph.answered(params).items()
        for arm in arms
        for seed in params.seeds
    ]
    filters = [f"filter/{arm}.json" for arm in graph.cold_starts("filter", params)]
    return Records(_paths(evaluations), _paths(histories), _paths(filters))


def lying_in(folder: Path) -> Records:
    """The records in a folder that is laid out as metrics/ is, at their places."""
    return of_kinds(path.relative_to(folder) for path in folder.rglob("*.json*")).at(folder.joinpath)


def of_kinds(names: Iterable[Path]) -> Records:
    """Paths below metrics/ by what they are, each once; what is no record is left out."""
    names = set(names)
    kinds = {kind: tuple(sorted(name for name in names if name.parts[0] in folders)) for kind, folders in KINDS.items()}
    return Records(**kinds)


def difference(one: Any, other: Any, key: str = "") -> str:
    """The first key in which two tables of parameters differ, with both values; they do differ."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return f"{key} ({json.dumps(one)} and {json.dumps(other)})"
    names = [name for name in {**one, **other} if one.get(name) != other.get(name) or (name in one) != (name in other)]
    return difference(one.get(names[0]), other.get(names[0]), f"{key}.{names[0]}" if key else names[0])


def _paths(names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(map(Path, names))
