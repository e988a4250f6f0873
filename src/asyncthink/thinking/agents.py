"""An agent: one context of the model that decodes in calls, with its trace, its token budget and its keyed seeds."""

import hashlib
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

from asyncthink.engines import FULL, Engine, Request
from asyncthink.episode import Trace
from asyncthink.protocol import Answer, Parser, Return, Role, Tagged, Think, reasons


def sampling_seed(*key: object) -> int:
    """64 bits that depend on nothing but the key."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, key)).encode()).digest()[:8], "big")


@dataclass(frozen=True)
class Reading:
    """What an agent has just written in tags, the tokens of thinking before it, and its own tokens.

    A token that holds the beginning of a tag counts to the action, and so does the one that holds its end.
    """

    action: Tagged
    thinking: int
    tokens: int


class Agent:
    """name is unique among the agents that live at the same time; (name, number of the call) keys the sampling."""

    def __init__(
        self, engine: Engine, name: tuple[Any, ...], role: Role, fork: int | None, prompt: str, temperature: float
    ) -> None:
        self.engine, self.name, self.temperature = engine, name, temperature
        self.trace = Trace(role, fork, prompt, engine.encode(prompt))
        self.ended = False  # nothing more can be decoded: the end of sequence, or a context that is full
        self.pending: list[int] = []  # tokens after the last action, in none so far
        self._lead = ""  # text after the last action, in a token that was counted with it
        self._role, self._parser = role, Parser(role, reasons(prompt))
        self._calls = 0

    async def decode(self, stops: tuple[str, ...], budget: int) -> Reading | None:
        """Decode until a stop, the end of sequence or `budget` tokens; the action that was written with it, if one was.

        The trace grows by one segment. Tokens after the end of an action were decoded without what the runtime does
        there, so they are taken back. A context that is full is a budget spent.
        """
        ids, text = await self._complete(stops, budget)
        self.pending += ids
        written = [action for action in self._parser.feed(text) if not isinstance(action, Think)]
        return self._read(written[0]) if written else None

    async def decode_until(self, close: str, budget: int) -> Reading | None:
        """Decode until the tag `close` ends the trace, if it does; a stray one does not."""
        while not self.ended and self.trace.decoded < budget:
            if reading := await self.decode((close,), budget - self.trace.decoded):
                return reading
        return None

    def write(self, text: str) -> int:
        """Append text that was decided for the model, as if it had decoded it; its number of tokens."""
        ids = self.engine.encode(text)
        self.trace.extend(ids, [0.0] * len(ids), text)
        return len(ids)

    async def decode_up_to(self, stops: tuple[str, ...], budget: int) -> str:
        """Decode until a stop, which is taken back, or the end of the budget; the text. No tag in it is an action."""
        _, text = await self._complete(stops, budget)
        if stop := next((stop for stop in stops if text.endswith(stop)), None):
            self._cut(len(self.engine.encode(stop)))
        return self.trace.segments[-1].text

    async def _complete(self, stops: tuple[str, ...], budget: int) -> tuple[list[int], str]:
        """A segment more: its tokens and its text."""
        context = (*self.trace.prompt_ids, *self.trace.ids)
        seed = sampling_seed(*self.name, self._calls)
        self._calls += 1
        request = Request(self.name, context, stops, budget, seed, self.temperature)
        completion = await self.engine.complete(request)
        text = self.engine.decode(completion.ids)
        self.trace.extend(completion.ids, completion.logprobs, text)
        self.ended = completion.stop in ("eos", FULL)
        if completion.stop == "eos":
            self.trace.stop = "eos"
        return list(completion.ids), text

    def inject(self, text: str) -> None:
        """Append text that the model did not write."""
        self.trace.extend(self.engine.encode(text), (), text, injected=True)

    def release(self) -> None:
        """The trace has ended."""
        self.engine.release(self.name)

    def _read(self, action: Tagged) -> Reading:
        """The tokens of an action in `pending`, which begins anew after it; the parser counts from its lead on."""
        ids, counts = self.pending, range(len(self.pending) + 1)
        first = max(0, bisect_right(counts, action.start, key=self._length) - 1)
        last = max(1, bisect_left(counts, action.end, first, key=self._length))
        if surplus := len(ids) - last:
            self._cut(surplus)
        match action:
            case Answer():
                self.trace.stop = "answer"
            case Return():
                self.trace.stop = "return"
        self._lead = (self._lead + self.engine.decode(ids[:last]))[action.end :]
        self.pending, self._parser = [], Parser(self._role)
        self._parser.feed(self._lead)
        return Reading(action, first, last - first)

    def _length(self, count: int) -> int:
        """Characters that the parser has seen with so many tokens of `pending`."""
        return len(self._lead) + len(self.engine.decode(self.pending[:count]))

    def _cut(self, tokens: int) -> None:
        """Take back the last `tokens` tokens of the last segment."""
        trace, segment = self.trace, self.trace.segments[-1]
        for values in (trace.ids, trace.logprobs, trace.policy):
            del values[len(values) - tokens :]
        segment.tokens -= tokens
        trace.stop, self.ended = "budget", False
        segment.text = self.engine.decode(trace.ids[len(trace.ids) - segment.tokens :])
