"""The ledger of claims: what the paper says, what was measured here, and a verdict that a rule in code gives.

The rules have been changed after results were known, mostly to be stricter; the changelog tells where one became
looser. The ledger shows for each rule the commit that last changed it, beside the commit of the records that it judges.

Latency in every rule is `elapsed`, the clock at which an episode ended, over all episodes, as the paper's own figures
count traces that were cut (parallel thinking at 2K stands at exactly 2048.0). Accuracy is the mean share of the asked
solutions. Parallel thinking is n = c traces and their vote. AsyncThink's point is its headline, never one that was
chosen for its result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from asyncthink.evaluation import claims_of_arms, claims_of_frontier, claims_of_training, claims_of_transfer, verdicts
from asyncthink.evaluation.evidence import Evidence
from asyncthink.evaluation.ledger import COMMAND, Ledger, LedgerPart, LedgerRow
from asyncthink.evaluation.metrics import rounded
from asyncthink.evaluation.paper import PAPER
from asyncthink.evaluation.recordings import note
from asyncthink.evaluation.verdicts import NOT_RUN, UNTESTABLE, Finding, NotRun, Part, Untestable


@dataclass(frozen=True)
class Claim:
    """The rule in words for readers, and as a function that returns a Finding or raises NotRun."""

    rule: str
    find: Callable[[Evidence], Finding]


CLAIMS = {
    "C1": Claim(
        "Accuracy and all-correct above both baselines: at equal budgets a trace, at equal latency and at equal work, "
        "the last two read from the baseline's frontier over budgets in training and evaluation; a reading after its "
        "longest point may speak against the claim but not for it.",
        claims_of_arms.baselines,
    ),
    "C2": Claim(
        "At least k correct above both baselines, for every k: at equal budgets, latency and work, as C1.",
        claims_of_arms.every_k,
    ),
    "C3": Claim(
        "Latency at AsyncThink's accuracy, and at its share of items that are all correct, read from parallel "
        "thinking's frontier over budgets in training and evaluation (its best point where it never gets there), if "
        "the two points around the reading can be told apart: both reductions above zero.",
        claims_of_frontier.lower_latency,
    ),
    "C3 math": Claim(
        "As C3, on AIME-24 and on AMC-23, against parallel thinking at 1K and 2K; and by 28 % or more at equal "
        "accuracy.",
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
        "RL's gain over SFT alone above zero, and more than half of SFT's episodes right in form (the core); fewer "
        "than 5 % of the items all correct before RL.",
        claims_of_arms.no_rl,
    ),
    "C7": Claim(
        "On Sudoku, after a cold start and RL on countdown alone: accuracy above both baselines (the core), and a Fork "
        "in more than half of the episodes.",
        claims_of_transfer.sudoku,
    ),
    "C8": Claim(
        "The last tenth of the RL steps against the first, on the training items: accuracy and η/c rise (the core), "
        "forks rise; η/c's lowest tenth lies below the first; latency's highest tenth lies above the first and above "
        "the last. Which tenth is highest or lowest is chosen on the other seeds.",
        claims_of_training.dynamics,
    ),
    "C9": Claim(
        "AsyncThink's frontier over its distinct operating points, three or more with accuracies that differ, against "
        "each baseline's at equal latency: the mean gap above zero (the core), and the gap at every point.",
        claims_of_frontier.dominates,
    ),
    "C10": Claim(
        "With that reward accuracy on the training items collapses: the last tenth of the RL steps lies ten points or "
        "more below the highest one (the core). It ends below AsyncThink's at an equal sum of learning rates; after "
        "equal steps the structures are less diverse.",
        claims_of_training.collapse,
    ),
    "C11": Claim(
        "With three agents or more: after RL a seed's structures are more diverse than when trained on interleaved and "
        "batch alone. The topologies of the corpus show the generator and are no finding.",
        claims_of_training.structures,
    ),
    "C12": Claim(
        "On each subject of the case studies, after training on mathematics alone: a Fork in more than half of the "
        "episodes, and more than half right in form.",
        claims_of_transfer.case_studies,
    ),
    "O1": Claim(
        "With the reward `priced`: latency at equal accuracy below parallel thinking's, by 28 % or more, and below "
        "that of the frontier of fixed plans, by 10 % or more; all four are the core.",
        claims_of_frontier.priced,
    ),
}


@dataclass(frozen=True)
class Commits:
    """Of each rule by its claim, of the code that judges all of them, and of the records; None where it is unknown."""

    rules: Mapping[str, str | None] = field(default_factory=dict)
    judging: str | None = None
    records: str | None = None


def ledger(evidence: Evidence, scale: str, commits: Commits = Commits()) -> Ledger:
    """The whole ledger as it is published."""
    recordings = evidence.recordings
    headlines = {arm: recordings.find(arm) for arm in recordings.arms}
    return {
        "scale": scale,
        "note": note(scale),
        "seeds": sorted({seed for evaluation in recordings.evaluations for seed in evaluation.seeds}),
        "items": recordings.evaluations[0].items if recordings.evaluations else 0,
        "rule": verdicts.RULE,
        "commits": {"judging": commits.judging, "records": commits.records},
        "claims": [_row(name, claim, evidence, scale, commits.rules.get(name)) for name, claim in CLAIMS.items()],
        "config": {arm: dict(headline.config) for arm, headline in headlines.items() if headline is not None},
    }


def _row(name: str, claim: Claim, evidence: Evidence, scale: str, commit: str | None) -> LedgerRow:
    row: LedgerRow = {
        "id": name,
        "claim": PAPER["claims"][name]["claim"],
        "paper": PAPER["claims"][name]["paper"],
        "rule": claim.rule,
        "rule_commit": commit,
        "command": COMMAND,
        "verdict": NOT_RUN,
        "reason": note(scale),
        "ours": None,
        "columns": {},
        "parts": [],
        "seeds": [],
        "arms": [],
    }
    try:
        finding = claim.find(evidence)
        verdicts.measured(finding.parts)
    except NotRun as reason:
        return {**row, "reason": str(reason)}
    except Untestable as reason:
        return {**row, "verdict": NOT_RUN if note(scale) else UNTESTABLE, "reason": str(reason)}
    parts = verdicts.judged(finding.parts)
    row["ours"], row["seeds"], row["arms"] = finding.ours, list(finding.seeds), list(finding.arms)
    row["parts"] = _by_seed(parts, claim, evidence, finding.seeds)
    if not note(scale):
        told = verdicts.OF_ONE_RUN if len(finding.seeds) == 1 else {}
        word = verdicts.verdict(parts)
        row["verdict"] = told.get(word, word)
        row["columns"] = {column: told.get(word, word) for column, word in verdicts.by_column(parts).items()}
    return row


def _by_seed(parts: Sequence[Part], claim: Claim, evidence: Evidence, seeds: Sequence[int]) -> list[LedgerPart]:
    """Each part with what every training seed gives by itself; None where a seed alone has no such part."""
    alone = [_values(claim, evidence.of_seed(seed)) for seed in seeds]
    return [part.published([values.get((part.column, part.name)) for values in alone]) for part in parts]


def _values(claim: Claim, evidence: Evidence) -> dict[tuple[str, str], float | None]:
    try:
        parts = claim.find(evidence).parts
    except (NotRun, Untestable):
        return {}
    return {(part.column, part.name): rounded(part.shown.value) for part in parts}
