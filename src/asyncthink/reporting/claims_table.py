"""The tables of claims and of arms in the README: written by a command from the committed reference, never by hand."""

from collections.abc import Sequence
from pathlib import Path

from asyncthink.errors import InputError
from asyncthink.evaluation import ledger, recordings
from asyncthink.evaluation.ledger import Ledger, LedgerRow
from asyncthink.evaluation.paper import PAPER
from asyncthink.evaluation.verdicts import ONE_RUN
from asyncthink.reporting import arms_table
from asyncthink.settings import COUNTDOWN

BEGIN = "<!-- claims: written by `asyncthink claims --readme README.md`; do not edit by hand -->"
END = "<!-- end of claims -->"
ORDER = ("smoke", "nano", "pretrained", "small", "paper")


def ledgers(folder: Path) -> list[Ledger]:
    """The committed ledgers, one a scale, small scales first."""
    committed = [ledger.read(path) for path in sorted(folder.glob("*.json"))]
    return sorted(committed, key=lambda own: ORDER.index(own["scale"]) if own["scale"] in ORDER else len(ORDER))


def arms(folder: Path) -> list[str]:
    """Of each committed ledger's scale the tables of arms, one a test set, from the records beside it."""
    tables = list[str]()
    for own in ledgers(folder):
        found = recordings.read_all(sorted((folder / own["scale"] / "evaluate").glob("*/*/*.json")))
        tables += [arms_table.block(test_set, records) for test_set, records in found.items()]
        tables += [arms_table.organizing(found[COUNTDOWN])] if COUNTDOWN in found else []
    return tables


def block(ledgers: Sequence[Ledger], arms: Sequence[str]) -> str:
    """The Markdown between the markers: the claims, then the tables of arms."""
    if not ledgers:
        return "The claims of the paper have not yet been run at any scale for the committed reference."
    columns = "".join(f" {own['scale']} |" for own in ledgers)
    lines = [
        *(_made(own) for own in ledgers),
        "",
        f"| | claim | paper |{columns}",
        f"|---|---|---|{'---|' * len(ledgers)}",
    ]
    rows = [{row["id"]: row for row in own["claims"]} for own in ledgers]
    for name, texts in PAPER["claims"].items():
        cells = [_cell(own[name]) if name in own else "not yet run" for own in rows]
        lines.append(f"| {' | '.join(map(_plain, (name, texts['claim'], texts['paper'], *cells)))} |")
    for table in arms:
        lines += ["", table]
    return "\n".join(lines)


def _cell(row: LedgerRow) -> str:
    by_column = "; ".join(f"{column}: {_short(verdict)}" for column, verdict in row["columns"].items())
    return f"**{_short(row['verdict'])}**{f' ({by_column})' if by_column else ''}: {row['ours'] or row['reason']}"


def _short(verdict: str) -> str:
    """Without whose it is, which the first line says."""
    return verdict.removeprefix(f"{ONE_RUN}: ")


def _made(ledger: Ledger) -> str:
    seeds = ", ".join(map(str, ledger["seeds"])) or "none"
    one = len(ledger["seeds"]) == 1
    whose = "over items" if one else "for a new seed on new items"
    only = " Verdicts and intervals are of this training run only." if one else ""
    records = ledger["commits"]["records"]
    made = f", records of commit {records}" if records else ""
    items = f"{ledger['items']} test items of countdown, seeds {seeds}"
    return f"{ledger['scale']}: {items}, 95 % intervals {whose} in brackets{made}.{only}"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def updated(text: str, ledgers: Sequence[Ledger], arms: Sequence[str] = ()) -> str:
    """A README with the block of these ledgers, and of their arms, in it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(
            f"the README has no place for the claims; put these two lines where they belong: {BEGIN} {END}"
        )
    if BEGIN in rest or END in after:
        raise InputError(
            f"the README has more than one place for the claims; leave these two lines once: {BEGIN} {END}"
        )
    return f"{before}{BEGIN}\n{block(ledgers, arms)}\n{END}{after}"
