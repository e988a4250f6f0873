"""What an engine feeds its model in one step."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Feed:
    """The tokens of a step, (N) each: first the last token of each of B rows, then row by row all that go before them.

    A token's position is its place in its trace; earlier are the rows that have more than one token, and how many more.
    """

    tokens: Integers
    positions: Integers
    slots: Integers
    rows: int
    earlier: list[tuple[int, int]]

    @classmethod
    def of(cls, last: Integers, ends: Integers, slots: Integers, earlier: Mapping[int, list[int]]) -> "Feed":
        """(B) last tokens, their positions and slots; `earlier` is by row what goes before the last, if any."""
        if not earlier:
            return cls(last, ends, slots, len(slots), [])
        counts = [(row, len(tokens)) for row, tokens in earlier.items()]
        before = [np.arange(ends[row] - count, ends[row]) for row, count in counts]
        return cls(
            np.concatenate([last, *earlier.values()]).astype(np.int64),
            np.concatenate([ends, *before]),
            np.concatenate([slots, *(np.full(count, slots[row]) for row, count in counts)]),
            len(slots),
            counts,
        )
