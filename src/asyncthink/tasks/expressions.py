"""Arithmetic expressions as people and models write them: grammar, exact value, canonical form. Never `eval`.

    expression = integer | "(" expression ")" | expression (+ - * /) expression        with the usual precedence

No unary sign, no implied product, no powers. Two expressions are the same if they agree after sums are flattened into
signed terms and products into factors with exponent 1 or -1, order apart: `a-(b-c)` is `a+c-b`, but `(a-b)*(c-d)` is
not `(b-a)*(d-c)`. The canonical form is such an expression again, so that equal texts mean equal expressions.

Everything here is iterative: depth and length of a hostile text cost memory in proportion, and no recursion.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from operator import add, mul, sub

OPERATIONS = "+-*/"
_CHARACTERS = re.compile(r"[0-9+\-*/()\s]+")
_BROKEN = re.compile(
    r"[0-9]\s+[0-9]|[0-9)]\s*\(|\)\s*[0-9]"  # two values side by side
    r"|(?:^|[+\-*/(])\s*(?:[+\-*/)]|$)"  # an operation or a pair of parentheses without a value
)
_TOKEN = re.compile(r"[0-9]+|[+\-*/()]")
_PARENTHESIS = re.compile(r"[()]")
_INTEGER = re.compile(r"[0-9]+")
_PRECEDENCE = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2}
_RESULTS: dict[str, Callable[..., int | Fraction]] = {"+": add, "-": sub, "*": mul, "/": Fraction}
_LONGEST = 4300  # digits that Python turns into an int


@dataclass(frozen=True)
class Node:
    """An expression in canonical form. value is None after a division by zero.

    kind "+": parts are its signed terms; kind "*": its factors with exponent 1 or -1; "": a number. Parts are sorted.
    """

    kind: str
    parts: tuple[tuple[int, str], ...]
    value: int | Fraction | None

    @property
    def text(self) -> str:
        """The expression itself, blanks around its operations, largest first."""
        direct, inverse = ("+", "-") if self.kind == "+" else ("*", "/")
        text = self.parts[0][1]
        for sign, part in self.parts[1:]:
            text += f" {direct if sign > 0 else inverse} {part}"
        return text


def is_expression(text: str) -> bool:
    """Whether a text in `notation.plain` is one expression; linear in its length."""
    if not _CHARACTERS.fullmatch(text) or _BROKEN.search(text):
        return False
    depths = list(accumulate(1 if mark == "(" else -1 for mark in _PARENTHESIS.findall(text)))
    return not depths or (min(depths) >= 0 and depths[-1] == 0)


def integers(text: str) -> Iterator[int | None]:
    """The integers of an expression from left to right; None for one that is too long to be a number of any item."""
    return map(integer, _INTEGER.findall(text))


def integer(digits: str) -> int | None:
    """The value of a run of digits, or None beyond 4,300 of them (Python's own limit)."""
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _LONGEST else None


def number(value: int) -> Node:
    """A leaf."""
    return Node("", ((1, str(value)),), value)


def combine(operation: str, left: Node, right: Node) -> Node:
    """The canonical form of `left operation right`, from the canonical forms of both."""
    kind = "+" if operation in "+-" else "*"
    sign = 1 if operation in "+*" else -1
    parts = _parts(kind, left) + [(sign * exponent, part) for exponent, part in _parts(kind, right)]
    parts.sort(key=_size, reverse=True)
    return Node(kind, tuple(parts), apply(operation, left.value, right.value))


def apply(operation: str, left: int | Fraction | None, right: int | Fraction | None) -> int | Fraction | None:
    """The exact value, an int wherever it is whole; None for a division by zero or of nothing."""
    if left is None or right is None or (operation == "/" and right == 0):
        return None
    result = _RESULTS[operation](left, right)
    return result.numerator if result.denominator == 1 else result


def read(text: str) -> Node:
    """The canonical form of a text for which `is_expression` holds, by the shunting-yard algorithm.

    Raises ValueError for an integer of more than 4,300 digits.
    """
    values: list[Node] = []
    pending: list[str] = []

    def reduce_to(precedence: int) -> None:
        while pending and _PRECEDENCE[pending[-1]] >= precedence:
            right = values.pop()
            values.append(combine(pending.pop(), values.pop(), right))

    for token in _TOKEN.findall(text):
        if token == "(":
            pending.append(token)
        elif token == ")":
            reduce_to(1)
            pending.pop()
        elif token in _PRECEDENCE:
            reduce_to(_PRECEDENCE[token])
            pending.append(token)
        else:
            value = integer(token)
            if value is None:
                raise ValueError(f"an integer of {len(token)} digits")
            values.append(number(value))
    reduce_to(1)
    return values[0]


def _parts(kind: str, node: Node) -> list[tuple[int, str]]:
    """A node as terms of a sum or factors of a product."""
    if node.kind == kind:
        return list(node.parts)
    return [(1, f"({node.text})" if node.kind == "+" else node.text)]


def _size(part: tuple[int, str]) -> tuple[int, int, str]:
    """Direct parts before inverse ones, long before short; digits of one length sort as numbers do."""
    sign, text = part
    return sign, len(text), text
