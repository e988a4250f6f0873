"""Multi-solution countdown: numbers, a target, and `required` different expressions that reach it.

Item: {"numbers": [3, 5, 7, 9, 11], "target": 24, "required": 3}, optionally "uses": k (exactly k of the numbers, each
at most once; without it every number exactly once) and "operations": "+-*". An answer holds one expression a line, or
several separated by `;`, in the notation of `notation` and `expressions`. A value on the other side of one `=`, in
front or after, must be right. The first 8 expressions are read.

    offers -> judged -> score        what is an expression? is it right? how many different ones are right?

The generator is `countdown_puzzles`, the solver `solver`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import NotRequired, TypedDict, TypeGuard

from asyncthink.errors import InputError
from asyncthink.tasks import expressions, notation
from asyncthink.tasks.expressions import Node
from asyncthink.tasks.task import Mistake, Score

MOST_READ = 8
MOST_NUMBERS = 64
_MOST_MISTAKES = 16
_LONG = 10**40  # numbers from here on are not printed
_LINE_END = re.compile(r"[\r\n]")
_DIGIT = re.compile(r"[0-9]")
_UNADORNED = re.compile(r"\s*[0-9(][0-9+\-*/()=\s]*")  # no list mark in front: `- 24 = 3*8` is no -24
_VALUE = re.compile(r"(\()?\s*(?:(-)\s*)?([0-9]+(?:\.[0-9]+)?)\s*(?(1)\))")

_CHAT = """Find {ways} to reach {target} with the numbers {numbers}.
Use {uses}, {operations} and parentheses."""
_SEVERAL = """ Two ways that differ only in the order of terms or factors count once.
Give one expression a line."""
_WORDS = {"+": "addition", "-": "subtraction", "*": "multiplication", "/": "division"}


class Item(TypedDict):
    """A puzzle, as above."""

    numbers: list[int]
    target: int
    required: int
    uses: NotRequired[int]
    operations: NotRequired[str]


@dataclass(frozen=True)
class Offer:
    """One expression of an answer, and the value that it claims on the other side of `=` (a text), if any."""

    expression: str
    claimed: str | None


def prompt(item: Item, style: str) -> str:
    """The question: `11 9 7 5 =24` in the word language, sentences in the chat style."""
    if style == "word":
        return f"{' '.join(map(str, sorted(item['numbers'], reverse=True)))} ={item['target']}"
    uses, operations = item.get("uses"), item.get("operations", expressions.OPERATIONS)
    several = item["required"] > 1
    asked = _CHAT.format(
        ways=f"{item['required']} different ways" if several else "a way",
        target=item["target"],
        numbers=", ".join(map(str, item["numbers"])),
        uses="every number exactly once" if uses is None else f"exactly {uses} of the numbers, each at most once",
        operations=", ".join(_WORDS[operation] for operation in operations),
    )
    return asked + _SEVERAL if several else asked


def score(item: Item, answer: str | None) -> Score:
    """accuracy = min(correct, required)/required; correct: distinct right expressions; offered: expressions found.

    solutions are the right ones in canonical form, in the order of the answer.
    """
    return union(item, [answer])


def union(item: Item, answers: Sequence[str | None]) -> Score:
    """The score of all answers together: whatever one of them has right counts, the first 8 of each are read."""
    offered = [offers(answer) for answer in answers]
    judgements = (judged(item, offer) for of_answer in offered for offer in of_answer[:MOST_READ])
    right = list(dict.fromkeys(node.text for node in judgements if isinstance(node, Node)))
    accuracy = min(len(right), item["required"]) / item["required"]
    return {"accuracy": accuracy, "correct": len(right), "offered": sum(map(len, offered)), "solutions": right}


def mistakes(item: Item, answer: str | None) -> list[Mistake]:
    """What is wrong with each expression, or with what looks like one, in the order of the answer; the first 16."""
    return list(islice(_mistakes(item, answer), _MOST_MISTAKES))


def aggregate(item: Item, answers: Sequence[str | None]) -> str | None:
    """Vote: the `required` expressions that most answers hold, right or wrong; the earlier one where votes are equal.

    An answer votes once for an expression, whatever form it takes, and only for one that takes no more numbers than
    the item has. None if no answer holds an expression.
    """
    votes: Counter[str] = Counter()
    for answer in answers:
        nodes = (_node(item, offer.expression) for offer in offers(answer)[:MOST_READ])
        votes.update(dict.fromkeys(node.text for node in nodes if node).keys())
    return " ; ".join(text for text, _ in votes.most_common(item["required"])) or None


def offers(answer: str | None) -> list[Offer]:
    """The expressions that an answer holds, in order, also beyond the first 8; all else is passed over."""
    return [offer for _, offer in _read(answer) if offer]


def judged(item: Item, offer: Offer) -> Node | str:
    """The canonical form of an expression that keeps the item's rules and reaches its target, else what is wrong."""
    allowed = item.get("operations", expressions.OPERATIONS)
    if forbidden := set(offer.expression) & set(expressions.OPERATIONS) - set(allowed):
        return f"uses {' '.join(sorted(forbidden))}; allowed: {' '.join(allowed)}"
    if wrong := _wrong_numbers(item, offer.expression):
        return wrong
    node = expressions.read(offer.expression)
    if node.value is None:
        return "divides by zero"
    if node.value != item["target"]:
        return f"is {_shown(node.value)}, not {_shown(item['target'])}"
    if offer.claimed is not None and _value(offer.claimed) != node.value:
        many = "=" in offer.claimed
        return "more than one =" if many else f"what stands on the other side of = is not {_shown(node.value)}"
    return node


