"""Countdown's solver: every distinct solution of a number set.

Which expressions are the same depends on which numbers are equal and on nothing else. So the canonical forms of, say,
four different numbers are listed once, with letters for numbers (1,260 over + - * /), together with every way to make
one form out of two smaller ones. A number set is then solved by a few array operations, exactly: each value is a pair
of integers. Only forms that reach the target are written out.

`expressions` says what a form is, for the grader as for this solver, so that the two cannot drift apart. Forms stay in
memory: five different numbers have 32,632 (half a second, once), six 1.1 million (half a minute and 1.3 GB).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from string import ascii_letters
from typing import Any

import numpy as np
import numpy.typing as npt

from asyncthink.tasks import expressions
from asyncthink.tasks.expressions import OPERATIONS, Node

Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[Any]  # of int64, or of Python's own where 64 bits could be too few

Way = tuple[str, int, int]  # operation, left form, right form
_BITS = 62  # of a numerator or denominator in an int64, its sign apart


@dataclass(frozen=True)
class Ways:
    """Every way to make the forms of one size out of smaller ones, those of one form side by side.

    Forms count from 0 over all sizes. A difference is a sum with the right side negated, a quotient a product with it
    turned upside down.
    """

    left: Indices
    right: Indices
    product: Flags
    negated: Flags
    inverted: Flags
    first: Indices  # of each form: its first way


@dataclass(frozen=True)
class Forms:
    """The canonical forms that take all of some letters, and the smaller ones that they are made of."""

    letters: str  # the different letters; as forms they are the first
    sizes: tuple[Ways, ...]  # two letters, three, ... all
    texts: tuple[str, ...]  # forms of the last size


@dataclass(frozen=True)
class Values:
    """The value of each form as a fraction, not in lowest terms; `valid` where there is one."""

    numerators: Integers
    denominators: Integers
    valid: Flags


def solutions(numbers: Sequence[int], target: int, operations: str = OPERATIONS, uses: int | None = None) -> list[str]:
    """Every distinct expression of all numbers, or of exactly `uses` of them, that equals the target.

    They are in canonical form and sorted.
    """
    texts: set[str] = set()
    for forms, named, values in evaluated(numbers, operations, uses):
        up, down = values.numerators, values.denominators  # times the target, 64 bits could be too few
        hits = values.valid & (up % down == 0) & (up // down == target)
        digits = {ord(letter): str(number) for letter, number in zip(forms.letters, named, strict=True)}
        texts.update(expressions.read(forms.texts[form].translate(digits)).text for form in np.flatnonzero(hits))
    return sorted(texts)


def evaluated(
    numbers: Sequence[int], operations: str = OPERATIONS, uses: int | None = None
) -> Iterator[tuple[Forms, list[int], Values]]:
    """For each multiset that an expression can take: its forms, the numbers that their letters stand for, their values.

    No two of the multisets have an expression in common.
    """
    for chosen in set(combinations(sorted(numbers), len(numbers) if uses is None else uses)):
        times = Counter(chosen)
        named = sorted(times, key=lambda number: (-times[number], number))
        letters = "".join(letter * times[number] for letter, number in zip(ascii_letters, named, strict=False))
        forms = _listed(letters, operations)
        yield forms, named, _values(named, forms)


@cache
def _listed(letters: str, operations: str) -> Forms:
    """All forms over letters like `aabc`, equal letters for equal numbers."""
    known = {letter: {letter: Node("", ((1, letter),), None)} for letter in sorted(set(letters))}  # by letters, text
    index = {letter: at for at, letter in enumerate(known)}
    sizes = []
    for size in range(2, len(letters) + 1):
        ways: dict[str, list[Way]] = {}
        for part in sorted({"".join(chosen) for chosen in combinations(letters, size)}):
            known[part] = {}
            for operation, left, right in _pairs(part, known, operations):
                form = expressions.combine(operation, left, right)
                known[part].setdefault(form.text, form)
                ways.setdefault(form.text, []).append((operation, index[left.text], index[right.text]))
        index |= {text: at for at, text in enumerate(ways, len(index))}
        sizes.append(_ways(list(ways.values())))
    return Forms("".join(sorted(set(letters))), tuple(sizes), tuple(known[letters]))


def _pairs(letters: str, known: dict[str, dict[str, Node]], operations: str) -> Iterator[tuple[str, Node, Node]]:
    """Every operation on two forms that together take all of the letters."""
    for left, right in _halves(letters):
        for operation in operations:
            if left <= right or operation in "-/":  # a sum and a product once
                yield from ((operation, a, b) for a in known[left].values() for b in known[right].values())


def _halves(letters: str) -> list[tuple[str, str]]:
    """Every way to part letters in two that are not empty, in both orders."""
    places = range(len(letters))
    chosen = [set(some) for size in places[1:] for some in combinations(places, size)]
    parted = (
        ("".join(letters[at] for at in some), "".join(letters[at] for at in places if at not in some))
        for some in chosen
    )
    return sorted(set(parted))


def _ways(of_forms: Sequence[Sequence[Way]]) -> Ways:
    operation, left, right = map(np.array, zip(*(way for ways in of_forms for way in ways), strict=True))
    first = np.cumsum([0, *map(len, of_forms[:-1])])
    return Ways(left, right, np.isin(operation, ["*", "/"]), operation == "-", operation == "/", first)


def _values(numbers: Sequence[int], forms: Forms) -> Values:
    """The values of the forms of the last size, with numbers for their letters."""
    level = known = _leaves(numbers, len(forms.sizes))
    for ways in forms.sizes:
        level = _combined(known, ways)
        known = Values(
            np.concatenate([known.numerators, level.numerators]),
            np.concatenate([known.denominators, level.denominators]),
            np.concatenate([known.valid, level.valid]),
        )
    return level


def _leaves(numbers: Sequence[int], steps: int) -> Values:
    """Each step multiplies two fractions and at most doubles the numerator, which says what could be reached."""
    bits = steps + (steps + 1) * max(numbers).bit_length()
    kind: npt.DTypeLike = np.int64 if bits <= _BITS else np.object_
    return Values(np.array(numbers, kind), np.ones(len(numbers), kind), np.ones(len(numbers), bool))


def _combined(known: Values, ways: Ways) -> Values:
    """The values of one more size. Forms take the value of their first way that has one."""
    up, down = known.numerators[ways.left], known.denominators[ways.left]
    above, below = known.numerators[ways.right], known.denominators[ways.right]
    above = np.where(ways.negated, -above, above)
    above, below = np.where(ways.inverted, below, above), np.where(ways.inverted, above, below)
    numerators = np.where(ways.product, up * above, up * below + above * down)
    denominators = down * below
    valid = known.valid[ways.left] & known.valid[ways.right] & (denominators != 0)
    denominators = np.where(valid, denominators, 1)
    order = np.where(valid, np.arange(len(valid)), len(valid))
    way = np.minimum.reduceat(order, ways.first)
    way, valid = np.minimum(way, len(valid) - 1), way < len(valid)
    return Values(numerators[way], denominators[way], valid)
