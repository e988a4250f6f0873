"""Who samples the episodes of reinforcement learning: our engine on the trained weights, or a vLLM.

With a vLLM, TRL does what it is good at: before the episodes of a step are asked for, it sends the trainer's weights to
the server (over NCCL) or to the vLLM in this process, and drops the prefix cache. It does not look at whether the cache
was dropped, and other processes may ask before the main one is through; both are seen to here. vLLM rounds differently,
so TRL weighs each token by the ratio of the trainer's probability to the sampler's, cut from above: per token, since a
ratio over a whole episode is noise.

Every step compares the log-probabilities of the sampler with the trainer's own, and ends the run where they are further
apart than the sampler's tolerance.
"""

import asyncio
import math
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from trl.trainer import grpo_trainer

from asyncthink.engines import Engine
from asyncthink.engines.local import Local
from asyncthink.engines.vllm import VLLM
from asyncthink.engines.vllm_here import VLLMHere
from asyncthink.errors import InputError
from asyncthink.training import sharding

CORRECTED = {
    "use_vllm": True,
    "vllm_importance_sampling_correction": True,
    "vllm_importance_sampling_mode": "token_truncate",
}
VLLM_SHARE = 0.3  # of a GPU, for the vLLM that TRL makes


@dataclass(frozen=True)
class Tolerance:
    """How far a sampler's log-probabilities may be from the trainer's, in nats a token: on average, and at most."""

    mean: float
    largest: float


EXACT = Tolerance(1e-3, 1e-3)  # the same weights in float32; sums in another order make millionths
ROUNDED = Tolerance(0.3, math.inf)  # rounding to bfloat16 makes hundredths on average, other weights make more


@dataclass(frozen=True)
class Sampler:
    """How a trainer gets its episodes.

    engine     engine(trainer) makes the engine, once
    settle     settle(engine, trainer) comes before the episodes of each step
    tolerance  of its arithmetic, where the trainer computes in float32
    suspicion  what is wrong where it is exceeded, and what to do
    arguments  TRL's, for its configuration
    making     a context in which the trainer is made
    rest       rest(engine, trainer) comes after the episodes of each step
    taken      the share of the GPU that it keeps while weights are trained
    """

    name: str
    engine: Callable[[Any], Engine]
    settle: Callable[[Any, Any], None]
    tolerance: Tolerance
    suspicion: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    making: Callable[[], AbstractContextManager[None]] = nullcontext
    rest: Callable[[Any, Any], None] = lambda engine, trainer: None
    taken: float = 0.0


def _own(trainer: Any) -> Local:
    return Local(sharding.unsharded(trainer.accelerator.unwrap_model(trainer.model)), trainer.processing_class)


def _filled(engine: Local, trainer: Any) -> None:
    """Our engine reads the weights themselves, or a whole copy where they are sharded."""
    sharding.fill(engine.decoder.model, trainer.accelerator.unwrap_model(trainer.model))


WRONG_PASS = "its forward pass computes something else than the model's; report this with the model's name"
LOCAL = Sampler("local", _own, _filled, EXACT, WRONG_PASS)
OTHER_WEIGHTS = "it has other weights; it must serve the model at the start, for this run alone"


@contextmanager
def _in_words(sequences: int | None = None) -> Iterator[None]:
    """What TRL says of a vLLM that is not there, or was not started for training, as one line for people.

    sequences, which TRL has no argument for, are told to the vLLM that it makes.
    """
    module: Any = grpo_trainer
    made = module.VLLMGeneration
    told = {} if sequences is None else {"max_num_seqs": sequences}
    module.VLLMGeneration = lambda **given: made(**{**given, **told})
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise InputError(f"vllm: {' '.join(str(error).split())}") from error
    finally:
        module.VLLMGeneration = made


def vllm_here(
    memory: float | None = None, length: int | None = None, sequences: int | None = None, sleeps: bool = False
) -> Sampler:
    """The vLLM that TRL makes in each training process, beside the trained weights.

    memory is its share of the GPU, length the most tokens of a sequence, sequences the most at once; None leaves it to
    TRL, which has 0.3, what the model can and one sequence an episode. One that sleeps has no memory while weights are
    trained, neither for its weights, which are sent before every step anyway, nor for keys and values.
    """
    memory = VLLM_SHARE if memory is None else memory

    def engine(trainer: Any) -> VLLMHere:
        return VLLMHere(trainer.vllm_generation.llm, trainer.processing_class, _said(trainer.model))

    def settle(engine: VLLMHere, trainer: Any) -> None:
        trainer.vllm_generation.sync_weights()  # wakes the weights up
        if sleeps:
            engine.llm.wake_up(tags=["kv_cache"])
        engine.reset_prefix_cache()

    def rest(engine: VLLMHere, trainer: Any) -> None:
        if sleeps:
            engine.llm.sleep(level=2)

    settings = {
        **CORRECTED,
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": memory,
        "vllm_max_model_length": length,
        "vllm_enable_sleep_mode": sleeps,
    }
    made = partial(_in_words, sequences)
    return Sampler("vllm", engine, settle, ROUNDED, OTHER_WEIGHTS, settings, made, rest, 0.0 if sleeps else memory)


def vllm_server(url: str, served_model: str | None = None) -> Sampler:
    """A vLLM server that belongs to this training alone; url ends in /v1."""

    def engine(trainer: Any) -> VLLM:
        return VLLM(url, trainer.processing_class, _said(trainer.model), served_model)

    def settle(engine: VLLM, trainer: Any) -> None:
        trainer.vllm_generation.sync_weights()
        if trainer.accelerator.is_main_process:
            asyncio.run(_reset(engine))
        trainer.accelerator.wait_for_everyone()

    address = {"vllm_server_base_url": url.rstrip("/").removesuffix("/v1"), "vllm_group_port": _free_port()}
    settings = {**CORRECTED, "vllm_mode": "server", **address}
    return Sampler("vllm", engine, settle, ROUNDED, OTHER_WEIGHTS, settings, _in_words)


def _said(model: Any) -> int:
    """How many tokens a model can say; one that sees images too has their number with its text's settings."""
    count: int = model.config.get_text_config().vocab_size
    return count


async def _reset(engine: VLLM) -> None:
    async with engine:
        await engine.reset_prefix_cache()


def _free_port() -> int:
    """Of this machine, for the group in which weights are sent."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        port: int = listener.getsockname()[1]
    return port
