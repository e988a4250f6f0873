"""A Qwen3 model with wider attention heads that says the same: for kernels that know only some head sizes.

The new dimensions are zeros. Rotary embeddings turn dimension i of a head's first half with i of its second half at the
frequency theta^(-2i / d), so each half is padded by itself and theta becomes theta^(new / old); a norm over more
dimensions is larger by the root of new / old, and so is the attention's scale smaller; both go into the norms' weights.
Equal but for the epsilon of the two norms and the rounding of sums.
"""

import copy

import torch
from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM


def padded(model: Qwen3ForCausalLM, head_size: int) -> Qwen3ForCausalLM:
    """A copy of `model` with heads of `head_size` dimensions, an even number not below the model's own."""
    old = model.config.head_dim
    result = Qwen3ForCausalLM(_config(model.config, head_size)).to(model.dtype).eval()
    state = {name: _padded(name, tensor, old, head_size) for name, tensor in model.state_dict().items()}
    result.load_state_dict(state)
    return result


def _config(config: Qwen3Config, head_size: int) -> Qwen3Config:
    wider = copy.deepcopy(config)
    wider.head_dim = head_size
    theta = config.rope_parameters["rope_theta"]
    wider.rope_parameters = {"rope_type": "default", "rope_theta": theta ** (head_size / config.head_dim)}
    return wider


def _padded(name: str, tensor: Tensor, old: int, new: int) -> Tensor:
    if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
        return _halves(tensor.unflatten(0, (-1, old)).transpose(1, 2), new).transpose(1, 2).flatten(0, 1)
    if name.endswith("o_proj.weight"):
        return _halves(tensor.unflatten(1, (-1, old)), new).flatten(1, 2)
    if name.endswith("q_norm.weight"):
        return _halves(tensor, new)
    if name.endswith("k_norm.weight"):
        return _halves(tensor, new) * (old / new) ** 0.5
    return tensor


def _halves(tensor: Tensor, new: int) -> Tensor:
    """(..., old) -> (..., new): zeros behind each half of the last dimension."""
    halves = tensor.unflatten(-1, (2, -1))
    zeros = halves.new_zeros(*halves.shape[:-1], new // 2 - halves.shape[-1])
    return torch.cat([halves, zeros], -1).flatten(-2)
