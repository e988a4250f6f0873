"""Countdown's search as a sequence of steps, cut into branches that different agents can take.

A branch is anchored at one number of the prompt: it begins with the anchor and each of the next n // 2 numbers in
circular order, with each operation, and goes on depth first where an expression takes more than two numbers. All
anchors together begin with every pair of numbers exactly once, so the branches cover the whole search.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class World:
    """The rules that a search keeps; see settings.Puzzles."""

    uses: int
    operations: str
    largest_result: int


@dataclass(frozen=True)
class Branch:
    """The first number is paired with each of `partners`; `rest` are the numbers that come in only later."""

    anchor: int
    first: int
    partners: tuple[int, ...]
    rest: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """`left operation right = result`; result is None outside 0..largest_result and for a division with a remainder.

    expression spells the whole out, complete says that it takes as many numbers as it should, hit that it is complete
    and equals the target.
    """

    left: int
    operation: str
    right: int
    result: int | None
    expression: str
    complete: bool
    hit: bool


@dataclass(frozen=True)
class _Value:
    number: int
    text: str
    composite: bool


def branches(numbers: list[int]) -> list[Branch]:
    """The branches in the order of their anchors; for even n, the distance n/2 belongs to the first half of them."""
    count = len(numbers)
    found = []
    for anchor in range(count):
        reach = count // 2 if count % 2 or anchor < count // 2 else count // 2 - 1
        circle = tuple(numbers[(anchor + distance) % count] for distance in range(count))
        if reach:
            found.append(Branch(anchor, circle[0], circle[1 : 1 + reach], circle[1 + reach :]))
    return found


def steps(branch: Branch, target: int, world: World) -> Iterator[Step]:
    """Every step of one branch, depth first."""
    leaves = [_Value(number, str(number), False) for number in (*branch.partners, *branch.rest)]
    first = _Value(branch.first, str(branch.first), False)
    for position in range(len(branch.partners)):
        free = leaves[:position] + leaves[position + 1 :]
        yield from _pair(first, leaves[position], free, world.uses - 2, target, world)


def _pair(a: _Value, b: _Value, others: list[_Value], left: int, target: int, world: World) -> Iterator[Step]:
    """All operations on one pair, each followed by what can be made of its result with `left` more operations."""
    for operation in world.operations:
        for x, y in _orders(a, b, operation):
            result = _result(x.number, operation, y.number, world.largest_result)
            text = f"{_spelled(x)} {operation} {_spelled(y)}"
            yield Step(x.number, operation, y.number, result, text, left == 0, left == 0 and result == target)
            if result is not None and left:
                yield from _deeper([_Value(result, text, True), *others], left, target, world)


def _orders(a: _Value, b: _Value, operation: str) -> list[tuple[_Value, _Value]]:
    """As they come; for - and / the larger one first, but 0 is divided and divides nothing.

    Two different ways of making one number go in both orders.
    """
    if operation in "+*":
        return [(a, b)]
    if a.number == b.number:
        return [(a, b), (b, a)] if a.text != b.text else [(a, b)]
    larger, smaller = (a, b) if a.number > b.number else (b, a)
    return [(smaller, larger) if operation == "/" and smaller.number == 0 else (larger, smaller)]


def _deeper(values: list[_Value], left: int, target: int, world: World) -> Iterator[Step]:
    """Every pair whose result can still become part of one expression with the operations that are left."""
    results = sum(value.composite for value in values)
    for p, q in combinations(range(len(values)), 2):
        a, b = values[p], values[q]
        if results - a.composite - b.composite + 1 <= left:
            others = [value for place, value in enumerate(values) if place not in (p, q)]
            others.sort(key=lambda value: not value.composite)
            yield from _pair(a, b, others, left - 1, target, world)


def _spelled(value: _Value) -> str:
    return f"( {value.text} )" if value.composite else value.text


def _result(x: int, operation: str, y: int, largest: int) -> int | None:
    if operation == "/":
        result = x // y if y and x % y == 0 else None
    else:
        result = {"+": x + y, "-": x - y, "*": x * y}[operation]
    return result if result is not None and 0 <= result <= largest else None
