"""The memory of a training step on a GPU, traced without one.

The passes are those of training (log_probabilities.score and its backward), on tensors that have a shape and a type and
no data, and each storage is counted from its beginning to its end. All layers of a model are alike, so models of few
layers are traced, and what a layer adds is the difference. The kernels that a GPU has and a CPU has not, Triton's of
TRL's head, work in place and count nothing. What is of the model and not of a pass, its state and what processes that
share it gather, is arithmetic (micro_batches.held); a vLLM beside it, CUDA's context and fragments come on top.
"""

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from transformers import Qwen3Config, Qwen3ForCausalLM
from trl.kernels import chunked_logprob
from trl.trainer.utils import add_fused_lm_head

from asyncthink.models import language_model
from asyncthink.training.log_probabilities import BUDGETS, ROUNDING, head_of, padded, score

LAYERS = (2, 4)  # of the models that are traced
IN_PLACE = ("_forward_tile", "_backward_tile", "_addmm_fp32")  # of TRL's head, on a GPU
FIELDS = ("log_probs", "entropy", "is_top1")  # all that any trainer here asks the head for


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Bytes of the storages that live, and the most there were at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._seen, result)
        return result

    def _seen(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        name, size = storage._cdata, storage.nbytes()
        if name not in self._alive:
            self._alive[name] = weakref.ref(storage, lambda _: self._gone(name, size))
            self.now += size
            self.most = max(self.most, self.now)

    def _gone(self, name: int, size: int) -> None:
        del self._alive[name]
        self.now -= size


def qwen3(
    layers: int, hidden_size: int, inner_size: int, heads: int, key_heads: int, head_size: int, vocabulary: int
) -> Qwen3Config:
    """A model's shape, input and output embeddings tied."""
    return Qwen3Config(
        num_hidden_layers=layers,
        hidden_size=hidden_size,
        intermediate_size=inner_size,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        head_dim=head_size,
        vocab_size=vocabulary,
        tie_word_embeddings=True,
    )


def parameters(config: Qwen3Config) -> int:
    """Of the model of a shape."""
    with torch.device("meta"):
        count: int = Qwen3ForCausalLM(config).num_parameters()
    return count


def update(config: Qwen3Config, lengths: Sequence[int], large: bool, trained: bool = True) -> int:
    """Most bytes on top of weights, gradients and moments while the traces of a micro-batch are trained on.

    A large model computes in bfloat16 and recomputes its layers. Not trained, they are scored without gradients.
    """
    few, more = (_traced(config, layers, lengths, large, trained) for layers in LAYERS)
    return more + (more - few) * (config.num_hidden_layers - LAYERS[1]) // (LAYERS[1] - LAYERS[0])


def _traced(config: Qwen3Config, layers: int, lengths: Sequence[int], large: bool, trained: bool) -> int:
    """The same of a model with so many layers, in the middle of a step: it has gradients already."""
    shape = Qwen3Config(**{**config.to_dict(), "num_hidden_layers": layers, "layer_types": None})
    with FakeTensorMode(), Counter() as counter, _in_place():
        model = language_model.ready(Qwen3ForCausalLM(shape)).train(trained)
        if large and trained:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        add_fused_lm_head(model, outputs=FIELDS)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        before = counter.most = counter.now
        ids_N = torch.zeros(sum(lengths), dtype=torch.long)
        rounding = torch.autocast("cpu", torch.bfloat16, enabled=large, cache_enabled=ROUNDING.cache_enabled)
        with rounding, torch.set_grad_enabled(trained):
            told = score(model, ids_N, lengths, layout=padded, head=head_of(model, "cuda"), budget=BUDGETS["cuda"])
        if trained:
            told.logprob_N.sum().backward()  # type: ignore[no-untyped-call]  # torch's
        most: int = counter.most - before
    return most


@contextmanager
def _in_place() -> Iterator[None]:
    """Without what TRL's head makes on a CPU in the place of its kernels."""
    kept = {name: getattr(chunked_logprob, name) for name in IN_PLACE}
    try:
        for name in IN_PLACE:
            setattr(chunked_logprob, name, lambda *given, **named: None)
        yield
    finally:
        for name, function in kept.items():
            setattr(chunked_logprob, name, function)
