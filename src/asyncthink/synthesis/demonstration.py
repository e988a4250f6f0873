"""A demonstration: one way of thinking about one item, written by a teacher, as text.

It holds only what a model would write itself. Text that the runtime injects at a Join is cut out, because
`thinking.replay` injects it again: fine-tuning then sees exactly the layout that inference makes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncthink import protocol
from asyncthink.errors import InputError
from asyncthink.files import json_lines, write_json_lines

FIELDS = ("task", "item", "form", "structure", "organizer", "workers")


@dataclass(frozen=True)
class Demonstration:
    """structure names the organizer's actions ("T", "F1", "J1", "A"); workers maps a Fork's id to its worker's text.

    A sequential demonstration has its whole trace in `organizer` and no workers.
    """

    task: str
    item: dict[str, Any]
    form: str  # asynchronous | sequential
    structure: tuple[str, ...]
    organizer: str
    workers: dict[int, str]

    @property
    def actions(self) -> list[protocol.Action]:
        """What the organizer's text says."""
        return protocol.parse(self.organizer)

    @property
    def queries(self) -> dict[int, str]:
        """The sub-query of each Fork, the first one where an id is forked twice."""
        forks = [action for action in self.actions if isinstance(action, protocol.Fork)]
        return {fork.id: fork.query for fork in reversed(forks)}

    @property
    def answer(self) -> str | None:
        """The text of the first Answer, or None."""
        return protocol.answer(self.actions)


def to_mapping(demonstration: Demonstration) -> dict[str, Any]:
    """The JSON object of one line; ids of workers are strings there."""
    return {
        "task": demonstration.task,
        "item": demonstration.item,
        "form": demonstration.form,
        "structure": list(demonstration.structure),
        "organizer": demonstration.organizer,
        "workers": {str(key): text for key, text in demonstration.workers.items()},
    }


def from_mapping(row: dict[str, Any]) -> Demonstration:
    """The inverse of `to_mapping`; ValueError where the row is something else."""
    missing = [name for name in FIELDS if name not in row]
    if missing:
        raise ValueError(f"no {missing[0]!r}")
    if not isinstance(row["item"], dict) or not isinstance(row["workers"], dict):
        raise ValueError("'item' and 'workers' must be objects")
    workers = {int(key): str(text) for key, text in row["workers"].items()}
    structure = tuple(map(str, row["structure"]))
    return Demonstration(row["task"], row["item"], row["form"], structure, str(row["organizer"]), workers)


def write(path: str | Path, demonstrations: Iterable[Demonstration]) -> None:
    """Write JSON Lines, atomically."""
    write_json_lines(path, map(to_mapping, demonstrations))


def read(path: str | Path) -> Iterator[Demonstration]:
    """Read JSON Lines; a line that is not a demonstration is an InputError that names file and line."""
    for where, row in json_lines(path):
        try:
            yield from_mapping(row)
        except (ValueError, TypeError) as error:
            raise InputError(f"{where} is not a demonstration: {error}") from None
