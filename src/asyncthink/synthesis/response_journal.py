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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from asyncthink.errors import InputError
from asyncthink.synthesis.budget import Charge
from asyncthink.synthesis.chat_completion import Form
from asyncthink.synthesis.teacher_faults import EMPTY, FORM, REFUSED

RESPONSES = "work/synthesize/responses"  # one file a corpus; never deleted by the project
MOST_EMPTY = 6  # answers without text, all paid for, after which a request counts as refused


class Record(TypedDict):
    """One line: a response to the request of that key and name, what it cost, and its fault, null for a good one.

    A good one holds model, text, finish and body; a bad one body, and `refused` if it is the lesson's own fault. With
    the fault "form", key is a model at a host, and form is how it wants to be asked.
    """

    key: str
    name: str
    fault: str | None
    prompt_tokens: int
    completion_tokens: int
    price_share: float
    model: NotRequired[str]
    finish: NotRequired[str]
    text: NotRequired[str]
    body: NotRequired[str]
    refused: NotRequired[str]
    form: NotRequired[Form]


_RECORD = TypeAdapter(Record)
_NEEDED = {None: {"text", "finish"}, FORM: {"form"}}  # by the fault of a record


@dataclass(frozen=True)
class Answer:
    """What a teacher said to the request of a name, and how long it is."""

    name: str
    text: str
    completion_tokens: int


def record_of(key: str, name: str, cost: Charge, fault: str | None = None) -> Record:
    """A line as far as all have it."""
    return Record(
        key=key,
        name=name,
        fault=fault,
        prompt_tokens=cost.prompt_tokens,
        completion_tokens=cost.completion_tokens,
        price_share=cost.price_share,
    )


def read_records(path: str | Path) -> Iterator[Record | None]:
    """The records of a journal in file order; None for a line that cannot be read. No file, no records."""
    if not Path(path).exists():
        return
    with open(path, "rb") as lines:
        for line in lines:
            try:
                record = _RECORD.validate_json(line)
            except ValidationError:
                yield None
            else:
                yield record if _NEEDED.get(record["fault"], set()) <= record.keys() else None


class Responses:
    """What a teacher said so far, for one corpus.

    accepted  key -> the answer to the request (the first one, should there be two); what another corpus paid for, in a
              file beside this one, answers an equal request of this one too
    refused   key -> why the teacher refused the request for good. A status that says no more than "bad request" counts
              after something was answered: an endpoint that refuses everything has a reason that is not the lesson's
    empty     key -> how many answers without text there were
    forms     model and host -> the form in which it wants to be asked
    charges   what each record of this file cost, good and bad ones
    broken    lines that could not be read, at most one for each crash
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.accepted: dict[str, Answer] = {}
        self.refused: dict[str, str] = {}
        self.empty: Counter[str] = Counter()
        self.forms: dict[str, Form] = {}
        self.charges: list[Charge] = []
        self.broken = 0
        for record in read_records(self.path):
            if record:
                self._take(record)
            else:
                self.broken += 1
        for other in sorted(set(self.path.parent.glob("*.jsonl")) - {self.path}):
            for record in filter(None, read_records(other)):
                self._accept(record)

    def _take(self, record: Record) -> None:
        self.charges.append(Charge(record["prompt_tokens"], record["completion_tokens"], record["price_share"]))
        self._accept(record)

    def _accept(self, record: Record) -> None:
        key, fault = record["key"], record["fault"]
        if fault is None:
            self.accepted.setdefault(key, Answer(record["name"], record["text"], record["completion_tokens"]))
        elif fault == FORM:
            self.forms[key] = record["form"]
        elif "refused" in record and (self.accepted or fault != REFUSED):
            self.refused[key] = record["refused"]
        elif fault == EMPTY:
            self.empty[key] += 1

    def forget_refusals(self) -> None:
        """From now on, what was refused is open again."""
        self.refused.clear()
        self.empty.clear()

    def refusal(self, key: str) -> str | None:
        """Why the teacher refuses a request, None where it does not."""
        if self.empty[key] >= MOST_EMPTY:
            return f"{EMPTY} (answered with no text, {self.empty[key]} times)"
        return self.refused.get(key)

    def is_open(self, key: str) -> bool:
        """Whether a request has neither an answer nor a refusal."""
        return key not in self.accepted and not self.refusal(key)


class ResponseJournal(Responses):
    """The file of a corpus, held by one process at a time."""

    def __init__(self, path: str | Path):
        self._file = _locked(Path(path))
        super().__init__(path)
        self._lock = asyncio.Lock()
        self._queue: list[bytes] = []
        self._queued = self._written = 0

    def __enter__(self) -> "ResponseJournal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def append(self, record: Record) -> None:
        """Keep one response; when this returns, it is on the disk. Responses that arrive together share one fsync."""
        line = json.dumps(record, ensure_ascii=False, default=asdict)
        self._queue.append(line.encode("utf-8", "replace") + b"\n")
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
