"""A step in pieces that fit in memory: each has a backward pass of its own, and the gradients add up to the step's.

How many tokens fit is arithmetic on the model's shape and the machine, and never looks at what is free at the moment,
so a run that goes on is cut as it was before. memory_trace counts the same bytes from the passes themselves, and a test
holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from asyncthink.errors import InputError
from asyncthink.models.language_model import LARGE
from asyncthink.training import sharding

ACTIVATIONS = 8 * 2**30  # bytes that a backward pass may find saved, however large the machine
WIDTH = 32  # numbers a layer saves for each of its hidden units, by memory_trace; 1 where it is recomputed
STATE_BYTES = 16  # a parameter while a model is trained: weight, gradient, two moments
LAYER_BYTES = 32  # a token, for each hidden and inner unit of the one layer that is recomputed and goes back
WHOLE_LAYERS = 8  # of a shared model that are whole at once: weights, gradients, and both as they are sent
USED = 0.92  # of a GPU's memory; CUDA's context, NCCL's buffers and fragments have the rest


@dataclass(frozen=True)
class Room:
    """What a training process has: its GPU's bytes, how many processes share the model, and a vLLM's share of the GPU.

    memory is None on a CPU, whose main memory is taken to be large enough. copied: a whole copy of a model that is
    shared lies beside it, with which the local engine samples.
    """

    memory: int | None
    sharing: int = 1
    taken: float = 0.0
    copied: bool = False

    @classmethod
    def here(cls, taken: float = 0.0, copied: bool = False) -> "Room":
        """Of this process."""
        if not torch.cuda.is_available():
            return cls(None)
        memory: int = torch.cuda.get_device_properties().total_memory
        return cls(memory, sharding.processes().num_processes if sharding.asked() else 1, taken, copied)

    def copy(self, parameters: int) -> int:
        """Bytes of the whole copy, in float32."""
        return 4 * parameters if self.copied and self.sharing > 1 else 0


def tokens_of(model: Any, recomputed: bool, room: Room) -> int:
    """How many tokens' activations may wait for one backward pass; at least 1, though it may not fit."""
    config = model.config.get_text_config()
    most, count = most_tokens(config, recomputed), model.num_parameters()
    if room.memory is None:
        return most if count <= LARGE else most // 2  # so that two jobs side by side fit into a laptop's 16 GB
    left = int(room.memory * (USED - room.taken)) - held(config, count, room.sharing) - room.copy(count)
    saved = ACTIVATIONS // most
    passing = LAYER_BYTES * (config.hidden_size + config.intermediate_size)
    fitting: int = left // (saved + passing)
    return max(1, min(most, fitting))


def most_tokens(config: Any, recomputed: bool) -> int:
    """The same on a machine that is large enough."""
    saved: int = config.num_hidden_layers * config.hidden_size * (1 if recomputed else WIDTH) * 4
    return ACTIVATIONS // saved


def held(config: Any, parameters: int, sharing: int) -> int:
    """Bytes of training a model that no micro-batch makes smaller.

    They are its state; the gradient of the embeddings, which are the head too; and all gradients once more, which wait
    for the last pass of a micro-batch that has several.
    """
    embeddings: int = config.vocab_size * config.hidden_size
    return state(config, parameters, sharing) + 4 * (embeddings + parameters)


def state(config: Any, parameters: int, sharing: int) -> int:
    """Bytes of weights, gradients and moments in this process, and of what is whole at once of a shared model."""
    embeddings: int = config.vocab_size * config.hidden_size
    layer = (parameters - embeddings) // config.num_hidden_layers
    whole = 4 * (WHOLE_LAYERS * layer + 3 * embeddings) if sharing > 1 else 0
    return STATE_BYTES * parameters // sharing + whole


def runs(rows: int, count: int) -> list[slice]:
    """Rows in so many runs of like size."""
    return [slice(rows * i // count, rows * (i + 1) // count) for i in range(count)]


def fewest_runs(lengths: Sequence[int], tokens: int, least: int = 1) -> int:
    """Into how many runs, `least` or more, rows of these lengths are cut, so that each has at most so many tokens.

    Or one row. More runs than are needed may fit no longer, since they are cut elsewhere.
    """
    rows = len(lengths)
    fitting = (n for n in range(least, rows) if all(sum(lengths[run]) <= tokens for run in runs(rows, n)))
    return next(fitting, rows)


def fewest_equal_parts(rows: int, longest: int, tokens: int) -> int:
    """The same for parts with equally many rows, padded to the longest."""
    return next(n for n in range(1, rows + 1) if n == rows or (rows % n == 0 and rows // n * longest <= tokens))


def share(total: int, what: str) -> int:
    """Rows of a step in one process, where all processes together have `total`."""
    processes: int = sharding.processes().num_processes
    if total % processes:
        raise InputError(
            f"{what} = {total} cannot be dealt out to {processes} processes: it must be a multiple of that"
        )
    return total // processes
