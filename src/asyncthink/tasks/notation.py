"""What chat models write around an expression: Markdown, LaTeX, list marks and labels, all of it taken off.

`plain` makes a whole answer plain: `+ - * /` for every way to write them, `((a)/(b))` for `\\frac{a}{b}`, no boxes and
no marks of formulas. `unmarked` takes emphasis and code marks off a line, `bare` list marks, labels and closing marks
off an expression in it. No step turns what is no expression into one: powers, words and signs in front stay.

Everything here is linear in the length of a text.
"""

import re

_SIGNS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "−": "-", "–": "-"})
_SPELLED = {
    **dict.fromkeys(("times", "cdot", "ast", "*"), "*"),
    **dict.fromkeys(("div", "slash"), "/"),
    **dict.fromkeys(("left", "right", "displaystyle", "quad", "qquad", *"()[],;:! "), " "),
}
_COMMAND = re.compile(r"\\([A-Za-z]+|[()\[\],;:! *])")
_BRACE = re.compile(r"\\([dt]?frac|f?box(?:ed)?)\s*\{|[{}]")
_OPENING = re.compile(r"\s*\{")
# An opening `**` touches what follows, but no value before it; so neither 3**5 nor 3 ** 5 is emphasis.
_STRONG = re.compile(r"(?<![\w)*])(\*{2,3})(?=[^\s*])((?:[^*]|\*(?!\*))*)(?<=[^\s*])\1(?![\w(*])")
_PAIRED = "$`_"  # never part of an expression, and always in pairs around one

_CHECK_MARKS = "✓✔✅☑🗸\ufe0f"
_BULLET = re.compile(r"(?:[•◦▪‣●>]\s*|[-*]\s+|#{1,6}\s+)(?=\S)")
_NUMBERED = re.compile(r"[0-9]{1,3}(?:\)|\\?\.(?![0-9]))\s*(?=\S)")
_COLONS = re.compile(r"[:：]")
_MOST_LAYERS = 8


def plain(text: str) -> str:
    """The same text in the signs of expressions, without LaTeX's commands as far as they mean the same."""
    text = text.translate(_SIGNS)
    return (
        _without_braces(_COMMAND.sub(lambda command: _SPELLED.get(command[1], command[0]), text))
        if "\\" in text
        else text
    )


def unmarked(line: str) -> str:
    """A line without emphasis, code and formula marks, as far as they come in pairs."""
    if "**" in line:
        line = _STRONG.sub(r"\2", line)
    for mark in _PAIRED:
        if mark in line and line.count(mark) % 2 == 0:
            line = line.replace(mark, " ")
    return line


def bare(piece: str) -> str:
    """A piece of a line without list mark, labels, check marks, italics, and what closes a sentence."""
    piece = piece.strip()
    if bullet := _BULLET.match(piece):
        piece = piece[bullet.end() :]
    for _ in range(_MOST_LAYERS):
        peeled = _peeled(piece)
        if peeled == piece:
            break
        piece = peeled
    return piece


def side(text: str) -> str:
    """One side of an equation without italics and without what closes a sentence."""
    text = text.strip().strip(_CHECK_MARKS).rstrip(".,").strip()
    italic = len(text) > 2 and text[0] == text[-1] == "*" and not {text[1], text[-2]} & {"*", " "}
    return text[1:-1] if italic else text


def _peeled(piece: str) -> str:
    piece = side(piece)
    if numbered := _NUMBERED.match(piece):
        return piece[numbered.end() :]
    *_, after = _COLONS.split(piece)
    return after if after.strip() else piece


def _without_braces(text: str) -> str:
    """Fractions as quotients and boxes as their content; braces of another kind, or without their like, stay."""
    parts: list[str] = []
    opened: list[tuple[str, int]] = []  # what was opened, and its place in parts
    position = 0
    for mark in _BRACE.finditer(text):
        if mark.start() < position:  # the brace between both parts of a fraction
            continue
        parts += [text[position : mark.start()], mark[0]]
        position = mark.end()
        if mark[0] != "}":
            opened.append((mark[1] or "", len(parts) - 1))
        elif opened:
            kind, place = opened.pop()
            following = _OPENING.match(text, position) if kind.endswith("frac") else None
            if following:
                parts[place], parts[-1] = "((", ")/("
                opened.append(("over", len(parts) - 1))
                position = following.end()
            elif kind == "over":
                parts[-1] = "))"
            elif "box" in kind:
                parts[place] = parts[-1] = " "
    return "".join(parts) + text[position:]
