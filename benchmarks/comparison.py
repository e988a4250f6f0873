"""Results held to the committed ones: ratios, exponents and memory, which another machine hardly changes."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.record import Record, Row

TOLERATED = 0.2
NOISE = 0.02  # by so much a small share, as that of the pipeline's overhead, differs from run to run


@dataclass(frozen=True)
class Comparison:
    """What a row is about, as committed and as measured now; None where there is none."""

    name: str
    committed: float | None
    now: float | None
    less_is_better: bool

    @property
    def verdict(self) -> str:
        """ok, new, MISSING, or WORSE by more than a fifth."""
        if self.committed is None:
            return "new"
        if self.now is None:
            return "MISSING"
        better, worse = (self.committed, self.now) if self.less_is_better else (self.now, self.committed)
        return "WORSE" if worse > (1 + TOLERATED) * better and worse > better + NOISE else "ok"

    @property
    def failed(self) -> bool:
        """Whether bench-check fails."""
        return self.verdict in ("MISSING", "WORSE")

    def __str__(self) -> str:
        return f"{self.verdict:7} {self.name}: {_told(self.committed)} committed, {_told(self.now)} now"


def compared(name: str, committed: Record, now: Record) -> Iterator[Comparison]:
    """Every row that can be compared, is missing now, or is new."""
    before, after = ({_key(row): row for row in each["rows"]} for each in (committed, now))
    for key in dict.fromkeys([*before, *after]):
        was, now_is = (each[key]["value"] if key in each else None for each in (before, after))
        row = after.get(key) or before[key]
        if _portable(row) or was is None or now_is is None:
            less_is_better = row["goal"].startswith("≤") or row["unit"].startswith("MiB")
            yield Comparison(f"{name}: {row['what']}", was, now_is, less_is_better)


def _portable(row: Row) -> bool:
    """Not seconds of one side alone, which on another machine or in another hour are others."""
    return row["ratio"] is not None or row["unit"] == "" or row["unit"].startswith("MiB")


def _key(row: Row) -> tuple[str, str]:
    return row["what"], row["against"]


def _told(value: float | None) -> str:
    return "not" if value is None else f"{value:g}"
