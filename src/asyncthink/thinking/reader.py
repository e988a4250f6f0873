"""Finds the organizer's actions in its tokens, and how many tokens each one took."""

from bisect import bisect_left, bisect_right

from asyncthink import protocol
from asyncthink.engines import Engine
from asyncthink.protocol import Answer, Fork, Join


class Reader:
    """Finds each action in the organizer's tokens, and how many tokens it took.

    A token that holds the beginning of a tag counts to the action, and so does the one that holds its end.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lead = ""  # text behind the last action, in a token that was counted with it
        self._ids: list[int] = []  # tokens behind the last action
        self._parser = protocol.Parser()

    @property
    def pending(self) -> int:
        """Tokens that belong to no action yet."""
        return len(self._ids)

    def read(self, ids: tuple[int, ...]) -> tuple[Fork | Join | Answer | None, int, int, int]:
        """Read on: the action that ended, tokens of thinking before it, its own tokens, tokens read behind its end.

        Tokens behind an end were decoded without what the runtime does there; the caller takes them back.
        """
        known = len(self._text())
        self._ids += ids
        text = self._text()
        ended = [action for action in self._parser.feed(text[known:]) if not isinstance(action, protocol.Think)]
        if not ended:
            return None, 0, 0, 0
        start, end = span(ended[0], text)
        first, last = token_span(self._engine, self._ids, start, end, len(self._lead))
        behind = len(self._ids) - last
        self._ids = self._ids[:last]
        self._lead = self._text()[end:]
        self._ids = []
        self._parser = protocol.Parser()
        self._parser.feed(self._lead)
        return ended[0], first, last - first, behind

    def _text(self) -> str:
        return self._lead + self._engine.decode(self._ids)


def token_span(engine: Engine, ids: list[int], start: int, end: int, lead: int = 0) -> tuple[int, int]:
    """The tokens [first, last) of `ids` that hold the characters [start, end) of `lead` characters and their text."""

    def length(count: int) -> int:
        return lead + len(engine.decode(ids[:count]))

    counts = range(len(ids) + 1)
    return max(0, bisect_right(counts, start, key=length) - 1), max(1, bisect_left(counts, end, key=length))


def span(action: Fork | Join | Answer, text: str) -> tuple[int, int]:
    """Where the first action of a text begins and ends."""
    match action:
        case Fork(id=i):
            opening, closing = protocol.fork_open(i), protocol.fork_close(i)
        case Join(id=i):
            opening, closing = protocol.join_open(i), ""
        case Answer():
            opening, closing = protocol.ANSWER_OPEN, protocol.ANSWER_CLOSE
    start = text.index(opening)
    return start, text.index(closing, start + len(opening)) + len(closing)
