"""4×4 Sudoku: a puzzle, one grid as the answer.

Item: {"puzzle": [[1, 0, 3, 0], ...]} with 0 for an empty cell. An answer is read by `grid_text`. Right is every grid in
which rows, columns and 2×2 boxes hold each digit once and the given cells stand; a puzzle may have several.

There are 288 solved grids. Each belongs to one split by its hash, and a split's puzzles are cut from its own grids, so
the unique solution of a test puzzle is never one of training; item `index` of a split is drawn from the key
(seed, split, index).
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NotRequired, TypedDict

from asyncthink.errors import InputError
from asyncthink.files import json_object
from asyncthink.tasks import grid_text, single_answer
from asyncthink.tasks.splits import split_of
from asyncthink.tasks.task import Mistake, Score

Grid = tuple[int, ...]  # sixteen cells in reading order; 0 is empty


class Item(TypedDict):
    """A puzzle, as above. clues is how many cells are given, solutions how many grids are right."""

    puzzle: Sequence[Sequence[int]]
    id: NotRequired[str]
    clues: NotRequired[int]
    solutions: NotRequired[int]


_ROWS = [[4 * row + column for column in range(4)] for row in range(4)]
_COLUMNS = [[4 * row + column for row in range(4)] for column in range(4)]
_BOXES = [[4 * (top + row) + left + column for row in (0, 1) for column in (0, 1)] for top in (0, 2) for left in (0, 2)]
_UNITS = _ROWS + _COLUMNS + _BOXES
_UNIT_NAMES = [f"{kind} {number}" for kind in ("row", "column", "box") for number in range(1, 5)]
_MOST_DRAWS = 10_000

SOURCES = {"enigmata": ("BytedTsinghua-SIA/Enigmata-Eval", "train", None)}  # its commit has to be said
HALVES = {"train": 1, "test": 1}  # the shares of the solved grids where one half is kept for tests
CLUES = (7, 12)

ROWS = ("a", "b", "c", "d")  # the rows' names in the word language
ASKED = "=10"  # what the digits of each row add up to: a question of the word language ends like this one
WORDS = (*ROWS, "_", *"1234", ASKED)

_CHAT = """Solve this 4×4 Sudoku. Every row, every column and every 2×2 box holds each of the digits 1 to 4 once; \
a dot is an empty cell.

{grid}

Give the solved grid as four lines of four digits."""


def prompt(item: Item, style: str) -> str:
    """The question: `a 1 _ 3 4 b 3 4 _ 2 ... =10` in the word language, a grid of dots in the chat style."""
    rows = item["puzzle"]
    if style == "word":
        return " ".join([*(spelled(name, row) for name, row in zip(ROWS, rows, strict=True)), ASKED])
    return _CHAT.format(grid="\n".join(" ".join(str(digit or ".") for digit in row) for row in rows))


def score(item: Item, answer: str | None) -> Score:
    """accuracy 1 or 0; offered 1 if the answer holds a grid of digits from 1 to 4."""
    offered = read(answer)
    right = offered is not None and _fits(offered, _cells(item["puzzle"])) and is_solved(offered)
    return single_answer.scored(right, None if offered is None else shown(offered))


def aggregate(item: Item, answers: Sequence[str | None]) -> str | None:
    """Majority vote over grids."""
    grids = [grid if grid is None else shown(grid) for grid in map(read, answers)]
    return single_answer.majority(grids)


union = single_answer.union(score)


def check(item: object) -> None:
    """Raise InputError unless `item` is one."""
    if not isinstance(item, dict) or "puzzle" not in item:
        raise InputError('the item is an object like {"puzzle": [[1, 0, 0, 4], ...]}')
    rows = item["puzzle"]
    square = isinstance(rows, list) and len(rows) == 4 and all(isinstance(row, list) and len(row) == 4 for row in rows)
    if not square or not all(type(digit) is int and 0 <= digit <= 4 for row in rows for digit in row):
        raise InputError("puzzle is a list of 4 rows of 4 integers from 0 (empty) to 4")


def read(answer: str | None) -> Grid | None:
    """The grid that an answer holds, or None."""
    digits = grid_text.digits(answer or "")
    return tuple(map(int, digits)) if digits else None


def mistakes(item: Item, answer: str | None) -> list[Mistake]:
    """The first given cell that is another digit, and the first unit that holds a digit twice."""
    grid = read(answer)
    if grid is None:
        return [Mistake("", "holds no four rows of four digits from 1 to 4")]
    wrong = [cell for cell, given in enumerate(_cells(item["puzzle"])) if given not in (0, grid[cell])]
    torn = [name for name, unit in zip(_UNIT_NAMES, _UNITS, strict=True) if len({grid[cell] for cell in unit}) < 4]
    reasons = [f"row {cell // 4 + 1}, column {cell % 4 + 1} is given as another digit" for cell in wrong[:1]]
    reasons += [f"{name} does not hold each digit once" for name in torn[:1]]
    return [Mistake(shown(grid).replace("\n", " / "), reason) for reason in reasons]


def shown(grid: Grid) -> str:
    """A grid as four lines of four digits."""
    return "\n".join(" ".join(str(grid[cell]) for cell in row) for row in _ROWS)


def spelled(name: str, row: Sequence[int]) -> str:
    """One row in the word language: `a 1 _ 3 4`."""
    return " ".join([name, *(str(digit or "_") for digit in row)])


def is_solved(grid: Grid) -> bool:
    """Whether each row, column and box holds each digit once."""
    return all({grid[cell] for cell in unit} == {1, 2, 3, 4} for unit in _UNITS)


@cache
def grids() -> tuple[Grid, ...]:
    """All 288 solved grids, in the order of their digits."""
    rows = list(itertools.permutations((1, 2, 3, 4)))
    return tuple(grid for four in itertools.product(rows, repeat=4) if is_solved(grid := tuple(sum(four, ()))))


def of_split(split: str, sizes: Mapping[str, int]) -> list[Grid]:
    """The solved grids that a split's puzzles are cut from."""
    return [grid for grid in grids() if split_of(f"sudoku/{grid}", sizes) == split]


