"""Sudoku solved row by row, as text of the word language: what a base model can do with it before it organizes.

A puzzle of this corpus lacks one cell of each row, so a row alone tells what is missing, as a branch of countdown's
search does not need the others. A line looks for each digit in the row, marks the one that is not there with `!`, and
spells the row out: `a 1 . 2 ! 3 . 4 . a 1 2 3 4` for the row `a 1 _ 3 4`. The documents are of two kinds of the
countdown corpus, the sequential search and a branch on its own; the grids are those of the training split.
"""

import random
from functools import cache

from asyncthink import protocol
from asyncthink.synthesis.surfaces import listed
from asyncthink.tasks import sudoku

Row = tuple[int, ...]
ASKED = 0.35  # of the documents: one row alone


def text(rng: random.Random) -> tuple[str, str]:
    """One document: its prompt, and what follows it."""
    solved = _rows(rng.choice(_grids()))
    given = [_emptied(row, rng.randrange(4)) for row in solved]
    return _asked(rng, given, solved) if rng.random() < ASKED else _sequential(rng, given, solved)


def line(name: str, given: Row, solved: Row) -> str:
    """The search of one row."""
    looked = " ".join(f"{digit} {'.' if digit in given else '!'}" for digit in (1, 2, 3, 4))
    return f"{name} {looked} {sudoku.spelled(name, solved)}"


def _sequential(rng: random.Random, given: list[Row], solved: list[Row]) -> tuple[str, str]:
    """The whole grid in half of the documents; in the others a run of its rows, from any row on."""
    whole = rng.random() < 0.5
    start, size = (0, 4) if whole else (rng.randrange(4), rng.randint(1, 4))
    places = [(start + place) % 4 for place in range(size)]
    search = " ".join(line(sudoku.ROWS[place], given[place], solved[place]) for place in places)
    found = listed([sudoku.spelled(sudoku.ROWS[place], solved[place]) for place in places])
    question = sudoku.prompt({"puzzle": given}, "word")
    role = rng.choice(("<solve>", "<organizer>"))
    return f"{role} {question}", f"{search} {protocol.ANSWER_OPEN} {found} {protocol.ANSWER_CLOSE}"


def _asked(rng: random.Random, given: list[Row], solved: list[Row]) -> tuple[str, str]:
    place = rng.randrange(4)
    name = sudoku.ROWS[place]
    found = sudoku.spelled(name, solved[place])
    query = f"{sudoku.spelled(name, given[place])} {sudoku.ASKED}"
    search = line(name, given[place], solved[place])
    return f"<solve> {query}", f"{search} {protocol.ANSWER_OPEN} {found} {protocol.ANSWER_CLOSE}"


def _rows(grid: sudoku.Grid) -> list[Row]:
    return [grid[start : start + 4] for start in range(0, 16, 4)]


def _emptied(row: Row, place: int) -> Row:
    return (*row[:place], 0, *row[place + 1 :])


@cache
def _grids() -> list[sudoku.Grid]:
    return sudoku.of_split("train", sudoku.HALVES)
