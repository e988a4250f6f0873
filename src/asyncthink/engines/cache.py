"""The key/value cache of a batch: one slot a row, one pair of tensors a layer.

Both lie as (slots, K, T, D), so that slots and heads are one batch dimension and one product reads what is cached where
it lies: a decoding step is bound by the bytes that it reads.

Letters in shapes: K key/value heads, D head size, T positions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

GROWTH = 1.5  # of what is asked for, when it grows, so that copying costs a constant share
BLOCK = 32  # positions: lengths are whole blocks, so that every row begins at an aligned address


@dataclass(frozen=True)
class Kept:
    """What was cached of one row: (layers, K, length, D) each."""

    keys: Tensor
    values: Tensor


class Cache:
    """Room for rows; a slot's content beyond its row's length is left over from others and must not be looked at.

    Its size follows from the requests of one run alone: sums may be rounded differently in a cache of another shape.
    """

    def __init__(self, layers: int, heads: int, size: int, dtype: torch.dtype, device: torch.device) -> None:
        self._heads, self._size = heads, size
        self._options = {"dtype": dtype, "device": device}
        self.slots = self.length = 0
        self.keys, self.values = ([self._zeros(0, 0) for _ in range(layers)] for _ in range(2))

    @property
    def bytes(self) -> int:
        """Memory held."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def reserve(self, slots: int, length: int) -> None:
        """Make room for so many rows of so many tokens, keeping what is there."""
        if slots <= self.slots and length <= self.length:
            return
        slots = self.slots if slots <= self.slots else int(slots * GROWTH)
        length = self.length if length <= self.length else _blocks(max(length, int(self.length * GROWTH)))
        for tensors in (self.keys, self.values):
            for number, old in enumerate(tensors):
                tensors[number] = self._zeros(slots, length)
                tensors[number][: self.slots, :, : self.length] = old
        self.slots, self.length = slots, length

    def move(self, source: int, target: int, length: int) -> None:
        """Copy a row to another slot."""
        for tensor in (*self.keys, *self.values):
            tensor[target, :, :length] = tensor[source, :, :length]

    def take(self, slot: int, length: int) -> Kept:
        """A copy of a row."""
        keys, values = ([tensor[slot, :, :length] for tensor in tensors] for tensors in (self.keys, self.values))
        return Kept(torch.stack(keys), torch.stack(values))

    def put(self, slot: int, kept: Kept, length: int) -> None:
        """Put back the first `length` positions of a row that `take` took."""
        for tensors, rows in ((self.keys, kept.keys), (self.values, kept.values)):
            for tensor, row in zip(tensors, rows, strict=True):
                tensor[slot, :, :length] = row[:, :length]

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put the (N, K, D) keys and values of N tokens at their slots and positions."""
        self.keys[layer][slots, :, positions] = keys
        self.values[layer][slots, :, positions] = values

    def _zeros(self, slots: int, length: int) -> Tensor:
        return torch.zeros(slots, self._heads, length, self._size, **self._options)


def _blocks(length: int) -> int:
    return -(-length // BLOCK) * BLOCK
