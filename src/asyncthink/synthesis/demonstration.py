"""A demonstration: one way of thinking about one item, written by a teacher, as text.

Its traces hold only what a model would write itself. Text that the runtime injects at a Join is cut out, because
`thinking.replay` injects it again: fine-tuning then sees exactly the layout that inference makes. What a teacher wrote
there is kept aside, for the filter.
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

    A sequential demonstration has its whole trace in `organizer` and no workers. `joined` maps a Join's id to the text
    that its teacher wrote into it, for each Join that it closed; None where a teacher leaves Joins to the runtime.
    budget is the one of settings.Thinking.told_budgets that a sequential one was written for, if any.
    """

    task: str
    item: dict[str, Any]
    form: str  # asynchronous | sequential
    structure: tuple[str, ...]
    organizer: str
    workers: dict[int, str]
    joined: dict[int, str] | None = None
    budget: int | None = None

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
    row = {
        "task": demonstration.task,
        "item": demonstration.item,
        "form": demonstration.form,
        "structure": list(demonstration.structure),
        "organizer": demonstration.organizer,
        "workers": _by_text(demonstration.workers),
    }
    if demonstration.joined is not None:
        row["joined"] = _by_text(demonstration.joined)
    if demonstration.budget is not None:
        row["budget"] = demonstration.budget
    return row


def _by_text(texts: dict[int, str]) -> dict[str, str]:
    return {str(key): text for key, text in texts.items()}


def _by_id(texts: dict[str, Any]) -> dict[int, str]:
    return {int(key): str(text) for key, text in texts.items()}


def from_mapping(row: dict[str, Any]) -> Demonstration:
    """The inverse of `to_mapping`; ValueError where the row is something else."""
    missing = [name for name in FIELDS if name not in row]
    if missing:
        raise ValueError(f"no {missing[0]!r}")
    joined = row.get("joined")
    if not all(isinstance(part, dict) for part in (row["item"], row["workers"], {} if joined is None else joined)):
        raise ValueError("'item', 'workers' and 'joined' must be objects")
    structure, workers = tuple(map(str, row["structure"])), _by_id(row["workers"])
    joined = None if joined is None else _by_id(joined)
    budget = row.get("budget")
    if not (budget is None or type(budget) is int and budget > 0):
        raise ValueError("'budget' must be an integer above 0")
    return Demonstration(
        row["task"], row["item"], row["form"], structure, str(row["organizer"]), workers, joined, budget
    )


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
