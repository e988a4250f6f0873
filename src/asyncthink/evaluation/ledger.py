"""The ledger of claims as it is published: what every reader of it may rely on. The rules that write it: claims.py."""

from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, Field, TypeAdapter
from typing_extensions import TypedDict

from asyncthink.errors import InputError
from asyncthink.evaluation.recordings import read_record

Interval = Annotated[list[float | None], Field(min_length=2, max_length=2)]
COMMAND = "snakemake --cores all metrics/claims.json"


def _one_of_the_rules(verdict: str) -> str:
    from asyncthink.evaluation.verdicts import VERDICTS  # which writes the rows of this file

    if verdict not in VERDICTS:
        raise ValueError(f"wanted: {', '.join(VERDICTS)}")
    return verdict


Verdict = Annotated[str, AfterValidator(_one_of_the_rules)]
State = Annotated[str, Field(pattern="^(holds|open|contrary|untestable)$")]


class LedgerPart(TypedDict):
    """One effect of a claim, as Part has it: in its unit, with its interval at 95 % and at the level it is judged by.

    by_seed: what each training seed of the row gives by itself, None where a seed alone has no such part.
    """

    name: str
    column: str
    unit: str
    value: float | None
    interval: Interval
    error: float | None
    freedom: float | None
    level: float | None
    judged: Interval
    core: bool
    state: State
    text: str
    judged_text: str
    by_seed: list[float | None]


class ReferenceRow(TypedDict):
    """What the committed reference says of a claim."""

    verdict: Verdict
    ours: str | None
    reason: str | None
    seeds: list[int]


class LedgerRow(TypedDict):
    """One claim. `ours` is our figure in words, None where there is none and `reason` says why.

    columns: the verdict of each column, where there are several. reference and agrees: of a run beside a reference.
    """

    id: str
    claim: str
    paper: str
    rule: str
    command: str
    verdict: Verdict
    columns: dict[str, Verdict]
    reason: str | None
    ours: str | None
    parts: list[LedgerPart]
    seeds: list[int]
    arms: list[str]
    rule_commit: str | None
    reference: NotRequired[ReferenceRow | None]
    agrees: NotRequired[str | None]


class LedgerCommits(TypedDict):
    """Of the code that judges by all rules, and of the records."""

    judging: str | None
    records: str | None


class Ledger(TypedDict):
    """All claims at one scale, the rule of the verdicts, and the settings of each arm's headline."""

    scale: str
    note: str | None
    seeds: list[int]
    items: int
    rule: str
    commits: LedgerCommits
    claims: list[LedgerRow]
    config: dict[str, dict[str, Any]]
    margins: NotRequired[dict[str, float]]


LEDGER = TypeAdapter(Ledger)


def read(path: str | Path) -> Ledger:
    """A published ledger."""
    if not Path(path).exists():
        raise InputError(f"{path}: no such file; run `{COMMAND}`")
    return read_record(path, LEDGER, "a ledger of claims")
