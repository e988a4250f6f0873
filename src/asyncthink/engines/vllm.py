"""The vLLM engine: token ids in, token ids out, over the HTTP interface of `vllm serve`.

A trace goes on by sending its whole context again as ids; vLLM's prefix cache makes that cost no more than the injected
text. Start the server with `--logprobs-mode processed_logprobs`, or log-probabilities are
not those at the request's temperature; that is checked before the first episode where it matters. Where tags are
several tokens, stops go as text, and the server must be started with VLLM_MAX_STOP_STRINGS=64: its default is 4.

After a weight update, call `reset_prefix_cache`: cached keys and values of the old weights would be used silently.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from asyncthink.engines import Completion, Identity, Request, Watcher, replies, vocabulary
from asyncthink.engines.context_window import TooLong
from asyncthink.engines.server import Server, parts
from asyncthink.engines.vllm_dialect import Dialect
from asyncthink.errors import InputError

SHOWN = 5  # of the likeliest tokens, when the server's log-probabilities are checked
FEWEST_STOPS = 4  # texts that a server takes unless VLLM_MAX_STOP_STRINGS tells it to take more


class VLLM:
    """Decodes on a vLLM server.

    url ends in /v1; tokenizer is the served model's; outputs is the number of tokens it can say, where that is more
    than the tokenizer has; model is the name it is served under, by default the first one that the server lists.
    Where `watch` is set, it is called with (trace, token) for each token, and answers are streamed.
    Every method that talks to the server raises InputError, in words for a person, if it cannot be reached or refuses.
    """

    def __init__(
        self,
        url: str,
        tokenizer: PreTrainedTokenizerBase,
        outputs: int = 0,
        model: str | None = None,
        key: str = "none",
    ) -> None:
        self.server = Server(url, model, key)
        self.watch: Watcher | None = None
        self.vocabulary = vocabulary.shared(tokenizer, outputs)
        self.encode, self.decode = self.vocabulary.encode, self.vocabulary.decode
        self.dialect = Dialect(self.vocabulary, self.server.url)
        self._tempered: set[float] = {0.0, 1.0}  # temperatures at which log-probabilities are known to be right

    @classmethod
    def of_checkpoint(cls, url: str, folder: str | Path, model: str | None = None, key: str = "none") -> "VLLM":
        """The engine for a server of the checkpoint in `folder`, with that checkpoint's tokenizer."""
        from transformers import AutoConfig, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        return cls(url, tokenizer, AutoConfig.from_pretrained(folder).vocab_size, model, key)

    @property
    def root(self) -> str | None:
        """Where the server has the model from, if it says so."""
        return self.server.root

    async def __aenter__(self) -> "VLLM":
        self._checking = asyncio.Lock()
        await self.server.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.server.close()

    async def complete(self, request: Request) -> Completion:
        """Ask for one continuation, as long as the server's context lets it be."""
        return await self.server.window.completed(request, self._completed)

    async def _completed(self, request: Request) -> Completion:
        async with self._checking:
            if request.temperature not in self._tempered:
                await self._check_logprobs(request)
        body = self.body(request)
        try:
            choice = await (self._choice(body) if self.watch is None else self._heard(request, body))
        except TooLong:
            raise
        except InputError as error:
            many = len(body["stop"]) > FEWEST_STOPS and "stop" in str(error)
            hint = f"; start the server with VLLM_MAX_STOP_STRINGS={len(body['stop'])}" if many else ""
            raise InputError(f"{error}{hint}") from None
        return self.dialect.completion(request, choice)

    def identity(self) -> Identity:
        """By the version that the server tells."""

        async def asked() -> str:
            async with self:
                path = self.server.url.removesuffix("/v1") + "/version"
                reply = await self.server.get(path)
                with self.server.in_words(path):
                    return replies.value_at(reply, str, "version")

        return Identity("vllm", asyncio.run(asked()))

    def release(self, trace: tuple[Any, ...]) -> None:
        """Nothing is kept here; the server's prefix cache forgets by itself."""

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent."""
        return {
            "model": self.server.model,
            "prompt": list(request.ids),
            "return_token_ids": True,
            **self.dialect.sampling(request),
        }

    async def _choice(self, body: dict[str, Any]) -> dict[str, Any]:
        reply = await self.server.post("/completions", body)
        with self.server.in_words("/completions"):
            return replies.first_choice(reply)

    async def _check_logprobs(self, request: Request) -> None:
        """The likeliest tokens have other log-probabilities at another temperature, if the server heeds it."""
        shown = []
        for temperature in (1.0, request.temperature):
            body = self.body(request) | {"temperature": temperature, "max_tokens": 1, "logprobs": SHOWN}
            choice = await self._choice(body)
            with self.server.in_words("/completions"):
                shown.append(replies.value_at(choice, dict, "logprobs", "top_logprobs", 0))
        if shown[0] == shown[1]:
            raise InputError(f"{self.server.url}: start the server with --logprobs-mode processed_logprobs")
        self._tempered.add(request.temperature)

    async def reset_prefix_cache(self) -> None:
        """Forget the keys and values of the old weights; InputError if the server did not."""
        try:
            reply = await self.server.post(self.server.url.removesuffix("/v1") + "/reset_prefix_cache", {})
        except InputError as error:
            hint = "; start it with VLLM_SERVER_DEV_MODE=1" if "404" in str(error) else ""
            raise InputError(f"{error}{hint}") from None
        if reply and reply.get("success") is False:
            raise InputError(f"{self.server.url}: the prefix cache was not reset: requests are still running")

    async def _heard(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        """The choice put together from a stream whose tokens are told as they come."""
        choice: dict[str, Any] = {"token_ids": [], "logprobs": {"token_logprobs": []}}
        with self.server.in_words("/completions"):
            stream = await self.server.client.completions.create(
                model=body["model"], prompt=body["prompt"], stream=True, extra_body=body
            )
            async with stream:
                async for piece in parts(stream):
                    self._add(choice, piece, request.trace)
            if "finish_reason" not in choice:
                raise replies.Unreadable("answered with no token")
        return choice

    def _add(self, choice: dict[str, Any], piece: Mapping[str, Any], trace: tuple[Any, ...]) -> None:
        for token in piece.get("token_ids") or ():
            choice["token_ids"].append(token)
            self.watch(trace, token)
        choice["logprobs"]["token_logprobs"] += (piece.get("logprobs") or {}).get("token_logprobs") or []
        choice |= {name: piece.get(name) for name in ("finish_reason", "stop_reason")}