def generate(
    sizes: Mapping[str, int], seed: int, clues: int | Sequence[int] = CLUES, solutions: int = 1, most_gaps: int = 4
) -> dict[str, list[Item]]:
    """Splits of puzzles: {"train": [...], ...} in the order and sizes of `sizes`; no puzzle comes twice.

    Fewer clues are harder. `clues` is one number or the least and the most, drawn for each puzzle; every puzzle has
    exactly `solutions` of them, and no row has more than `most_gaps` empty cells. An item: {"id", "puzzle", "clues",
    "solutions"}. Raises InputError if there are not so many puzzles.
    """
    least, most = (clues, clues) if isinstance(clues, int) else clues
    taken: set[Grid] = set()
    result: dict[str, list[Item]] = {}
    for split, size in sizes.items():
        mine = of_split(split, sizes)
        items = result.setdefault(split, [])
        for index in range(size):
            rng = random.Random(f"sudoku/{seed}/{split}/{index}")
            puzzle = _draw(rng, mine, (least, most), solutions, most_gaps, taken)
            if puzzle is None:
                raise InputError(
                    f"sudoku {split}: {index} of {size} puzzles with {least} to {most} clues and {solutions} "
                    f"solutions found; ask for fewer or allow more clues"
                )
            rows = [[puzzle[cell] for cell in row] for row in _ROWS]
            given = sum(map(bool, puzzle))
            items.append({"id": f"sudoku-{split}-{index}", "puzzle": rows, "clues": given, "solutions": solutions})
    return result


def from_record(record: Mapping[str, object], number: int) -> Item | None:
    """The item of one of Enigmata's records, its board in meta.question; None unless it is of 4×4 (task sudoku2)."""
    told = record.get("meta", record)
    meta = json_object(told, "meta") if isinstance(told, str) else told
    if not isinstance(meta, dict):
        raise InputError(f"meta is not a JSON object, but {ascii(meta)[:60]}")
    if record.get("task_name", meta.get("dataset_name")) != "sudoku2":
        return None
    check({"puzzle": meta.get("question")})
    puzzle = meta["question"]
    name = str(meta.get("id", f"sudoku-enigmata-{number + 1}"))
    return {"id": name, "puzzle": puzzle, "solutions": _count(_cells(puzzle))}


def _draw(
    rng: random.Random, solved: Sequence[Grid], clues: tuple[int, int], solutions: int, most_gaps: int, taken: set[Grid]
) -> Grid | None:
    """A puzzle that is not taken: cells of a solved grid are emptied in a drawn order, as far as it may go."""
    for _ in range(_MOST_DRAWS if solved else 0):
        puzzle = list(rng.choice(solved))
        wanted = rng.randint(*clues)
        left = 16
        for cell in rng.sample(range(16), 16):
            digit, puzzle[cell] = puzzle[cell], 0
            left -= 1
            if _count(puzzle) > solutions or any([puzzle[at] for at in row].count(0) > most_gaps for row in _ROWS):
                puzzle[cell], left = digit, left + 1
            if left == wanted:
                break
        drawn = tuple(puzzle)
        if left == wanted and drawn not in taken and _count(drawn) == solutions:
            taken.add(drawn)
            return drawn
    return None


@cache
def _holding() -> dict[tuple[int, int], int]:
    """(cell, digit) -> the set of solved grids with that digit in that cell, one bit a grid."""
    holding = dict.fromkeys(itertools.product(range(16), (1, 2, 3, 4)), 0)
    for number, grid in enumerate(grids()):
        for given in enumerate(grid):
            holding[given] |= 1 << number
    return holding


def _count(puzzle: Sequence[int]) -> int:
    """How many solutions a puzzle has."""
    left = (1 << len(grids())) - 1
    for cell, digit in enumerate(puzzle):
        if digit:
            left &= _holding()[cell, digit]
    return left.bit_count()


def _fits(grid: Grid, puzzle: Grid) -> bool:
    return all(given in (0, digit) for digit, given in zip(grid, puzzle, strict=True))


def _cells(puzzle: Sequence[Sequence[int]]) -> Grid:
    return tuple(digit for row in puzzle for digit in row)
