"""A demonstration: one way of thinking about one item, written by a teacher, as text.

Its traces hold only what a model would write itself. Text that the runtime injects at a Join is cut out, because
`synthesis.replay` injects it again: fine-tuning then sees exactly the layout that inference makes. What a teacher wrote
there is kept aside, for the filter.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from asyncthink import protocol
from asyncthink.errors import InputError, complaint, nearest
from asyncthink.files import json_lines, write_json_lines
from asyncthink.tasks import TASKS

FORMS = ("asynchronous", "sequential")


@dataclass(frozen=True)
class Demonstration:
    """structure names the organizer's actions ("T", "F1", "J1", "A"); workers maps a Fork's id to its worker's text.

    A sequential demonstration has its whole trace in `organizer` and no workers. `joined` maps a Join's id to the text
    that its teacher wrote into it, for each Join that it closed; None where a teacher leaves Joins to the runtime.
    """

    task: str
    item: dict[str, Any]
    form: str  # one of FORMS
    structure: tuple[str, ...]
    organizer: str
    workers: dict[int, str]
    joined: dict[int, str] | None = None

    @cached_property
    def actions(self) -> list[protocol.Action]:
        """What the organizer's text says."""
        return protocol.parse(self.organizer)

    @cached_property
    def queries(self) -> dict[int, str]:
        """The sub-query of each Fork, the first one where an id is forked twice."""
        forks = [action for action in self.actions if isinstance(action, protocol.Fork)]
        return {fork.id: fork.query for fork in reversed(forks)}

    @cached_property
    def answer(self) -> str | None:
        """The text of the first Answer, or None."""
        return protocol.answer(self.actions)


_RECORD = TypeAdapter(Demonstration)


def to_mapping(demonstration: Demonstration) -> dict[str, Any]:
    """The JSON object of one line; ids of workers are strings there."""
    row: dict[str, Any] = _RECORD.dump_python(demonstration, mode="json")
    return row if demonstration.joined is not None else {name: row[name] for name in row if name != "joined"}


def write(path: str | Path, demonstrations: Iterable[Demonstration]) -> None:
    """Write JSON Lines, atomically."""
    write_json_lines(path, map(to_mapping, demonstrations))


def read(path: str | Path) -> Iterator[Demonstration]:
    """Read JSON Lines; a line that is not a demonstration is an InputError that names file and line."""
    for where, row in json_lines(path):
        try:
            yield _checked(row)
        except InputError as error:
            raise InputError(f"{where} is not a demonstration: {error}") from None


def _checked(row: dict[str, Any]) -> Demonstration:
    """A row as the demonstration that it is, of a task and a form that there are; InputError for any other."""
    try:
        shown = _RECORD.validate_python(row)
    except ValidationError as refusal:
        raise InputError(complaint(refusal, Demonstration)) from None
    for key, value, allowed in (("task", shown.task, TASKS), ("form", shown.form, FORMS)):
        if value not in allowed:
            raise InputError(f"{key} is {ascii(value)[:60]}; {nearest(value, allowed)}")
    TASKS[shown.task].check(shown.item)
    return shown
