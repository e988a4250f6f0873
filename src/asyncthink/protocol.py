"""The protocol of thinking in public: tags, actions, an incremental parser, the four format errors.

An organizer writes plain text with four kinds of tag (paper, section on the thinking protocol):

    thinking ... <FORK-1>sub-query</FORK-1> ... <JOIN-1> ... <ANSWER>answer</ANSWER>

and a worker ends with `<RETURN>takeaways</RETURN>`. What a Join brings in, `takeaways</JOIN-1>`, is injected by the
runtime; the texts read here are the organizer's own, injected text cut out.

There is one grammar and one reader of it: `parse` is `Parser` fed in one piece, so a text that is read token by token
while it is being decoded yields the same actions as the same text read afterwards. Reading takes time linear in the
text, whatever the text. Left out on purpose: nesting (a tag inside a query or an answer is part of it) and repair of
broken tags (they are plain text).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

ANSWER_OPEN, ANSWER_CLOSE = "<ANSWER>", "</ANSWER>"
RETURN_OPEN, RETURN_CLOSE = "<RETURN>", "</RETURN>"
TELLING = {ANSWER_OPEN: ANSWER_CLOSE, RETURN_OPEN: RETURN_CLOSE}  # what opens and closes a text that is passed on
FORMAT_ERRORS = ("duplicate_fork", "pool_overflow", "dangling_join", "no_answer")

# 4,300 digits is the longest integer that Python, and so every reader of our JSON in Python, turns into a number.
_ID = "[1-9][0-9]{0,4299}"
_TAG = re.compile(f"<FORK-(?P<fork>{_ID})>|<JOIN-(?P<join>{_ID})>|{ANSWER_OPEN}")


@dataclass(frozen=True)
class Think:
    """Text that the organizer decodes for itself, as it stands."""

    text: str


@dataclass(frozen=True)
class Fork:
    """A sub-query, stripped, handed to a new worker."""

    id: int
    query: str


@dataclass(frozen=True)
class Join:
    """The organizer asks for what worker `id` returned."""

    id: int


@dataclass(frozen=True)
class Answer:
    """The final answer, stripped; whatever follows it does not count."""

    text: str


Action = Think | Fork | Join | Answer


def fork_open(i: int) -> str:
    """The tag in front of sub-query i."""
    return f"<FORK-{i}>"


def fork_close(i: int) -> str:
    """The tag behind sub-query i; worker i starts on the next decoding step."""
    return f"</FORK-{i}>"


def join_open(i: int) -> str:
    """The tag by which the organizer asks for worker i; it is decoded, and trained on."""
    return f"<JOIN-{i}>"


def join_close(i: int) -> str:
    """The tag behind what worker i returned; it is injected, and never trained on."""
    return f"</JOIN-{i}>"


class Parser:
    """Reads an organizer's own text piece by piece; the pieces may cut tags anywhere.

    `closing` is the tag that an open Fork or Answer waits for, else None. `answered` is True behind the first
    `</ANSWER>`; further text is ignored.
    """

    def __init__(self) -> None:
        self.closing: str | None = None
        self.answered = False
        self._fork: int | None = None  # the id of the open Fork
        self._pieces: list[str] = []  # read for certain as part of the current Think, query or answer
        self._rest = ""  # a tail that may be the beginning of a tag

    def feed(self, text: str) -> list[Action]:
        """Read on; return the actions that ended in this piece. A Think ends where a tag begins."""
        actions: list[Action] = []
        text, self._rest = self._rest + text, ""
        start = 0
        while not self.answered:
            end = self._close(text, start, actions) if self.closing else self._open(text, start, actions)
            if end is None:
                return actions
            start = end
        return actions

    def finish(self) -> list[Action]:
        """The text has ended: the Think that was under way, if any. An open Fork or Answer is lost with its text."""
        self._pieces.append(self._rest)
        self._rest = ""
        think = "" if self.closing or self.answered else self._take()
        return [Think(think)] if think.strip() else []

    def _open(self, text: str, start: int, actions: list[Action]) -> int | None:
        """Look for the next opening tag from `start`; return the end of it, or None if it has not come yet."""
        tag = _TAG.search(text, start)
        if tag is None:
            self._keep(text, start, _unfinished(text, start))
            return None
        self._pieces.append(text[start : tag.start()])
        think = self._take()
        if think.strip():
            actions.append(Think(think))
        if tag["join"]:
            actions.append(Join(int(tag["join"])))
        elif tag["fork"]:
            self._fork = int(tag["fork"])
            self.closing = f"</FORK-{tag['fork']}>"
        else:
            self.closing = ANSWER_CLOSE
        return tag.end()

    def _close(self, text: str, start: int, actions: list[Action]) -> int | None:
        """Look for the closing tag from `start`; return the end of it, or None if it has not come yet."""
        assert self.closing is not None
        at = text.find(self.closing, start)
        if at < 0:
            self._keep(text, start, max(start, len(text) - len(self.closing) + 1))
            return None
        self._pieces.append(text[start:at])
        inside = self._take().strip()
        end = at + len(self.closing)
        if self._fork is not None:
            actions.append(Fork(self._fork, inside))
        else:
            actions.append(Answer(inside))
            self.answered = True
        self.closing = self._fork = None
        return end

    def _keep(self, text: str, start: int, certain: int) -> None:
        self._pieces.append(text[start:certain])
        self._rest = text[certain:]

    def _take(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        return text


_BEGINNING = re.compile(
    "|".join(f"<{word[:cut]}" for word in ("FORK-", "JOIN-", "ANSWER") for cut in range(len(word) + 1))
    + f"|<(?:FORK|JOIN)-{_ID}"
)


def _unfinished(text: str, start: int) -> int:
    """Where a tag begins that the end of the text cuts, or the end of the text. A tag holds no second `<`."""
    at = text.rfind("<", start)
    return at if at >= 0 and _BEGINNING.fullmatch(text, at) else len(text)


def parse(text: str) -> list[Action]:
    """The actions of an organizer's own text, in order, up to and with the first Answer.

    Ids are positive integers without leading zeros. A query runs to the first closing tag of the same id. A Fork or an
    Answer that is not closed yields no action and takes the rest of the text with it: while it is being decoded,
    nothing tells it from one that is still to be closed. Thinks of white space only are dropped.
    """
    parser = Parser()
    return parser.feed(text) + parser.finish()


def answer(actions: Sequence[Action]) -> str | None:
    """The text of the Answer, or None."""
    return next((action.text for action in actions if isinstance(action, Answer)), None)


def format_error(actions: Sequence[Action], capacity: int | None) -> str | None:
    """The first format error in the organizer's order, or None (paper: the four cases of the format error reward).

    capacity is c, the organizer included; None is a pool without a limit. A slot is taken from Fork to Join, which is
    all that a text can tell. At a Fork a repeated id is looked at before the pool.
    """
    forked: set[int] = set()
    running: set[int] = set()
    for action in actions:
        match action:
            case Answer():
                return None
            case Fork(id=i):
                if i in forked:
                    return "duplicate_fork"
                if capacity is not None and len(running) >= capacity - 1:
                    return "pool_overflow"
                forked.add(i)
                running.add(i)
            case Join(id=i):
                if i not in running:
                    return "dangling_join"
                running.remove(i)
    return "no_answer"


def returned(text: str) -> str | None:
    """What a worker hands back: the stripped text of its first `<RETURN>...</RETURN>`, or None."""
    start = text.find(RETURN_OPEN)
    end = text.find(RETURN_CLOSE, start + len(RETURN_OPEN)) if start >= 0 else -1
    return text[start + len(RETURN_OPEN) : end].strip() if end >= 0 else None


def action_json(action: Action) -> dict[str, str | int]:
    """One action as `asyncthink parse` prints it."""
    return {"kind": type(action).__name__.lower(), **vars(action)}
