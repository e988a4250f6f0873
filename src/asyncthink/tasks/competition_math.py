"""Competition math: a problem, one answer, compared by the math-verify library.

Item: {"answer": "204"}, and "problem" where it is asked. What counts of an answer is its last `\\boxed{...}` if there
is one, else the one answer that it states.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from asyncthink.errors import InputError
from asyncthink.tasks import single_answer
from asyncthink.tasks.equality import compare, equal
from asyncthink.tasks.judge import Verdict
from asyncthink.tasks.preparation import plain
from asyncthink.tasks.stated_value import stated
from asyncthink.tasks.task import Score

SOURCES = {  # name: (repository on the hub, split, commit)
    "deepscaler": ("agentica-org/DeepScaleR-Preview-Dataset", "train", "b6ae8c60f5c1f2b594e2140b91c49c9ad0949e29"),
    "aime-24": ("HuggingFaceH4/aime_2024", "train", "2fe88a2f1091d5048c0f36abc874fb997b3dd99a"),
    "amc-23": ("math-ai/amc23", "test", "80815d37005feb82cd7f8fbc6901d5d3eff43057"),
    "math-500": ("HuggingFaceH4/MATH-500", "test", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be"),
}
_MARK = re.compile(r"\\boxed\s*\{|\\.|[{}]", re.DOTALL)

_CHAT = "{problem}\n\nGive the final answer within \\boxed{{}}."


class Item(TypedDict):
    """A problem, as above."""

    answer: str
    id: NotRequired[str]
    problem: NotRequired[str]


def prompt(item: Item, style: str) -> str:
    """The question; there is none in the word language."""
    if style == "word":
        raise InputError("competition math cannot be asked in the word language; set thinking.prompts to chat")
    if not isinstance(item.get("problem"), str):
        raise InputError("the item has nothing to ask: its problem must be a text")
    return _CHAT.format(problem=item["problem"])


def score(item: Item, answer: str | None) -> Score:
    """accuracy 1 or 0; offered 1 if there is anything to compare; out_of_time 1 if nobody knows whether it is equal."""
    gold = boxed(item["answer"]) or item["answer"]
    offered = gold if answer and plain(answer) == plain(gold) else final(answer)
    verdict = Verdict.DIFFERENT if offered is None else compare(gold, offered)
    late = int(verdict is Verdict.OUT_OF_TIME)
    return {**single_answer.scored(verdict is Verdict.EQUAL, offered), "out_of_time": late}


def aggregate(item: Item, answers: Sequence[str | None]) -> str | None:
    """Majority vote over answers that are mathematically equal."""
    return single_answer.majority([final(answer) for answer in answers], equal)


union = single_answer.union(score)


def check(item: object) -> None:
    """Raise InputError unless `item` is one."""
    if not isinstance(item, dict) or not isinstance(item.get("answer"), str) or not item["answer"].strip():
        raise InputError('the item is an object like {"answer": "204"}, its answer a text')


def final(answer: str | None) -> str | None:
    """The content of the last `\\boxed{...}` if there is one, else what the text states; None if that is nothing."""
    text = boxed(answer or "")
    if text is None:
        return stated(answer or "")
    return text.strip() or None


def boxed(text: str) -> str | None:
    """The content of the last `\\boxed{...}`, braces in it matched; "" if it stays open, None without one.

    Linear in the text.
    """
    last = (-1, -1)
    open_braces: list[int | None] = []  # where the content of a box begins; None for any other brace
    for mark in _MARK.finditer(text):
        if mark[0] == "{":
            open_braces.append(None)
        elif mark[0].startswith("\\boxed"):
            open_braces.append(mark.end())
        elif mark[0] == "}" and open_braces:
            start = open_braces.pop()
            if start is not None:
                last = max(last, (start, mark.start()))
    last = max([last, *((start, start) for start in open_braces if start is not None)])
    return text[slice(*last)] if last[0] >= 0 else None


def from_record(record: Mapping[str, object], name: str, number: int) -> Item:
    """The item of a data set's record with problem (or question) and answer."""
    problem = record.get("problem", record.get("question"))
    if not isinstance(problem, str):
        raise InputError(f"problem (or question) must be a text, not {ascii(problem)[:60]}")
    return {"id": f"{name}-{record.get('id', number)}", "problem": problem, "answer": right_answer(record)}


def right_answer(record: Mapping[str, object]) -> str:
    """The answer of a data set's record, a text or a number: 27.0 is 27."""
    answer = record.get("answer")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float) or not str(answer).strip():
        raise InputError(f"answer must be a text or a number, not {ascii(answer)[:60]}")
    whole = isinstance(answer, float) and answer.is_integer()
    return str(int(answer) if whole else answer)


def equals_itself(gold: str) -> bool:
    """Whether a right answer is right when it is given as it stands, and in a box."""
    return all(score({"answer": gold}, answer)["accuracy"] == 1 for answer in (gold, rf"\boxed{{{gold}}}"))
