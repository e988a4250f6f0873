"""How far a step is: a line in its log every few seconds, and beside it a small file that the terminal reads.

A job's title is its rule, its arm, its test set (but for countdown's) and its seed: `grpo asyncthink 1`.
"""

import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from asyncthink.errors import InputError
from asyncthink.files import write_json

FOLDER = Path("work/progress")
EVERY = 3.0  # seconds between two lines


@dataclass(frozen=True)
class Note:
    """What a job has left in its file: units done and in all, how many a second, seconds left, and its last line."""

    done: int
    total: int
    rate: float
    left: float
    line: str


class Progress:
    """Of a job that does `total` units of one kind: steps, episodes, demonstrations."""

    def __init__(self, title: str, total: int, units: str) -> None:
        self.title, self.total, self.units = title, total, units
        self._ended = False
        self.resume(0)

    def resume(self, done: int) -> None:
        """The clock starts here: what an earlier run has done says nothing of how fast this one is."""
        self._first = done
        self._start = self._told = time.monotonic()

    def tell(self, done: int, watched: str = "", *, last: bool = False) -> None:
        """Tell, unless a line was told just now; the last one always, and only once."""
        now, last = time.monotonic(), last or done >= self.total
        if self._ended or (now - self._told < EVERY and not last):
            return
        self._ended = last
        self._told = now
        note = self._note(done, (done - self._first) / max(now - self._start, 1e-9), watched)
        print(f"{self.title}: {note.line}", file=sys.stderr, flush=True)
        with suppress(InputError):  # a step does not fail for want of an audience
            write_json(file(self.title), asdict(note))

    def _note(self, done: int, rate: float, watched: str) -> Note:
        pace = f"{rate:.1f} a second" if rate >= 1 else f"{1 / max(rate, 1e-9):.2f} s each"
        left = (self.total - done) / max(rate, 1e-9)
        line = f"{done} of {self.total} {self.units}, {pace}, {span(left)} left" + (f"; {watched}" if watched else "")
        return Note(done, self.total, rate, left, line)

    def end(self) -> None:
        """The job has ended."""
        forget(self.title)


def forget(title: str) -> None:
    """Remove what a job has said, where there is such a file and it can be removed."""
    with suppress(OSError):
        file(title).unlink()


def file(title: str) -> Path:
    """Where the job of a title leaves its notes."""
    return FOLDER / f"{title}.json"


def read(title: str) -> Note | None:
    """What a job said last, if it has said anything yet."""
    try:
        return Note(**json.loads(file(title).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def span(seconds: float) -> str:
    """`3 min 12 s`"""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
