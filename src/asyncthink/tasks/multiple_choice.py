"""Multiple choice: a question, options under letters, the letter of one of them.

Item: {"answer": "C", "options": 4}, and "question" with "choices" (the options' texts) where it is asked. An answer is
read by `stated_letter`; one that hedges offers nothing.
"""

import re
import string
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from asyncthink.errors import InputError
from asyncthink.tasks import single_answer, stated_letter
from asyncthink.tasks.task import Mistake, Score

SOURCES = {"mmlu-pro": ("TIGER-Lab/MMLU-Pro", "test", "b189ec765aa7ed75c8acfea42df31fdae71f97be")}
# The subjects of the paper's case studies are parts of a category: questions that hold one of these words.
SUBSETS = {
    "graph-theory": ("math", r"\b(?:graphs?|vert(?:ex|ices)|spanning trees?|hamiltonian|eulerian?|chromatic)\b"),
    "genetics": ("biology", r"\b(?:gen(?:e|es|etic|etics|otypes?|ome)|alleles?|heterozyg\w*|homozyg\w*|phenotyp\w*)\b"),
}
_PADDING = frozenset({"", "n/a"})

_CHAT = "{question}\n\n{choices}\n\nGive the letter of the right option."


class Item(TypedDict):
    """A question, as above."""

    answer: str
    options: int
    id: NotRequired[str]
    question: NotRequired[str]
    choices: NotRequired[list[str]]


def prompt(item: Item, style: str) -> str:
    """The question with its options; there is none in the word language."""
    if style == "word":
        raise InputError("multiple choice cannot be asked in the word language; set thinking.prompts to chat")
    choices = item.get("choices", [])
    texts = isinstance(choices, list) and all(isinstance(choice, str) for choice in choices)
    if not isinstance(item.get("question"), str) or not texts or len(choices) != item["options"]:
        raise InputError(f"the item has nothing to ask: its question is a text, its choices {item['options']} texts")
    lines = (f"{letter}. {choice}" for letter, choice in zip(string.ascii_uppercase, choices, strict=False))
    return _CHAT.format(question=item["question"], choices="\n".join(lines))


def score(item: Item, answer: str | None) -> Score:
    """accuracy 1 or 0; offered 1 if the answer names one option."""
    offered = read(answer, item["options"])
    return single_answer.scored(offered == _letter(item["answer"]), offered)


def aggregate(item: Item, answers: Sequence[str | None]) -> str | None:
    """Majority vote over letters."""
    return single_answer.majority([read(answer, item["options"]) for answer in answers])


union = single_answer.union(score)


def check(item: object) -> None:
    """Raise InputError unless `item` is one."""
    options = item.get("options") if isinstance(item, dict) else None
    if not isinstance(item, dict) or type(options) is not int or not 2 <= options <= 26:
        raise InputError('the item is an object like {"answer": "C", "options": 4}, options an integer from 2 to 26')
    letter = _letter(item.get("answer"))
    if len(letter) != 1 or letter not in string.ascii_uppercase[:options]:
        raise InputError(f"answer must be a letter from A to {string.ascii_uppercase[options - 1]}")


def read(answer: str | None, options: int) -> str | None:
    """The letter that an answer states, if it is one of the first `options`; else None."""
    letters = string.ascii_uppercase[:options]
    letter = stated_letter.read(answer or "", letters)
    return letter if letter and letter in letters else None


def mistakes(item: Item, answer: str | None) -> list[Mistake]:
    """Why the answer is not right."""
    offered = read(answer, item["options"])
    if offered is None:
        last = string.ascii_uppercase[item["options"] - 1]
        return [Mistake((answer or "").strip(), f"states no single letter from A to {last}")]
    return [] if offered == _letter(item["answer"]) else [Mistake(offered, "is not the right option")]


def from_record(record: Mapping[str, object], name: str, number: int, subset: str | None = None) -> Item | None:
    """The item of one of MMLU-Pro's records (question, options, answer, category); None outside of a subset in SUBSETS.

    Options that only fill a record up, blank or N/A, are dropped, and those after them move up with their letters.
    """
    question, options, answer = record.get("question"), record.get("options"), record.get("answer")
    if not isinstance(question, str):
        raise InputError(f"question must be a text, not {ascii(question)[:60]}")
    if not isinstance(options, list) or not all(_is_option(option) for option in options):
        raise InputError("options must be a list of texts")
    check({"answer": answer, "options": len(options)})
    right = string.ascii_uppercase.index(_letter(answer))
    kept = [n for n, option in enumerate(options) if n == right or not _is_padding(option)]
    item: Item = {
        "id": f"{name}-{record.get('question_id', number)}",
        "question": question,
        "choices": [str(options[n]) for n in kept],
        "answer": string.ascii_uppercase[kept.index(right)],
        "options": len(kept),
    }
    check(item)
    category, words = SUBSETS[subset] if subset else (None, "")
    fits = category is None or (record.get("category") == category and re.search(words, question, re.IGNORECASE))
    return item if fits else None


def _is_option(option: object) -> bool:
    return option is None or (isinstance(option, str | int | float) and not isinstance(option, bool))


def _is_padding(option: object) -> bool:
    return option is None or str(option).strip().lower() in _PADDING


def _letter(answer: object) -> str:
    """A right answer as an upper-case letter; empty where it is no text."""
    return answer.strip().upper() if isinstance(answer, str) else ""
