"""A table for people where standard output is a terminal, JSON Lines in a pipe: one decision for all commands."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from asyncthink.errors import one_line

WIDEST = 100  # letters of a cell
REASONS = {  # of protocol.FORMAT_ERRORS
    "duplicate_fork": "an id is forked twice",
    "pool_overflow": "a Fork while capacity - 1 workers have their slots",
    "dangling_join": "a Join of an id that is not out with a worker",
    "no_answer": "no Answer, or one that does not end",
}


@dataclass(frozen=True)
class Table:
    """The titles of the columns and how wide each is: ">8" is eight letters, at the right; "<" takes what is left."""

    columns: Mapping[str, str]

    @property
    def header(self) -> str:
        """The titles."""
        return self.row(list(self.columns))

    def row(self, cells: Sequence[object]) -> str:
        """One line; a cell of None is a dash."""
        pairs = zip(map(cell, cells), self.columns.values(), strict=True)
        return "  ".join(f"{text:{width}}" for text, width in pairs).rstrip()


def cell(value: object) -> str:
    """A value for people: two decimals, thousands apart, one line, cut where it is long."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.2f}"
    text = f"{value:,}" if isinstance(value, int) else one_line(" ".join(str(value).split()))
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def argument(parser: argparse.ArgumentParser) -> None:
    """The flag that decides against the table."""
    parser.add_argument("--json", action="store_true", help="JSON Lines on a terminal too, as in a pipe")


def for_people(args: argparse.Namespace) -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout.isatty() and not args.json


def aligned(titles: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """A whole table whose columns are as wide as their cells; the first `left` ones stand at the left."""
    texts = [[cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *texts, strict=True)]
    columns = {title: f"{'<' if i < left else '>'}{widths[i]}" for i, title in enumerate(titles)}
    own = Table(columns)
    return "\n".join([own.header, *map(own.row, texts)])
