"""The vLLM engine: token ids in, token ids out, over the HTTP interface of `vllm serve`.

A trace goes on by sending its whole context again as ids; vLLM's prefix cache makes that cost no more than the injected
text. Everything that decides what is sampled is in the request, because fields that are left out fall back to the
served model's generation_config. Start the server with `--logprobs-mode processed_logprobs`, or log-probabilities are
not those at the request's temperature; that is checked before the first episode where it matters. Where tags are
several tokens, stops go as text, and the server must be started with VLLM_MAX_STOP_STRINGS=64: its default is 4.

After a weight update, call `reset_prefix_cache`: cached keys and values of the old weights would be used silently.
"""

import asyncio
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from asyncthink.engines import Completion, Request, vocabulary
from asyncthink.errors import InputError

ATTEMPTS = 5  # a repeated request says the same, because its seed does
TIME_LIMIT = 3600.0  # seconds; a request may wait for its turn for long
SHOWN = 5  # of the likeliest tokens, when the server's log-probabilities are checked
FEWEST_STOPS = 4  # texts that a server takes unless VLLM_MAX_STOP_STRINGS tells it to take more
SEED_BITS = 63  # of the interface's signed integer
EXPLICIT = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
UNCUT = {
    "return_token_ids": True,
    "logprobs": 0,
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
    "include_stop_str_in_output": True,
}


class VLLM:
    """Decodes on a vLLM server.

    url ends in /v1; tokenizer is the served model's; outputs is the number of tokens it can say, where that is more
    than the tokenizer has; model is the name it is served under, by default the first one that the server lists.
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
        self.vocabulary = vocabulary.shared(tokenizer, outputs)
        self.encode, self.decode = self.vocabulary.encode, self.vocabulary.decode
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
        """Ask for one continuation; ids are cut behind the first stop, should the server have run ahead."""
        async with self._checking:
            if request.temperature not in self._tempered:
                await self._check_logprobs(request)
        body = self.body(request)
        try:
            answer = await self._post("/completions", body)
        except InputError as error:
            many = len(body["stop"]) > FEWEST_STOPS and "stop" in str(error)
            hint = f"; start the server with VLLM_MAX_STOP_STRINGS={len(body['stop'])}" if many else ""
            raise InputError(f"{error}{hint}") from None
        return self.read(request, answer)

    async def _find_model(self) -> None:
        """Ask once, without patience, whether the server is there and serves the model."""
        listed = await self._talk(self._client.with_options(max_retries=0).get, "/models")
        served = [entry["id"] for entry in listed["data"]]
        self.model = self.model or served[0]
        if self.model not in served:
            raise InputError(f"{self.url}: serves {', '.join(served)}, and not {self.model}")

    def release(self, trace: tuple[Any, ...]) -> None:
        """Nothing is kept here; the server's prefix cache forgets by itself."""

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent."""
        return {
            "model": self.model,
            "prompt": list(request.ids),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed % (1 << SEED_BITS),
            **self._stop_fields(request.stops),
            **EXPLICIT,
            **UNCUT,
        }

    @lru_cache(maxsize=64)  # noqa: B019 (lives as long as the engine)
    def _stop_fields(self, stops: tuple[str, ...]) -> dict[str, list[Any]]:
        """A stop that is one token goes by its id, which is exact and cheapest; others go as text."""
        encoded = {stop: self.encode(stop) for stop in stops}
        single = [ids[0] for ids in encoded.values() if len(ids) == 1]
        return {"stop": [stop for stop, ids in encoded.items() if len(ids) > 1], "stop_token_ids": single}

    def read(self, request: Request, answer: Mapping[str, Any]) -> Completion:
        """The completion in a server's answer, by its ids alone: the text is never looked at."""
        choice = answer["choices"][0]
        ids = choice.get("token_ids")
        if ids is None:
            raise InputError(f"{self.url}: the server gives no token ids; it must be vLLM 0.10.2 or later")
        if choice.get("prompt_token_ids") not in (None, list(request.ids)):
            raise InputError(f"{self.url}: the server changed the ids of the prompt")
        length, stop = self._cut(ids, request.stops)
        if stop is None and choice["finish_reason"] == "stop":
            if isinstance(choice.get("stop_reason"), str):
                raise InputError(
                    f"{self.url}: stopped at {choice['stop_reason']!r}, which its tokens do not spell here"
                )
            stop = "eos"
        logprobs = [0.0] * length if request.temperature == 0 else choice["logprobs"]["token_logprobs"][:length]
        return Completion(tuple(ids[:length]), tuple(logprobs), stop)

    def _cut(self, ids: list[int], stops: tuple[str, ...]) -> tuple[int, str | None]:
        """How many tokens there are up to the first stop, and that stop."""
        closers = self.vocabulary.closers(stops)
        for length, token in enumerate(ids, 1):
            if token in closers and (stop := self.vocabulary.stop(ids[:length], stops)):
                return length, stop
        return len(ids), None

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

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        return await self._talk(self._client.post, path, body=body)

    async def _talk(self, method: Any, path: str, **given: Any) -> Any:
        """One exchange as JSON, repeated by the client where that helps."""
        import openai

        try:
            answer = await method(path, cast_to=str, **given)
        except openai.APIStatusError as error:
            told = " ".join(error.response.text.split())[:300]
            raise InputError(f"{self.url}: {error.status_code}: {told}") from None
        except openai.APIConnectionError as error:
            raise InputError(f"{self.url}: cannot be reached ({type(error.__cause__).__name__})") from None
        try:
            return json.loads(answer) if answer.strip() else None
        except ValueError:
            raise InputError(f"{self.url}: answered {path} with something that is not JSON") from None
