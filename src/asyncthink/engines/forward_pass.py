"""Decoding by a model's own forward pass: any causal LM of transformers whose cache is keys and values.

transformers keeps its cache by batch: rows of one length, which all grow together. Live traces have lengths of their
own, come and go, and get text at a Join. So each trace keeps its keys and values in blocks (cache.Blocks), and a pass
over some of them shows the model what it knows, a batch that is padded on the left:

    columns   0 ... T-1, the last is each row's newest token; what is before a row's first token is hidden by the mask
    inputs    the last M columns, M the most that a row is fed; a row that is fed fewer has padding in front

Two tokens of a trace are as many columns apart as positions, so the masks that the model makes itself are right,
sliding windows included, and positions are told it by position_ids. Keys and values of padding are never kept.

The keys and values of the rows are copied together in every layer of every step; on a CPU the heads of one group share
the copy (`grouped`). Qwen3 has a pass of its own (qwen3.py). Left out on purpose: models that keep another state of a
trace than keys and values, such as recurrent ones, since a trace is cut where an action ends; those with an encoder;
and those that count positions by themselves, as the decoders of BART and its kin do.

Letters in shapes: B rows, M tokens fed a row, T columns, H heads, K key/value heads, D head size.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from asyncthink.engines.cache import BLOCK, Blocks, grown, zeros
from asyncthink.engines.feed import Feed, Integers
from asyncthink.errors import InputError

ALIKE = 0.75  # rows that are fed more than one token share a pass where their numbers are that near to the largest
CELLS = 8192  # of inputs in one pass, padding included, if it has more than one row
WITH_A_SERVER = "serve it (by vLLM, llama.cpp, Ollama, ...) and say --engine text --server http://127.0.0.1:8000/v1"
GROUPED = "grouped_sdpa"  # the name by which transformers finds the function `grouped`
SLOPES = ("bloom", "mpt")  # whose positions are distances in the mask
KEPT = (DynamicLayer, DynamicSlidingWindowLayer)  # the layers of a cache that are keys and values, and nothing else


@dataclass(frozen=True)
class Columns:
    """Where the columns of a pass are kept: place (B, T) in the blocks, real (B, T) where a row has a token at all.

    new (B, M) marks the inputs that are no padding.
    """

    place: Tensor
    real: Tensor
    new: Tensor


class Layer(CacheLayerMixin):
    """One layer's keys and values of all traces, (places, K, D) each; a pass reads those of its columns."""

    is_sliding = False  # all of a trace is kept, and the mask hides what is out of the window

    def __init__(self, blocks: Blocks) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # transformers'
        self._blocks = blocks
        self.columns: Columns | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Keep the (B, K, M, D) keys and values of the inputs; those of all T columns."""
        if self.keys is None:
            self.lazy_initialization(key_states, value_states)
        columns, count = self.columns, self._blocks.count * BLOCK
        assert columns is not None and self.keys is not None and self.values is not None
        self.keys, self.values = grown(self.keys, count), grown(self.values, count)
        written = columns.place[:, -key_states.shape[2] :][columns.new]
        self.keys[written] = key_states.transpose(1, 2)[columns.new]
        self.values[written] = value_states.transpose(1, 2)[columns.new]
        return self._read(self.keys), self._read(self.values)

    def _read(self, kept: Tensor) -> Tensor:
        assert self.columns is not None
        place = self.columns.place
        return F.embedding(place, kept.flatten(1)).view(*place.shape, *kept.shape[1:]).transpose(1, 2)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """The shapes are what the model brings."""
        shapes = [(0, part.shape[1], part.shape[3]) for part in (key_states, value_states)]
        self.keys, self.values = (zeros(shape, key_states.dtype, key_states.device) for shape in shapes)
        self.is_initialized = True

    def get_seq_length(self) -> int:
        """Columns before the inputs."""
        assert self.columns is not None
        return self.columns.place.shape[1] - self.columns.new.shape[1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns, and the first of them."""
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        """No limit of its own."""
        return -1


