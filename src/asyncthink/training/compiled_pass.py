"""A forward pass of Qwen3 over a stream of traces in the operations of models.operations, with gradients.

Tokens of all traces lie flat one after another, so nothing is padded, and every product takes all of them at once.

Letters in shapes: N tokens, F hidden units, H query heads, D size of a head.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Qwen3ForCausalLM
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

from asyncthink.models import operations
from asyncthink.models.operations import Heads, Traces


def scored(
    model: Qwen3ForCausalLM, ids_N: Tensor, lengths: Sequence[int], temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probability and entropy of each token, and is it the likeliest; 0, 0 and False for the first of a trace."""
    count = len(ids_N)
    padding = operations.rounded(count) - count  # stands at the end as a trace of its own
    traces = Traces.of([*lengths, *([padding] if padding else [])])
    ids_N = F.pad(ids_N, (0, padding))
    logits_NV = operations.linear(hidden(model, ids_N, traces), model.lm_head.weight)
    following_N = torch.roll(ids_N, -1)  # the last token of a trace tells of the next trace, which is dropped below
    first_N = traces.positions() == 0
    values = (torch.roll(value_N, 1) for value_N in operations.told(logits_NV, following_N, temperature))
    logprob_N, entropy_N, likeliest_N = (value_N.masked_fill(first_N, 0)[:count] for value_N in values)
    return logprob_N, entropy_N, likeliest_N


def hidden(model: Qwen3ForCausalLM, ids_N: Tensor, traces: Traces) -> Tensor:
    """(N, F) after the last norm."""
    heads, positions_N = operations.heads_of(model.config), traces.positions()
    angles_TD = operations.angles(model, traces.longest)
    embedding = model.model.embed_tokens
    hidden_NF = F.embedding(ids_N, embedding.weight, embedding.padding_idx)  # whose row learns nothing as an input
    for layer in model.model.layers:
        hidden_NF = _block(layer, hidden_NF, angles_TD, positions_N, traces, heads)
    return operations.rms_norm(hidden_NF, model.model.norm.weight, heads.epsilon)


def _block(
    layer: Qwen3DecoderLayer, hidden_NF: Tensor, angles_TD: Tensor, positions_N: Tensor, traces: Traces, heads: Heads
) -> Tensor:
    qkv, norm_HD, gate_up = operations.joined(layer, heads)
    normed_NF = operations.rms_norm(hidden_NF, layer.input_layernorm.weight, heads.epsilon)
    mixed_NF = operations.attention(operations.linear(normed_NF, qkv), norm_HD, angles_TD, positions_N, traces, heads)
    hidden_NF = operations.linear(mixed_NF, layer.self_attn.o_proj.weight, hidden_NF)
    normed_NF = operations.rms_norm(hidden_NF, layer.post_attention_layernorm.weight, heads.epsilon)
    gated_NF = operations.swiglu(operations.linear(normed_NF, gate_up))
    return operations.linear(gated_NF, layer.mlp.down_proj.weight, hidden_NF)
