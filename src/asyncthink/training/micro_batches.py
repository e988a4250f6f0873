"""A step in pieces that fit in memory: each has a backward pass of its own, and the gradients add up to the step's."""

from collections.abc import Sequence
from typing import Any

from asyncthink.errors import InputError
from asyncthink.training import sharding

ACTIVATIONS = 8 * 2**30  # bytes that a backward pass may find saved
WIDTH = 17  # numbers a layer saves for each of its hidden units (Korthikanti et al. 2022); 1 where it is recomputed


def tokens_of(model: Any, recomputed: bool) -> int:
    """How many tokens' activations may wait for one backward pass."""
    config = model.config.get_text_config()
    saved: int = config.num_hidden_layers * config.hidden_size * (1 if recomputed else WIDTH)
    return ACTIVATIONS // (saved * 4)


def runs(rows: int, count: int) -> list[slice]:
    """Rows in so many runs of like size."""
    return [slice(rows * i // count, rows * (i + 1) // count) for i in range(count)]


def fewest_runs(lengths: Sequence[int], tokens: int) -> int:
    """Into how many runs rows of these lengths are cut, so that each has at most so many tokens, or one row."""
    rows = len(lengths)
    fitting = (n for n in range(1, rows) if all(sum(lengths[run]) <= tokens for run in runs(rows, n)))
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
