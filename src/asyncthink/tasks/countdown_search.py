"""Countdown's search over four distinct numbers, or three, cut into branches that different agents can take.

A *branch* is a first step, two of the numbers, the larger one first, and an operation. Its name has letters for the
numbers, `a` for the largest: `a-c`. What can follow it stands in *lines*: the pair that is combined next, the number
left over, and for each operation on the pair its result. A result that the leftover turns into the target is a *hit*, a
whole solution; of three numbers none is left over, and the target itself is the hit.

Results are whole and lie in 1..LARGEST_RESULT. Canonical rules see to it that a solution is found in one branch only:
the result of a `-` enters no `+` or `-`, that of a `/` no `*` or `/`; a `+` on the result of a `+` takes a smaller
number than the one before, likewise `*`; and the two numbers that the first step leaves are combined with one another
only where the first step holds the largest number. Different solutions that these rules miss (fractions on the way,
negative results, ties spelled the other way) are graded like any other, but are not searched for.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product
from typing import Any

from asyncthink.errors import InputError
from asyncthink.tasks.expressions import OPERATIONS

COUNT = 4  # numbers of a puzzle, but in the smaller game of three
COUNTS = {"word": (COUNT,), "chat": (COUNT - 1, COUNT)}  # by style: the word language has no words for three
LARGEST_RESULT = 100
BRANCH_NAMES = tuple(f"{a}{operation}{b}" for a, b in combinations("abcd", 2) for operation in OPERATIONS)
VERDICTS = ("!+", "!-", "!*", "!/", "-!", "/!")
# In a text: a verdict and the solution that it announces.
SPELLED = re.compile(r"[-+*/!][-+*/!] ((?:\(*\d+\)* [-+*/] ){3}\(*\d+\)*)")
Numbers = tuple[int, ...]  # distinct ones, in descending order


@dataclass(frozen=True)
class Final:
    """The last step of a solution: its value, and the whole expression.

    verdict is the operation on the side of the leftover: `!-` takes the leftover from the pair's result, `-!` the
    result from the leftover; `!` alone where none is left over.
    """

    value: int
    verdict: str
    expression: str


@dataclass(frozen=True)
class Move:
    """One operation on a line's pair, its result, and each final step that can follow."""

    operation: str
    result: int
    finals: tuple[Final, ...]

    def hits(self, target: int) -> list[Final]:
        """The final steps that reach the target."""
        return [final for final in self.finals if final.value == target]


