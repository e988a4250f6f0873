"""One model shared out to the processes that train it: FSDP2, which a launcher's --use_fsdp asks accelerate for.

Each process keeps its part of every weight, gradient and moment; a layer's weights are gathered while it computes. So
the processes must make every forward pass together (most). What leaves them is whole: a state or a model has the same
files as without sharding, and a run can go on with or without it. The arithmetic is the same too: weights are gathered
as they are, in float32, and the trainer's autocast computes as it does on one device.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType
from safetensors import safe_open
from torch import Tensor, nn
from torch.distributed import ReduceOp, all_reduce
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import AutoModelForCausalLM, PreTrainedModel


def asked() -> bool:
    """Whether the launcher asks for sharding."""
    return os.environ.get("ACCELERATE_USE_FSDP") == "true"


def processes() -> PartialState:
    """The processes that train together; one unless a launcher such as accelerate's started several."""
    return PartialState(cpu=not torch.cuda.is_available())


def allow_cpus() -> None:
    """Let accelerate shard on CPUs too; to be called before a trainer makes its accelerator.

    torch shards there as on any device. accelerate looks at the kind of device, by name, and would train unsharded on
    CPUs without a word.
    """
    if asked() and processes().distributed_type == DistributedType.MULTI_CPU:
        processes().distributed_type = DistributedType.MULTI_GPU


def gather_unrounded(plugin: Any) -> None:
    """Gather weights and reduce gradients in float32: by accelerate's default both are rounded to bfloat16 first."""
    plugin.mixed_precision_policy = MixedPrecisionPolicy()


def most(model: nn.Module, count: int) -> int:
    """The largest `count` of the processes that share the model, or this one's own where none is shared."""
    if not isinstance(model, FSDPModule):
        return count
    largest = torch.tensor(count, device=processes().device)
    all_reduce(largest, ReduceOp.MAX)
    return int(largest)


def one_of_all(holds: bool) -> bool:
    """Whether it holds in one of the processes that train together."""
    if processes().num_processes == 1:
        return holds
    told = torch.tensor(int(holds), device=processes().device)
    all_reduce(told, ReduceOp.MAX)
    return bool(told)


def unsharded(model: PreTrainedModel) -> PreTrainedModel:
    """A model that can be read without the other processes: itself, or a copy for `fill` to put the weights in."""
    if not isinstance(model, FSDPModule):
        return model
    copy: PreTrainedModel = AutoModelForCausalLM.from_config(model.config, dtype=model.dtype).to(processes().device)
    copy.generation_config = model.generation_config
    return copy


@torch.no_grad()
def fill(copy: PreTrainedModel, model: PreTrainedModel) -> None:
    """Put a model's weights in the copy that `unsharded` made of it; all processes together."""
    if copy is not model:
        for whole, parameter in zip(copy.parameters(), model.parameters(), strict=True):
            whole.copy_(_sharded(parameter).full_tensor())


@torch.no_grad()
def load_weights(model: PreTrainedModel, path: Path) -> None:
    """Read this process's parts from a file of whole weights."""
    with safe_open(path, framework="pt") as weights:
        for name, parameter in model.named_parameters():
            parameter.copy_(_part(weights.get_tensor(name), _sharded(parameter)))


def optimizer_state(optimizer: torch.optim.Optimizer, kept: bool) -> dict[str, Any]:
    """An optimizer's state_dict() as it is without sharding; all processes together, in those that keep it."""
    state = optimizer.state_dict()
    whole = {
        number: {name: _whole(value, kept) for name, value in moments.items()}
        for number, moments in state["state"].items()
    }
    return {**state, "state": whole}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Keep this process's parts of a whole state."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    parts = {
        number: {
            name: _part(value, parameters[number]).clone() if value.shape == parameters[number].shape else value
            for name, value in moments.items()
        }
        for number, moments in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": parts})


def _whole(value: Tensor, kept: bool) -> Tensor | None:
    """One tensor at a time is whole on the device; those that are kept go to main memory."""
    full = value.full_tensor() if isinstance(value, DTensor) else value
    return full.cpu() if kept else None


def _sharded(parameter: nn.Parameter) -> DTensor:
    assert isinstance(parameter, DTensor), "every parameter of a sharded model is"
    return parameter


def _part(value: Tensor, like: DTensor) -> DTensor:
    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)
