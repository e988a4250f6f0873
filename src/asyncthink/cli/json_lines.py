"""JSON Lines in, JSON Lines out: what the commands of the public contract share.

One line out for each line in, printed at once, so that a script can talk to a command line by line. Bad input ends the
command with a sentence that names the line; what was printed until then stands. On a terminal, where a person reads,
a command may print rows of a table in place of the lines.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from asyncthink import terminal
from asyncthink.errors import InputError
from asyncthink.files import json_lines


class Shown(NamedTuple):
    """How a person sees what a command answers: its columns, and the rows of one answer, after the line's number."""

    columns: terminal.Table
    rows: Callable[[dict[str, Any]], Iterable[Sequence[object]]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Where the lines come from, and how they are answered."""
    parser.add_argument(
        "file", nargs="?", default="-", help="JSON Lines, gzipped or not; standard input without it, or for -"
    )
    terminal.argument(parser)


def answer(
    args: argparse.Namespace, respond: Callable[[dict[str, Any]], dict[str, Any] | None], shown: Shown | None = None
) -> None:
    """Print respond(object) for every line, unless it is None; its InputError gets the place of the line."""
    people = shown if terminal.for_people(args) else None
    if people:
        print(people.columns.header)
    for where, given in json_lines(args.file, halves=True):  # a model's text is judged as it is
        try:
            response = respond(given)
            if response is None:
                continue
            out = _rows(people, where, response) if people else json.dumps(response, allow_nan=False)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except RecursionError:
            raise InputError(f"{where}: nested too deeply") from None
        except ValueError as error:  # a number that Python does not print
            raise InputError(f"{where}: {error}") from None
        print(out, flush=True)


def _rows(people: Shown, where: str, response: dict[str, Any]) -> str:
    number = where.rpartition(" ")[2]
    return "\n".join(people.columns.row([number, *cells]) for cells in people.rows(response))


def known(table: dict[str, Any], allowed: tuple[str, ...], required: tuple[str, ...]) -> None:
    """Raise InputError for a key that is not allowed, or one that is missing."""
    for key in table:
        if key not in allowed:
            raise InputError(f"unknown key {ascii(key)[:60]}; allowed: {', '.join(allowed)}")
    for key in required:
        if key not in table:
            raise InputError(f"{key} is missing")
