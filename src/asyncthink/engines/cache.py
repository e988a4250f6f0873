"""The key/value cache of many traces: a slot each, one pair of tensors a layer.

Keys lie as (slots, K, D, T) and values as (slots, K, T, D), so that slots and heads are one batch dimension, and what a
query is compared with lies side by side: a decoding step is bound by the bytes that it reads.

Letters in shapes: K key/value heads, D head size, T positions.
"""

import torch
from torch import Tensor

GROWTH = 2  # of what is asked for, when it grows, so that copying costs a constant share
BLOCK = 32  # positions: lengths are whole blocks, so that every row begins at an aligned address


class Cache:
    """Room for traces; a slot's content beyond its trace's length is left over from others and must not be looked at."""

    def __init__(self, layers: int, heads: int, size: int, dtype: torch.dtype, device: torch.device) -> None:
        self._heads, self._size = heads, size
        self._dtype, self._device = dtype, device
        self.slots = self.length = 0
        self.keys = [self._zeros(0, size, 0) for _ in range(layers)]
        self.values = [self._zeros(0, 0, size) for _ in range(layers)]

    @property
    def bytes(self) -> int:
        """Memory held."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def reserve(self, slots: int, length: int) -> None:
        """Make room for so many traces of so many tokens, keeping what is there."""
        if slots <= self.slots and length <= self.length:
            return
        slots = self.slots if slots <= self.slots else slots * GROWTH
        length = self.length if length <= self.length else _blocks(max(length, self.length * GROWTH))
        for layer, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            self.keys[layer] = self._zeros(slots, self._size, length)
            self.keys[layer][: self.slots, :, :, : self.length] = keys
            self.values[layer] = self._zeros(slots, length, self._size)
            self.values[layer][: self.slots, :, : self.length] = values
        self.slots, self.length = slots, length

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put the (N, K, D) keys and values of N tokens at their slots and positions."""
        self.keys[layer][slots, :, :, positions] = keys
        self.values[layer][slots, :, positions] = values

    def _zeros(self, slots: int, *of_head: int) -> Tensor:
        return torch.zeros(slots, self._heads, *of_head, dtype=self._dtype, device=self._device)


def _blocks(length: int) -> int:
    return -(-length // BLOCK) * BLOCK