@dataclass(frozen=True)
class Line:
    """A second step: the pair, the larger one first, and the number that is left over, None in the game of three."""

    left: int
    right: int
    leftover: int | None
    moves: tuple[Move, ...]

    def goals(self, target: int) -> list[tuple[str, int]]:
        """The verdict of each final step to the target, and what the pair must reach for it."""
        if self.leftover is None:
            return [("!", target)]
        t, w = target, self.leftover
        goals = [("!+", t - w), ("-!", w - t), ("!-", t + w), ("!*", t // w), ("/!", w // t), ("!/", t * w)]
        whole = {"!*": t % w == 0, "/!": w % t == 0}
        return [(verdict, goal) for verdict, goal in goals if 1 <= goal <= LARGEST_RESULT and whole.get(verdict, True)]


@dataclass(frozen=True)
class Branch:
    """A first step and the lines that can follow it; `name` is one of BRANCH_NAMES."""

    name: str
    left: int
    operation: str
    right: int
    result: int
    lines: tuple[Line, ...]

    @property
    def values(self) -> list[int]:
        """The value of each whole expression of this branch."""
        return [final.value for line in self.lines for move in line.moves for final in move.finals]

    def hits(self, target: int) -> list[str]:
        """The solutions of this branch, in the order in which its lines find them."""
        return [final.expression for line in self.lines for move in line.moves for final in move.hits(target)]


@dataclass(frozen=True)
class _Value:
    number: int
    text: str
    operation: str = ""


def sorted_numbers(item: Mapping[str, Any]) -> Numbers:
    """The numbers of a puzzle, in descending order."""
    return tuple(sorted(item["numbers"], reverse=True))


def check(item: Mapping[str, Any], counts: Sequence[int] = (COUNT,)) -> None:
    """Raise InputError unless an item, of a file of one's own, is a puzzle of the game that is searched here."""
    numbers = item["numbers"]
    counted = len(set(numbers)) == len(numbers) and len(numbers) in counts
    ranged = all(1 <= number <= LARGEST_RESULT for number in (*numbers, item["target"]))
    whole = item.get("uses", len(numbers)) == len(numbers) and set(item.get("operations", OPERATIONS)) == {*OPERATIONS}
    if not (counted and ranged and whole):
        asked = {key: item[key] for key in ("numbers", "target", "uses", "operations") if key in item}
        raise InputError(
            f"{item.get('id', 'an item')}: its branches are not known, {asked}; allowed:"
            f" {' or '.join(map(str, counts))} different numbers, each of them and the target from 1 to"
            f" {LARGEST_RESULT}, every number used, by {' '.join(OPERATIONS)}"
        )


@cache
def branches(numbers: Numbers) -> tuple[Branch, ...]:
    """All branches of three or four numbers, pair by pair."""
    leaves = [_Value(number, str(number)) for number in sorted(numbers, reverse=True)]
    named = combinations(zip("abcd", leaves, strict=False), 2)
    return tuple(
        Branch(f"{x}{operation}{y}", a.number, operation, b.number, first.number, tuple(_lines(leaves, a, b, first)))
        for ((x, a), (y, b)), operation in product(named, OPERATIONS)
        if (first := _combined(a, operation, b))
    )


@cache
def solution_counts(numbers: Numbers) -> Counter[int]:
    """How many solutions the search has for each target that it can reach."""
    return Counter(value for branch in branches(numbers) for value in branch.values)


def _lines(leaves: Sequence[_Value], a: _Value, b: _Value, first: _Value) -> Iterator[Line]:
    """Each leaf that is left after the first step beside its result, then both of them, the result left over."""
    rest = [leaf for leaf in leaves if leaf not in (a, b)]
    for near in rest:
        far = next((leaf for leaf in rest if leaf is not near), None)
        barred = first.operation if first.operation in "+*" and near.number > b.number else ""
        chained = "+*" if far and far.number > near.number else ""  # a chain goes on with smaller leaves only
        small, large = sorted((first.number, near.number))
        moves = tuple(_moves(first, near, far, barred, chained))
        yield Line(large, small, far.number if far else None, moves)
    if a is leaves[0] and len(rest) == 2:
        near, far = rest
        yield Line(near.number, far.number, first.number, tuple(_moves(near, far, first, "", "+*")))


def _moves(one: _Value, other: _Value, leftover: _Value | None, barred: str, chained: str) -> Iterator[Move]:
    """The operations on a pair but the barred ones; of `chained`, none stands twice on the way to the end."""
    for operation in OPERATIONS:
        value = None if operation in barred else _combined(one, operation, other)
        if value:
            repeated = [o for o in chained if leftover and o in (operation, leftover.operation)]
            yield Move(operation, value.number, tuple(_finals(value, leftover, repeated)))


def _finals(value: _Value, leftover: _Value | None, barred: Sequence[str]) -> Iterator[Final]:
    if leftover is None:
        yield Final(value.number, "!", value.text[1:-1])
        return
    for operation in OPERATIONS:
        whole = None if operation in barred else _combined(value, operation, leftover)
        if whole:
            turned = operation in "-/" and leftover.number > value.number
            yield Final(whole.number, f"{operation}!" if turned else f"!{operation}", whole.text[1:-1])


def _combined(one: _Value, operation: str, other: _Value) -> _Value | None:
    """A step in canonical form; for - and / the larger one first. None where it breaks a rule or leaves the range."""
    if operation in "+-" and "-" in (one.operation, other.operation):
        return None
    if operation in "*/" and "/" in (one.operation, other.operation):
        return None
    if operation in "-/" and other.number > one.number:
        one, other = other, one
    if operation == "/" and one.number % other.number:
        return None
    a, b = one.number, other.number
    number = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[operation]
    return (
        _Value(number, f"({one.text} {operation} {other.text})", operation) if 1 <= number <= LARGEST_RESULT else None
    )
