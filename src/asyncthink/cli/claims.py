"""`asyncthink claims`: the ledger of claims from recorded metrics, or its table in the README from the reference."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncthink.config.params import Params
    from asyncthink.evaluation.evidence import Evidence
    from asyncthink.workflow.records import Records

EXAMPLE = "asyncthink claims --records metrics/reference/nano --ledger work/claims.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--evaluations", nargs="*", type=Path, default=[], help="metrics of `evaluate`, JSON")
    parser.add_argument("--histories", nargs="*", type=Path, default=[], help="histories of training, JSON Lines")
    parser.add_argument("--filters", nargs="*", type=Path, default=[], help="metrics of `filter`, JSON")
    parser.add_argument("--records", type=Path, help="a folder laid out as metrics/, in place of the three lists")
    parser.add_argument("--reference", type=Path, help="folder of committed ledgers, SCALE.json, to compare with")
    written = parser.add_mutually_exclusive_group(required=True)
    written.add_argument("--ledger", type=Path, help="written: the ledger, JSON")
    written.add_argument("--readme", type=Path, help="rewritten: the table between its markers, from --reference")


def run(args: argparse.Namespace) -> None:
    if args.readme:
        write_readme(args.readme, args.reference or Path("metrics/reference"))
    else:
        write_ledger(args)


def write_readme(readme: Path, reference: Path) -> None:
    """Put the committed ledgers' table between the markers of the README."""
    from asyncthink import files
    from asyncthink.reporting import claims_table

    files.write_text(readme, claims_table.updated(claims_table.read_text(readme), claims_table.ledgers(reference)))


def read_evidence(args: argparse.Namespace, given: "Params") -> "Evidence":
    """The evidence in the files that the arguments name, with the learning rates that params.yaml gives each arm."""
    from asyncthink.workflow import records

    if getattr(args, "records", None):
        found = records.lying_in(args.records)
        return evidence_of({name: args.records / name for name in found.all}, found, given)
    return _evidence(args.evaluations, args.histories, args.filters, given)


def evidence_of(places: Mapping[Path, Path], records: "Records", given: "Params") -> "Evidence":
    """The evidence in records, each at its own place."""
    evaluations, histories, filters = (
        [places[name] for name in kind] for kind in (records.evaluations, records.histories, records.filters)
    )
    return _evidence(evaluations, histories, filters, given)


def _evidence(
    evaluations: Iterable[Path], histories: Iterable[Path], filters: Iterable[Path], given: "Params"
) -> "Evidence":
    from asyncthink.evaluation import evidence
    from asyncthink.training.learning_rate import learning

    rates = {name: given.arm_params(name).grpo for name in given.arms}
    learned = {arm: learning(g.learning_rate, g.schedule, g.warmup, g.steps) for arm, g in rates.items()}
    return evidence.read(evaluations, histories, filters, learned)


def write_ledger(args: argparse.Namespace) -> None:
    """Judge every claim, and say the verdicts."""
    from asyncthink import files
    from asyncthink.config import params
    from asyncthink.evaluation import agreement, claims
    from asyncthink.workflow import commits

    given = params.read(args.params)
    # A run's own ledger depends on what was recorded alone; that of a reference also names commits.
    known = commits.of_rules(args.records) if args.records else claims.Commits()
    ledger = claims.ledger(read_evidence(args, given), given.scale, known)
    if args.reference and (same := args.reference / f"{ledger['scale']}.json").is_file():
        ledger = agreement.beside(ledger, claims.read(same))
    files.write_json(args.ledger, ledger)
    for row in ledger["claims"]:
        print(f"{row['id']:<8} {row['verdict']:<22} {row['ours'] or row['reason']}")
