"""An agent: one context of the model that decodes in calls, with its trace, its token budget and its keyed seeds."""

import hashlib
from typing import Any

from asyncthink.engines import FULL, Completion, Engine, Request
from asyncthink.episode import Trace


def sampling_seed(*key: object) -> int:
    """64 bits that depend on nothing but the key."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, key)).encode()).digest()[:8], "big")


class Agent:
    """name is unique among the agents that live at the same time; (name, number of the call) keys the sampling."""

    def __init__(
        self, engine: Engine, name: tuple[Any, ...], role: str, fork: int | None, prompt: str, temperature: float
    ) -> None:
        self.engine, self.name, self.temperature = engine, name, temperature
        self.trace = Trace(role, fork, prompt, engine.encode(prompt))
        self.ended = False  # nothing more can be decoded: the end of sequence, or a context that is full
        self._calls = 0

    async def decode(self, stops: tuple[str, ...], budget: int) -> Completion:
        """Decode until a stop, the end of sequence or `budget` tokens; the trace grows by one segment.

        A context that is full is a budget spent.
        """
        context = (*self.trace.prompt_ids, *self.trace.ids)
        seed = sampling_seed(*self.name, self._calls)
        self._calls += 1
        request = Request(self.name, context, stops, budget, seed, self.temperature)
        completion = await self.engine.complete(request)
        self.trace.extend(completion.ids, completion.logprobs, self.engine.decode(completion.ids))
        self.ended = completion.stop in ("eos", FULL)
        if completion.stop == "eos":
            self.trace.stop = "eos"
        return completion

    async def decode_until(self, close: str, budget: int) -> None:
        """Decode until the tag `close` stands behind its opening tag; a stray one does not end the trace."""
        opening = close.replace("/", "")
        while not self.ended and self.trace.decoded < budget:
            completion = await self.decode((close,), budget - self.trace.decoded)
            if completion.stop == close and opening in self.trace.own_text:
                self.trace.stop = {"</ANSWER>": "answer", "</RETURN>": "return"}[close]
                return

    def inject(self, text: str) -> None:
        """Append text that the model did not write."""
        self.trace.extend(self.engine.encode(text), (), text, injected=True)

    def cut(self, tokens: int) -> None:
        """Take back the last `tokens` tokens of the last segment."""
        trace, segment = self.trace, self.trace.segments[-1]
        for values in (trace.ids, trace.logprobs, trace.policy):
            del values[len(values) - tokens :]
        segment.tokens -= tokens
        trace.stop, self.ended = "budget", False
        segment.text = self.engine.decode(trace.ids[len(trace.ids) - segment.tokens :])

    def release(self) -> None:
        """The trace has ended."""
        self.engine.release(self.name)
