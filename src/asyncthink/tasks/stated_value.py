"""The answer that a text without a box states, in its own words: one short expression, or none.

Read is the last "the answer is ..." or "answer: ..."; else the last sentence, what it says that something "is"; else
its one value, if it is bare but for a label, or a verb or conclusion gives it. A sentence that says what the answer is
*not*, states two, supposes or asks states none.
"""

import re
from collections.abc import Sequence

MOST_READ = 20_000  # characters, from the end
CLAUSE = 300  # characters, the most that are looked back
_FORMULA = r"\$\$[^$]{1,999}\$\$|\$[^$]{1,999}\$|\\\(.{0,999}?\\\)|\\\[.{0,999}?\\\]"
_TEXT = r"\\(?:text|mbox|mathrm|textbf|textit)\s*\{[^{}]*\}"
_BLOCK = r"\\(?:begin|end)\s*\{[a-z]+\}"
_NAMES = r"sqrt|pi|sin|cos|tan|log|ln|and|or|to|inf|infinity|base|minus|negative|thousand|million|billion|dozen"
# A run of mathematics: formulas, commands, signs, numbers, single letters, and letters after a number.
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
_RETRACTED = re.compile(
    r"\W*(?:(?:no|or|but|wait|actually|hmm|however|contradiction)\b"
    r"|(?:this|that|which)\b[^.!?]*\b(?:contradict|absurd|impossible|wrong|incorrect|false))",
    re.IGNORECASE,
)
# "not 5 but 6", and "not 5. It is 6"
_CORRECTED = re.compile(
    r"(?:\bnot\b|(?<=is)n['’]t\b)(?:\\[A-Za-z]+|[^A-Za-z.!?\n]|\.(?=\d)|(?<![A-Za-z])[A-Za-z](?![A-Za-z])){1,40}?"
    r"(?:,?\s+but\s+(?:rather\s+|instead\s+)?|[.,;]\s+(?:but\s+)?it(?:\s+is|['’]s)\s+)(?=[-\d\\$(√π.])",
    re.IGNORECASE,
)
# What comes before a value, in its clause, that is only supposed, tried or asked for.
_SUPPOSED = re.compile(
    r"^\W*(?:(?:and|but|so|now|or|then|first|next)\W+)*"
    r"(?:let|suppos(?:e|ing)|assum(?:e|ing)|consider(?:ing)?|imagine|given|say|try|trying|take|check|test|see|recall)\b"
    r"|\b(?:if|unless|whether|suppose|assum(?:e|ing)|hope|wonder|wish|want|need to|case|when)\b"
    r"|^\W*(?:this|the)\s+(?:problem|question|exercise|task|proof|contest)\b|\b(?:for|at|with|using|by|from)\s*$"
    r"|\b(?:answer|solution|I)\s+(?:has|have|had|need)\s*$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:]\s|\bthen\b", re.IGNORECASE)
_REASON = re.compile(r"[,;:]\s|\b(?:because|since|when|where)\b", re.IGNORECASE)
_BESIDE = re.compile(r"\b(?:because|since|when|where)\b(?!.*\b(?:and|or|but|otherwise)\b).*", re.IGNORECASE | re.DOTALL)
# A value in such a sentence is no answer.
_NOTHING = re.compile(
    r"\?\W*$|\b(?:un(?:solvable|solved|determined|known|clear|able|decided)|missing|contradict\w*|absurd|fail(?:s|ed)?"
    r"|stuck|g[ai]ve up|no (?:answer|solution|idea)s?|(?:would|should|could) have|were (?:it|that))\b"
    r"|\bwould\b.{0,300}\b(?:if|unless|otherwise)\b|\b(?:if|unless)\b.{0,300}\b(?:were|would)\b",
    re.IGNORECASE | re.DOTALL,
)
_ROUGHLY = r"(?:(?:about|around|approximately|roughly|exactly|only|just|a|an|the|total|of|out|up|to)\W+)*"
_LEAD = (
    r"^\W*(?:(?:so|thus|therefore|hence|then|and|finally|ok|okay|well|yes|my|our|final|correct|answer|total|cost|sum|result"
    rf"|guess|overall|altogether|in total|I (?:think|believe|guess|say))\W+)*{_ROUGHLY}"
)
_DOES = (
    r"takes?|took|needs?|requires?|spends?|spent|pays?|paid|earns?|earned|sells?|sold|buys?|bought|saves?|saved|eats?|ate"
    r"|travels?|walks?|runs?|ran|drives?|drove|reads?|writes?|uses?|used|loses?|lost|left|remains?|made|made up|costs?"
    r"|leaves?|were|simplifies|evaluates|reduces|converges|tends|finds?|found|got|comes?|came|turns?|amounts?|totals?|adds?|contains?|holds?|weighs?|had"
)
# How a sentence states its one value, here written #, without saying that something "is" it.
_STATEMENTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_LEAD}#(?:\W+[a-z'’-]+){{0,4}}\W*$",  # the value, with its label
        rf"{_LEAD}#(?:\W+[a-z'’-]+){{0,3}}?\W+(?:is|are|was|were|will|remains?|must|should)\b",  # 6 is what is asked
        rf"^(?!\W*(?:I|we|you)\s+(?!found|find|got)).*\b(?:{_DOES})\W+(?:(?:her|him|them|it|us|one)\W+)?{_ROUGHLY}#",
        rf"\b(?:so|thus|therefore|hence|that|implies|means)\W+{_ROUGHLY}#",
    )
)
# After "the answer is", a few words that name the value.
_NAMED = re.compile(
    r"^\W*(?:(?!(?:for|from|on|in|to|by|with|after|given|question|problem)\b)[a-z'’-]+\W+){0,4}#", re.IGNORECASE
)
_DISPLAY = re.compile(r"\\\[(.{0,999}?)\\\]|\$\$([^$]{1,999})\$\$", re.DOTALL)
_HEDGE = re.compile(r"(?:\bor\b|\band\b|\beither\b)\W*$", re.IGNORECASE)


