"""Multi-solution countdown: numbers, a target, and `required` different expressions that reach it.

Item: {"numbers": [3, 5, 7, 9, 11], "target": 24, "required": 3}, optionally "uses": k (exactly k of the numbers, each
at most once; without it every number exactly once) and "operations": "+-*". An answer holds one expression a line, or
several separated by `;`, each with an optional tail `= value` that must be right; the first 8 are read.

    read -> check -> score        what is an expression? is it right? how many different ones are right?

The solver and the generator live in `countdown_puzzles`; their names are part of this module's.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from asyncthink.errors import InputError
from asyncthink.tasks import expressions
from asyncthink.tasks.countdown_puzzles import SPLITS, generate, leak_check, manifest, solve
from asyncthink.tasks.expressions import Node

__all__ = [
    "SPLITS",
    "aggregate",
    "canonical",
    "check",
    "generate",
    "leak_check",
    "manifest",
    "prompt",
    "score",
    "solve",
    "union",
]

MOST_READ = 8
MOST_NUMBERS = 64
_BREAK = re.compile(r"[;\r\n]")
_TAIL = re.compile(r"(-?)\s*([0-9]+)")

_CHAT = """Find {required} different ways to reach {target} with the numbers {numbers}.
Use {uses}, {operations} and parentheses. Two ways that differ only in the order of terms or factors count once.
Give one expression a line."""
_WORDS = {"+": "addition", "-": "subtraction", "*": "multiplication", "/": "division"}


@dataclass(frozen=True)
class Offer:
    """One expression of an answer, and the value that it claims behind `=` (a text), if any."""

    expression: str
    claimed: str | None


def prompt(item: Mapping[str, Any], style: str) -> str:
    """The question: `3 5 7 9 11 =24` in the word language, sentences in the chat style."""
    if style == "word":
        return f"{' '.join(map(str, item['numbers']))} ={item['target']}"
    uses, operations = item.get("uses"), item.get("operations", expressions.OPERATIONS)
    return _CHAT.format(
        required=item["required"],
        target=item["target"],
        numbers=", ".join(map(str, item["numbers"])),
        uses="every number exactly once" if uses is None else f"exactly {uses} of the numbers, each at most once",
        operations=", ".join(_WORDS[each] for each in operations),
    )


def score(item: Mapping[str, Any], answer: str | None) -> dict[str, Any]:
    """accuracy = min(correct, required)/required; correct: distinct right expressions; offered: expressions found.

    solutions are the right ones in canonical form, in the order of the answer.
    """
    return union(item, [answer])


def union(item: Mapping[str, Any], answers: Sequence[str | None]) -> dict[str, Any]:
    """The score of all answers together: whatever one of them has right counts, the first 8 of each are read."""
    offers = (offer for answer in answers for offer in read(answer))
    right = expressions.distinct(node for offer in offers if (node := right_node(item, offer)))
    correct, required = len(right), item["required"]
    return {
        "accuracy": min(correct, required) / required,
        "correct": correct,
        "offered": sum(map(offered, answers)),
        "solutions": list(right),
    }


def aggregate(item: Mapping[str, Any], answers: Sequence[str | None]) -> str | None:
    """Vote: the `required` expressions that most answers hold, right or wrong; the earlier one where votes are equal.

    An answer votes once for an expression, whatever form it takes, and only for one that takes no more numbers than
    the item has. None if no answer holds an expression.
    """
    votes: Counter[str] = Counter()
    for answer in answers:
        nodes = (_node(item, offer.expression) for offer in read(answer))
        votes.update(list(expressions.distinct(node for node in nodes if node)))
    return " ; ".join(text for text, _ in votes.most_common(item["required"])) or None


def canonical(expression: str) -> str:
    """The canonical form; equal for two expressions exactly if they are the same solution. Raises InputError."""
    text = expressions.plain(expression)
    if not expressions.is_expression(text) or None in expressions.integers(text):
        raise InputError(f"{expression[:60]!r} is not an expression of integers, + - * / and parentheses")
    return expressions.read(text).text


def read(answer: str | None) -> list[Offer]:
    """The first 8 expressions that an answer holds, in order; whatever else it holds is passed over."""
    return list(islice(filter(None, map(_offer, _pieces(answer))), MOST_READ))


def offered(answer: str | None) -> int:
    """How many expressions an answer holds, also beyond the first 8. Repeated pieces are looked at once."""
    return sum(count for piece, count in Counter(_pieces(answer)).items() if _offer(piece))


def right_node(item: Mapping[str, Any], offer: Offer) -> Node | None:
    """The canonical form of an offered expression that keeps the item's rules and reaches its target, else None."""
    allowed = set(item.get("operations", expressions.OPERATIONS))
    if not expressions.operations(offer.expression) <= allowed or not _takes_numbers(item, offer.expression):
        return None
    node = expressions.read(offer.expression)
    claim_holds = offer.claimed is None or _claimed(offer.claimed) == node.value
    return node if node.value == item["target"] and claim_holds else None


def check(item: Any) -> None:
    """Raise InputError unless `item` is one; keys beyond those of the game are nobody's business here."""
    if not isinstance(item, dict):
        raise InputError(f"item is an object, not {ascii(item)[:60]}")
    for key in ("numbers", "target", "required"):
        if key not in item:
            raise InputError(f"the item has no {key}")
    numbers = item["numbers"]
    whole = isinstance(numbers, list) and all(_is_integer(number, 0) for number in numbers)
    if not whole or not 1 <= len(numbers) <= MOST_NUMBERS:
        raise InputError(f"numbers is a list of 1 to {MOST_NUMBERS} integers of at least 0")
    operations = item.get("operations", expressions.OPERATIONS)
    rules = [
        ("target", _is_integer(item["target"]), "an integer"),
        ("required", _is_integer(item["required"], 1), "an integer of at least 1"),
        ("uses", _is_integer(item.get("uses", 1), 1) and item.get("uses", 1) <= len(numbers), "from 1 to all numbers"),
        (
            "operations",
            isinstance(operations, str) and operations and set(operations) <= set(expressions.OPERATIONS),
            'a text of some of + - * /, like "+-*"',
        ),
    ]
    for key, holds, allowed in rules:
        if not holds:
            raise InputError(f"{key} must be {allowed}, not {ascii(item[key])[:60]}")


def _pieces(answer: str | None) -> list[str]:
    return _BREAK.split(expressions.plain(answer or ""))


def _offer(piece: str) -> Offer | None:
    head, equals, tail = piece.partition("=")
    return Offer(head, tail if equals else None) if expressions.is_expression(head) else None


def _takes_numbers(item: Mapping[str, Any], expression: str) -> bool:
    """Whether the expression takes as many numbers as it should, each as often as the item has it at most."""
    uses = item.get("uses", len(item["numbers"]))
    taken = list(islice(expressions.integers(expression), uses + 1))
    return len(taken) == uses and not Counter(taken) - Counter(item["numbers"])


def _node(item: Mapping[str, Any], expression: str) -> Node | None:
    taken = list(islice(expressions.integers(expression), len(item["numbers"]) + 1))
    if len(taken) > len(item["numbers"]) or None in taken:
        return None
    return expressions.read(expression)


def _claimed(tail: str) -> int | None:
    found = _TAIL.fullmatch(tail.strip())
    value = expressions.integer(found[2]) if found else None
    return -value if found and found[1] and value is not None else value


def _is_integer(value: Any, least: int | None = None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)
