"""Multiple choice: a question, options under letters, the letter of one of them.

Item: {"answer": "C", "options": 4}, and "question" with "choices" (the options' texts) where it is asked. Read as the
answer is, in this order: the last `\\boxed{...}`; a letter behind the last "answer is" or "answer:"; a letter alone;
the one letter that stands by itself in the text, if no other does. An answer that hedges offers nothing.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asyncthink.errors import InputError
from asyncthink.tasks import single_answer
from asyncthink.tasks.competition_math import boxed

SOURCES = {"mmlu-pro": ("TIGER-Lab/MMLU-Pro", "test")}
# The subjects of the paper's case studies are parts of a category: questions that hold one of these words.
SUBSETS = {
    "graph-theory": ("math", r"\b(?:graphs?|vert(?:ex|ices)|spanning trees?|hamiltonian|eulerian?|chromatic)\b"),
    "genetics": ("biology", r"\b(?:gen(?:e|es|etic|etics|otypes?|ome)|alleles?|heterozyg\w*|homozyg\w*|phenotyp\w*)\b"),
}
_STATED = re.compile(r"answer\s*(?:is|:)[\s:*(\[]*([A-Za-z])(?![A-Za-z0-9'])", re.IGNORECASE)
_ALONE = re.compile(r"(?:\\text\s*\{)?[*(\[\s]*([A-Za-z])[*)\]}.,:\s]*")
_WITH_TEXT = re.compile(r"[*(\[]*([A-Z])[)\].:]")
_STANDING = re.compile(r"(?<![A-Za-z0-9'])(?!I\s+[a-z])([A-Z])(?![A-Za-z0-9'])")

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
    """The letter that an answer names, if it is one of the first `options`; else None."""
    letter = _letter(answer or "")
    return letter if letter and letter in string.ascii_uppercase[:options] else None


def _letter(text: str) -> str | None:
    inside = boxed(text)
    text = (text if inside is None else inside).strip()
    stated = _STATED.findall(text)
    if stated:
        return stated[-1].upper()
    found = _ALONE.fullmatch(text) or _WITH_TEXT.match(text)
    if found:
        return found[1].upper()
    standing = set(_STANDING.findall(text))
    return standing.pop() if len(standing) == 1 else None


def items(rows: Iterable[Mapping[str, Any]], name: str, subset: str | None = None) -> list[dict[str, Any]]:
    """Items from MMLU-Pro's records (question, options, answer, category); `subset` is a name in SUBSETS."""
    category, words = SUBSETS[subset] if subset else (None, "")
    found = []
    for place, row in enumerate(rows):
        if category is None or (row["category"] == category and re.search(words, row["question"], re.IGNORECASE)):
            choices = list(row["options"])
            name_of = f"{name}-{row.get('question_id', place)}"
            item = {"id": name_of, "question": row["question"], "choices": choices, "answer": row["answer"]}
            check(item | {"options": len(choices)})
            found.append(item | {"options": len(choices)})
    return found