def stated(text: str) -> str | None:
    """The expression or the words that `text` gives as its answer; None if it gives none, or several."""
    bare, text = len(text) <= MOST_READ, _MARKDOWN.sub("", text[-MOST_READ:]).strip()
    text = _DISPLAY.sub(lambda formula: rf"\({' '.join((formula[1] or formula[2] or '').split())}\)", text)
    text = _CORRECTED.sub(" ", text)
    if not _WORD.search(re.sub(_TEXT, "", text)):
        return text if text and bare and not _NOT.search(text) else None
    statements = [answer for answer in _ANSWER.finditer(text) if not _supposed(_sentence_before(text, answer.start()))]
    begin = statements[-1].end() if statements else 0
    sentences = [sentence for sentence in _BREAK.split(text[begin:]) if sentence.strip()] or [""]
    if not statements:
        place = max((n for n, sentence in enumerate(sentences) if _VALUE.search(sentence)), default=-1) % len(sentences)
        return None if _taken_back(sentences[place + 1 :]) else _read(sentences[place], *_STATEMENTS)
    before = _sentence_before(text, begin := statements[-1].start())
    earlier = _ANSWER.search(before)
    two = earlier is not None and _VALUE.search(before, earlier.end()) is not None
    if two or _NOT.search(statements[-1][0]) or _taken_back(sentences[1:]):
        return None
    clause = text[begin : statements[-1].end()] + _REASON.split(sentences[0])[0]
    return None if _says_nothing(clause) or sentences[0].rstrip().endswith("?") else _after(sentences[0])


def _sentence_before(text: str, end: int) -> str:
    """The sentence that `end` stands in, up to there, as far back as matters."""
    return _BREAK.split(text[max(0, end - CLAUSE) : end])[-1]


def _supposed(before: str) -> bool:
    """Whether a value after these words of its sentence is a supposition."""
    return _SUPPOSED.search(_CLAUSE.split(before[-CLAUSE:])[-1]) is not None


def _says_nothing(sentence: str) -> bool:
    return _VALUE.search(sentence) is not None and _NOTHING.search(sentence) is not None


def _taken_back(sentences: list[str]) -> bool:
    """Whether what follows an answer begins like a change of mind."""
    return bool(sentences) and _RETRACTED.match(sentences[0]) is not None


def _after(tail: str) -> str | None:
    """What stands after "the answer is"."""
    tail = _CONTRAST.sub("", tail)
    run = _RUN.match(tail)
    if run is None or not _VALUE.search(run[0]):
        return _read(tail, _NAMED, *_STATEMENTS)
    if _HEDGE.search(run[0]) and _VALUE.search(tail[run.end() :]):
        return None
    return _trimmed(run[0])


def _read(sentence: str, *statements: re.Pattern[str]) -> str | None:
    """What one sentence says, a lone value only in one of `statements`."""
    sentence = _CONTRAST.sub("", sentence)
    if _NOT.search(sentence) or _says_nothing(sentence):
        return None
    verbs = [
        verb for verb in _IS.finditer(sentence) if not _supposed(sentence[max(0, verb.end() - CLAUSE) : verb.end()])
    ]
    said = [run for verb in verbs if (run := _RUN.match(sentence, verb.end())) and _VALUE.search(run[0])]
    if len(said) > 1:
        return None
    if said:
        rest = _BESIDE.sub("", sentence[said[0].end() :])
        aside = said[0][0].rstrip().endswith((",", ";", "(")) and not _MAYBE.search(rest)
        return _trimmed(said[0][0]) if aside or not _VALUE.search(rest) else None
    values = [run for run in _RUN.finditer(sentence) if _VALUE.search(run[0])]
    if not values:
        return _trimmed(sentence[verbs[-1].end() :] if verbs else sentence)
    if _QUALIFIED.search(sentence):
        return _trimmed(sentence)
    return _trimmed(values[0][0]) if len(values) == 1 and _states(sentence, values[0], statements) else None


def _states(sentence: str, value: re.Match[str], statements: Sequence[re.Pattern[str]]) -> bool:
    """Whether a sentence states its one value."""
    before, after = sentence[: value.start()], sentence[value.end() :]
    if _supposed(before):
        return False
    marked = f"{before} # {after}"
    return "=" in value[0] or value[0].lstrip().startswith(":") or any(one.search(marked) for one in statements)


def _trimmed(text: str) -> str | None:
    text = re.sub(r"^\s*(?:an?|the)\s+(?!half|third|quarter|fourth|fifth)(?=[a-z]{2})", "", text)
    text = re.sub(r"^\s*to\s+", "", text)
    return _HEDGE.sub("", text).strip().lstrip(",;:").rstrip(".,;:?( ").strip() or None
