"""The local engine: every live trace of every episode in one batch, on the device of a torch model.

Requests arrive at any time and join the batch at its next step; rows leave as they finish. The key/value cache of a
trace is kept between its requests, so an organizer that goes on behind a Fork costs nothing and one that goes on behind
a Join costs only the injected text. A trace that waits is taken out of the batch and put back when it goes on.

Sampling is keyed by the request: one uniform number a token from its own Philox stream, turned into a token by the
inverse of the cumulative distribution. What a trace says depends on no other trace (but for the rounding of sums).
"""

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncthink.engines import Completion, Engine, Identity, Request, Watcher, vocabulary
from asyncthink.engines.cache import Kept
from asyncthink.engines.qwen3 import Qwen3

SETTLING = 4  # turns of the event loop in which whoever got a result can ask for more, before a step goes without it
STEP_TOKENS = 8192  # fed in one step at most, one row's tokens apart: bounds the memory of long prompts
LOOKAHEAD = 128  # tokens for which a row finds room in the cache ahead of time


@dataclass
class Row:
    """One request in the batch. ids is the context so far; the first `cached` of them have keys and values."""

    request: Request
    future: asyncio.Future[Completion]
    ids: list[int]
    cached: int
    uniforms: list[float]
    closers: frozenset[int]
    logprobs: list[float] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """False when somebody has its result, or nobody waits for it any more."""
        return not self.future.done()

    @property
    def reach(self) -> int:
        """Room to ask for: what is to come as well, as far as it is not much."""
        return len(self.ids) + min(self.request.max_tokens - len(self.logprobs), LOOKAHEAD)


class Local(Engine):
    """Decodes with a Qwen3ForCausalLM, whose parameters are read anew each time a run begins.

    rows is the largest batch; what is asked for beyond it waits its turn. watch is called with (trace, token) for each
    decoded token. `steps` and `fed` count forward passes and the tokens that went through them.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        rows: int = 512,
        watch: Watcher | None = None,
    ) -> None:
        self.decoder = Qwen3(model)
        self.vocabulary = vocabulary.shared(tokenizer, model.config.vocab_size)
        self.steps = self.fed = 0
        self._ends = _ends(model, tokenizer)
        self._limit, self.watch = rows, watch
        self._rows: list[Row] = []  # row b of the batch is in slot b of the cache
        self._waiting: deque[Row] = deque()
        self._kept: dict[tuple[Any, ...], tuple[list[int], Kept]] = {}
        self._names: set[tuple[Any, ...]] = set()
        self._pump: asyncio.Task[None] | None = None

    def identity(self) -> Identity:
        """By the version of torch, which decides the rounding."""
        return Identity("local", torch.__version__)

    async def __aenter__(self) -> "Local":
        self.decoder.refresh()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        self._rows.clear()
        self._waiting.clear()
        self._kept.clear()
        self.decoder.free()

    async def complete(self, request: Request) -> Completion:
        """Join the batch; come back with the tokens up to a stop, the end of sequence or max_tokens."""
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        uniforms = np.random.Generator(np.random.Philox(key=request.seed)).random(request.max_tokens).tolist()
        closers = self.vocabulary.closers(request.stops) | self._ends
        if request.trace in self._names:
            raise ValueError(f"two traces are called {request.trace}")
        self._names.add(request.trace)
        self._waiting.append(Row(request, future, list(request.ids), 0, uniforms, closers))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._decode_all())
        try:
            return await future
        finally:
            self._names.remove(request.trace)

    def release(self, trace: tuple[Any, ...]) -> None:
        """Drop what is kept of a trace."""
        self._kept.pop(trace, None)
        for row in self._rows:
            if row.request.trace == trace and not row.live:
                row.ids, row.cached = [], 0

    async def _decode_all(self) -> None:
        """Step after step, until nobody asks for more."""
        try:
            while True:
                self._arrange()
                if not self._rows:
                    return
                turns = SETTLING if self._step() else 1
                for _ in range(turns):
                    await asyncio.sleep(0)
        except Exception as error:
            for row in (*self._rows, *self._waiting):
                if row.live:
                    row.future.set_exception(error)

    def _arrange(self) -> None:
        """Finished rows leave or go on in place, new ones come in; the batch stays dense."""
        idle = {row.request.trace: slot for slot, row in enumerate(self._rows) if not row.live}
        arriving: list[Row] = []
        tokens = len(self._rows)
        while self._waiting and len(self._rows) - len(idle) + len(arriving) < self._limit and tokens < STEP_TOKENS:
            row = self._waiting.popleft()
            if not row.live:
                continue
            slot = idle.pop(row.request.trace, None)
            if slot is None:
                arriving.append(row)
            else:
                row.cached = _common(self._rows[slot].ids, row.ids, self._rows[slot].cached)
                self._rows[slot] = row
            tokens += len(row.ids) - row.cached
        for slot in sorted(idle.values(), reverse=True):
            self._leave(slot)
        rows = len(self._rows) + len(arriving)
        if rows:
            self.decoder.cache.reserve(rows, max(row.reach for row in (*self._rows, *arriving)))
        for row in arriving:
            self._enter(row)

    def _leave(self, slot: int) -> None:
        """Keep the row's cache for its next request, unless its trace has ended; the last row fills the hole."""
        row, last = self._rows[slot], self._rows.pop()
        if row.ids:
            self._kept[row.request.trace] = (row.ids, self.decoder.cache.take(slot, row.cached))
        if last is not row:
            self.decoder.cache.move(len(self._rows), slot, last.cached)
            self._rows[slot] = last

    def _enter(self, row: Row) -> None:
        ids, kept = self._kept.pop(row.request.trace, ([], None))
        if kept is not None:
            row.cached = _common(ids, row.ids, kept.values.shape[2])
            self.decoder.cache.put(len(self._rows), kept, row.cached)
        self._rows.append(row)

    def _step(self) -> bool:
        """One token for every row; True when a row has finished."""
        rows = self._rows
        feeds = [row.ids[row.cached :] for row in rows]
        logits = self.decoder.step(feeds, [row.cached for row in rows])
        self.steps += 1
        self.fed += sum(map(len, feeds))
        uniforms = [row.uniforms[len(row.logprobs)] for row in rows]
        tokens, logprobs = sample(logits, [row.request.temperature for row in rows], uniforms)
        if not math.isfinite(sum(logprobs)):
            raise FloatingPointError("the model's logits are not finite")
        finished = False
        for row, token, logprob in zip(rows, tokens, logprobs, strict=True):
            row.cached = len(row.ids)
            row.ids.append(token)
            row.logprobs.append(logprob)
            if token in row.closers or len(row.logprobs) == row.request.max_tokens:
                finished |= self._finish(row)
            if self.watch is not None:
                self.watch(row.request.trace, token)
        return finished

    def _finish(self, row: Row) -> bool:
        """Hand the row's tokens over if it has come to an end."""
        own = row.ids[len(row.request.ids) :]
        stop = "eos" if own[-1] in self._ends else self.vocabulary.stop(own, row.request.stops)
        if stop is None and len(own) < row.request.max_tokens:
            return False
        if row.live:
            row.future.set_result(Completion(tuple(own), tuple(row.logprobs), stop))
        return True


