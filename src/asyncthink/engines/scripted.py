"""An engine that says what it was told to say: for demonstrations, and for tests without a model."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from transformers import PreTrainedTokenizerBase

from asyncthink.engines import Completion, Engine, Identity, Request, vocabulary
from asyncthink.errors import InputError

Script = str | Callable[[str], str]


class Scripted(Engine):
    """texts gives for each trace all that it will ever say, or a function from its context so far to what comes next.

    A text is encoded once, as a whole, and handed out up to the next stop; where it ends, the end of sequence comes.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, texts: Mapping[tuple[Any, ...], Script]) -> None:
        self.vocabulary = vocabulary.shared(tokenizer)
        self._texts = texts
        self._rest: dict[tuple[Any, ...], list[int]] = {}

    def identity(self) -> Identity:
        """It has no version."""
        return Identity("scripted", None)

    async def __aexit__(self, *error: object) -> None:
        self._rest.clear()

    async def complete(self, request: Request) -> Completion:
        """The next part of the trace's text, up to a stop; others get their turn first."""
        await asyncio.sleep(0)
        rest = self._remaining(request)
        ids: list[int] = []
        stop = None
        closers = self.vocabulary.closers(request.stops)
        while rest and stop is None and len(ids) < request.max_tokens:
            ids.append(rest.pop(0))
            stop = self.vocabulary.stop(ids, request.stops) if ids[-1] in closers else None
        if stop is None and len(ids) < request.max_tokens:
            ids += [] if self.vocabulary.eos is None else [self.vocabulary.eos]
            stop = "eos"
        return Completion(tuple(ids), (0.0,) * len(ids), stop)

    def release(self, trace: tuple[Any, ...]) -> None:
        """Forget where the trace stood."""
        self._rest.pop(trace, None)

    def _remaining(self, request: Request) -> list[int]:
        if request.trace not in self._texts:
            raise InputError(f"nothing is scripted for the trace {request.trace}")
        text = self._texts[request.trace]
        if not isinstance(text, str):
            return self.encode(text(self.decode(request.ids)))
        if request.trace not in self._rest:
            self._rest[request.trace] = self.encode(text)
        return self._rest[request.trace]
