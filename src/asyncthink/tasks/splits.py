"""Which split a thing belongs to: decided by the thing alone, so that no draw can carry it into another."""

import hashlib
from collections.abc import Mapping


def split_of(key: str, sizes: Mapping[str, int]) -> str:
    """A split for a key, by its hash, in proportion to the sizes; the same for every seed."""
    digest = hashlib.sha256(key.encode()).digest()
    place = int.from_bytes(digest[:8], "big") * sum(sizes.values()) >> 64
    for split, size in sizes.items():
        if place < size:
            return split
        place -= size
    raise AssertionError("the place lies below the sum of the sizes")
