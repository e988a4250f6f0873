"""The operations of a Qwen3 model between its matrix products, each one pass over the data (kernels.c), with gradients.

What they compute is torch's; how they round is not.

Letters in shapes: N tokens, F and G numbers of a token, H query heads, K key/value heads, D size of a head, V words, T
positions. A token's qkv are its H query heads, its K key heads and its K value heads.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from transformers import Qwen3Config, Qwen3ForCausalLM
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

from asyncthink.models.kernels import LANES, call


@dataclass(frozen=True)
class Heads:
    """Attention has H query heads, which share K key/value heads, of D numbers each; epsilon is that of their norm."""

    queries: int
    keys: int
    size: int
    epsilon: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """H, K, D."""
        return self.queries, self.keys, self.size


@dataclass(frozen=True)
class Traces:
    """Traces one after another in a stream: where each begins, and at last where the stream ends; (traces + 1)."""

    starts: Tensor
    longest: int

    @classmethod
    def of(cls, lengths: list[int]) -> "Traces":
        """Of the lengths of all."""
        return cls(torch.tensor([0, *lengths]).cumsum(0), max(lengths))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def positions(self) -> Tensor:
        """(N): the place of each token in its trace."""
        starts = self.starts[:-1]
        return torch.arange(int(self.starts[-1])) - starts.repeat_interleave(self.starts.diff())


class _Linear(Function):
    @staticmethod
    def forward(ctx: Any, x_NF: Tensor, weight_GF: Tensor, residual_NG: Tensor | None) -> Tensor:
        ctx.save_for_backward(x_NF, weight_GF)
        return _product(x_NF, weight_GF, residual_NG)

    @staticmethod
    def backward(ctx: Any, dy_NG: Tensor) -> tuple[Tensor | None, ...]:
        x_NF, weight_GF = ctx.saved_tensors
        dweight_GF = _product(x_NF.t(), dy_NG.t()).t()
        return _product(dy_NG, weight_GF.t()), dweight_GF, dy_NG if ctx.needs_input_grad[2] else None


class _RMSNorm(Function):
    @staticmethod
    def forward(ctx: Any, x_NF: Tensor, weight_F: Tensor, epsilon: float) -> Tensor:
        ctx.save_for_backward(x_NF, weight_F)
        ctx.epsilon = epsilon
        return _normed(x_NF, weight_F, epsilon)

    @staticmethod
    def backward(ctx: Any, dy_NF: Tensor) -> tuple[Tensor | None, ...]:
        x_NF, weight_F = ctx.saved_tensors
        dx_NF, dweight_F = torch.empty_like(x_NF), torch.zeros_like(weight_F)
        call("rms_norm_backward", *x_NF.shape, ctx.epsilon, x_NF, weight_F, dy_NF.contiguous(), dx_NF, dweight_F)
        return dx_NF, dweight_F, None


class _SwiGLU(Function):
    @staticmethod
    def forward(ctx: Any, gate_up_NF: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up_NF)
        return _gated(gate_up_NF)

    @staticmethod
    def backward(ctx: Any, dy_NF: Tensor) -> Tensor:
        (gate_up_NF,) = ctx.saved_tensors
        dgate_up_NF = torch.empty_like(gate_up_NF)
        call("swiglu_backward", *dy_NF.shape, gate_up_NF, dy_NF.contiguous(), dgate_up_NF)
        return dgate_up_NF


class _Attention(Function):
    @staticmethod
    def forward(
        ctx: Any, qkv_NF: Tensor, norm_HD: Tensor, angles_TD: Tensor, positions_N: Tensor, traces: Traces, heads: Heads
    ) -> Tensor:
        turned_NF = torch.empty_like(qkv_NF)
        own = (norm_HD, angles_TD, positions_N, qkv_NF)
        call("turn_heads", len(qkv_NF), *heads.shape, heads.epsilon, *own, turned_NF)
        mixed_NF = qkv_NF.new_empty(len(qkv_NF), heads.queries * heads.size)
        logsum_NH = qkv_NF.new_empty(len(qkv_NF), heads.queries)
        scratch = _scratch(traces, heads)
        call("attend_traces", len(traces), *heads.shape, traces.starts, turned_NF, mixed_NF, logsum_NH, scratch)
        ctx.save_for_backward(qkv_NF, norm_HD, angles_TD, positions_N, turned_NF, mixed_NF, logsum_NH)
        ctx.traces, ctx.heads = traces, heads
        return mixed_NF

    @staticmethod
    def backward(ctx: Any, dmixed_NF: Tensor) -> tuple[Tensor | None, ...]:
        qkv_NF, norm_HD, angles_TD, positions_N, turned_NF, mixed_NF, logsum_NH = ctx.saved_tensors
        traces, heads, shape = ctx.traces, ctx.heads, ctx.heads.shape
        dqkv_NF, dnorm_HD = torch.zeros_like(qkv_NF), torch.zeros_like(norm_HD)
        saved = (turned_NF, mixed_NF, logsum_NH, dmixed_NF.contiguous())
        call("attend_traces_backward", len(traces), *shape, traces.starts, *saved, dqkv_NF, _scratch(traces, heads))
        own = (norm_HD, angles_TD, positions_N, qkv_NF)
        call("turn_heads_backward", len(qkv_NF), *shape, heads.epsilon, *own, dqkv_NF, dnorm_HD)
        return dqkv_NF, dnorm_HD, None, None, None, None


class _Told(Function):
    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, label_N: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        logprob_N, entropy_N = logits_NV.new_empty(2, len(logits_NV))
        likeliest_N = torch.empty(len(logits_NV), dtype=torch.bool)
        shape = logits_NV.shape
        call("tell", *shape, 1 / temperature, logits_NV, label_N, logprob_N, entropy_N, likeliest_N)
        ctx.save_for_backward(logits_NV, label_N, logprob_N)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropy_N, likeliest_N)
        return logprob_N, entropy_N, likeliest_N

    @staticmethod
    def backward(ctx: Any, dlogprob_N: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        logits_NV, label_N, logprob_N = ctx.saved_tensors
        dlogits_NV = torch.empty_like(logits_NV)
        own = (logits_NV, label_N, logprob_N, dlogprob_N.contiguous(), dlogits_NV)
        call("tell_backward", *logits_NV.shape, 1 / ctx.temperature, *own)
        return dlogits_NV, None, None


def linear(x_NF: Tensor, weight_GF: Tensor, residual_NG: Tensor | None = None) -> Tensor:
    """x times the transposed weight, plus a residual.

    By oneDNN, which computes with all that the processor has; torch's own choice, MKL, leaves half of it idle on some.
    """
    own = _Linear.apply if torch.is_grad_enabled() else _product
    return own(x_NF, weight_GF, residual_NG)


def heads_of(config: Qwen3Config) -> Heads:
    """The attention of a model."""
    keys = config.num_key_value_heads or config.num_attention_heads
    return Heads(config.num_attention_heads, keys, config.head_dim, config.rms_norm_eps)


def joined(layer: Qwen3DecoderLayer, heads: Heads) -> tuple[Tensor, Tensor, Tensor]:
    """The weights that are used together, as one: of query, key and value; of the heads' norms; of gate and up.

    The norms are (H + K, D), with the scale of attention in the queries'.
    """
    own, mlp = layer.self_attn, layer.mlp
    scaled = (own.q_norm.weight * own.scaling).expand(heads.queries, -1)
    return (
        torch.cat([own.q_proj.weight, own.k_proj.weight, own.v_proj.weight]),
        torch.cat([scaled, own.k_norm.weight.expand(heads.keys, -1)]),
        torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
    )


@torch.no_grad()
def angles(model: Qwen3ForCausalLM, length: int) -> Tensor:
    """(length, D): the cosines and then the sines of the rotary embedding of each position, from the model's own."""
    device = model.lm_head.weight.device
    cosine, sine = model.model.rotary_emb(torch.empty(0, device=device), torch.arange(length, device=device)[None])
    half = cosine.shape[-1] // 2
    return torch.cat([cosine[0, :, :half], sine[0, :, :half]], 1).contiguous()


