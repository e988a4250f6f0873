"""Every answer that was paid for, kept: an append-only file of JSON Lines, safe on disk before it is used.

A line is one response of the teacher, good or bad, under the key of the request that it answers. A run that was
killed, or ran out of budget, reads the file and asks only for what is missing. Lines are never rewritten; a last line
that a crash cut off is passed over.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from asyncthink.errors import InputError
from asyncthink.synthesis.budget import Charge

RESPONSES = "work/synthesize/responses"  # one file a corpus; never deleted by the project


def read_records(path: str | Path) -> Iterator[dict[str, Any] | None]:
    """The records of a journal in file order; None for a line that cannot be read. No file, no records."""
    if not Path(path).exists():
        return
    with open(path, "rb") as lines:
        for line in lines:
            try:
                record = json.loads(line)
                charge(record)
                yield record if {"key", "name", "fault"} <= record.keys() else None
            except (ValueError, KeyError, TypeError):
                yield None


def charge(record: dict[str, Any]) -> Charge:
    """What a record cost."""
    return Charge(int(record["prompt_tokens"]), int(record["completion_tokens"]), float(record["price_share"]))


class ResponseJournal:
    """One file, held by one process at a time.

    accepted  key -> record of the response that answers the request (the first one, should there be two), without body;
              what another corpus paid for, in a file beside this one, answers an equal request of this one too
    charges   what each record of this file cost, good and bad ones
    broken    lines that could not be read, at most one for each crash
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.accepted: dict[str, dict[str, Any]] = {}
        self.charges: list[Charge] = []
        self._file = _locked(self.path)
        self.broken = 0
        for record in read_records(self.path):
            if record is None:
                self.broken += 1
            else:
                self._take(record)
        for other in sorted(set(self.path.parent.glob("*.jsonl")) - {self.path}):
            for record in filter(None, read_records(other)):
                self._accept(record)
        self._lock = asyncio.Lock()
        self._queue: list[bytes] = []
        self._queued = self._written = 0

    def __enter__(self) -> "ResponseJournal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _take(self, record: dict[str, Any]) -> None:
        self.charges.append(charge(record))
        self._accept(record)

    def _accept(self, record: dict[str, Any]) -> None:
        if record["fault"] is None:
            self.accepted.setdefault(record["key"], {name: part for name, part in record.items() if name != "body"})

    async def append(self, record: dict[str, Any]) -> None:
        """Keep one response; when this returns, it is on the disk.

        record: key, name, fault (None for a good one), the fields of a Charge, body; a good one: model, text, finish.
        Responses that arrive together share one fsync.
        """
        self._queue.append(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        self._queued += 1
        number = self._queued
        async with self._lock:
            if self._written < number:
                lines, self._queue = self._queue, []
                await asyncio.to_thread(self._write, b"".join(lines))
                self._written += len(lines)
        self._take(record)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror}") from None


def _locked(path: Path) -> BinaryIO:
    """The file, open for appending and ours alone; a line that a crash cut is ended, so that the next is whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+b")  # noqa: SIM115 (open until the journal is closed)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise InputError(f"{path}: another run is asking this teacher; wait for it, or end it") from None
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")
            file.flush()
    return file
