"""The key/value cache of many traces, in blocks of positions: a trace has as many as it is long, anywhere.

Keys lie as (blocks, K, D, BLOCK) and values as (blocks, K, BLOCK, D), one pair of tensors a layer, so that what a query
is compared with lies side by side: a decoding step is bound by the bytes that it reads. A trace that grows moves
nothing, and its blocks are another's once it has ended.

Letters in shapes: B traces, K key/value heads, D head size, T positions.
"""

import heapq
import math

import numpy as np
import torch
from torch import Tensor

from asyncthink.engines.feed import Integers

BLOCK = 32  # positions
GROWTH = 2  # so that copying costs a constant share; on a CPU what nobody writes to takes no memory


class Blocks:
    """`table` has the numbers of each slot's blocks; what a block holds beyond its trace is left over from others.

    count is the number of blocks that there are, taken or not: what keeps them has room for so many.
    """

    def __init__(self) -> None:
        self.table = np.zeros((0, 1), np.int64)
        self._counts = np.zeros(0, np.int64)  # of blocks, by slot
        self._free: list[int] = []
        self.count = 0

    def reserve(self, slots: Integers, lengths: Integers) -> None:
        """Give some slots the blocks that so many positions need."""
        if slots.max() >= len(self.table):
            self._widen(GROWTH * (int(slots.max()) + 1), 0)
        if lengths.max() > BLOCK * self.table.shape[1]:
            self._widen(0, GROWTH * _blocks(int(lengths.max())))
        for place in np.flatnonzero(lengths > BLOCK * self._counts[slots]):
            slot, needed = slots[place], _blocks(int(lengths[place]))
            self.table[slot, self._counts[slot] : needed] = [self._take() for _ in range(needed - self._counts[slot])]
            self._counts[slot] = needed

    def release(self, slot: int) -> None:
        """The trace has ended."""
        if slot < len(self._counts):
            for block in self.table[slot, : self._counts[slot]].tolist():
                heapq.heappush(self._free, block)
            self._counts[slot] = 0

    def _take(self) -> int:
        if not self._free:
            used, self.count = self.count, max(64, GROWTH * self.count)
            self._free = list(range(used, self.count))
        return heapq.heappop(self._free)

    def _widen(self, slots: int, blocks: int) -> None:
        room = [(0, max(0, new - old)) for new, old in zip((slots, blocks), self.table.shape, strict=True)]
        self.table, self._counts = np.pad(self.table, room), np.pad(self._counts, room[0])


class Cache(Blocks):
    """The keys and values of the layers of a model, all alike."""

    def __init__(self, layers: int, heads: int, size: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self._heads, self._size = heads, size
        self._dtype, self._device = dtype, device
        self.keys, self.values = [self._zeros(0, size, BLOCK)] * layers, [self._zeros(0, BLOCK, size)] * layers

    def reserve(self, slots: Integers, lengths: Integers) -> None:
        """Give some slots the blocks that so many positions need."""
        super().reserve(slots, lengths)
        for tensors in (self.keys, self.values):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = grown(tensor, self.count)

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put the (N, K, D) keys and values of N tokens at their slots and positions."""
        blocks = torch.from_numpy(self.table).to(self._device)[slots, positions // BLOCK]
        self.keys[layer][blocks, :, :, positions % BLOCK] = keys
        self.values[layer][blocks, :, positions % BLOCK] = values

    def read(self, layer: int, slots: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Copies of the first T positions of B slots: keys (B, K, D, T), values (B, K, T, D)."""
        blocks = torch.from_numpy(self.table[:, : _blocks(length)]).to(self._device)[slots]
        keys = self.keys[layer][blocks].permute(0, 2, 3, 1, 4).flatten(3)
        values = self.values[layer][blocks].transpose(1, 2).flatten(2, 3)
        return keys[..., :length], values[:, :, :length]

    def _zeros(self, blocks: int, *of_head: int) -> Tensor:
        return zeros((blocks, self._heads, *of_head), self._dtype, self._device)


def grown(tensor: Tensor, count: int) -> Tensor:
    """The same with `count` entries in its first dimension, zeros at the end; itself where it has them."""
    if len(tensor) >= count:
        return tensor
    larger = zeros((count, *tensor.shape[1:]), tensor.dtype, tensor.device)
    larger[: len(tensor)] = tensor
    return larger


def zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """On a CPU by numpy, whose zeros take no memory before they are written to."""
    size = math.prod(shape) * dtype.itemsize
    if size and device.type == "cpu":
        return torch.from_numpy(np.zeros(size, np.uint8)).view(dtype).view(shape)
    return torch.zeros(shape, dtype=dtype, device=device)


def _blocks(length: int) -> int:
    return -(-length // BLOCK)
