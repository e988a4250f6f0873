"""The text engine: any OpenAI-compatible server with /v1/completions, and what is lost with it.

Such a server takes and gives text. So the ids in the record are not the ids that were sampled: they are this
tokenizer's encoding of the same text, which differs where the model spelled it in another way, and token counts and the
latency differ with them. Log-probabilities are all 0. What a model reasons between <think> and </think> is no part of
its answer: no stop counts in it, and it is left out. Its episodes can be read, scored and compared; nothing can be
trained on them. Where the server is vLLM, use `engines.vllm`, which loses nothing.

The answer is streamed, and the connection is closed at the first stop. So the number of stops has no limit (OpenAI's
is four), and the stop is part of the text, as an engine's must be.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Self

from asyncthink.engines import Completion, Identity, Request, reasoning, replies
from asyncthink.engines.server import ATTEMPTS, Served, broke_off, parts
from asyncthink.engines.vllm_dialect import SEED_BITS
from asyncthink.errors import InputError

_WARNING = (
    "the server is used by text: token ids and latencies are this tokenizer's reading of what it wrote, reasoning "
    "between <think> and </think> left out, log-probabilities are not known, and nothing can be trained on them"
)


class TextServer(Served):
    """Decodes on a server by text. Where `watch` is set, it is told tokens of this tokenizer as the text comes."""

    _warned = False

    async def __aenter__(self) -> Self:
        if not self._warned:
            print(f"{self.url}: {_WARNING}", file=sys.stderr)
            self._warned = True
        return await super().__aenter__()

    def identity(self) -> Identity:
        """By the name of the model that it serves; such a server has no version that could be asked for."""

        async def asked() -> str | None:
            async with self:
                return self.model

        return Identity("text", asyncio.run(asked()), exact=False)

    async def ask(self, request: Request) -> Completion:
        """Ask until an answer is whole; the client repeats no stream that broke off, so that is done here.

        An answer without text counts as the end of sequence.
        """
        import openai

        reason: Exception = EOFError()
        for _ in range(ATTEMPTS):
            with self.in_words("/completions"):
                try:
                    return await self._streamed(request)
                except (openai.APIStatusError, replies.Unreadable):
                    raise
                except Exception as error:
                    if not broke_off(error):
                        raise
                    reason = error
        words = str(reason) or type(reason.__cause__ or reason).__name__
        raise InputError(f"{self.url}: no whole answer in {ATTEMPTS} attempts ({self.said(words)})")

    async def _streamed(self, request: Request) -> Completion:
        """The answer without its reasoning; what may still grow to a longer word or a mark is not told yet."""
        text, finish, told, reach = "", None, 0, max([reasoning.LONGEST_MARK, *map(len, request.stops)])
        thinks = reasoning.is_opened_by(self.decode(request.ids))
        async with aclosing(self._pieces(request)) as pieces:
            async for piece, finish in pieces:  # noqa: B007 (the last one is read after the loop)
                begin, text = max(0, len(text) - reach), text + piece
                if closed := reasoning.closed_at(text, begin):
                    text, told, begin, thinks = text[closed:], 0, 0, False
                opened = None if thinks else reasoning.OPEN.search(text, begin)
                stop = None if thinks else _first_stop(text, request.stops, begin)
                if stop and (opened is None or stop[0] <= opened.start()):
                    self._tell(request, text[told : stop[0]])
                    return self._completion(text[: stop[0]], stop[1])
                if thinks := thinks or opened is not None:
                    continue
                whole = max(told, text.rfind(" "))
                self._tell(request, text[told:whole])
                told = whole
        if finish is None:
            raise EOFError("the stream ended without a finish_reason")
        if thinks:
            return self._completion(reasoning.answer_of(text) if reasoning.OPEN.search(text) else "", "eos")
        self._tell(request, text[told:])
        return self._completion(text, None if text and finish in replies.CUT else "eos")

    def _tell(self, request: Request, piece: str) -> None:
        if self.watch is not None:
            for token in self.encode(replies.whole_letters(piece)):
                self.watch(request.trace, token)

    def _completion(self, text: str, stop: str | None) -> Completion:
        ids = self.encode(replies.whole_letters(text))
        return Completion(tuple(ids), (0.0,) * len(ids), stop)

    async def _pieces(self, request: Request) -> AsyncGenerator[tuple[str, str | None], None]:
        """Pieces of text as they come, each with the reason why it is the last one, or None."""
        stream = await self.client.completions.create(
            model=self.model,
            prompt=self.decode(request.ids).removeprefix(self.vocabulary.lead),  # which the server puts there itself
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=1.0,
            seed=request.seed % (1 << SEED_BITS),
            stream=True,
        )
        async with stream:
            if "json" in stream.response.headers.get("content-type", ""):  # not streamed: an error, or all at once
                body = (await stream.response.aread()).decode("utf-8", "replace")
                yield _piece(replies.first_choice(replies.read_object(body)))
                return
            async for choice in parts(stream):
                yield _piece(choice)


def _piece(choice: dict[str, Any]) -> tuple[str, str | None]:
    """The text in a part of an answer, and why the answer ends with it."""
    if reason := replies.broke_off(choice):
        raise EOFError(f"the stream ended with the reason {reason}")
    text = choice.get("text")
    return replies.value_at(text, str) if text is not None else "", choice.get("finish_reason")


def _first_stop(text: str, stops: tuple[str, ...], begin: int = 0) -> tuple[int, str] | None:
    """The end of the stop that is complete first after `begin`, and that stop."""
    ends = [(at + len(stop), stop) for stop in stops if (at := text.find(stop, begin)) >= 0]
    return min(ends) if ends else None
