"""How a search looks as text: in the word language of models trained from scratch, or as plain English.

A surface is a table entry, so a teacher writes every style with the same code. In both, a solution is written in the
answer exactly as it was spelled where it was found, so that answering is copying. In the word language a worker returns
the very lines that hit, so that the organizer reads what it was told as it reads what it found itself.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asyncthink import protocol
from asyncthink.synthesis.search import Branch, Step


@dataclass(frozen=True)
class Surface:
    """line and query write one step and one sub-query, told what a worker returns of a step that hit.

    gap stands between pieces; count gives tokens of a text.
    """

    line: Callable[[Step], str]
    query: Callable[[Branch, int], str]
    told: Callable[[Step], str]
    listing: Callable[[Sequence[str]], str]
    gap: str
    count: Callable[[str], int]

    def length(self, *texts: str) -> int:
        """Tokens of texts that are put behind one another."""
        return sum(self.count(text + self.gap) for text in texts)

    def fork(self, number: int, query: str) -> str:
        """`<FORK-i> query </FORK-i>`"""
        return f"{protocol.fork_open(number)} {query} {protocol.fork_close(number)}"

    def join(self, number: int) -> str:
        """`<JOIN-i>`, where the runtime goes on."""
        return protocol.join_open(number)

    def answer(self, solutions: Sequence[str]) -> str:
        """`<ANSWER> ... </ANSWER>`"""
        return f"{protocol.ANSWER_OPEN} {self.listing(solutions)} {protocol.ANSWER_CLOSE}"

    def returned(self, told: Sequence[str]) -> str:
        """`<RETURN> ... </RETURN>`"""
        return f"{protocol.RETURN_OPEN} {self.listing(told)} {protocol.RETURN_CLOSE}"


def words(text: str) -> int:
    """Tokens of the word language: one a word."""
    return len(text.split())


def estimate(text: str) -> int:
    """An estimate, rather too high, of a byte-pair tokenizer's tokens: digits and signs one each, words whole."""
    return len(re.findall(r"\d|[^\W\d]+|[^\w\s]|\n", text))


def listed(told: Sequence[str]) -> str:
    """`8 * 3 ; 12 + 12`, or `none`."""
    return " ; ".join(told) or "none"


def _expression(step: Step) -> str:
    return step.expression


def _word_line(step: Step) -> str:
    shown = "void" if step.result is None else step.result
    line = f"{step.left} {step.operation} {step.right} {shown} {'!' if step.hit else '.'}"
    return f"{line} {step.expression} |" if step.hit and "(" in step.expression else line


def _word_query(branch: Branch, target: int) -> str:
    window = " ".join(map(str, (branch.first, *branch.partners)))
    return f"{window} ={target}"


def _word_deep_query(branch: Branch, target: int) -> str:
    window, rest = (" ".join(map(str, part)) for part in ((branch.first, *branch.partners), branch.rest))
    return f"{window} | {rest} ={target}"


def _chat_line(step: Step) -> str:
    line = f"{step.left} {step.operation} {step.right} = {'out' if step.result is None else step.result}"
    return f"{line} yes: {step.expression}" if step.hit else f"{line} no"


def _chat_query(branch: Branch, target: int) -> str:
    partners = " or ".join(map(str, branch.partners))
    return f"Find expressions that begin with {branch.first} and {partners} and equal {target}."


def _chat_deep_query(branch: Branch, target: int) -> str:
    numbers = " ".join(map(str, (branch.first, *branch.partners, *branch.rest)))
    partners = " or ".join(map(str, branch.partners))
    return f"Find expressions over {numbers} that begin with {branch.first} and {partners} and equal {target}."


def surface(prompts: str, uses: int) -> Surface:
    """The surface of a prompt style (settings.Thinking.prompts) for expressions of `uses` numbers."""
    return SURFACES[prompts, uses > 2]


SURFACES = {
    ("word", False): Surface(_word_line, _word_query, _word_line, listed, " ", words),
    ("word", True): Surface(_word_line, _word_deep_query, _expression, listed, " ", words),
    ("chat", False): Surface(_chat_line, _chat_query, _expression, listed, "\n", estimate),
    ("chat", True): Surface(_chat_line, _chat_deep_query, _expression, listed, "\n", estimate),
}
COUNTS = {"word": words, "chat": estimate}
