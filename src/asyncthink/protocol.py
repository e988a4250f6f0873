"""The protocol of thinking in public: tags, actions, and an incremental parser that says where each action stands.

An organizer writes plain text with four kinds of tag (paper, section on the thinking protocol):

    thinking ... <FORK-1>sub-query</FORK-1> ... <JOIN-1> ... <ANSWER>answer</ANSWER>

and a worker ends with `<RETURN>takeaways</RETURN>`. What a Join brings in, `takeaways</JOIN-1>`, is injected by the
runtime; the texts read here are an agent's own, injected text cut out. What a model reasons between `<think>` and
`</think>` is thinking, whatever tags it holds, and one that is not closed takes the rest of the text with it.

There is one grammar a role and one reader of them: `parse` is `Parser` fed in one piece, so a text that is read token
by token while it is being decoded yields the same actions, at the same places, as the same text read afterwards.
Reading takes time linear in the text, whatever the text. Left out on purpose: nesting (a tag inside a query or an
answer is part of it) and repair of broken tags (they are plain text). Which sequences of actions are format errors
depends on the slots of the pool, and so on the schedule: see `schedule.format_error`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

Symbol = TypeVar("Symbol", str, int)
Role = Literal["organizer", "worker", "sequential"]

ANSWER_OPEN, ANSWER_CLOSE = "<ANSWER>", "</ANSWER>"
RETURN_OPEN, RETURN_CLOSE = "<RETURN>", "</RETURN>"
TELLING = {ANSWER_OPEN: ANSWER_CLOSE, RETURN_OPEN: RETURN_CLOSE}  # what opens and closes a text that is passed on
WORD_IDS = range(1, 17)  # of the Forks that a model trained from scratch has words for
FORMAT_ERRORS = ("duplicate_fork", "pool_overflow", "dangling_join", "no_answer")

# 4,300 digits is the longest integer that Python, and so every reader of our JSON in Python, turns into a number.
_ID = "[1-9][0-9]{0,4299}"
TAG = re.compile(f"</?(?:(?:FORK|JOIN)-{_ID}|ANSWER|RETURN)>")
# A Join that a text closes itself, as teachers do: its tag, its id, what stands in it.
CLOSED_JOIN = re.compile(r"(<JOIN-([1-9]\d{0,8})>)((?:(?!<JOIN-).)*?)</JOIN-\2>", re.DOTALL)
REASONING_OPEN, REASONING_CLOSE = "<think>", "</think>"
_REASONING = f"(?P<reasoning>{REASONING_OPEN[1:-1]})"
_ANSWER = f"(?P<answer>{ANSWER_OPEN[1:-1]})|{_REASONING}"
# The tags that begin something for each role; the name of a group is the kind of action. `<` stands before all else,
# since what begins with one character is found many times faster.
_OPENING: dict[Role, re.Pattern[str]] = {
    "organizer": re.compile(f"<(?:FORK-(?P<fork>{_ID})|JOIN-(?P<join>{_ID})|{_ANSWER})>"),
    "worker": re.compile(f"<(?:(?P<return>{RETURN_OPEN[1:-1]})|{_REASONING})>"),
    "sequential": re.compile(f"<(?:{_ANSWER})>"),
}
_BEGINNING = re.compile(
    "|".join(
        f"<{word[:cut]}" for word in ("FORK-", "JOIN-", "ANSWER", "RETURN", "think") for cut in range(len(word) + 1)
    )
    + f"|<(?:FORK|JOIN)-{_ID}"
)


@dataclass(frozen=True, kw_only=True)
class _Located:
    """Characters start to end of the text that was read, tags included; no part of what an action says."""

    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Think(_Located):
    """Text that an agent decodes for itself, as it stands."""

    text: str


@dataclass(frozen=True)
class Fork(_Located):
    """A sub-query, stripped, handed to a new worker."""

    id: int
    query: str


@dataclass(frozen=True)
class Join(_Located):
    """The organizer asks for what worker `id` returned."""

    id: int


@dataclass(frozen=True)
class Answer(_Located):
    """The final answer, stripped; whatever follows it does not count."""

    text: str


@dataclass(frozen=True)
class Return(_Located):
    """What a worker hands back, stripped; whatever follows it does not count."""

    text: str


Tagged = Fork | Join | Answer | Return  # what is written in tags, and what the runtime acts on
Action = Think | Tagged


def fork_open(i: int) -> str:
    """The tag before sub-query i."""
    return f"<FORK-{i}>"


def fork_close(i: int) -> str:
    """The tag after sub-query i; worker i starts on the next decoding step."""
    return f"</FORK-{i}>"


def join_open(i: int) -> str:
    """The tag by which the organizer asks for worker i; it is decoded, and trained on."""
    return f"<JOIN-{i}>"


def join_close(i: int) -> str:
    """The tag after what worker i returned; it is injected, and never trained on."""
    return f"</JOIN-{i}>"


def tags(ids: Iterable[int]) -> list[str]:
    """Every tag, with these ids of Forks."""
    numbered = [tag(i) for i in ids for tag in (fork_open, fork_close, join_open, join_close)]
    return [*numbered, ANSWER_OPEN, ANSWER_CLOSE, RETURN_OPEN, RETURN_CLOSE]


class Parser:
    """Reads an agent's own text piece by piece; the pieces may cut tags anywhere.

    `closing` is the tag that an open Fork, Answer, Return or reasoning waits for, else None. `ended` is True after the
    first Answer or Return; further text is ignored. The text begins inside a reasoning where `reasoning` says so.
    """

    def __init__(self, role: Role = "organizer", reasoning: bool = False) -> None:
        self.closing: str | None = REASONING_CLOSE if reasoning else None
        self.ended = False
        self._opening = _OPENING[role]
        self._fork = 0  # the id of the open Fork, 0 where none is open
        self._start = 0  # where its opening tag begins
        self._read = 0  # characters before `_rest`
        self._pieces: list[str] = []  # read for certain as part of the current Think, query or answer
        self._rest = ""  # a tail that may be the beginning of a tag

    def feed(self, text: str) -> list[Action]:
        """Read on; return the actions that ended in this piece. A Think ends where a tag begins."""
        actions: list[Action] = []
        text, self._rest = self._rest + text, ""
        start: int | None = 0
        while start is not None and not self.ended:
            start = self._close(text, start, actions) if self.closing else self._open(text, start, actions)
        self._read += len(text) - len(self._rest)
        return actions

    def finish(self) -> list[Action]:
        """The text has ended: the Think that was under way, if any. An open Fork or Answer is lost with its text."""
        self._pieces.append(self._rest)
        self._read, self._rest = self._read + len(self._rest), ""
        lost = self.closing not in (None, REASONING_CLOSE)
        return [] if lost or self.ended else self._think(self._read)

    def _think(self, end: int) -> list[Action]:
        """The thinking before `end`, unless it is white space only."""
        text = self._take()
        return [Think(text, start=end - len(text), end=end)] if text.strip() else []

    def _open(self, text: str, start: int, actions: list[Action]) -> int | None:
        """Look for the next opening tag from `start`; return the end of it, or None if it has not come yet."""
        tag = self._opening.search(text, start)
        if tag is None:
            self._keep(text, start, _unfinished(text, start))
            return None
        if tag.lastgroup == "reasoning":
            self._pieces.append(text[start : tag.end()])
            self.closing = REASONING_CLOSE
            return tag.end()
        self._pieces.append(text[start : tag.start()])
        self._start = self._read + tag.start()
        actions += self._think(self._start)
        match tag.lastgroup:
            case "join":
                actions.append(Join(int(tag["join"]), start=self._start, end=self._read + tag.end()))
            case "fork":
                self._fork, self.closing = int(tag["fork"]), f"</FORK-{tag['fork']}>"
            case _:
                self._fork, self.closing = 0, TELLING[tag[0]]
        return tag.end()

    def _close(self, text: str, start: int, actions: list[Action]) -> int | None:
        """Look for the closing tag from `start`; return the end of it, or None if it has not come yet."""
        assert self.closing is not None
        at = text.find(self.closing, start)
        if at < 0:
            self._keep(text, start, max(start, len(text) - len(self.closing) + 1))
            return None
        end = at + len(self.closing)
        if self.closing == REASONING_CLOSE:
            self._pieces.append(text[start:end])
            self.closing = None
            return end
        self._pieces.append(text[start:at])
        said = self._take().strip()
        if self._fork:
            actions.append(Fork(self._fork, said, start=self._start, end=self._read + end))
        else:
            told = Answer if self.closing == ANSWER_CLOSE else Return
            actions.append(told(said, start=self._start, end=self._read + end))
            self.ended = True
        self.closing = None
        return end

    def _keep(self, text: str, start: int, certain: int) -> None:
        self._pieces.append(text[start:certain])
        self._rest = text[certain:]

    def _take(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        return text


def _unfinished(text: str, start: int) -> int:
    """Where a tag begins that the end of the text cuts, or the end of the text. A tag holds no second `<`."""
    at = text.rfind("<", start)
    return at if at >= 0 and _BEGINNING.fullmatch(text, at) else len(text)


def reasons(prompt: str) -> bool:
    """Whether a prompt ends inside a reasoning, as the templates of some models make it."""
    return prompt.rstrip().endswith(REASONING_OPEN)


def parse(text: str, role: Role = "organizer", reasoning: bool = False) -> list[Action]:
    """The actions of an agent's own text, in order, up to and with the first Answer (of a worker, the first Return).

    Ids are positive integers without leading zeros. A query runs to the first closing tag of the same id. A Fork or an
    Answer that is not closed yields no action and takes the rest of the text with it: while it is being decoded,
    nothing tells it from one that is still to be closed. Thinks of white space only are dropped. In sequential
    thinking only the answer's tags mean something, and in a worker's text only those of its return. `reasoning` says
    that the text begins inside a reasoning.
    """
    parser = Parser(role, reasoning)
    return parser.feed(text) + parser.finish()


def answer(actions: Sequence[Action]) -> str | None:
    """The text of the Answer, or None."""
    return next((action.text for action in actions if isinstance(action, Answer)), None)


def returned(text: str) -> str | None:
    """What a worker hands back: the stripped text of its first `<RETURN>...</RETURN>`, or None."""
    return next((action.text for action in parse(text, "worker") if isinstance(action, Return)), None)


def inside(symbols: Iterable[Symbol], pairs: Mapping[Symbol, Symbol]) -> list[bool]:
    """Which words, or tokens, stand inside an answer or a return: after what opens one, up to its own that closes it.

    pairs gives for each opening tag its closing one, such as TELLING. What was opened last counts, and a closing tag
    that closes nothing changes nothing.
    """
    flags: list[bool] = []
    closing: Symbol | None = None
    for symbol in symbols:
        flags.append(closing is not None)
        closing = None if symbol == closing else pairs.get(symbol, closing)
    return flags