@torch.inference_mode()
def sample(logits: Tensor, temperatures: list[float], uniforms: list[float]) -> tuple[list[int], list[float]]:
    """A token and its log-probability for each row of (B, vocabulary) logits; greedy, with 0.0, at temperature 0.

    Token i of the distribution p is the one with sum(p[:i]) <= u < sum(p[: i + 1]) for the row's uniform u.
    """
    greedy = not any(temperatures)
    if greedy:
        return logits.argmax(-1).tolist(), [0.0] * len(temperatures)
    if len(set(temperatures)) == 1:
        scaled = logits if temperatures[0] == 1.0 else logits / temperatures[0]
    else:
        scaled = logits / torch.tensor([value or 1.0 for value in temperatures], device=logits.device)[:, None]
    probabilities = scaled.softmax(-1)
    cumulative = probabilities.cumsum(-1)
    total = cumulative[:, -1:]
    drawn = torch.from_numpy(np.array(uniforms)).to(logits)[:, None] * total
    below = torch.minimum(drawn, torch.nextafter(total, torch.zeros_like(total)))  # rounding must not pass the end
    tokens = torch.searchsorted(cumulative, below, right=True).clamp_(max=logits.shape[-1] - 1)
    chosen = probabilities.gather(1, tokens).log_()
    if not all(temperatures):
        still = torch.tensor([value == 0 for value in temperatures], device=logits.device)
        tokens[still, 0] = logits[still].argmax(-1)
        chosen[still] = 0.0
    return tokens[:, 0].tolist(), chosen[:, 0].tolist()


def _common(known: list[int], ids: list[int], cached: int) -> int:
    """How many cached tokens still stand for `ids`; at least its last token is fed anew."""
    limit = min(cached, len(ids) - 1)
    if known[:limit] == ids[:limit]:
        return limit
    return next(place for place in range(limit) if known[place] != ids[place])


def _ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ends of sequence of the tokenizer and of the model's own generation."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (tokenizer.eos_token_id, *several) if i is not None)
