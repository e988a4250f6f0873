"""The key/value cache of many traces: a slot each, one pair of tensors a layer.

Keys lie as (slots, K, D, T) and values as (slots, K, T, D), so that slots and heads are one batch dimension, and what a
query is compared with lies side by side: a decoding step is bound by the bytes that it reads.

Letters in shapes: K key/value heads, D head size, T positions.
"""

import math

import numpy as np
import torch
from torch import Tensor

GROWTH = 2  # when it grows, so that copying costs a constant share; on a CPU what nobody writes to takes no memory
BLOCK = 32  # positions: lengths are whole blocks, so that every row begins at an aligned address


class Cache:
    """Room for traces; what a slot holds beyond its trace's length is left over from others: nobody looks at it."""

    def __init__(self, layers: int, heads: int, size: int, dtype: torch.dtype, device: torch.device) -> None:
        self._heads, self._size = heads, size
        self._dtype, self._device = dtype, device
        self.slots = self.length = self._used = 0
        self.keys = [self._zeros(0, size, 0) for _ in range(layers)]
        self.values = [self._zeros(0, 0, size) for _ in range(layers)]

    @property
    def bytes(self) -> int:
        """Memory held."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def reserve(self, slots: int, length: int) -> None:
        """Make room for so many traces of so many tokens, keeping what is there."""
        used, self._used = self._used, max(self._used, slots)
        if slots <= self.slots and length <= self.length:
            return
        self.slots = self.slots if slots <= self.slots else max(slots, self.slots * GROWTH)
        if length > self.length:
            self.length = -(-max(length, self.length * GROWTH) // BLOCK) * BLOCK
        for layer, (keys, values) in enumerate(zip(self.keys, self.values, strict=True)):
            self.keys[layer] = self._zeros(self.slots, self._size, self.length)
            self.keys[layer][:used, :, :, : keys.shape[-1]] = keys[:used]
            self.values[layer] = self._zeros(self.slots, self.length, self._size)
            self.values[layer][:used, :, : keys.shape[-1]] = values[:used]

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put the (N, K, D) keys and values of N tokens at their slots and positions."""
        self.keys[layer][slots, :, :, positions] = keys
        self.values[layer][slots, :, positions] = values

    def _zeros(self, slots: int, *of_head: int) -> Tensor:
        shape = (slots, self._heads, *of_head)
        size = math.prod(shape) * self._dtype.itemsize
        if size and self._device.type == "cpu":  # numpy's zeros take no memory before they are written to
            return torch.from_numpy(np.zeros(size, np.uint8)).view(self._dtype).view(shape)
        return torch.zeros(shape, dtype=self._dtype, device=self._device)
