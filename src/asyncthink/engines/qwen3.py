"""The forward pass of Qwen3 for decoding: many traces at once, each in a slot of one key/value cache.

It computes what transformers' Qwen3ForCausalLM computes (a test holds the logits equal to 1e-4), with fewer operations
a step, because small models are bound by the number of operations and by the bytes of the cache that are read:

* tokens of all rows lie flat one after another, so a row that has one token to feed (decoding) and a row that has many
  (a new prompt, or text injected at a Join) share every projection;
* query, key and value weights are one matrix, gate and up weights another;
* the two halves of a head are interleaved in the weights, so that the rotary embedding is one complex product;
* a small model on a CPU decodes in one compiled function (compiled_step).

Left out on purpose: sliding windows and rotary embeddings that depend on the length of the input. Models that have
them, and all others, decode by their own forward pass (forward_pass).

Letters in shapes: N tokens fed, B rows, P rows that feed more than one token, M of those tokens but the last, T cached
positions, H heads, K key/value heads, G = H / K, D head size.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, Qwen3ForCausalLM
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

from asyncthink.engines.cache import Cache
from asyncthink.engines.compiled_step import CompiledStep
from asyncthink.engines.feed import Feed
from asyncthink.models import kernels
from asyncthink.models.operations import angles, heads_of

LARGEST_BIAS = 1 << 25  # elements: what long prompts may take, beside the cache


@dataclass(frozen=True)
class Layer:
    """The weights of one layer; qkv, norms and gate_up are copies, the rest are the model's own tensors."""

    input_norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    head_norm: Tensor  # (H + K, D): of every query head, the scale of attention in it, then of every key head
    out: Tensor
    out_bias: Tensor | None
    post_norm: Tensor
    gate_up: Tensor
    down: Tensor


