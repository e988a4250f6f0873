"""What each role is told, and how a worker's result is put into the organizer's context, by prompt style.

`word` is the language of models trained from scratch, where a role is a single word. `chat` is for instruction-tuned
models, which are asked by their own chat templates. The paper's own prompts are not public; these are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from asyncthink import protocol
from asyncthink.models import chat_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Written = Callable[["PreTrainedTokenizerBase", str, str, bool], str]


@dataclass(frozen=True)
class Prompts:
    """organizer(capacity), worker and sequential are what the roles are told.

    written(tokenizer, role, question, reasoning) is a whole prompt; reasoning asks a model that can switch it to reason
    before its answer. injected(id, returned) is what a Join appends to the organizer's context, missing stands for what
    a worker that was cut never returned, and the runtime looks for the tags of `fork_ids`.
    """

    organizer: Callable[[int], str]
    worker: str
    sequential: str
    written: Written
    injected: Callable[[int, str], str]
    missing: str
    fork_ids: range

    @property
    def tags(self) -> list[str]:
        """Every tag that may occur."""
        return protocol.tags(self.fork_ids)

    @cached_property
    def organizer_stops(self) -> tuple[str, ...]:
        """The tags at which the runtime has something to do."""
        numbered = [tag(i) for i in self.fork_ids for tag in (protocol.fork_close, protocol.join_open)]
        return (*numbered, protocol.ANSWER_CLOSE)


_ORGANIZER = """You are the organizer of a team of {capacity} agents: yourself and up to {workers} workers. \
Think about the question, and hand out parts of it that can be worked on independently.
To start worker i on a sub-query, write <FORK-i>sub-query</FORK-i> with a new number i (1, 2, 3, ...). \
A worker sees nothing but its sub-query, so say in it all that is needed. You can go on thinking while workers run.
To get the result of worker i, write <JOIN-i>; it is appended for you. \
No more than {workers} workers may be forked and not yet joined at any time, and each may be joined once.
End with <ANSWER>final answer</ANSWER>."""

_WORKER = """You are a worker of a team. Work on the query, step by step and briefly. \
End with <RETURN>takeaways</RETURN>; nothing else that you write is passed on."""

_SEQUENTIAL = """Think about the question step by step. End with <ANSWER>final answer</ANSWER>."""


PROMPTS = {
    "word": Prompts(
        organizer=lambda _: "<organizer>",
        worker="<worker>",
        sequential="<solve>",
        written=lambda _, role, question, __: f"{role} {question}",
        injected=lambda i, returned: f" {returned} {protocol.join_close(i)}",
        missing="none",
        fork_ids=protocol.WORD_IDS,
    ),
    "chat": Prompts(
        organizer=lambda capacity: _ORGANIZER.format(capacity=capacity, workers=capacity - 1),
        worker=_WORKER,
        sequential=_SEQUENTIAL,
        written=chat_template.written,
        injected=lambda i, returned: f"{returned}{protocol.join_close(i)}",
        missing="(no result)",
        fork_ids=range(1, 17),
    ),
}
