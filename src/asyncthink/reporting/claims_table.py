"""The table of claims in the README: written by a command from the committed ledgers, never by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncthink.errors import InputError
from asyncthink.evaluation import claims
from asyncthink.evaluation.paper import PAPER

BEGIN = "<!-- claims: written by `asyncthink claims --readme README.md`; do not edit by hand -->"
END = "<!-- end of claims -->"
ORDER = ("smoke", "nano", "small", "paper")


def ledgers(folder: Path) -> list[dict[str, Any]]:
    """The committed ledgers, one a scale, small scales first."""
    found = [claims.read(path) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda ledger: ORDER.index(ledger["scale"]) if ledger["scale"] in ORDER else len(ORDER))


def block(found: Sequence[dict[str, Any]]) -> str:
    """The Markdown between the markers."""
    if not found:
        return "The claims of the paper have not yet been run at any scale for the committed reference."
    columns = "".join(f" {ledger['scale']} |" for ledger in found)
    lines = [f"| | claim | paper |{columns}", f"|---|---|---|{'---|' * len(found)}"]
    rows = [{row["id"]: row for row in ledger["claims"]} for ledger in found]
    for name, texts in PAPER["claims"].items():
        cells = [_cell(ledger[name]) if name in ledger else "not yet run" for ledger in rows]
        lines.append(f"| {' | '.join(map(_plain, (name, texts['claim'], texts['paper'], *cells)))} |")
    return "\n".join([*lines, "", *(_made(ledger) for ledger in found)])


def _cell(row: dict[str, Any]) -> str:
    by_column = "; ".join(f"{column}: {verdict}" for column, verdict in row["columns"].items())
    return f"**{row['verdict']}**{f' ({by_column})' if by_column else ''}: {row['ours'] or row['reason']}"


def _made(ledger: dict[str, Any]) -> str:
    seeds = ", ".join(map(str, ledger["seeds"])) or "none"
    whose = "over items, of this training run only" if len(ledger["seeds"]) == 1 else "for a new seed on new items"
    records = ledger["commits"]["records"]
    made = f", records of commit {records}" if records else ""
    items = f"{ledger['items']} test items of countdown, seeds {seeds}"
    return f"{ledger['scale']}: {items}, 95 % intervals {whose} in brackets{made}."


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def updated(text: str, found: Sequence[dict[str, Any]]) -> str:
    """A README with the block of these ledgers in it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(
            f"the README has no place for the claims; put these two lines where they belong: {BEGIN} {END}"
        )
    return f"{before}{BEGIN}\n{block(found)}\n{END}{after}"


def read_text(path: Path) -> str:
    """A README."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
