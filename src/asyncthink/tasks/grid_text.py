"""Four rows of four digits in the text of an answer, as people and chat models draw a grid.

`block`: the last four rows of four digits 1 to 4 that follow each other, whatever stands between the digits (blanks,
commas, pipes, brackets, rules) and whatever label stands in front of a row, where the labels are of one kind: a
sentence below a grid is not its next row; else `run`: the last run of sixteen digits
between words, or the digits of the whole answer. Linear in the length of a text.
"""

import re
from typing import NamedTuple

# `4×4` says nothing of a cell, nor does a LaTeX command.
_NO_CELLS = re.compile(r"\b[0-9]+\s*(?:[×xX]|\\times)\s*[0-9]+\b|\b[0-9]+-by-[0-9]+\b|\\[A-Za-z]+")
# Rows that follow each other on one line, `Row 1: 1234, Row 2: 3412`, are set below each other.
_NAMED_ROW = re.compile(r"\b(?:(?:first|second|third|fourth|last) row|row\s*#?[0-9a-d]|r[0-9])\b", re.IGNORECASE)
_ROW = re.compile(r"([1-4])[\W_]*([1-4])[\W_]*([1-4])[\W_]*([1-4])[\W_]*$")
_OTHER_UNIT = re.compile(r"col|box|block|quadrant|diagonal|^\W*c[0-9]", re.IGNORECASE)
_RUN = re.compile(r"[0-9](?:[\W_]*[0-9])*")
_WORDLIKE = re.compile(r"[^\W_]")
_LABEL_WORD = re.compile(r"[^\W\d_]+")
_LONGEST_LINE = 400


class _Row(NamedTuple):
    """number: all of its label, if that is one; label: the words in front of the four digits."""

    number: int | None
    digits: str
    label: tuple[str, ...]


def digits(answer: str) -> str | None:
    """The sixteen digits from 1 to 4 of the grid that an answer holds, or None."""
    text = _NO_CELLS.sub(" ", answer)
    grid = block(_NAMED_ROW.sub(r"\n\g<0>", text)) or run(text)
    return grid if re.fullmatch("[1-4]{16}", grid) else None


def block(text: str) -> str | None:
    """The digits of the last four rows that follow each other, or None."""
    last = None
    rows: list[_Row] = []
    for line in text.splitlines():
        if row := _row(line):
            rows = [*rows[-3:], row] if not rows or _continues(rows[-1].label, row.label) else [row]
            last = _joined(rows) or last
        elif _WORDLIKE.search(line) and not _NAMED_ROW.match(line):
            rows = []
    return last


def run(text: str) -> str:
    """The last sixteen digits with no word and no line end among them; else with no word; else all that there are."""
    for part in (*reversed(text.splitlines()), text):
        for digits_only in reversed([re.sub("[^0-9]", "", span) for span in _RUN.findall(part)]):
            if len(digits_only) == 16:
                return digits_only
    return re.sub("[^0-9]", "", text)


def _row(line: str) -> _Row | None:
    cells = _ROW.search(line) if len(line) <= _LONGEST_LINE else None
    if not cells:
        return None
    label, row = line[: cells.start()], "".join(cells.groups())
    numbers = re.findall("[0-9]+", label)
    if label[-1:].isdigit() or _OTHER_UNIT.search(label):
        return None
    if words := tuple(_LABEL_WORD.findall(label.lower())):
        return _Row(None, row, words)
    return _Row(int(numbers[0]) if numbers else None, row, ()) if len(numbers) < 2 else None


def _continues(above: tuple[str, ...], label: tuple[str, ...]) -> bool:
    """Whether a row can follow one with the label `above`: `Row 2:` after `Here it is. Row 1:`, b after a, no label."""
    end = above[-len(label) :]
    shared = any(word in label for word in end) or all(len(word) == 1 for word in (*end, *label))
    return not label or (len(end) == len(label) and shared)


def _joined(rows: list[_Row]) -> str | None:
    """Four rows as sixteen digits; rows with a number in front must be numbered in order."""
    first = rows[0].number
    wanted = [None] * 4 if first is None else list(range(first, first + 4))
    return "".join(row.digits for row in rows) if [row.number for row in rows] == wanted else None
