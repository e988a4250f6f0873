"""The vLLM engine: token ids in, token ids out, over the HTTP interface of `vllm serve`.

A trace goes on by sending its whole context again as ids; vLLM's prefix cache makes that cost no more than the injected
text. Start the server with `--logprobs-mode processed_logprobs`, or log-probabilities are
not those at the request's temperature; that is checked before the first episode where it matters. Where tags are
several tokens, stops go as text, and the server must be started with VLLM_MAX_STOP_STRINGS=64: its default is 4.

After a weight update, call `reset_prefix_cache`: cached keys and values of the old weights would be used silently.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from asyncthink.engines import Completion, Identity, Request, Watcher, vocabulary
from asyncthink.engines.vllm_dialect import Dialect
from asyncthink.errors import InputError

ATTEMPTS = 5  # a repeated request says the same, because its seed does
TIME_LIMIT = 3600.0  # seconds; a request may wait for its turn for long
SHOWN = 5  # of the likeliest tokens, when the server's log-probabilities are checked
SHORTEST_SECRET = 8  # characters; "none" and "EMPTY", as local servers take them, are no secrets
FEWEST_STOPS = 4  # texts that a server takes unless VLLM_MAX_STOP_STRINGS tells it to take more


def said(text: str, key: str) -> str:
    """What a server says of a fault, in one line, without the key should it quote it."""
    return " ".join((text.replace(key, "[key]") if len(key) >= SHORTEST_SECRET else text).split())[:300]


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
        self.url, self.model = url.rstrip("/"), model
        self.watch: Watcher | None = None
        self.root: str | None = None  # where the server has the model from
        self.vocabulary = vocabulary.shared(tokenizer, outputs)
        self.encode, self.decode = self.vocabulary.encode, self.vocabulary.decode
        self.dialect = Dialect(self.vocabulary, self.url)
        self._key = key
        self._tempered: set[float] = {0.0, 1.0}  # temperatures at which log-probabilities are known to be right
        self._client: Any = None

    @classmethod
    def of_checkpoint(cls, url: str, folder: str | Path, model: str | None = None, key: str = "none") -> "VLLM":
        """The engine for a server of the checkpoint in `folder`, with that checkpoint's tokenizer."""
        from transformers import AutoConfig, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        return cls(url, tokenizer, AutoConfig.from_pretrained(folder).vocab_size, model, key)

    async def __aenter__(self) -> "VLLM":
        from openai import AsyncOpenAI

        self._client = AsyncOpenAI(base_url=self.url, api_key=self._key, max_retries=ATTEMPTS, timeout=TIME_LIMIT)
        self._checking = asyncio.Lock()
        await self._find_model()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()
        self._client = None

    async def complete(self, request: Request) -> Completion:
        """Ask for one continuation."""
        async with self._checking:
            if request.temperature not in self._tempered:
                await self._check_logprobs(request)
        body = self.body(request)
        try:
            answer = await (self._post("/completions", body) if self.watch is None else self._heard(request, body))
        except InputError as error:
            many = len(body["stop"]) > FEWEST_STOPS and "stop" in str(error)
            hint = f"; start the server with VLLM_MAX_STOP_STRINGS={len(body['stop'])}" if many else ""
            raise InputError(f"{error}{hint}") from None
        return self.dialect.completion(request, answer["choices"][0])

    async def _find_model(self) -> None:
        """Ask once, without patience, whether the server is there and serves the model."""
        listed = await self._talk(self._client.with_options(max_retries=0).get, "/models")
        served = {entry["id"]: entry.get("root") for entry in listed["data"]}
        self.model = self.model or next(iter(served))
        if self.model not in served:
            raise InputError(f"{self.url}: serves {', '.join(served)}, and not {self.model}")
        self.root = served[self.model]

    def identity(self) -> Identity:
        """By the version that the server tells."""

        async def asked() -> Any:
            async with self:
                return await self._talk(self._client.get, self.url.removesuffix("/v1") + "/version")

        return Identity("vllm", asyncio.run(asked())["version"])

    def release(self, trace: tuple[Any, ...]) -> None:
        """Nothing is kept here; the server's prefix cache forgets by itself."""

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent."""
        return {
            "model": self.model,
            "prompt": list(request.ids),
            "return_token_ids": True,
            **self.dialect.sampling(request),
        }

    async def _check_logprobs(self, request: Request) -> None:
        """The likeliest tokens have other log-probabilities at another temperature, if the server heeds it."""
        shown = []
        for temperature in (1.0, request.temperature):
            body = self.body(request) | {"temperature": temperature, "max_tokens": 1, "logprobs": SHOWN}
            answer = await self._post("/completions", body)
            shown.append(answer["choices"][0]["logprobs"]["top_logprobs"][0])
        if shown[0] == shown[1]:
            raise InputError(f"{self.url}: start the server with --logprobs-mode processed_logprobs")
        self._tempered.add(request.temperature)

    async def reset_prefix_cache(self) -> None:
        """Forget the keys and values of the old weights; InputError if the server did not."""
        where = self.url.removesuffix("/v1") + "/reset_prefix_cache"
        try:
            answer = await self._post(where, {})
        except InputError as error:
            hint = "; start it with VLLM_SERVER_DEV_MODE=1" if "404" in str(error) else ""
            raise InputError(f"{error}{hint}") from None
        if isinstance(answer, dict) and answer.get("success") is False:
            raise InputError(f"{self.url}: the prefix cache was not reset: requests are still running")

    async def _heard(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        """The answer put together from a stream whose tokens are told as they come."""
        choice: dict[str, Any] = {"token_ids": [], "logprobs": {"token_logprobs": []}}
        with self._in_words("/completions"):
            stream = await self._client.completions.create(
                model=body["model"], prompt=body["prompt"], stream=True, extra_body=body
            )
            async with stream:
                async for event in stream:
                    for piece in event.choices[:1]:
                        self._add(choice, piece.model_dump(), request.trace)
        return {"choices": [choice]}

    def _add(self, choice: dict[str, Any], piece: Mapping[str, Any], trace: tuple[Any, ...]) -> None:
        for token in piece.get("token_ids") or ():
            choice["token_ids"].append(token)
            self.watch(trace, token)
        choice["logprobs"]["token_logprobs"] += (piece["logprobs"] or {}).get("token_logprobs") or []
        choice |= {name: piece.get(name) for name in ("finish_reason", "stop_reason")}

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._talk(self._client.post, path, body=body)

    async def _talk(self, method: Any, path: str, **given: Any) -> Any:
        """One exchange as JSON, repeated by the client where that helps."""
        with self._in_words(path):
            answer = await method(path, cast_to=str, **given)
            return json.loads(answer) if answer.strip() else None

    @contextmanager
    def _in_words(self, path: str) -> Iterator[None]:
        """What goes wrong with a server, as one line for people."""
        import httpx
        import openai

        try:
            yield
        except openai.APIStatusError as error:
            raise InputError(f"{self.url}: {error.status_code}: {said(error.response.text, self._key)}") from None
        except openai.APIConnectionError as error:
            raise InputError(f"{self.url}: cannot be reached ({type(error.__cause__).__name__})") from None
        except (httpx.HTTPError, openai.APIError) as error:
            raise InputError(f"{self.url}: the answer broke off ({type(error).__name__})") from None
        except ValueError:
            raise InputError(f"{self.url}: answered {path} with something that is not JSON") from None
