"""Whether a run agrees with the committed reference: an equivalence test with a stated margin, row by row.

On a processor of the reference's type a run gives the reference's records to the byte. On another one sums are rounded
in another order, a training takes another way, and what can be asked is whether the same effects come out. A part
agrees where the 90 % interval of ours less the reference's lies within the margin (two one-sided tests at 5 %,
Schuirmann, 1987), differs where it lies outside of it, and cannot be told otherwise. The margin is that of the unit,
and no more than half of the reference's effect. The spread between training seeds is pooled from both; where neither
has two seeds, nothing can be told. With one new seed beside three most rows can only say so.
"""

from collections.abc import Iterable

import numpy as np
from scipy import special

from asyncthink.evaluation.ledger import Ledger, LedgerPart, LedgerRow, ReferenceRow

MARGINS = {"points": 0.05, "%": 0.05, "% less": 0.05, "% change": 0.10, "tokens": 10.0, "forks": 0.5, "structures": 1.0}
SAME, AGREES, DIFFERS, UNTOLD = "same", "agrees", "differs", "cannot tell"
EQUAL = 1e-5  # what is written in six digits is the same number
RISK = 0.05


def beside(ours: Ledger, reference: Ledger) -> Ledger:
    """The ledger with another one of the same scale beside each row, and whether the row agrees with it."""
    theirs = {row["id"]: row for row in reference["claims"]}
    return {**ours, "claims": [_beside(row, theirs.get(row["id"])) for row in ours["claims"]], "margins": MARGINS}


def _beside(row: LedgerRow, other: LedgerRow | None) -> LedgerRow:
    if other is None:
        return {**row, "reference": None, "agrees": None}
    reference: ReferenceRow = {
        "verdict": other["verdict"],
        "ours": other["ours"],
        "reason": other["reason"],
        "seeds": other["seeds"],
    }
    return {**row, "reference": reference, "agrees": of_row(row, other)}


def of_row(ours: LedgerRow, theirs: LedgerRow) -> str:
    """The worst of the core parts: differs, cannot tell, agrees, same. Without figures nothing can be told."""
    reference = {(part["column"], part["name"]): part for part in theirs["parts"]}
    core = [part for part in ours["parts"] if part["core"]]
    if not core or any((part["column"], part["name"]) not in reference for part in core):
        return UNTOLD
    states = {_of_part(part, ours["seeds"], reference[part["column"], part["name"]], theirs["seeds"]) for part in core}
    return next(state for state in (DIFFERS, UNTOLD, AGREES, SAME) if state in states)


def _of_part(ours: LedgerPart, our_seeds: list[int], theirs: LedgerPart, their_seeds: list[int]) -> str:
    mine = dict(zip(our_seeds, ours["by_seed"], strict=True))
    other = dict(zip(their_seeds, theirs["by_seed"], strict=True))
    if all(_equal(value, other.get(seed)) for seed, value in mine.items()):
        return SAME
    margin = min(MARGINS[ours["unit"]], abs(theirs["value"] or 0.0) / 2)
    return equivalence(_known(mine.values()), _known(other.values()), margin)


def _equal(one: float | None, other: float | None) -> bool:
    return one is not None and other is not None and abs(one - other) < EQUAL


def _known(values: Iterable[float | None]) -> np.ndarray:
    return np.array([value for value in values if value is not None], dtype=float)


def equivalence(ours_S: np.ndarray, theirs_S: np.ndarray, margin: float) -> str:
    """Whether two means over training seeds agree within a margin: agrees, differs or cannot tell."""
    freedom = len(ours_S) + len(theirs_S) - 2
    if freedom < 1 or not len(ours_S) or not len(theirs_S):
        return UNTOLD
    squares = sum(((values - values.mean()) ** 2).sum() for values in (ours_S, theirs_S))
    error = np.sqrt(squares / freedom * (1 / len(ours_S) + 1 / len(theirs_S)))
    difference = ours_S.mean() - theirs_S.mean()
    half = error * special.stdtrit(freedom, 1 - RISK)
    if abs(difference) + half <= margin:
        return AGREES
    return DIFFERS if abs(difference) - half > margin else UNTOLD