class ForwardPass:
    """A model and the keys and values of its traces. Who calls says which slot a trace has."""

    compiled = None  # no pass of ours

    def __init__(self, model: PreTrainedModel) -> None:
        if reason := unfit(model):
            raise _refusal(model, reason)
        self.model = model
        self._attention = model.config._attn_implementation
        self._last_alone = "logits_to_keep" in inspect.signature(type(model).forward).parameters
        self._trains = model.training
        self.free()

    def refresh(self) -> None:
        """A run begins; the weights are read where they are."""
        self._trains = self.model.training
        self.model.eval()
        if self._attention == "sdpa":
            self.model.set_attn_implementation(GROUPED)

    def free(self) -> None:
        """Drop every trace; the model goes on with what it did before."""
        self.model.train(self._trains)
        if self._attention == "sdpa":
            self.model.set_attn_implementation(self._attention)
        self.cache = Blocks()
        self._layers = [Layer(self.cache) for _ in range(self.model.config.get_text_config().num_hidden_layers)]

    @torch.no_grad()  # no inference mode: some models make buffers on the way, which training needs later
    def step(self, feed: Feed) -> Tensor:
        """Feed some rows their tokens; logits (B, vocabulary) after the last of each."""
        ends = feed.positions[: feed.rows]
        self.cache.reserve(feed.slots[: feed.rows], ends + 1)
        fed = [[int(last)] for last in feed.tokens[: feed.rows]]
        begin = feed.rows
        for row, count in feed.earlier:
            fed[row] = [*feed.tokens[begin : begin + count].tolist(), *fed[row]]
            begin += count
        rows_of_passes = passes([len(tokens) for tokens in fed])
        parts = [
            self._pass([fed[row] for row in rows], ends[rows], feed.slots[rows])
            for rows in map(np.array, rows_of_passes)
        ]
        order = np.argsort(np.concatenate(rows_of_passes), kind="stable")
        return torch.cat(parts)[torch.from_numpy(order).to(parts[0].device)]

    def _pass(self, fed: Sequence[Sequence[int]], ends: Integers, slots: Integers) -> Tensor:
        """Logits (B, vocabulary) after the last token of each row, whose positions are `ends`."""
        width, most = int(ends.max()) + 1, max(map(len, fed))
        position = np.arange(width) - (width - 1 - ends)[:, None]  # (B, T), below 0 before a row begins
        known = position.clip(0)
        place = np.take_along_axis(self.cache.table[slots], known // BLOCK, 1) * BLOCK + known % BLOCK
        ids = np.array([[0] * (most - len(tokens)) + list(tokens) for tokens in fed])
        new = np.arange(most) >= most - np.array([len(tokens) for tokens in fed])[:, None]
        device = self.model.device
        columns = Columns(*(torch.from_numpy(part).to(device) for part in (place, position >= 0, new)))
        for layer in self._layers:
            layer.columns = columns
        inputs = {
            "input_ids": torch.from_numpy(ids).to(device),
            "position_ids": torch.from_numpy(known[:, -most:]).to(device),
            "attention_mask": columns.real.long(),
        }
        kept = {"logits_to_keep": 1} if self._last_alone else {}
        cache = Cache(layers=[*self._layers])
        forward = type(self.model).forward  # its own: what trains it in bfloat16 puts one around it
        try:
            output = forward(self.model, **inputs, **kept, past_key_values=cache, use_cache=True)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a model's code is of others
            said = f": {text}" if (text := " ".join(str(error).split())[:200]) else ""
            raise _refusal(self.model, f"its own forward pass fails, {type(error).__name__}{said}") from error
        logits: Tensor = output.logits[:, -1].float()
        return logits


def grouped(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, Tensor | None]:
    """transformers' attention by torch: queries (B, H, M, D) over keys and values (B, K, T, D); (B, M, H, D).

    Where H is more than K it has them copied for each query head, if there is a mask. On a CPU that is left out here.
    """
    if (
        attention_mask is None
        or query.shape[1] == key.shape[1]
        or query.device.type != "cpu"
        or others.get("position_bias") is not None
    ):
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **others)
    mixed = F.scaled_dot_product_attention(query, key, value, attention_mask, scale=scaling, enable_gqa=True)
    return mixed.transpose(1, 2).contiguous(), None


AttentionInterface.register(GROUPED, grouped)
AttentionMaskInterface.register(GROUPED, sdpa_mask)


def _refusal(model: PreTrainedModel, reason: str) -> InputError:
    return InputError(f"the local engine cannot decode {type(model).__name__}: {reason}; {WITH_A_SERVER}")


def passes(counts: Sequence[int]) -> list[list[int]]:
    """Rows by the pass that feeds them so many tokens each: all that are fed one together, others with rows alike."""
    together = [[row for row, count in enumerate(counts) if count == 1]]
    for row in sorted((row for row, count in enumerate(counts) if count > 1), key=lambda row: -counts[row]):
        longest = counts[together[-1][0]] if together[-1] else 0
        if counts[row] < ALIKE * longest or longest <= 1 or (len(together[-1]) + 1) * longest > CELLS:
            together.append([])
        together[-1].append(row)
    return [rows for rows in together if rows]


def unfit(model: PreTrainedModel) -> str | None:
    """Why a model cannot be decoded here, None where it can."""
    config = model.config
    if config.is_encoder_decoder:
        return "it has an encoder"
    if model._is_stateful or any(type(layer) not in KEPT for layer in DynamicCache(config=config).layers):
        return "it keeps a state that is more than keys and values"
    if config.model_type not in SLOPES and "position_ids" not in inspect.signature(type(model).forward).parameters:
        return "it takes no positions, and counts padding with them"
    return None


def context_of(model: PreTrainedModel) -> int | None:
    """The positions of a trace at most, None where there is no limit.

    Where rotary angles change once a text is long (longrope), it is the length up to which they stand still: what is
    cached would be wrong beyond it.
    """
    config = model.config.get_text_config()
    limits = [getattr(config, "max_position_embeddings", None)]
    rotary = getattr(config, "rope_parameters", None) or {}
    for parameters in (rotary, *rotary.values()):  # one set, or one a kind of layer
        if isinstance(parameters, dict) and parameters.get("rope_type") == "longrope":
            limits.append(parameters.get("original_max_position_embeddings"))
    return min((limit for limit in limits if limit), default=None)
