"""The local engine: every live trace of every episode in one batch, on the device of a torch model.

Requests arrive at any time and join the batch at its next step; rows leave as they finish. A trace has one slot of the
key/value cache for as long as it lives, so an organizer that goes on after a Fork costs nothing and one that goes on
after a Join costs only the injected text. What is known of a slot stands in arrays, so that a step does nothing in
Python for a row that merely goes on.

Sampling is keyed by the request: one uniform number a token from a stream of its own (SplitMix64 of its seed), turned
into a token by the inverse of the cumulative distribution. What a trace says depends on no other trace (but for the
rounding of sums).
"""

import asyncio
import gc
import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncthink.engines import Completion, Engine, Identity, Request, Watcher, vocabulary
from asyncthink.engines.context_window import ContextWindow
from asyncthink.engines.feed import Feed
from asyncthink.engines.forward_pass import ForwardPass, context_of
from asyncthink.engines.qwen3 import Qwen3, fits
from asyncthink.errors import NotFinite
from asyncthink.models import kernels, operations

FEW, MANY = 96, 512  # rows: what the processor's cache holds of a small model's keys and values; what fills a device
SOME = 32  # rows of a larger model on a CPU: more are hardly quicker together, and their keys and values take gigabytes
SETTLING = 4  # turns of the event loop in which whoever got a result can ask for more, before a step goes without it
STEP_TOKENS = 8192  # fed in one step at most, one row's tokens apart: bounds the memory of long prompts
KEPT = 0.25  # of a GPU's memory, for keys and values: they double as they grow, and weights and training have the rest


@dataclass
class Row:
    """One request in the batch, and the slot of its trace."""

    request: Request
    future: asyncio.Future[Completion]
    slot: int = -1


@dataclass(frozen=True)
class Known:
    """A trace that lives: its slot, the tokens of which the first ones are cached there, and how many may get there."""

    slot: int
    ids: Sequence[int]
    most: int


