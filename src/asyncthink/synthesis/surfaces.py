"""How a search looks as text: in the word language of models trained from scratch, or as plain English.

A surface is a table entry, so a teacher writes every style with the same code. In both, a solution is spelled in an
answer or a return exactly as where it was found, so that telling it is copying. The word language writes `((13 - 10) *
12) + 11` in seven words, numbers and operations by turns, whatever its parentheses.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from asyncthink import protocol
from asyncthink.tasks.countdown_search import Branch, Final, Line, Move, Numbers

Step = tuple[str, str | None]  # a stretch of search, and the solution with which it ends, if any


@dataclass(frozen=True)
class Surface:
    """steps(branch, target) writes the search of a branch, query(numbers, target, branches) asks for it.

    gap stands between pieces; count gives tokens of a text.
    """

    steps: Callable[[Branch, int], Iterator[Step]]
    query: Callable[[Numbers, int, Sequence[Branch]], str]
    gap: str
    count: Callable[[str], int]

    def length(self, *texts: str) -> int:
        """Tokens of texts that are put after one another."""
        return sum(self.count(text + self.gap) for text in texts)

    def fork(self, number: int, query: str) -> str:
        """`<FORK-i> query </FORK-i>`"""
        return f"{protocol.fork_open(number)} {query} {protocol.fork_close(number)}"

    def join(self, number: int) -> str:
        """`<JOIN-i>`, where the runtime goes on."""
        return protocol.join_open(number)

    def answer(self, solutions: Iterable[str]) -> str:
        """`<ANSWER> ... </ANSWER>`"""
        return f"{protocol.ANSWER_OPEN} {listed(solutions)} {protocol.ANSWER_CLOSE}"

    def returned(self, solutions: Iterable[str]) -> str:
        """`<RETURN> ... </RETURN>`"""
        return f"{protocol.RETURN_OPEN} {listed(solutions)} {protocol.RETURN_CLOSE}"


def words(text: str) -> int:
    """Tokens of the word language: one a word."""
    return len(text.split())


def estimate(text: str) -> int:
    """An estimate, rather too high, of a byte-pair tokenizer's tokens: digits and signs one each, words whole.

    Capitals are two a token. A space belongs to the word or the sign after it; before a digit it is one of its own.
    """
    return len(re.findall(r"\d|[A-Z]{1,2}(?![a-z])|[^\W\d]+|[^\w\s]|\n| (?=\d)", text))


def listed(solutions: Iterable[str]) -> str:
    """`(8 * 3) + 0 ; 12 + 12`, or `none`."""
    return " ; ".join(solutions) or "none"


def _word_steps(branch: Branch, target: int) -> Iterator[Step]:
    """`| a-d 13 10 3`, then lines `11 -! 8 !- 14 !/ 33 12 3 * 36 / 4`: the leftover, its goals, the pair, its results.

    After a result that is a goal come the goal's verdict and the solution. What belongs together stands together: a
    small model learns arithmetic on numbers at fixed distances several times sooner.
    """
    words = ["|", branch.name, *map(str, (branch.left, branch.right, branch.result))]
    for line in branch.lines:
        words.append(str(line.leftover))
        words += [f"{verdict} {goal}" for verdict, goal in line.goals(target)]
        words.append(f"{line.left} {line.right}")
        for move in line.moves:
            words.append(f"{move.operation} {move.result}")
            for final in move.hits(target):
                yield " ".join([*words, final.verdict, final.expression]), final.expression
                words = []
    if words:
        yield " ".join(words), None


def _word_query(numbers: Numbers, target: int, branches: Sequence[Branch]) -> str:
    return " ".join([*map(str, numbers), f"={target}", *(branch.name for branch in branches)])


def _chat_steps(branch: Branch, target: int) -> Iterator[Step]:
    """`13-10=3. With 11 left, make 24-11=13 or 24+11=35: 12+3=15; 12-3=9; 12*3=36; 12/3=4.`

    What the pair must make is an equation too, its numbers beside it: from the target in the prompt alone a model that
    was fine-tuned for an hour got one goal of five. A result that is a goal makes a solution, spelled by one insertion
    after another: `so 15-12=3, (9+6)-12=3, (9+(8-2))-12=3.` Where the rules leave that solution to another branch, the
    result is left out. A stretch after a solution begins a sentence of its own. Of three numbers the second step is the
    last: `13-10=3. Then 12+3=15, so 12+(13-10)=15.`
    """
    sentences = [f"{branch.left}{branch.operation}{branch.right}={branch.result}."]
    for line in branch.lines:
        goals = {_WANTED[verdict].format(target, line.leftover): goal for verdict, goal in line.goals(target)}
        wanted = " or ".join(f"{sides}={goal}" for sides, goal in goals.items()) or "nothing"
        opening = "Then" if line.leftover is None else f"With {line.leftover} left, make {wanted}:"
        results: list[str] = []
        for move in line.moves:
            if move.result in goals.values() and not move.hits(target):
                continue
            results.append(f"{line.left}{move.operation}{line.right}={move.result}")
            for final in move.hits(target):
                found = f"{opening} {'; '.join(results)}, so" if results else opening
                spelled = _spelled(branch, line, move, final)
                found = f"{found} {', '.join(f'{each}={target}' for each in spelled)}."
                yield " ".join([*sentences, found]), spelled[-1]
                sentences, results, opening = [], [], "Also"
        if results or opening != "Also":
            sentences.append(f"{opening} {'; '.join(results) or 'nothing'}.")
    if sentences:
        yield " ".join(sentences), None


# By verdict: what the pair must make, of the target and the leftover, and the last step, of the pair and the leftover.
_WANTED = {
    "!+": "{0}-{1}",
    "-!": "{1}-{0}",
    "!-": "{0}+{1}",
    "!*": "{0}/{1}",
    "/!": "{1}/{0}",
    "!/": "{0}*{1}",
    "!": "{0}",
}
_LAST = {"!+": "{0}+{1}", "-!": "{1}-{0}", "!-": "{0}-{1}", "!*": "{0}*{1}", "/!": "{1}/{0}", "!/": "{0}/{1}"}


def _spelled(branch: Branch, line: Line, move: Move, final: Final) -> list[str]:
    """`3+8`, `(9-6)+8`, `(9-(5+1))+8`: the last step, with the pair in it, with the first step in that.

    Of three numbers `9-(5+1)` alone.
    """
    first = f"({branch.left}{branch.operation}{branch.right})"
    left, right, leftover = str(line.left), str(line.right), str(line.leftover)
    pair = f"({left}{move.operation}{right})"
    whole, over = pair, first
    if line in branch.lines[:2]:  # the first step's result is one of the pair; in a third line it is left over
        left, right = (first, right) if line.left == branch.result else (left, first)
        whole, over = f"({left}{move.operation}{right})", leftover
    if line.leftover is None:
        return [whole[1:-1]]
    last = _LAST[final.verdict]
    return [last.format(move.result, leftover), last.format(pair, leftover), last.format(whole, over)]


def _spaced(branch: Branch) -> str:
    return f"{branch.left} {branch.operation} {branch.right}"


def _chat_query(numbers: Numbers, target: int, branches: Sequence[Branch]) -> str:
    begin = " or ".join(map(_spaced, branches))
    return f"Reach {target} with {', '.join(map(str, numbers))}, each exactly once. Begin with {begin}."


SURFACES = {
    "word": Surface(_word_steps, _word_query, " ", words),
    "chat": Surface(_chat_steps, _chat_query, "\n", estimate),
}
