"""The answer that a text without a box states, in its own words: one short expression, or none.

Read is the last "the answer is ..." or "answer: ..."; else the last sentence, what it says that something "is"; else
the one value in it. A sentence that says what the answer is *not*, or states two, states none.
"""

import re

MOST_READ = 20_000  # characters, from the end
_FORMULA = r"\$\$[^$]{1,999}\$\$|\$[^$]{1,999}\$|\\\(.{0,999}?\\\)|\\\[.{0,999}?\\\]"
_TEXT = r"\\(?:text|mbox|mathrm|textbf|textit)\s*\{[^{}]*\}"
_BLOCK = r"\\(?:begin|end)\s*\{[a-z]+\}"
_NAMES = r"sqrt|pi|sin|cos|tan|log|ln|and|or|to|inf|infinity|base|minus|negative|thousand|million|billion|dozen"
# A run of mathematics: formulas, commands, signs, numbers, single letters, and letters behind a number.
_RUN = re.compile(
    rf"(?:{_FORMULA}|{_TEXT}|{_BLOCK}|\\[A-Za-z]+|\\.|[^\sA-Za-z\\]+|(?<=[\d({{}})^+*/=-])[A-Za-z]{{1,3}}(?![A-Za-z])"
    rf"|(?<![A-Za-z])(?:[A-Za-z]|{_NAMES})(?![A-Za-z])|\s+)+",
    re.DOTALL,
)
_VALUE = re.compile(r"\d|\$|\\[A-Za-z(\[]|[√π∞½¼¾]")
_WORD = re.compile(rf"(?:^|(?<=[\s(\"'*]))(?!(?:{_NAMES})(?![A-Za-z]))[A-Za-z][A-Za-z'’]+(?=$|[\s.,:;!?)\"*$])")
_MARKDOWN = re.compile(
    r"(?<![\w)}])(?:\*\*|__)(?=\S)|(?<=\S)(?:\*\*|__)(?![\w({\\])|`|</?[a-z]{2,}>|^[ \t]{0,9}(?:[#>]+|[-*•])[ \t]+",
    re.MULTILINE,
)
_BREAK = re.compile(r"\n\s*|(?<=[.!?])\s+(?=\S)")
_ANSWER = re.compile(
    r"\b(?:answer|solution|result)s?\b[^.:=\n]{0,40}?(?:\b(?:is|are|be|equals)\b\s*:?|:|=)\s*", re.IGNORECASE
)
_IS = re.compile(
    r"(?:['’]s|\b(?:is|are|was|be|equals?|gives?|giving|gets?|have|has|yields?|obtain|makes?|becomes?|costs?))\b"
    r"(?:\s+(?:equal|to|therefore|thus|then|simply|just|exactly|about|approximately|a total of|now))*:?\s*",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:not|never|cannot|neither|nor|wrong|incorrect|impossible|false)\b|n['’]t\b", re.IGNORECASE)
_CONTRAST = re.compile(r"(?:,\s?(?:and\s)?not|\s(?:rather than|instead of))\b.*", re.IGNORECASE | re.DOTALL)
# Words that make another answer of a value than the value itself.
_QUALIFIED = re.compile(
    r"\b(?:except|excluding|unless|besides|without|than|at (?:least|most)|up to|any|all|every|none?|between)\b",
    re.IGNORECASE,
)
_MAYBE = re.compile(r"\b(?:or|maybe|perhaps|possibly|might|could|either)\b", re.IGNORECASE)
_RETRACTED = re.compile(r"\W*(?:no|or|but|wait|actually|hmm|however)\b", re.IGNORECASE)
_DISPLAY = re.compile(r"\\\[(.{0,999}?)\\\]|\$\$([^$]{1,999})\$\$", re.DOTALL)
_HEDGE = re.compile(r"(?:\bor\b|\band\b|\beither\b)\W*$", re.IGNORECASE)


def stated(text: str) -> str | None:
    """The expression or the words that `text` gives as its answer; None if it gives none, or several."""
    bare, text = len(text) <= MOST_READ, _MARKDOWN.sub("", text[-MOST_READ:]).strip()
    text = _DISPLAY.sub(lambda formula: rf"\({' '.join((formula[1] or formula[2] or '').split())}\)", text)
    if not _WORD.search(re.sub(_TEXT, "", text)):
        return text if text and bare and not _NOT.search(text) else None
    statements = list(_ANSWER.finditer(text))
    begin = statements[-1].end() if statements else 0
    sentences = [sentence for sentence in _BREAK.split(text[begin:]) if sentence.strip()] or [""]
    if not statements:
        place = max((n for n, sentence in enumerate(sentences) if _VALUE.search(sentence)), default=-1) % len(sentences)
        return None if _taken_back(sentences[place + 1 :]) else _read(sentences[place])
    before = _BREAK.split(text[: statements[-1].start()])[-1]
    if _ANSWER.search(before) or _NOT.search(statements[-1][0]) or _taken_back(sentences[1:]):
        return None
    return _after(sentences[0])


def _taken_back(sentences: list[str]) -> bool:
    """Whether what follows an answer begins like a change of mind."""
    return bool(sentences) and _RETRACTED.match(sentences[0]) is not None


def _after(tail: str) -> str | None:
    """What stands behind "the answer is"."""
    tail = _CONTRAST.sub("", tail)
    run = _RUN.match(tail)
    if run is None or not _VALUE.search(run[0]):
        return _read(tail)
    if _HEDGE.search(run[0]) and _VALUE.search(tail[run.end() :]):
        return None
    return _trimmed(run[0])


def _read(sentence: str) -> str | None:
    """What one sentence says."""
    sentence = _CONTRAST.sub("", sentence)
    if _NOT.search(sentence):
        return None
    verbs = list(_IS.finditer(sentence))
    said = [run for verb in verbs if (run := _RUN.match(sentence, verb.end())) and _VALUE.search(run[0])]
    if len(said) > 1:
        return None
    if said:
        rest = sentence[said[0].end() :]
        aside = said[0][0].rstrip().endswith((",", ";", "(")) and not _MAYBE.search(rest)
        return _trimmed(said[0][0]) if aside or not _VALUE.search(rest) else None
    values = [run[0] for run in _RUN.finditer(sentence) if _VALUE.search(run[0])]
    if not values:
        return _trimmed(sentence[verbs[-1].end() :] if verbs else sentence)
    if _QUALIFIED.search(sentence):
        return _trimmed(sentence)
    return _trimmed(values[0]) if len(values) == 1 else None


def _trimmed(text: str) -> str | None:
    text = re.sub(r"^\s*(?:an?|the)\s+(?!half|third|quarter|fourth|fifth)(?=[a-z]{2})", "", text)
    return _HEDGE.sub("", text).strip().lstrip(",;:").rstrip(".,;:?( ").strip() or None
