"""vLLM in this process: no server to start, and the engine of choice for a job that has its GPU to itself.

Requests arrive at any time; whoever waits is served by one loop over vLLM's own step. It needs the package vllm in this
environment. GRPO hands in the LLM that TRL made and keeps in step with the trainer's weights.
"""

import asyncio
from itertools import count
from typing import Any

from transformers import PreTrainedTokenizerBase

from asyncthink.engines import Completion, Engine, Identity, Request, vocabulary
from asyncthink.engines.context_window import ContextWindow
from asyncthink.engines.vllm_dialect import Dialect
from asyncthink.errors import InputError

SETTLING = 4  # turns of the event loop in which whoever got a result can ask for more, before a step goes without it
MISSING = "the engine vllm needs the package vllm in this environment (pip install -e '.[vllm]')"
MADE = {"logprobs_mode": "processed_logprobs", "disable_log_stats": True}


def load(folder: str, **settings: Any) -> Any:
    """vLLM's LLM of a checkpoint, made so that log-probabilities are those at the request's temperature."""
    try:
        from vllm import LLM
    except ImportError:
        raise InputError(f"{MISSING} or a --server") from None
    return LLM(model=folder, **MADE, **settings)


class VLLMHere(Engine):
    """Decodes with a vllm.LLM; tokenizer and outputs as for a server's engine. `watch`, where set, is told tokens."""

    def __init__(self, llm: Any, tokenizer: PreTrainedTokenizerBase, outputs: int = 0) -> None:
        self.llm, self._core = llm, llm.llm_engine
        self.vocabulary = vocabulary.shared(tokenizer, outputs)
        self._dialect = Dialect(self.vocabulary, "vllm")
        config = getattr(self._core, "model_config", None)
        self.window = ContextWindow(getattr(config, "max_model_len", None))
        self._numbers = count()
        self._waiting: dict[str, tuple[Request, asyncio.Future[Completion]]] = {}
        self._told: dict[str, int] = {}
        self._pump: asyncio.Task[None] | None = None

    def identity(self) -> Identity:
        """By the version of the package."""
        import vllm

        return Identity("vllm", vllm.__version__)

    async def __aexit__(self, *error: object) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        self._core.abort_request(list(self._waiting))
        self._waiting.clear()
        self.window.close("vllm")

    async def complete(self, request: Request) -> Completion:
        """One continuation, as long as the context lets it be."""
        return await self.window.completed(request, self._completed)

    async def _completed(self, request: Request) -> Completion:
        """Hand a request in; come back when it has ended."""
        from vllm import SamplingParams

        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        name = str(next(self._numbers))
        self._waiting[name] = (request, future)
        prompt = {"prompt_token_ids": list(request.ids)}
        self._core.add_request(name, prompt, SamplingParams(**self._dialect.sampling(request)))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._decode_all())
        return await future

    def reset_prefix_cache(self) -> None:
        """Forget the keys and values of old weights; InputError if vLLM did not."""
        if self.llm.reset_prefix_cache() is False:
            raise InputError("vllm: the prefix cache was not reset: requests are still running")

    async def _decode_all(self) -> None:
        """Step after step, until nobody waits."""
        try:
            while self._waiting:
                ended = [self._taken(output) for output in self._core.step()]
                for _ in range(SETTLING if any(ended) else 1):
                    await asyncio.sleep(0)
        except Exception as error:
            for _, future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)

    def _taken(self, output: Any) -> bool:
        """Tell new tokens; hand a whole continuation over."""
        request, future = self._waiting[output.request_id]
        [told] = output.outputs
        if self.watch is not None:
            for token in told.token_ids[self._told.get(output.request_id, 0) :]:
                self.watch(request.trace, token)
            self._told[output.request_id] = len(told.token_ids)
        if not output.finished:
            return False
        if not future.done():
            future.set_result(self._dialect.completion(request, _choice(told)))
        del self._waiting[output.request_id]  # now: one whose answer is refused still waits, to be told so
        return True


def _choice(told: Any) -> dict[str, Any]:
    """vLLM's output as the choice that its server would send."""
    ids = list(told.token_ids)
    logprobs = [at[token].logprob for at, token in zip(told.logprobs, ids, strict=True)]
    reasons = {"finish_reason": told.finish_reason, "stop_reason": told.stop_reason}
    return {"token_ids": ids, "logprobs": {"token_logprobs": logprobs}, **reasons}
