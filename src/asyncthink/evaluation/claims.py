"""The ledger of claims: what the paper says, what was measured here, and a verdict that a rule in code gives.

Each rule was written before its result was known. Latency in every rule is `elapsed`, the clock at which an episode
ended, over all episodes, as the paper's own figures count traces that were cut (parallel thinking at 2K stands at
exactly 2048.0). Accuracy is the mean share of the asked solutions. Parallel thinking is n = c traces and their vote.
AsyncThink's point is its headline, never one that was chosen for its result.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncthink.errors import InputError
from asyncthink.evaluation import claims_of_arms, claims_of_frontier, claims_of_training, claims_of_transfer
from asyncthink.evaluation.evidence import Evidence
from asyncthink.evaluation.paper import PAPER
from asyncthink.evaluation.recordings import note
from asyncthink.evaluation.verdicts import NOT_RUN, RULE, Finding, NotRun, verdict

COMMAND = "snakemake --cores all metrics/claims.json"


@dataclass(frozen=True)
class Claim:
    """The rule in words for readers, and as a function that returns a Finding or raises NotRun."""

    rule: str
    find: Callable[[Evidence], Finding]


CLAIMS = {
    "C1": Claim(
        "Accuracy and all-correct above both baselines at equal budgets a trace: four paired differences.",
        claims_of_arms.baselines,
    ),
    "C2": Claim("At least k correct above both baselines, for every k: paired differences.", claims_of_arms.every_k),
    "C3": Claim(
        "Latency at AsyncThink's accuracy, and at its share of items that are all correct, read from parallel "
        "thinking's frontier over budgets in training and evaluation (its best point where it never gets there): both "
        "reductions above zero (the core), and the first 28 % or more.",
        claims_of_frontier.lower_latency,
    ),
    "C3 math": Claim(
        "As C3, on AIME-24 and on AMC-23, against parallel thinking at 1K and 2K.",
        claims_of_frontier.lower_latency_on_mathematics,
    ),
    "C4": Claim(
        "Without the reward: η/c below and latency above (the core), accuracy below.",
        claims_of_arms.no_concurrency_reward,
    ),
    "C5": Claim(
        "Without the cold start: η/c within two points of 1/c, and accuracy below.", claims_of_arms.no_cold_start
    ),
    "C6": Claim(
        "RL's gain over SFT alone above zero, and more than half of SFT's episodes right in form.",
        claims_of_arms.no_rl,
    ),
    "C7": Claim(
        "On Sudoku, after a cold start and RL on countdown alone: accuracy above both baselines (the core), and a Fork "
        "in more than half of the episodes.",
        claims_of_transfer.sudoku,
    ),
    "C8": Claim(
        "The last tenth of the RL steps against the first: accuracy and η/c rise (the core), forks rise; latency's "
        "highest tenth lies above the first and above the last.",
        claims_of_training.dynamics,
    ),
    "C9": Claim(
        "AsyncThink's frontier at five budgets or more against each baseline's at equal latency: the mean gap above "
        "zero (the core), and the smallest gap above zero.",
        claims_of_frontier.dominates,
    ),
    "C10": Claim(
        "With that reward the last tenth of the RL steps is less accurate than AsyncThink's (the core), and the "
        "structures are less diverse.",
        claims_of_training.collapse,
    ),
    "C11": Claim(
        "More than two topologies in the corpus, and more diversity after RL than when trained on two.",
        claims_of_training.structures,
    ),
    "C12": Claim(
        "On each subject of the case studies, after training on mathematics alone: a Fork in more than half of the "
        "episodes, and more than half right in form.",
        claims_of_transfer.case_studies,
    ),
}


def ledger(evidence: Evidence, scale: str) -> dict[str, Any]:
    """The whole ledger as it is published."""
    recordings = evidence.recordings
    headlines = {arm: recordings.find(arm) for arm in recordings.arms}
    return {
        "scale": scale,
        "note": note(scale),
        "seeds": sorted({seed for evaluation in recordings.evaluations for seed in evaluation.seeds}),
        "items": recordings.evaluations[0].items if recordings.evaluations else 0,
        "rule": RULE,
        "claims": [_row(name, claim, evidence, scale) for name, claim in CLAIMS.items()],
        "config": {arm: dict(found.config) for arm, found in headlines.items() if found is not None},
    }


def _row(name: str, claim: Claim, evidence: Evidence, scale: str) -> dict[str, Any]:
    row = {"id": name, **PAPER["claims"][name], "rule": claim.rule, "command": COMMAND}
    try:
        finding = claim.find(evidence)
    except NotRun as reason:
        return {**row, "verdict": NOT_RUN, "reason": str(reason), "ours": None, "parts": [], "seeds": [], "arms": []}
    return {
        **row,
        "verdict": NOT_RUN if note(scale) else verdict(finding.parts),
        "reason": note(scale),
        "ours": finding.ours,
        "parts": [part.to_mapping() for part in finding.parts],
        "seeds": list(finding.seeds),
        "arms": list(finding.arms),
    }


def beside(ours: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """The ledger with another one of the same scale beside each row: its verdict, and whether both agree."""
    theirs = {row["id"]: row for row in reference["claims"]}
    rows = []
    for row in ours["claims"]:
        other = {key: theirs[row["id"]][key] for key in ("verdict", "ours", "seeds")} if row["id"] in theirs else None
        rows.append({**row, "reference": other, "agrees": other and other["verdict"] == row["verdict"]})
    return {**ours, "claims": rows}


def read(path: str | Path) -> dict[str, Any]:
    """A published ledger."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if not all({"id", "claim", "paper", "ours", "verdict", "reason"} <= set(row) for row in found["claims"]):
            raise ValueError("a row is not complete")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `{COMMAND}`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a ledger of claims: {error}") from None
    return found
