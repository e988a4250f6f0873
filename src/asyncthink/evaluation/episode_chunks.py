"""A recording that grows chunk by chunk: each is one gzip member, appended, so every episode is written once.

The whole file is gzipped JSON Lines like any other. What a kill or a full disk cut off fails gzip's own check sum or
has no end, and is dropped when the recording goes on.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from asyncthink import episode
from asyncthink.episode import Episode
from asyncthink.errors import InputError

BLOCK = 1 << 20  # bytes read at a time


def append(path: Path, episodes: Sequence[Episode]) -> None:
    """Add a chunk, safe on disk before the next one is decoded."""
    lines = "".join(episode.to_json(e) + "\n" for e in episodes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(gzip.compress(lines.encode(), mtime=0))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def whole(path: Path) -> Iterator[list[Episode]]:
    """The whole chunks of a recording, in order; after the last one, whatever follows it is cut off."""
    if not path.exists():
        return
    end = 0
    with open(path, "r+b") as file:
        for text, stop in _members(file):
            end = stop
            yield [episode.from_mapping(json.loads(line)) for line in text.splitlines()]
        file.truncate(end)


def _members(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The content of each gzip member up to the first that is torn or damaged, and where it ends."""
    rest = b""
    while True:
        inflating, parts = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), []
        while not inflating.eof:
            block = rest or file.read(BLOCK)
            if not block:
                return
            try:
                parts.append(inflating.decompress(block))
            except zlib.error:
                return
            rest = b""
        rest = inflating.unused_data
        yield b"".join(parts), file.tell() - len(rest)
