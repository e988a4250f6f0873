"""The vLLM engine: token ids in, token ids out, over the HTTP interface of `vllm serve`.

A trace goes on by sending its whole context again as ids; vLLM's prefix cache makes that cost no more than the injected
text. Start the server with `--logprobs-mode processed_logprobs`, or log-probabilities are not those at the request's
temperature; that is checked before the first episode where it matters. Where tags are several tokens, stops go as text,
and the server must be started with VLLM_MAX_STOP_STRINGS=64: its default is 4.

After a weight update, call `reset_prefix_cache`: cached keys and values of the old weights would be used silently.
"""

import asyncio
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from asyncthink.engines import Completion, Identity, Request, Watcher, replies
from asyncthink.engines.context_window import TooLong
from asyncthink.engines.server import Served, parts
from asyncthink.engines.vllm_dialect import Dialect
from asyncthink.errors import InputError

_SHOWN = 5  # of the likeliest tokens, when the server's log-probabilities are checked
_FEWEST_STOPS = 4  # texts that a server takes unless VLLM_MAX_STOP_STRINGS tells it to take more


class VLLM(Served):
    """Decodes on a vLLM server. Where `watch` is set, answers are streamed."""

    _tempered = frozenset({0.0, 1.0})  # temperatures at which log-probabilities are known to be right

    @classmethod
    def of_checkpoint(cls, url: str, folder: str | Path, model: str | None = None, key: str = "none") -> Self:
        """The engine for a server of the checkpoint in `folder`, with that checkpoint's tokenizer."""
        from asyncthink.models.language_model import load_tokenizer

        return cls(url, *load_tokenizer(folder), model, key)

    async def __aenter__(self) -> Self:
        self._checking = asyncio.Lock()
        return await super().__aenter__()

    @cached_property
    def _dialect(self) -> Dialect:
        return Dialect(self.vocabulary, self.url)

    async def ask(self, request: Request) -> Completion:
        body = self.body(request)
        try:
            async with self._checking:
                if request.temperature not in self._tempered:
                    await self._check_logprobs(request)
            choice = await (self._choice(body) if self.watch is None else self._heard(request, body, self.watch))
        except TooLong:
            raise
        except InputError as error:
            many = len(body["stop"]) > _FEWEST_STOPS and "stop" in str(error)
            hint = f"; start the server with VLLM_MAX_STOP_STRINGS={len(body['stop'])}" if many else ""
            raise InputError(f"{error}{hint}") from None
        return self._dialect.completion(request, choice)

    def identity(self) -> Identity:
        """By the version that the server tells."""

        async def asked() -> str:
            async with self:
                path = self.url.removesuffix("/v1") + "/version"
                reply = await self.get(path)
                with self.in_words(path):
                    return replies.value_at(reply, str, "version")

        return Identity("vllm", asyncio.run(asked()))

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent."""
        return {
            "model": self.model,
            "prompt": list(request.ids),
            "return_token_ids": True,
            **self._dialect.sampling(request),
        }

    async def _choice(self, body: dict[str, Any]) -> dict[str, Any]:
        reply = await self.post("/completions", body)
        with self.in_words("/completions"):
            return replies.first_choice(reply)

    async def _check_logprobs(self, request: Request) -> None:
        """The likeliest tokens have other log-probabilities at another temperature, if the server heeds it."""
        shown = []
        for temperature in (1.0, request.temperature):
            body = self.body(request) | {"temperature": temperature, "max_tokens": 1, "logprobs": _SHOWN}
            choice = await self._choice(body)
            with self.in_words("/completions"):
                shown.append(replies.value_at(choice, dict, "logprobs", "top_logprobs", 0))
        if shown[0] == shown[1]:
            raise InputError(f"{self.url}: start the server with --logprobs-mode processed_logprobs")
        self._tempered |= {request.temperature}

    async def reset_prefix_cache(self) -> None:
        """Forget the keys and values of the old weights; InputError if the server did not."""
        try:
            reply = await self.post(self.url.removesuffix("/v1") + "/reset_prefix_cache", {})
        except InputError as error:
            hint = "; start it with VLLM_SERVER_DEV_MODE=1" if "404" in str(error) else ""
            raise InputError(f"{error}{hint}") from None
        if reply and reply.get("success") is False:
            raise InputError(f"{self.url}: the prefix cache was not reset: requests are still running")

    async def _heard(self, request: Request, body: dict[str, Any], watch: Watcher) -> dict[str, Any]:
        """The choice put together from a stream whose tokens are told as they come."""
        ids: list[int] = []
        logprobs: list[Any] = []
        reasons: dict[str, Any] = {}
        with self.in_words("/completions"):
            stream = await self.client.completions.create(
                model=body["model"], prompt=body["prompt"], stream=True, extra_body=body
            )
            async with stream:
                async for piece in parts(stream):
                    for token in piece.get("token_ids") or ():
                        ids.append(token)
                        watch(request.trace, token)
                    logprobs += (piece.get("logprobs") or {}).get("token_logprobs") or []
                    reasons = {name: piece.get(name) for name in ("finish_reason", "stop_reason")}
            if not reasons:
                raise replies.Unreadable("answered with no token")
        return {"token_ids": ids, "logprobs": {"token_logprobs": logprobs}, **reasons}