def rounded(rows: int) -> int:
    """At least so many rows: oneDNN compiles every product for its shape, which costs as much as 50 rows, so there are
    few shapes: sixteen from one power of two to the next.
    """
    step = max(8, 1 << max(0, rows.bit_length() - 5))
    return -(-rows // step) * step


def rms_norm(x_NF: Tensor, weight_F: Tensor, epsilon: float) -> Tensor:
    """RMSNorm of each token."""
    own = _RMSNorm.apply if torch.is_grad_enabled() else _normed
    return own(x_NF, weight_F, epsilon)


def swiglu(gate_up_NF: Tensor) -> Tensor:
    """silu(gate) * up, where each token has its gate and then its up."""
    own = _SwiGLU.apply if torch.is_grad_enabled() else _gated
    return own(gate_up_NF)


def attention(
    qkv_NF: Tensor, norm_HD: Tensor, angles_TD: Tensor, positions_N: Tensor, traces: Traces, heads: Heads
) -> Tensor:
    """(N, H * D): each token looks at its own trace up to itself.

    norm_HD are the weights of the norms of H query and K key heads, with the scale of attention in the queries'; row t
    of angles_TD has the cosines and then the sines of position t.
    """
    mixed_NF: Tensor = _Attention.apply(  # type: ignore[no-untyped-call]  # torch's
        qkv_NF, norm_HD, angles_TD, positions_N, traces, heads
    )
    return mixed_NF


def told(logits_NV: Tensor, label_N: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of each label: its log-probability at a temperature, the distribution's entropy, and whether it is the likeliest.

    Gradients flow through the log-probability.
    """
    values = _Told.apply(logits_NV, label_N, temperature)  # type: ignore[no-untyped-call]  # torch's
    logprob_N, entropy_N, likeliest_N = values
    return logprob_N, entropy_N, likeliest_N


def draw(logits_NV: Tensor, temperature_N: Tensor, uniform_N: Tensor) -> tuple[Tensor, Tensor]:
    """A token for each row, where its cumulative distribution passes a number in [0, 1), and its log-probability.

    At temperature 0 the likeliest token, with 0.0.
    """
    rows, words = logits_NV.shape
    token_N, logprob_N = torch.empty(rows, dtype=torch.long), torch.empty(rows)
    call("draw", rows, words, logits_NV, temperature_N, uniform_N, token_N, logprob_N, torch.empty(words))
    return token_N, logprob_N


def _product(x_NF: Tensor, weight_GF: Tensor, residual_NG: Tensor | None = None) -> Tensor:
    product = torch.ops.mkldnn._linear_pointwise
    y_NG: Tensor = (
        product(x_NF, weight_GF, None, "none", [], "")
        if residual_NG is None
        else product.binary(x_NF, residual_NG, weight_GF, None, "add")
    )
    return y_NG


def _normed(x_NF: Tensor, weight_F: Tensor, epsilon: float) -> Tensor:
    y_NF = torch.empty_like(x_NF)
    call("rms_norm", *x_NF.shape, epsilon, x_NF, weight_F, y_NF)
    return y_NF


def _gated(gate_up_NF: Tensor) -> Tensor:
    rows, width = gate_up_NF.shape
    y_NF = gate_up_NF.new_empty(rows, width // 2)
    call("swiglu", rows, width // 2, gate_up_NF, y_NF)
    return y_NF


def _scratch(traces: Traces, heads: Heads) -> Tensor:
    room = -(-traces.longest // LANES) * LANES
    return torch.empty(2 * room * (heads.size + 4))
