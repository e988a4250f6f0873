"""Multiple choice: a question, options under letters, the letter of one of them.

Item: {"answer": "C", "options": 4}, and "question" with "choices" (the options' texts) where it is asked. An answer is
read by `stated_letter`; one that hedges offers nothing.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asyncthink.errors import InputError
from asyncthink.tasks import single_answer, stated_letter
from asyncthink.tasks.mistake import Mistake

SOURCES = {"mmlu-pro": ("TIGER-Lab/MMLU-Pro", "test", "b189ec765aa7ed75c8acfea42df31fdae71f97be")}
# The subjects of the paper's case studies are parts of a category: questions that hold one of these words.
SUBSETS = {
    "graph-theory": ("math", r"\b(?:graphs?|vert(?:ex|ices)|spanning trees?|hamiltonian|eulerian?|chromatic)\b"),
    "genetics": ("biology", r"\b(?:gen(?:e|es|etic|etics|otypes?|ome)|alleles?|heterozyg\w*|homozyg\w*|phenotyp\w*)\b"),
}
_PADDING = frozenset({"", "n/a"})

_CHAT = "{question}\n\n{choices}\n\nGive the letter of the right option."


def prompt(item: Mapping[str, Any], style: str) -> str:
    """The question with its options; there is none in the word language."""
    if style == "word":
        raise InputError("multiple choice cannot be asked in the word language; set thinking.prompts to chat")
    lines = (f"{letter}. {choice}" for letter, choice in zip(string.ascii_uppercase, item["choices"], strict=False))
    return _CHAT.format(question=item["question"], choices="\n".join(lines))


def score(item: Mapping[str, Any], answer: str | None) -> dict[str, Any]:
    """accuracy 1 or 0; offered 1 if the answer names one option."""
    offered = read(answer, item["options"])
    return single_answer.scored(offered == item["answer"].strip().upper(), offered)


def aggregate(item: Mapping[str, Any], answers: Sequence[str | None]) -> str | None:
    """Majority vote over letters."""
    letters = [read(answer, item["options"]) for answer in answers]
    return single_answer.majority(letters, lambda one, other: one == other)


union = single_answer.union(score)


def check(item: Any) -> None:
    """Raise InputError unless `item` is one."""
    options = item.get("options") if isinstance(item, dict) else None
    if type(options) is not int or not 2 <= options <= 26:
        raise InputError('the item is an object like {"answer": "C", "options": 4}, options an integer from 2 to 26')
    answer = item.get("answer")
    letter = answer.strip().upper() if isinstance(answer, str) else ""
    if len(letter) != 1 or letter not in string.ascii_uppercase[:options]:
        raise InputError(f"answer must be a letter from A to {string.ascii_uppercase[options - 1]}")


def read(answer: str | None, options: int) -> str | None:
    """The letter that an answer states, if it is one of the first `options`; else None."""
    letters = string.ascii_uppercase[:options]
    letter = stated_letter.read(answer or "", letters)
    return letter if letter and letter in letters else None


def mistakes(item: Mapping[str, Any], answer: str | None) -> list[Mistake]:
    """Why the answer is not right."""
    offered = read(answer, item["options"])
    if offered is None:
        last = string.ascii_uppercase[item["options"] - 1]
        return [Mistake((answer or "").strip(), f"states no single letter from A to {last}")]
    return [] if offered == item["answer"].strip().upper() else [Mistake(offered, "is not the right option")]


def items(rows: Iterable[Mapping[str, Any]], name: str, subset: str | None = None) -> list[dict[str, Any]]:
    """Items from MMLU-Pro's records (question, options, answer, category); `subset` is a name in SUBSETS.

    Options that only fill a record up, blank or N/A, are dropped, and those after them move up with their letters.
    """
    category, words = SUBSETS[subset] if subset else (None, "")
    found = []
    for place, row in enumerate(rows):
        item = _item(row)
        if category is None or (row.get("category") == category and re.search(words, item["question"], re.IGNORECASE)):
            found.append({"id": f"{name}-{row.get('question_id', place)}"} | item)
    return found


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    """The item of a record, without its id; InputError where it is none."""
    question, options, answer = row.get("question"), row.get("options"), row.get("answer")
    if not isinstance(question, str):
        raise InputError(f"question must be a text, not {ascii(question)[:60]}")
    if not isinstance(options, list) or not all(_is_option(option) for option in options):
        raise InputError("options must be a list of texts")
    check({"answer": answer, "options": len(options)})
    right = string.ascii_uppercase.index(answer.strip().upper())
    kept = [place for place, option in enumerate(options) if place == right or not _is_padding(option)]
    item = {"question": question, "choices": [str(options[place]) for place in kept]}
    item |= {"answer": string.ascii_uppercase[kept.index(right)], "options": len(kept)}
    check(item)
    return item


def _is_option(option: Any) -> bool:
    return option is None or (isinstance(option, str | int | float) and not isinstance(option, bool))


def _is_padding(option: Any) -> bool:
    return option is None or str(option).strip().lower() in _PADDING
