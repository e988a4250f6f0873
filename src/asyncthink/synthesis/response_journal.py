"""Every answer that was paid for, kept: an append-only file of JSON Lines, safe on disk before it is used.

A line is one response of the teacher, good or bad, under the key of the request that it answers, or the form in which
an endpoint wants to be asked. A run that was killed, or ran out of budget, reads the file and asks only for what is
missing. Lines are never rewritten; a last line that a crash cut off is passed over.
"""

import asyncio
import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from asyncthink.errors import InputError
from asyncthink.synthesis.budget import Charge
from asyncthink.synthesis.teacher_faults import EMPTY, REFUSED

RESPONSES = "work/synthesize/responses"  # one file a corpus; never deleted by the project
NEEDED = {None: ("text", "finish"), "form": ("form",)}  # by the fault of a record
MOST_EMPTY = 6  # answers without text, all paid for, after which a request counts as refused


def read_records(path: str | Path) -> Iterator[dict[str, Any] | None]:
    """The records of a journal in file order; None for a line that cannot be read. No file, no records."""
    if not Path(path).exists():
        return
    with open(path, "rb") as lines:
        for line in lines:
            try:
                record = json.loads(line)
                charge(record)
                needed = {"key", "name", "fault", *NEEDED.get(record["fault"], ())}
                yield record if needed <= record.keys() else None
            except (ValueError, KeyError, TypeError):
                yield None


def charge(record: dict[str, Any]) -> Charge:
    """What a record cost."""
    return Charge(int(record["prompt_tokens"]), int(record["completion_tokens"]), float(record["price_share"]))


def record_of(key: str, name: str, cost: Charge, fault: str | None = None, **parts: Any) -> dict[str, Any]:
    """One line of the journal."""
    return {"key": key, "name": name, "fault": fault, **asdict(cost), **parts}


class ResponseJournal:
    """One file, held by one process at a time.

    accepted  key -> record of the response that answers the request (the first one, should there be two), without body;
              what another corpus paid for, in a file beside this one, answers an equal request of this one too
    refused   key -> why the teacher refused the request for good. A status that says no more than "bad request" counts
              after something was answered: an endpoint that refuses everything has a reason that is not the lesson's
    empty     key -> how many answers without text there were
    forms     model and host -> the form in which it wants to be asked
    charges   what each record of this file cost, good and bad ones
    broken    lines that could not be read, at most one for each crash
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.accepted: dict[str, dict[str, Any]] = {}
        self.refused: dict[str, str] = {}
        self.empty: Counter[str] = Counter()
        self.forms: dict[str, dict[str, Any]] = {}
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
        elif record["fault"] == "form":
            self.forms[record["key"]] = record["form"]
        elif "refused" in record and (self.accepted or record["fault"] != REFUSED):
            self.refused[record["key"]] = record["refused"]
        elif record["fault"] == EMPTY:
            self.empty[record["key"]] += 1

    def forget_refusals(self) -> None:
        """From now on, what was refused is open again."""
        self.refused.clear()
        self.empty.clear()

    def refusal(self, key: str) -> str | None:
        """Why the teacher refuses a request, None where it does not."""
        if self.empty[key] >= MOST_EMPTY:
            return f"{EMPTY} (answered with no text, {self.empty[key]} times)"
        return self.refused.get(key)

    async def append(self, record: dict[str, Any]) -> None:
        """Keep one response; when this returns, it is on the disk.

        record: see `record_of`; a good one holds model, text, finish and body, a bad one body, and `refused` if it
        is the lesson's own fault. Responses that arrive together share one fsync.
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
