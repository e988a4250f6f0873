"""README's table of the committed results, and the comparison of two results."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from asyncthink.errors import InputError
from asyncthink.files import write_text

BEGIN, END = "<!-- benchmarks: written by `make bench` -->", "<!-- /benchmarks -->"
FOLDED = "<details><summary>Notes on the figures, and what was tried where a goal is missed</summary>"
TOLERATED = 0.2


@dataclass(frozen=True)
class Comparison:
    """One ratio, as committed and as measured now."""

    name: str
    committed: float
    now: float
    less_is_better: bool

    @property
    def worse(self) -> bool:
        """By more than a fifth."""
        worsening = self.now / self.committed if self.less_is_better else self.committed / self.now
        return worsening > 1 + TOLERATED

    def __str__(self) -> str:
        return f"{'WORSE' if self.worse else 'ok   '} {self.name}: {self.committed} committed, {self.now} now"


def compared(committed: Path, now: Path) -> Iterator[Comparison]:
    """The ratios that both hold: seconds of another machine or another hour say nothing."""
    if not committed.exists():
        raise InputError(f"{committed} is not there; run make bench and commit it")
    after = {_key(row): row for row in _read(now)["rows"]}
    for row in _read(committed)["rows"]:
        other = after.get(_key(row))
        if row["ratio"] and row["theirs"] and other and other["ratio"]:
            name = f"{committed.stem}: {row['what']}"
            yield Comparison(name, row["ratio"], other["ratio"], row["goal"].startswith("≤"))


def write(readme: Path, results: Path) -> None:
    """Put the table between the two marks of README.md."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{readme} has no place for the table: a line {BEGIN} and a line {END}")
    write_text(readme, f"{before}{BEGIN}\n{markdown(results)}{END}{after}")


def markdown(results: Path) -> str:
    """The table, and the machines behind it."""
    records = [_read(path) for path in sorted(results.glob("*.json"))]
    lines = ["| what | against | goal | measured | met | ours | theirs |", "|---|---|---|---|---|---|---|"]
    lines += [_line(row) for record in records for row in record["rows"]]
    machines = dict.fromkeys(_machine(record["machine"]) for record in records)
    told = [note for record in records for note in _notes(record["rows"])]
    measured = f"Measured on {'; '.join(machines)}."
    return "\n".join([*lines, "", FOLDED, "", *told, "", "</details>", "", measured, ""])


def _line(row: dict[str, Any]) -> str:
    measured = "not measured here" if row["value"] is None else f"**{row['value']:g}**"
    met = {None: "–", True: "yes", False: "no"}[row["met"]]
    cells = [
        row["what"],
        row["against"] or "–",
        row["goal"] or "–",
        measured,
        met,
        _side(row, "ours"),
        _side(row, "theirs"),
    ]
    return f"| {' | '.join(cells)} |"


def _notes(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Each note once, after the names of its rows; of a further name what tells it from the first."""
    for note in dict.fromkeys(row["note"] for row in rows if row.get("note")):
        first, *others = (row["what"].split() for row in rows if row.get("note") == note)
        names = [" ".join(first), *(" ".join(other[_alike(first, other) :]) for other in others)]
        yield f"- **{'; '.join(names)}**: {note}."


def _alike(one: list[str], other: list[str]) -> int:
    """How many words both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _side(row: dict[str, Any], side: str) -> str:
    """Median and spread of one side."""
    if not row[side] or row["value"] is None:
        return "–"
    spread = row[f"{side}_spread"]
    return f"{row[f'{side}_median']:g} {row['unit']}".rstrip() + ("" if spread is None else f" ± {100 * spread:.0f} %")


def _machine(machine: dict[str, Any]) -> str:
    return f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB"


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["what"], row["against"]


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