def check(item: object) -> None:
    """Raise InputError unless `item` is one; keys beyond those of the game are nobody's business here."""
    if not isinstance(item, dict):
        raise InputError(f"item is an object, not {ascii(item)[:60]}")
    numbers = item["numbers"] if isinstance(item.get("numbers"), list) else []
    counted = 1 <= len(numbers) <= MOST_NUMBERS and all(_is_integer(number, 0) for number in numbers)
    uses, operations = item.get("uses", 1), item.get("operations", expressions.OPERATIONS)
    named = isinstance(operations, str) and re.fullmatch(r"[-+*/]+", operations)
    rules = {
        "numbers": (counted, f"a list of 1 to {MOST_NUMBERS} integers of at least 0"),
        "target": (_is_integer(item.get("target")), "an integer"),
        "required": (_is_integer(item.get("required"), 1), "an integer of at least 1"),
        "uses": (_is_integer(uses, 1) and uses <= len(numbers), "from 1 to all numbers"),
        "operations": (named, 'a text of some of + - * /, like "+-*"'),
    }
    for key, (holds, allowed) in rules.items():
        if not holds:
            raise InputError(
                f"{key} must be {allowed}, not {ascii(item[key])[:60]}" if key in item else f"the item has no {key}"
            )


def _read(answer: str | None) -> list[tuple[str, Offer | None]]:
    """The pieces of an answer with the expression that each is. Equal pieces are looked at once."""
    lines = map(notation.unmarked, _LINE_END.split(notation.plain(answer or "")))
    pieces = [piece for line in lines for piece in line.split(";")]
    known = {piece: _offer(piece) for piece in set(pieces)}
    return [(piece, known[piece]) for piece in pieces]


def _offer(piece: str) -> Offer | None:
    if not _DIGIT.search(piece):
        return None
    return (_UNADORNED.fullmatch(piece) and _equation(piece)) or _equation(notation.bare(piece))


def _equation(text: str) -> Offer | None:
    """`expression`, `expression = value` or `value = expression`."""
    head, equals, tail = text.partition("=")
    if not equals:
        return Offer(head, None) if expressions.is_expression(head) else None
    head, tail = notation.side(head), notation.side(tail)
    if _value(head) is not None and expressions.is_expression(tail):
        return Offer(tail, head)
    return Offer(head, tail) if expressions.is_expression(head) else None


def _mistakes(item: Item, answer: str | None) -> Iterator[Mistake]:
    right: set[str] = set()
    read = 0
    for piece, offer in _read(answer):
        if offer is None:
            if _DIGIT.search(piece):
                yield Mistake(piece.strip(), "not an expression of integers, + - * / and parentheses")
            continue
        if read == MOST_READ:
            yield Mistake(piece.strip(), f"only the first {MOST_READ} expressions are read")
            break
        read += 1
        judgement = judged(item, offer)
        if isinstance(judgement, str):
            yield Mistake(piece.strip(), judgement)
        elif judgement.text in right:
            yield Mistake(piece.strip(), "the same as one before")
        else:
            right.add(judgement.text)
    if len(right) < item["required"]:
        yield Mistake("", f"{len(right)} right expressions; {item['required']} are required")


def _wrong_numbers(item: Item, expression: str) -> str | None:
    """What is wrong unless the expression takes as many numbers as it should, each as often as the item has it."""
    numbers, uses = Counter[int | None](item["numbers"]), item.get("uses", len(item["numbers"]))
    taken = list(islice(expressions.integers(expression), uses + 1))
    for number, times in Counter(taken).items():
        shown = "a number too long" if number is None else _shown(number)
        if number not in numbers:
            return f"takes {shown}, which the item does not have"
        if times > numbers[number]:
            return f"takes {shown} more often than the item has it ({numbers[number]})"
    if len(taken) != uses:
        return f"takes {'more' if len(taken) > uses else 'fewer'} numbers than {uses}"
    return None


def _node(item: Item, expression: str) -> Node | None:
    taken = list(islice(expressions.integers(expression), len(item["numbers"]) + 1))
    return expressions.read(expression) if len(taken) <= len(item["numbers"]) and None not in taken else None


def _value(text: str) -> Fraction | None:
    """The value that a text like 18, 18.0 or (-3) is."""
    value = _VALUE.fullmatch(text.strip())
    try:
        return Fraction((value[2] or "") + value[3]) if value else None
    except ValueError:  # more digits than Python turns into a number
        return None


def _shown(value: int | Fraction) -> str:
    return str(value) if -_LONG < value < _LONG and value.denominator < _LONG else "a long number"


def _is_integer(value: object, least: int | None = None) -> TypeGuard[int]:
    return type(value) is int and (least is None or value >= least)
