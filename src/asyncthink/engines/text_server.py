"""The text engine: any OpenAI-compatible server with /v1/completions, and what is lost with it.

Such a server takes and gives text. So the ids in the record are not the ids that were sampled: they are this
tokenizer's encoding of the same text, which differs where the model spelled it in another way, and token counts and the
latency differ with them. Log-probabilities are all 0. Its episodes can be read, scored and compared; nothing can be
trained on them. Where the server is vLLM, use `engines.vllm`, which loses nothing.

The answer is streamed, and the connection is closed at the first stop. So the number of stops has no limit (OpenAI's
is four), and the stop is part of the text, as an engine's must be.
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from transformers import PreTrainedTokenizerBase

from asyncthink.engines import Completion, Identity, Request, Watcher, vocabulary
from asyncthink.engines.vllm import ATTEMPTS, TIME_LIMIT, said
from asyncthink.engines.vllm_dialect import SEED_BITS
from asyncthink.errors import InputError

WARNING = (
    "the server is used by text: token ids and latencies are this tokenizer's reading of what it wrote, "
    "log-probabilities are not known, and nothing can be trained on these episodes"
)


class TextServer:
    """Decodes on a server by text; url ends in /v1.

    model is the name it is served under, by default the first one that the server lists. Where `watch` is set, it is
    called with (trace, token) for each token of this tokenizer as the text comes.
    """

    def __init__(
        self,
        url: str,
        tokenizer: PreTrainedTokenizerBase,
        model: str | None = None,
        key: str = "none",
    ) -> None:
        self.url, self.model = url.rstrip("/"), model
        self.watch: Watcher | None = None
        self.vocabulary = vocabulary.shared(tokenizer)
        self.encode, self.decode = self.vocabulary.encode, self.vocabulary.decode
        self._key, self._warned = key, False
        self._client: Any = None

    async def __aenter__(self) -> "TextServer":
        from openai import AsyncOpenAI

        if not self._warned:
            print(f"{self.url}: {WARNING}", file=sys.stderr)
            self._warned = True
        self._client = AsyncOpenAI(base_url=self.url, api_key=self._key, max_retries=ATTEMPTS, timeout=TIME_LIMIT)
        self.model = self.model or await self._first_model()
        return self

    async def _first_model(self) -> str:
        import openai

        try:
            return (await self._client.with_options(max_retries=0).models.list()).data[0].id
        except (openai.OpenAIError, IndexError) as error:
            told = type(error).__name__
            raise InputError(f"{self.url}: does not say what it serves ({told}); give its name for the model") from None

    def identity(self) -> Identity:
        """Such a server has no version that could be asked for."""
        return Identity("text", None, exact=False)

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()
        self._client = None

    async def complete(self, request: Request) -> Completion:
        """Stream a continuation up to the first stop; a continuation without text counts as the end of sequence.

        A stream that breaks off is asked for again.
        """
        import openai

        reason = ""
        for _ in range(ATTEMPTS):
            try:
                return await self._streamed(request)
            except openai.APIStatusError as error:
                raise InputError(f"{self.url}: {error.status_code}: {said(error.response.text, self._key)}") from None
            except Exception as error:
                if not isinstance(error, EOFError | openai.OpenAIError) and "httpx" not in type(error).__module__:
                    raise
                reason = type(error.__cause__ or error).__name__
        raise InputError(f"{self.url}: no whole answer in {ATTEMPTS} attempts ({reason})")

    async def _streamed(self, request: Request) -> Completion:
        text, finish, told, reach = "", None, 0, max(map(len, request.stops), default=0)
        async with aclosing(self._pieces(request)) as pieces:
            async for piece, reason in pieces:
                begin, text, finish = max(0, len(text) - reach), text + piece, reason
                if found := first_stop(text, request.stops, begin):
                    self._tell(request, text[told : found[0]])
                    return self._completion(text[: found[0]], found[1])
                whole = max(told, text.rfind(" "))  # what may still grow is not told
                self._tell(request, text[told:whole])
                told = whole
        if finish is None:
            raise EOFError
        self._tell(request, text[told:])
        return self._completion(text, None if text and finish == "length" else "eos")

    def _tell(self, request: Request, piece: str) -> None:
        for token in self.encode(piece) if self.watch else ():
            self.watch(request.trace, token)

    def release(self, trace: tuple[Any, ...]) -> None:
        """Nothing is kept."""

    def _completion(self, text: str, stop: str | None) -> Completion:
        ids = self.encode(text)
        return Completion(tuple(ids), (0.0,) * len(ids), stop)

    async def _pieces(self, request: Request) -> AsyncGenerator[tuple[str, str | None], None]:
        """Pieces of text as they come, each with the reason why it is the last one, or None."""
        stream = await self._client.completions.create(
            model=self.model,
            prompt=self.decode(request.ids),
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=1.0,
            seed=request.seed % (1 << SEED_BITS),
            stream=True,
        )
        async with stream:
            async for event in stream:
                for choice in event.choices[:1]:
                    yield choice.text or "", choice.finish_reason


def first_stop(text: str, stops: tuple[str, ...], begin: int = 0) -> tuple[int, str] | None:
    """The end of the stop that is complete first behind `begin`, and that stop."""
    ends = [(at + len(stop), stop) for stop in stops if (at := text.find(stop, begin)) >= 0]
    return min(ends) if ends else None
