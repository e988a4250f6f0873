"""The forward pass of a small Qwen3 for decoding, as one compiled function (models/kernels.c: decode).

It computes what qwen3.py computes. A query looks no farther than its own row, every weight is read once a step, and
Python is asked once a step.
"""

import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

from asyncthink.engines.cache import BLOCK, Cache
from asyncthink.engines.feed import Feed
from asyncthink.models import operations
from asyncthink.models.kernels import PANEL, call


class CompiledStep:
    """The weights of a model as they are now, in panels: (columns / PANEL, inputs, PANEL) of each product."""

    def __init__(self, model: Qwen3ForCausalLM) -> None:
        config = model.config
        self.model, self.heads = model, operations.heads_of(config)
        self._shape = (config.num_hidden_layers, config.hidden_size, config.intermediate_size, config.vocab_size)
        self._layers = [self._layer(layer) for layer in model.model.layers]
        self._embedding = model.model.embed_tokens.weight.detach()
        self._norm = model.model.norm.weight.detach()
        self._head = _panels(model.lm_head.weight.detach())
        self._angles = self._scratch = torch.empty(0)

    def step(self, feed: Feed, cache: Cache) -> Tensor:
        """Feed some rows their tokens; logits (B, vocabulary) after the last of each."""
        room = cache.table.shape[1]
        if len(self._angles) < room * BLOCK:
            self._angles = operations.angles(self.model, room * BLOCK)
        count, shape = len(feed.tokens), (*self._shape, *self.heads.shape)
        logits = torch.empty(feed.rows, self.model.config.vocab_size)
        needed = count * self._numbers() + room * BLOCK
        if len(self._scratch) < needed:  # kept from step to step: fresh memory costs more than what is done with it
            self._scratch = torch.empty(2 * needed)
        own = zip(self._layers, cache.keys, cache.values, strict=True)
        addresses = torch.tensor([part.data_ptr() for weights, *kept in own for part in (*weights, *kept)])
        places = [torch.from_numpy(part) for part in (feed.tokens, feed.slots, feed.positions, cache.table)]
        whole = (self._embedding, self._angles, addresses, self._norm, self._head)
        call("decode", count, feed.rows, *shape, room, self.heads.epsilon, *places, *whole, logits, self._scratch)
        return logits

    def _numbers(self) -> int:
        """What a token needs between the products, in numbers."""
        _, hidden, inner, _ = self._shape
        return 2 * hidden + 3 * inner + 2 * (self.heads.queries + self.heads.keys) * self.heads.size

    def _layer(self, layer: Qwen3DecoderLayer) -> list[Tensor]:
        """In the order in which `decode` reads them."""
        qkv, norm, gate_up = (part.detach() for part in operations.joined(layer, self.heads))
        return [
            layer.input_layernorm.weight.detach(),
            _panels(qkv),
            norm.contiguous(),
            _panels(layer.self_attn.o_proj.weight.detach()),
            layer.post_attention_layernorm.weight.detach(),
            _panels(gate_up),
            _panels(layer.mlp.down_proj.weight.detach()),
        ]


def _panels(weight: Tensor) -> Tensor:
    """A (columns, inputs) weight as (columns / PANEL, inputs, PANEL), zeros beyond the last column."""
    columns, inputs = weight.shape
    padded = torch.nn.functional.pad(weight, (0, 0, 0, -columns % PANEL))
    return padded.view(-1, PANEL, inputs).transpose(1, 2).contiguous()
