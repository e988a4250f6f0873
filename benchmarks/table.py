"""README's table of the committed results."""

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from asyncthink.errors import InputError
from asyncthink.files import write_text
from benchmarks import record
from benchmarks.record import Machine, Row, Whole

BEGIN, END = "<!-- benchmarks: written by `make bench` -->", "<!-- /benchmarks -->"
FOLDED = "<details><summary>Notes on the figures, and what was tried where a goal is missed</summary>"


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
    records = [record.read(path) for path in sorted(results.glob("*.json"))]
    lines = ["| what | against | goal | measured | met | ours | theirs |", "|---|---|---|---|---|---|---|"]
    lines += [_line(row) for one in records for row in one["rows"]]
    machines = dict.fromkeys(_machine(one["machine"]) for one in records)
    told = [note for one in records for note in _notes(one["rows"])]
    measured = f"Measured on {'; '.join(machines)}."
    return "\n".join([*lines, "", FOLDED, "", *told, "", "</details>", "", measured, ""])


def _line(row: Whole) -> str:
    met = {None: "–", True: "yes", False: "no"}[row["met"]]
    cells = [
        row["what"],
        row["against"] or "–",
        row["goal"] or "–",
        f"**{row['value']:g}**",
        met,
        _side(row, "ours"),
        _side(row, "theirs"),
    ]
    return f"| {' | '.join(cells)} |"


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """Each note once, after the names of its rows; of a further name what tells it from the first."""
    for note in dict.fromkeys(row["note"] for row in rows if row.get("note")):
        first, *others = (row["what"].split() for row in rows if row.get("note") == note)
        names = [" ".join(first), *(" ".join(other[_alike(first, other) :]) for other in others)]
        yield f"- **{'; '.join(names)}**: {note}."


def _alike(one: list[str], other: list[str]) -> int:
    """How many words both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _side(row: Whole, side: str) -> str:
    """Median and spread of one side."""
    if not row[side]:
        return "–"
    spread = row[f"{side}_spread"]
    return f"{row[f'{side}_median']:g} {row['unit']}".rstrip() + ("" if spread is None else f" ± {100 * spread:.0f} %")


def _machine(machine: Machine) -> str:
    return f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB"