class Slots:
    """What is known of each slot, as arrays over slots.

    cached is how many tokens have keys and values, last the token to be fed next, decoded how many tokens the request
    has got of `limit`, ending its row in the table of tokens that may end it; tokens and logprobs are (slot, place).
    """

    def __init__(self) -> None:
        self.free: list[int] = []
        self.cached, self.last, self.decoded, self.limit, self.ending = (np.zeros(0, np.int64) for _ in range(5))
        self.seed, self.temperature = np.zeros(0, np.uint64), np.zeros(0, np.float32)
        self.tokens, self.logprobs = np.zeros((0, 0), np.int64), np.zeros((0, 0), np.float32)

    def take(self) -> int:
        """The first free slot."""
        if not self.free:
            count = len(self.last)
            self.free = list(range(count, 2 * count + 64))
            self._grow(2 * count + 64, self.tokens.shape[1])
        return heapq.heappop(self.free)

    def begin(self, slot: int, request: Request, cached: int, ending: int) -> None:
        """A request goes on with a slot."""
        if request.max_tokens > self.tokens.shape[1]:
            self._grow(len(self.last), 2 * request.max_tokens)
        self.cached[slot], self.last[slot], self.decoded[slot] = cached, request.ids[-1], 0
        self.limit[slot], self.ending[slot] = request.max_tokens, ending
        self.seed[slot], self.temperature[slot] = request.seed & (2**64 - 1), request.temperature

    def said(self, slot: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """The tokens of the slot's request so far, and their log-probabilities."""
        count = self.decoded[slot]
        return tuple(self.tokens[slot, :count].tolist()), tuple(self.logprobs[slot, :count].tolist())

    def _grow(self, slots: int, places: int) -> None:
        for name, values in vars(self).items():
            if isinstance(values, np.ndarray):
                room = [(0, new - old) for new, old in zip((slots, places), values.shape, strict=False)]
                setattr(self, name, np.pad(values, room))


class Local(Engine):
    """Decodes with a causal LM of transformers, whose parameters are read anew each time a run begins.

    Qwen3 has a fast path (qwen3), all others decode by their own forward pass (forward_pass). rows is the largest
    batch, by default what suits the decoder, and `room` the most tokens whose keys and values are kept, None where
    memory is no bound; what is asked for beyond them waits its turn. watch is called with (trace, token) for each
    decoded token. `steps` and `fed` count forward passes and the tokens that went through them.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        rows: int | None = None,
        watch: Watcher | None = None,
    ) -> None:
        self.decoder = decoder_of(model)
        self.window = ContextWindow(context_of(model))
        said = model.config.get_text_config().vocab_size
        self.vocabulary = vocabulary.shared(tokenizer, said)
        self.steps = self.fed = 0
        self._ends = _ends(model, tokenizer)
        self._limit, self.watch = rows or rows_of(self.decoder), watch
        self.room = room_of(model)
        self._endings: dict[tuple[str, ...], int] = {}
        self._ending = np.zeros((0, said), bool)  # by set of stops: the tokens that may end a row
        self._pump: asyncio.Task[None] | None = None
        self._clear()

    def _clear(self) -> None:
        self._rows: list[Row] = []
        self._batch = np.zeros(0, np.int64)  # the slots of the rows
        self._waiting: deque[Row] = deque()
        self._traces: dict[tuple[Any, ...], Known] = {}
        self._names: set[tuple[Any, ...]] = set()
        self._slots = Slots()

    def identity(self) -> Identity:
        """By what decides the rounding: the version of torch, who computes between the products, and on what."""
        device = self.decoder.model.device.type
        return Identity("local", f"{torch.__version__}, {kernels.used()}{'' if device == 'cpu' else f', {device}'}")

    async def __aenter__(self) -> Self:
        _settle_modules()
        self.decoder.refresh()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        self._clear()
        self.decoder.free()
        self.window.close("local")

    async def complete(self, request: Request) -> Completion:
        """Join the batch; come back with the tokens up to a stop, the end of sequence, max_tokens or of the context."""
        return await self.window.completed(request, self._decoded)

    async def _decoded(self, request: Request) -> Completion:
        if request.trace in self._names:
            raise ValueError(f"two traces are called {request.trace}")
        row = Row(request, asyncio.get_running_loop().create_future())
        self._names.add(request.trace)
        if self._rows:  # what goes on is served before what has not begun, so few traces hold a slot
            self._waiting.appendleft(row)
        else:
            self._waiting.append(row)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._decode_all())
        try:
            return await row.future
        finally:
            self._names.discard(request.trace)

    def release(self, trace: tuple[Any, ...]) -> None:
        """Drop what is kept of a trace."""
        known = self._traces.pop(trace, None)
        if known is not None:
            heapq.heappush(self._slots.free, known.slot)
            self.decoder.cache.release(known.slot)

    async def _decode_all(self) -> None:
        """Step after step, until nobody asks for more."""
        try:
            while True:
                earlier = self._arrange()
                if not self._rows:
                    return
                turns = SETTLING if self._step(earlier) else 1
                for _ in range(turns):
                    await asyncio.sleep(0)
        except Exception as error:
            for row in (*self._rows, *self._waiting):
                if not row.future.done():
                    row.future.set_exception(error)

    def _arrange(self) -> dict[int, list[int]]:
        """Finished rows leave, new ones come in; by row of the batch, what new ones are fed before their last token."""
        self._rows = rows = [row for row in self._rows if not row.future.done()]
        earlier: dict[int, list[int]] = {}
        tokens = len(rows)
        while self._waiting and tokens < STEP_TOKENS and self._fits(self._waiting[0].request):
            row = self._waiting.popleft()
            if row.future.done():  # nobody waits for it any more
                continue
            rows.append(row)  # whatever happens from here on, its future is told
            cached = self._enter(row)
            if cached + 1 < len(row.request.ids):
                earlier[len(rows) - 1] = list(row.request.ids[cached:-1])
            tokens += len(row.request.ids) - cached
        self._batch = np.array([row.slot for row in rows], np.int64)
        return earlier

    def _fits(self, request: Request) -> bool:
        """Whether a request may begin. Where memory is a bound: one of a living trace, or any if none is at work."""
        if len(self._rows) >= self._limit:
            return False
        if self.room is None or not self._rows or request.trace in self._traces:
            return True
        return sum(known.most for known in self._traces.values()) + _most(request) <= self.room

    def _enter(self, row: Row) -> int:
        """Give a row the slot of its trace; how many of its tokens are cached there."""
        request = row.request
        known = self._traces.get(request.trace)
        row.slot = self._slots.take() if known is None else known.slot
        cached = 0 if known is None else _common(known.ids, request.ids, int(self._slots.cached[row.slot]))
        self._traces[request.trace] = Known(row.slot, request.ids, _most(request))
        self._slots.begin(row.slot, request, cached, self._ending_of(request.stops))
        return cached

    def _ending_of(self, stops: tuple[str, ...]) -> int:
        if stops not in self._endings:
            self._endings[stops] = len(self._ending)
            self._ending = np.pad(self._ending, ((0, 1), (0, 0)))
            ends = self.vocabulary.closers(stops) | self._ends  # of which the model may not be able to say all
            self._ending[-1, [i for i in ends if i < self._ending.shape[1]]] = True
        return self._endings[stops]

    def _step(self, earlier: dict[int, list[int]]) -> bool:
        """One token for every row; True when a row has finished."""
        batch, slots = self._batch, self._slots
        ends = slots.cached[batch]
        for place, tokens in earlier.items():
            ends[place] += len(tokens)
        logits = self.decoder.step(Feed.of(slots.last[batch], ends, batch, earlier))
        self.steps += 1
        self.fed += len(batch) + sum(map(len, earlier.values()))
        decoded = slots.decoded[batch]
        token, logprob = sample(logits, slots.temperature[batch], uniforms(slots.seed[batch], decoded))
        if not np.isfinite(logprob.sum()):
            raise NotFinite("the model's logits are not finite: its weights are no numbers, or too large")
        slots.tokens[batch, decoded], slots.logprobs[batch, decoded] = token, logprob
        slots.cached[batch], slots.last[batch], slots.decoded[batch] = ends + 1, token, decoded + 1
        ended = self._ending[slots.ending[batch], token] | (decoded + 1 == slots.limit[batch])
        if self.watch is not None:
            for row, said in zip(self._rows, token.tolist(), strict=True):
                self.watch(row.request.trace, said)
        return any([self._finish(self._rows[row]) for row in np.flatnonzero(ended).tolist()])

    def _finish(self, row: Row) -> bool:
        """Hand the row's tokens over if it has come to an end."""
        own, logprobs = self._slots.said(row.slot)
        stop = "eos" if own[-1] in self._ends else self.vocabulary.stop(own, row.request.stops)
        if stop is None and len(own) < row.request.max_tokens:
            return False
        ids = (*row.request.ids, *own)
        self._traces[row.request.trace] = Known(row.slot, ids, len(ids))
        if not row.future.done():
            row.future.set_result(Completion(own, logprobs, stop))
        return True


def decoder_of(model: PreTrainedModel) -> Qwen3 | ForwardPass:
    """What decodes a model; InputError where nothing here does."""
    return Qwen3(model) if fits(model) else ForwardPass(model)


def rows_of(decoder: Qwen3 | ForwardPass) -> int:
    """The largest batch that suits a decoder."""
    if isinstance(decoder, Qwen3):
        return FEW if decoder.compiled else MANY
    return SOME if decoder.model.device.type == "cpu" else MANY


def room_of(model: PreTrainedModel) -> int | None:
    """Of how many tokens keys and values may be kept; None on a CPU, whose batches are small."""
    if model.device.type == "cpu":
        return None
    memory: int = torch.cuda.get_device_properties(model.device).total_memory
    return int(KEPT * memory) // token_bytes(model)


def token_bytes(model: PreTrainedModel) -> int:
    """Of the keys and values of one token."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    count: int = 2 * config.num_hidden_layers * heads * size
    return count * model.dtype.itemsize


def _most(request: Request) -> int:
    return len(request.ids) + request.max_tokens


@cache
def _settle_modules() -> None:
    """What is there now, stays: the garbage collector would look through torch's million objects every few steps."""
    gc.freeze()


def uniforms(seeds: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """The numbers in [0, 1) at some places of the streams of some seeds: SplitMix64 (Steele, Lea and Flood 2014)."""
    mixed = seeds + (places + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    numbers: NDArray[np.float64] = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
    return numbers


@torch.inference_mode()
def sample(
    logits: Tensor, temperatures: NDArray[np.float32], uniforms: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """A token and its log-probability for each row of (B, vocabulary) logits; greedy, with 0.0, at temperature 0.

    The token is where the cumulative distribution passes the row's uniform number.
    """
    wanted, warmth = torch.from_numpy(uniforms), torch.from_numpy(temperatures)
    if logits.device.type == "cpu" and kernels.library() is not None:
        tokens, logprobs = operations.draw(logits.contiguous(), warmth, wanted)
    else:
        tokens, logprobs = _drawn(logits, warmth.to(logits), wanted.to(logits))
    return tokens.cpu().numpy(), logprobs.cpu().numpy()


def _drawn(logits: Tensor, temperatures: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """The same in operations of torch."""
    still = temperatures == 0
    probabilities = (logits / temperatures.masked_fill(still, 1.0)[:, None]).softmax(-1)
    cumulative = probabilities.cumsum(-1)
    total = cumulative[:, -1:]
    below = torch.minimum(uniforms[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    tokens = torch.searchsorted(cumulative, below, right=True).clamp_(max=logits.shape[-1] - 1)[:, 0]
    tokens = torch.where(still, logits.argmax(-1), tokens)
    chosen = probabilities.gather(1, tokens[:, None])[:, 0].log()
    return tokens, chosen.masked_fill(still, 0.0)


def _common(known: Sequence[int], ids: Sequence[int], cached: int) -> int:
    """How many cached tokens still stand for `ids`; at least its last token is fed anew."""
    limit = min(cached, len(ids) - 1)
    if tuple(known[:limit]) == tuple(ids[:limit]):
        return limit
    return next(place for place in range(limit) if known[place] != ids[place])


def _ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The ends of sequence of the tokenizer and of the model's own generation."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    several = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (tokenizer.eos_token_id, *several) if i is not None)
