"""What vLLM is asked and what it answers, whichever way it is reached: by HTTP, or in this process.

Everything that decides a sample is said, because what is left out falls back to the served model's generation_config.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from asyncthink.engines import FULL, Completion, Request
from asyncthink.engines.vocabulary import Vocabulary
from asyncthink.errors import InputError

SEED_BITS = 63  # of the interface's signed integer
_EXPLICIT = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
_UNCUT = {
    "logprobs": 0,
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
    "include_stop_str_in_output": True,
}


class Dialect:
    """`where` is what errors call the other side."""

    def __init__(self, vocabulary: Vocabulary, where: str) -> None:
        self.vocabulary, self.where = vocabulary, where

    def sampling(self, request: Request) -> dict[str, Any]:
        """vLLM's sampling parameters for a request."""
        return {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed % (1 << SEED_BITS),
            **self._stop_fields(request.stops),
            **_EXPLICIT,
            **_UNCUT,
        }

    @lru_cache(maxsize=64)  # noqa: B019 (lives as long as the engine)
    def _stop_fields(self, stops: tuple[str, ...]) -> dict[str, list[Any]]:
        """A stop that is one token goes by its id, which is exact and cheapest; others go as text."""
        encoded = {stop: self.vocabulary.encode(stop) for stop in stops}
        single = [ids[0] for ids in encoded.values() if len(ids) == 1]
        return {"stop": [stop for stop, ids in encoded.items() if len(ids) > 1], "stop_token_ids": single}

    def completion(self, request: Request, choice: Mapping[str, Any]) -> Completion:
        """The completion in one choice, by its ids alone, cut after the first stop: the text is never looked at."""
        ids = choice.get("token_ids")
        if not isinstance(ids, list) or not all(type(token) is int and token >= 0 for token in ids):
            raise InputError(f"{self.where}: the server gives no token ids; it must be vLLM 0.10.2 or later")
        if choice.get("prompt_token_ids") not in (None, list(request.ids)):
            raise InputError(f"{self.where}: the server changed the ids of the prompt")
        length, stop = self._cut(ids, request.stops)
        if stop is None and choice.get("finish_reason") == "stop":
            if isinstance(choice.get("stop_reason"), str):
                said = choice["stop_reason"]
                raise InputError(f"{self.where}: stopped at {said!r}, which its tokens do not spell here")
            stop = "eos"
        if stop is None and length < request.max_tokens:
            stop = self._ended_early(choice, length, request.max_tokens)
        logprobs = [0.0] * length if request.temperature == 0 else self._logprobs(choice, length)
        return Completion(tuple(ids[:length]), tuple(logprobs), stop)

    def _ended_early(self, choice: Mapping[str, Any], length: int, asked: int) -> str:
        """A server may cut at its context; any other end before the asked length is no continuation."""
        reason = choice.get("finish_reason")
        if reason == "length":
            return FULL
        raise InputError(f"{self.where}: ended after {length} of {asked} tokens with the reason {reason!r}")

    def _logprobs(self, choice: Mapping[str, Any], length: int) -> list[float]:
        """One finite log-probability a token, or InputError: training would take any other value as it stands."""
        told = choice.get("logprobs")
        values = told.get("token_logprobs") if isinstance(told, dict) else None
        values = values[:length] if isinstance(values, list) else []
        known = [type(value) in (int, float) and math.isfinite(value) for value in values]
        missing = length - sum(known)
        if missing:
            raise InputError(f"{self.where}: the server gives no log-probability of {missing} of {length} tokens")
        return values

    def _cut(self, ids: list[int], stops: tuple[str, ...]) -> tuple[int, str | None]:
        """How many tokens there are up to the first stop, and that stop."""
        closers = self.vocabulary.closers(stops)
        for length, token in enumerate(ids, 1):
            if token in closers and (stop := self.vocabulary.stop(ids[:length], stops)):
                return length, stop
        return len(ids), None
