"""Four rows of four digits in the text of an answer, as people and chat models draw a grid.

`block`: the last four rows of four digits 1 to 4 that follow each other, whatever stands between the digits (blanks,
commas, pipes, brackets, rules) and whatever label stands in front of a row, where the labels are of one kind: a
sentence below a grid is not its next row; else `run`: the last run of sixteen digits
between words, or the digits of the whole answer. Linear in the length of a text.
"""

import re

_SIZE = re.compile(r"\b[0-9]+\s*(?:[×xX]|\\times)\s*[0-9]+\b|\b[0-9]+-by-[0-9]+\b")  # 4×4 says nothing of a cell
_COMMAND = re.compile(r"\\[A-Za-z]+")
# Rows that follow each other on one line, `Row 1: 1234, Row 2: 3412`, are set below each other.
_NAMED_ROW = re.compile(r"\b(?:(?:first|second|third|fourth|last) row|row\s*#?[0-9a-d]|r[0-9])\b", re.IGNORECASE)
_ROW = re.compile(r"([1-4])[\W_]*([1-4])[\W_]*([1-4])[\W_]*([1-4])[\W_]*$")
_OTHER_UNIT = re.compile(r"col|box|block|quadrant|diagonal|^\W*c[0-9]", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")
_RUN = re.compile(r"[0-9](?:[\W_]*[0-9])*")
_WORDLIKE = re.compile(r"[^\W_]")
_LABEL_WORD = re.compile(r"[^\W\d_]+")
_LONGEST_LINE = 400

Label = tuple[str, ...]  # the words in front of a row
Row = tuple[int | None, str, Label]  # the number that is all of its label, if any, the four digits, the label


def digits(answer: str) -> str | None:
    """The sixteen digits from 1 to 4 of the grid that an answer holds, or None."""
    text = _COMMAND.sub(" ", _SIZE.sub(" ", answer))
    found = block(_NAMED_ROW.sub(r"\n\g<0>", text)) or run(text)
    return found if re.fullmatch("[1-4]{16}", found) else None


def block(text: str) -> str | None:
    """The digits of the last four rows that follow each other, or None."""
    last, rows = None, []
    for line in text.splitlines():
        row = _row(line)
        if row:
            rows = [*rows, row] if not rows or _continues(rows[-1][2], row[2]) else [row]
            last = _joined(rows[-4:]) or last
        elif _WORDLIKE.search(line) and not _NAMED_ROW.match(line):
            rows = []
    return last


def run(text: str) -> str:
    """The last sixteen digits with no word and no line end among them; else with no word; else all that there are."""
    alone = (each for part in (*reversed(text.splitlines()), text) for each in reversed(_runs(part)) if len(each) == 16)
    return next(alone, None) or "".join(_DIGIT.findall(text))


def _runs(text: str) -> list[str]:
    return ["".join(_DIGIT.findall(found[0])) for found in _RUN.finditer(text)]


def _row(line: str) -> Row | None:
    found = _ROW.search(line) if len(line) <= _LONGEST_LINE else None
    if not found:
        return None
    label, row = line[: found.start()], "".join(found.groups())
    numbers = re.findall("[0-9]+", label)
    if label[-1:].isdigit() or _OTHER_UNIT.search(label):
        return None
    if words := tuple(_LABEL_WORD.findall(label.lower())):
        return None, row, words
    return (int(numbers[0]) if numbers else None, row, ()) if len(numbers) < 2 else None


def _continues(above: Label, label: Label) -> bool:
    """Whether a row can follow one with the label `above`: `Row 2:` after `Here it is. Row 1:`, b after a, no label."""
    end = above[-len(label) :]
    shared = any(word in label for word in end) or all(len(word) == 1 for word in (*end, *label))
    return not label or (len(end) == len(label) and shared)


def _joined(rows: list[Row]) -> str | None:
    """Four rows as sixteen digits; rows with a number in front must be numbered in order."""
    numbers = [number for number, _, _ in rows]
    first = numbers[0]
    ordered = numbers == [None] * 4 if first is None else numbers == list(range(first, first + 4))
    return "".join(row for _, row, _ in rows) if ordered else None