class Qwen3:
    """A model and its cache. Who calls says which slot a trace has."""

    def __init__(self, model: Qwen3ForCausalLM) -> None:
        assert fits(model)
        self.model = model
        self.shape = heads_of(self.model.config)
        self.refresh()
        self.free()

    @torch.inference_mode()
    def refresh(self) -> None:
        """Read the live model's parameters again."""
        self.head = self.model.lm_head.weight.detach()
        self.device, self.dtype = self.head.device, self.head.dtype
        self.compiled = CompiledStep(self.model) if kernels.fit(self.model) else None
        pairs = torch.arange(self.shape.size, device=self.device).view(2, -1).t().flatten()
        self.layers = [] if self.compiled else [self._layer(layer, pairs) for layer in self.model.model.layers]
        self.embedding = self.model.model.embed_tokens.weight.detach()
        self.norm = self.model.model.norm.weight.detach()
        self.angles = torch.empty(0)

    def free(self) -> None:
        """Drop the cache, and with it every trace."""
        layers = self.model.config.num_hidden_layers
        self.cache = Cache(layers, self.shape.keys, self.shape.size, self.dtype, self.device)

    @torch.inference_mode()
    def step(self, feed: Feed) -> Tensor:
        """Feed some rows their tokens; logits (B, vocabulary) after the last of each."""
        self.cache.reserve(feed.slots[: feed.rows], feed.positions[: feed.rows] + 1)
        if self.compiled is not None:
            return self.compiled.step(feed, self.cache)
        if len(self.angles) <= feed.positions.max():
            self.angles = angles(self.model, 2 * (int(feed.positions.max()) + 1))
        layout = Layout(feed, self.shape.queries // self.shape.keys, self.device, self.dtype)
        hidden = F.embedding(layout.tokens, self.embedding)
        cosine, sine = self.angles[layout.positions].unsqueeze(1).chunk(2, -1)
        rotation = torch.complex(cosine.contiguous(), sine.contiguous())
        for number in range(len(self.layers)):
            hidden = self._block(number, hidden, rotation, layout)
        hidden = F.rms_norm(hidden[: layout.rows], self.norm.shape, self.norm, self.shape.epsilon)
        return F.linear(hidden, self.head).float()

    def _block(self, number: int, hidden: Tensor, rotation: Tensor, layout: "Layout") -> Tensor:
        """One layer over all N tokens: (N, hidden) in and out; their keys and values go into the cache first."""
        layer, shape, turning = self.layers[number], self.shape, self.shape.queries + self.shape.keys
        normed = F.rms_norm(hidden, layer.input_norm.shape, layer.input_norm, shape.epsilon)
        heads = F.linear(normed, layer.qkv, layer.qkv_bias).view(len(hidden), -1, shape.size)
        scaled = F.rms_norm(heads[:, :turning], (shape.size,), None, shape.epsilon) * layer.head_norm
        turned = _rotated(scaled, rotation)
        self.cache.write(number, layout.slots, layout.positions, turned[:, shape.queries :], heads[:, turning:])
        query = turned[:, : shape.queries].view(len(hidden), shape.keys, -1, shape.size)
        mixed = layout.attention(query, partial(self.cache.read, number))
        if layer.out_bias is not None:
            hidden = hidden + layer.out_bias
        hidden = torch.addmm(hidden, mixed.view(len(hidden), -1), layer.out.t())
        normed = F.rms_norm(hidden, layer.post_norm.shape, layer.post_norm, shape.epsilon)
        gate, up = F.linear(normed, layer.gate_up).chunk(2, -1)
        return torch.addmm(hidden, F.silu(gate) * up, layer.down.t())

    def _layer(self, layer: Qwen3DecoderLayer, pairs: Tensor) -> Layer:
        attention, mlp = layer.self_attn, layer.mlp
        turned = [attention.q_proj, attention.k_proj]
        query_key = [_interleaved(projection.weight, pairs) for projection in turned]
        bias: Tensor | None = attention.q_proj.bias
        if bias is not None:
            biases = [_interleaved(projection.bias, pairs) for projection in turned]
            bias = torch.cat([*biases, attention.v_proj.bias])
        scaled = attention.q_norm.weight[pairs] * attention.scaling
        norms = scaled.expand(self.shape.queries, -1), attention.k_norm.weight[pairs].expand(self.shape.keys, -1)
        return Layer(
            input_norm=layer.input_layernorm.weight.detach(),
            qkv=torch.cat([*query_key, attention.v_proj.weight]),
            qkv_bias=bias,
            head_norm=torch.cat(norms),
            out=attention.o_proj.weight.detach(),
            out_bias=None if attention.o_proj.bias is None else attention.o_proj.bias.detach(),
            post_norm=layer.post_attention_layernorm.weight.detach(),
            gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
            down=mlp.down_proj.weight.detach(),
        )


@dataclass(frozen=True)
class Early:
    """Some rows' tokens before their last, as a (P, M) grid with padding."""

    rows: Tensor  # (P,)
    grid: Tensor  # (P, M): where each token stands among the N
    real: Tensor  # (P, M): False is padding
    bias: Tensor  # (P, 1, M * G, T)


class Layout:
    """How the tokens of a step attend where torch computes.

    The last tokens attend in one dense call over the slots of all rows. The tokens before them, if there are any,
    attend over a copy of their rows' slots, as many rows at once as `LARGEST_BIAS` allows.
    """

    def __init__(self, feed: Feed, groups: int, device: torch.device, dtype: torch.dtype) -> None:
        self.rows, self._groups = feed.rows, groups
        self.length = int(feed.positions.max()) + 1
        parts = (feed.tokens, feed.positions, feed.slots)
        self.tokens, self.positions, self.slots = (torch.from_numpy(part).to(device) for part in parts)
        self._columns = torch.arange(self.length, device=device)
        self.bias = _bias(self._columns, self.positions[: self.rows, None], dtype).unsqueeze(1)
        firsts = np.cumsum([feed.rows, *(count for _, count in feed.earlier)]).tolist()
        spans = [(count, first, row) for (row, count), first in zip(feed.earlier, firsts, strict=False)]
        self.early = [self._early(part, dtype) for part in self._parts(spans)]

    def _parts(self, spans: list[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
        """Rows with about as many early tokens together; most steps have one part, or none."""
        part: list[tuple[int, int, int]] = []
        for span in sorted(spans, reverse=True):
            if part and (len(part) + 1) * part[0][0] * self._groups * self.length > LARGEST_BIAS:
                yield part
                part = []
            part.append(span)
        if part:
            yield part

    def _early(self, spans: list[tuple[int, int, int]], dtype: torch.dtype) -> Early:
        counts, firsts, rows = torch.from_numpy(np.array(spans)).to(self.slots.device).unbind(1)
        steps = torch.arange(spans[0][0], device=counts.device)
        real = steps < counts[:, None]
        grid = torch.where(real, firsts[:, None] + steps, firsts[:, None])
        seen = self.positions[grid].repeat_interleave(self._groups, 1)
        return Early(rows, grid, real, _bias(self._columns, seen[..., None], dtype))

    def attention(self, query: Tensor, read: Callable[[Tensor, int], tuple[Tensor, Tensor]]) -> Tensor:
        """(N, K, G, D) queries over a layer's cache; the G heads of a group stand as positions of one query."""
        last = _dense(query[: self.rows], *read(self.slots[: self.rows], self.length), self.bias)
        if not self.early:
            return last
        mixed = torch.empty_like(query)
        mixed[: self.rows] = last
        for early in self.early:
            grid = query[early.grid].transpose(1, 2)  # (P, K, M, G, D)
            keys, values = read(self.slots[early.rows], self.length)
            part = F.scaled_dot_product_attention(grid.flatten(2, 3), keys.mT, values, early.bias, scale=1.0)
            mixed[early.grid[early.real]] = part.view(grid.shape).transpose(1, 2)[early.real]
        return mixed


def _dense(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """One position of every row, (B, K, G, D), over T cached ones, by bias (B, 1, 1, T).

    Two batched products: for one query a row this is quicker on a CPU than fused attention.
    """
    rows, heads, groups, size = query.shape
    length = bias.shape[-1]
    scores = torch.bmm(query.reshape(-1, groups, size), keys.flatten(0, 1)).view(rows, heads, groups, length)
    weights = scores.add_(bias).softmax(-1, dtype=torch.float32).to(query.dtype)
    return torch.bmm(weights.view(-1, groups, length), values.flatten(0, 1)).view(query.shape)


def _bias(columns: Tensor, seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a column does not come after the position that looks, else -inf; (rows, 1, positions, columns)."""
    hidden = columns > seen
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, float("-inf")).unsqueeze(1)


def _rotated(heads: Tensor, rotation: Tensor) -> Tensor:
    """Rotate interleaved pairs (N, heads, D) by (N, 1, D / 2) complex numbers, in single precision."""
    pairs = torch.view_as_complex(heads.float().view(*heads.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotation).flatten(-2).to(heads.dtype)


def _interleaved(weight: Tensor, pairs: Tensor) -> Tensor:
    """The output rows of a projection, with the two halves of each head interleaved."""
    return weight.view(-1, len(pairs), *weight.shape[1:])[:, pairs].flatten(0, 1)


def fits(model: PreTrainedModel) -> TypeGuard[Qwen3ForCausalLM]:
    """Whether all that a model has is computed here."""
    if not isinstance(model, Qwen3ForCausalLM):
        return False
    config = model.config
    rotary = (config.rope_parameters or {}).get("rope_type")
    return config.hidden_act == "silu" and config.sliding_window is None and rotary not in ("dynamic", "longrope")
