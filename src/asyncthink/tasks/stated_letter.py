"""The letter of an option that an answer states, read out of prose.

A letter is meant where it is marked, `(d)` `'d'` `**d**` `d)` `\\boxed{d}`, or where it is a capital that stands for
itself: the article A and the pronoun I, with a word after them, are prose, and so is the C of vitamin C. What is
negated, in front (`not A or B`) or after (`A is wrong`), is not meant.

The last statement decides: a box, or what follows `the answer is`, `Answer:`, `I choose`, `Wait, it's`, or stands in
front of `is correct`. Without one: the whole answer, if it is a letter; a letter at its beginning, with the option's
text after it; the only letter that is marked; the only letter. Two letters are none, as is a list of the options.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

_LOOK = 80  # characters around a letter that decide what it is
_CLAUSE = 400  # characters of a statement

_QUOTES = str.maketrans("‘’“”", "''\"\"")
_STYLED = re.compile(r"\\(?:text|math)(?:bf|rm|it|sf|tt|normal)?\s*\{([^{}]*)\}")
_FORMULA_MARK = re.compile(r"\\[()\[\],;:! ]|\$")
_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*+)\}")
_OPEN_BOX = re.compile(r"\\boxed\s*\{")
_BOXES = re.compile(r"\}\s*(?:or|and|,|/|&)\s*\\boxed\s*\{")

_MENTION = re.compile(  # Latin words only: Chinese is written without blanks
    r"""(?<!\w)[(\[]\s*([A-Za-z])\s*[)\]]
      | (?<!\w)(\*{1,3}|_{1,2}|["'`])\(?([A-Za-z])[).:]?\2(?!\w)
      | \b(?i:option|choice|letter)\s+([a-z])(?=\s*(?:[.,;:!)\]"'*`]|$))
      | (?<![A-Za-z0-9_\u00c0-\u024f'])(?<!\w\()([A-Z])(?![A-Za-z0-9_\u00c0-\u024f'(#])
        (?!\.[A-Za-z](?:\.|$)|-(?:[a-z0-9]|[A-Z][A-Za-z])|\+(?!\s*[A-Z]))  # I.e., A-level, C-14, A+""",
    re.VERBOSE,
)
_LEADING_SMALL = re.compile(r"[\s*_>]*([a-z])(?=\)|[.!]?\s*$)")  # `d) none of them`, `d.`
_WORD = re.compile(r"[ \t]+([A-Za-z']+)")
# Words that follow a letter which is meant; after the article there is a noun or what describes one.
_AFTER_I = "is|or|and|nor|because|since|are"
_AFTER_A = (
    rf"{_AFTER_I}|as|but|which|for|if|so|then|the|it|was|would|must|seems|looks|can|cannot|could|should|isn't|aren't|with|"
    "by|in|from|here|only|rather|instead|although|though|while|when|where|has|fits|follows|matches"
)
_NAMED = re.compile(
    r"\b(?:vitamins?|hepatitis|influenza|plan|types?|groups?|class|grade|figure|points?|part|section|case|step|factor|"
    r"team|person|system|set|event|vertex|node|line|planet|company|country|protein|room|side|angle)\s+$",
    re.IGNORECASE,
)
_NAMING = re.compile(r"[ \t-]+(?:cells?|lymphocytes?|major|minor|flat|sharp)\b|\s*=")

_NOT = (
    r"not|isn't|aren't|wasn't|never|neither|nor|cannot|can't|couldn't|won't|none of|except|excluding|excludes?|"
    r"eliminat\w+|rul(?:e|es|ed|ing) out|reject\w*|discard\w*|rather than|instead of|apart from|aside from|far from|"
    r"(?:any|every|all)(?:one|body|thing)?(?: \w+)? (?:but|save)|(?<!none )(?<!nothing )other than|"
    r"unlikely|hardly|scarcely|barely"
)
_FILLER = (
    r"be|been|going|to|the|an?|options?|choices?|letters?|answers?|just|really|actually|definitely|necessarily|likely|"
    r"either|both|correct|right|possibly|with|out|for"
)
_NEGATED = re.compile(rf"\b(?:{_NOT})[\s:]+(?:(?:{_FILLER})\s+)*[(\[\"'*`_]*$", re.IGNORECASE)
_REFUTED = re.compile(
    r"[)\]\"'*`_]*\?|[)\]\"'*`_.,]*\s*(?:(?:is|are|was|were|seems?|looks?|(?:must|can|would) be|has been)\s+"
    r"(?:\w+ly\s+|both\s+|also\s+|all\s+)*(?:not|wrong|incorrect|false|out|eliminated|impossible|ruled|excluded|"
    r"invalid|untrue|unlikely|doubtful|hardly|scarcely)\b|(?:isn't|aren't|cannot be|can't be)\b)",
    re.IGNORECASE,
)
_JOINED = re.compile(r"[\W_]*(?:(?:or|and|nor|options?|choices?)\b[\W_]*)*", re.IGNORECASE)
_HEDGED = re.compile(
    r"[\W_]*(?:(?:or|and|but|though|maybe|perhaps|possibly|also|even|it|this|that|could|can|might|may|be|is|options?|"
    r"choices?|answer|then|plus|as|well)\b[\W_]*)*",
    re.IGNORECASE,
)
_CHOICE_OF = re.compile(r"\b(?:either|between|one of|among)\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|whether|unless|suppose|assume)\s+(?:that\s+)?(?:the\s+)?(?:\w+\s+)?$", re.IGNORECASE)
_OR_BEFORE = re.compile(r"(?<!\w)[A-Z][)\]\"'*`_]*\s*(?:,|or|and|/|&)[^.;:\n]{0,20}$")

_IS = (
    r"is|are|was|isn't|(?:must|should|would|will|might|may|could|can|cannot|can't)\s+be|has\s+to\s+be|"
    r"(?:seems|appears)\s+to\s+be"
)
_IT_IS = rf"(?:(?:it|that|this)(?:'s|\s+(?:{_IS}))\s+|make\s+(?:it|that)\s+)?"
_END = r"[)\]\"'*`_]*\s*(?:[.!,;]|$|is\s+(?:the\s+)?(?:correct|right|best|answer))"
_CUE = re.compile(
    rf"""(?P<box>\nboxed:)
      | \b(?:answers?|(?:correct|right|best|final|my)\s+(?:choice|option|letter|one|statement))\b[*_"'`]*
        (?:\s+(?:choice|option|letter|here|to\s+(?:the|this)\s+(?:question|problem)))*
        [*_"'`\ ]*(?:(?:{_IS})\b|[:=]|(?:→|=>|->|–|—|-)(?!\w)|\#*(?=\n))
      | \b(?:I|we)(?:'ll|'d|'m|\s+will|\s+would|\s+should|\s+am)?\s+
        (?:choose|chose|select|selected|pick|picked|go\s+with|going\s+with)\b
      | \b(?:wait|actually|correction|no|sorry|hmm|therefore|thus|hence|so)\b[\s,.:;!—–-]*{_IT_IS}
        (?:(?:option|choice|letter|answer)\s+)?(?=[(\["'*`_]*[A-Za-z]{_END})
      | \b(?:it|that|this|which)\s+(?:must|has\s+to|should)\s+be\s+(?=[(\["'*`_]*[A-Za-z]{_END})
      | (?P<after>(?<!\w)[(\["'*`_]{{0,3}}[A-Z][)\]"'*`_.]*\s+(?:{_IS})\s+(?:\w+ly\s+|thus\s+|indeed\s+)?(?:the\s+)?
        (?:only\s+)?(?:correct|right|best|true|answer)\b)""",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_CLAUSE_END = re.compile(r"[.!?](?=[\s*_)\"']|$)|(?<=\S)\n|;")

_ALONE = re.compile(r"[\s*_\"'`(\[{]*([A-Za-z])[\s*_\"'`)\]}.,:;!]*")
_LEADS = re.compile(r"^[ \t>*_-]*(?:[(\[]([A-Za-z])[)\]]|([A-Z])[).:]|([a-z])\))", re.MULTILINE)


class Mention(NamedTuple):
    """A letter of an option in a text, at text[start:end]."""

    letter: str
    start: int
    end: int
    marked: bool


def read(answer: str, letters: str) -> str | None:
    """The one letter that an answer states, in upper case, or None; `letters` are those of the options."""
    text = _prose(answer)
    denied: set[str] = set()
    for decides, clause in _statements(text):
        meant, negated = _meant(clause, letters)
        denied |= negated
        stated = _stated(clause, meant, letters)
        if stated or decides:
            return stated.pop() if len(stated) == 1 and not stated & denied else None
    return _unstated(text, letters)


def _prose(answer: str) -> str:
    """The text without LaTeX, each box a statement of its own."""
    text = answer.translate(_QUOTES)
    if "\\" in text or "$" in text:
        text = _STYLED.sub(r"\1", _STYLED.sub(r"\1", text))
        text = _BOX.sub(r"\nboxed: \1\n", _BOXES.sub(" or ", text))
        text = _OPEN_BOX.sub(r"\nboxed: ;\n", text)  # a statement that was cut off
        text = _FORMULA_MARK.sub(" ", text)
    return text


def _statements(text: str) -> Iterator[tuple[bool, str]]:
    """Whether a statement must hold a letter, and its clause; the last one first."""
    cues = list(_CUE.finditer(text))
    following = len(text)
    for cue in reversed(cues):
        start = cue.start() if cue["after"] else cue.end()
        clause = text[start : min(following, start + _CLAUSE)].lstrip('*_:`" \t\n')
        end = _CLAUSE_END.search(clause)
        before = text[max(0, cue.start() - _LOOK) : cue.start()]
        following = cue.start()
        doubtful = _CONDITION.search(before) or (end and end[0] == "?")
        excepted = cue["after"] and _NEGATED.search(before)  # anything but C is correct
        if cue["after"] and _OR_BEFORE.search(before):
            yield True, ""
        elif not (doubtful or excepted):
            negation = "not " if re.search(r"n't|cannot", cue[0], re.IGNORECASE) and not cue["after"] else ""
            yield bool(cue["box"]), negation + (clause[: end.start()] if end else clause)


def _stated(clause: str, meant: list[Mention], letters: str) -> set[str]:
    """The letters that a statement puts first: one, or several that are joined, listed, or between which it wavers."""
    if not meant:
        return set()
    if _CHOICE_OF.search(clause[: meant[0].start]) or _is_list(clause, meant, letters):
        return {mention.letter for mention in meant}
    stated = {meant[0].letter}
    for last, mention in pairwise(meant):
        if not _HEDGED.fullmatch(clause, last.end, mention.start):
            break
        stated.add(mention.letter)
    return stated


def _is_list(clause: str, meant: list[Mention], letters: str) -> bool:
    """Whether it copies the options, `A) 3 B) 4 C) 5`: the first three, or all if there are two, each as a label."""
    labels = "".join(one.letter for one in meant if one.marked or clause[one.end : one.end + 1] in (")", ".", ":"))
    return labels[:3] == letters[:3]


def _unstated(text: str, letters: str) -> str | None:
    """The letter of an answer that makes no statement."""
    if alone := _ALONE.fullmatch(text):
        return alone[1].upper()
    meant, _ = _meant(text, letters)
    leading = {next(filter(None, label.groups())).upper() for label in _LEADS.finditer(text)}
    if len(leading) == 1 and _LEADS.match(text.lstrip()) and meant:
        first = _stated(text, meant, letters)
        return first.pop() if first == leading else None
    chosen = {mention.letter for mention in meant if mention.marked} or {mention.letter for mention in meant}
    return chosen.pop() if len(chosen) == 1 else None


def _meant(text: str, letters: str) -> tuple[list[Mention], set[str]]:
    """The letters that are meant, in order, and those that are negated."""
    mentions = list(_mentions(text, letters))
    joined = [_JOINED.fullmatch(text, one.end, other.start) is not None for one, other in pairwise(mentions)]
    negated = [_NEGATED.search(text[max(0, one.start - _LOOK) : one.start]) is not None for one in mentions]
    refuted = [_REFUTED.match(text[one.end : one.end + _LOOK]) is not None for one in mentions]
    for n, connected in enumerate(joined):
        negated[n + 1] |= connected and negated[n]
    for n in reversed(range(len(joined))):
        refuted[n] |= joined[n] and refuted[n + 1]
    denied = [mention for n, mention in enumerate(mentions) if negated[n] or refuted[n]]
    return [mention for mention in mentions if mention not in denied], {mention.letter for mention in denied}


def _mentions(text: str, letters: str) -> Iterator[Mention]:
    """Every letter that is marked or stands for itself."""
    small = _LEADING_SMALL.match(text)
    if small and small[1].upper() in letters:
        yield Mention(small[1].upper(), small.start(1), small.end(1), marked=True)
    for mark in _MENTION.finditer(text):
        letter = next(filter(None, (mark[1], mark[3], mark[4], mark[5])))
        small_and_none = letter.islower() and letter.upper() not in letters
        if not (_is_prose(text, mark, letters) if mark[5] else small_and_none):
            yield Mention(letter.upper(), mark.start(), mark.end(), marked=not mark[5])


def _is_prose(text: str, capital: re.Match[str], letters: str) -> bool:
    """Whether a capital is a word of its own, or part of a name."""
    before, after = text[max(0, capital.start() - _LOOK) : capital.start()], text[capital.end() : capital.end() + _LOOK]
    word = _WORD.match(after)
    if capital[5] == "I" and ("I" not in letters or (word and not re.fullmatch(_AFTER_I, word[1].lower()))):
        return True
    if capital[5] == "A" and word and not re.fullmatch(_AFTER_A, word[1].lower()):
        return True
    return bool(_NAMED.search(before) or _NAMING.match(after))
