"""`asyncthink claims`: the ledger of claims from recorded metrics, or its table in the README from the reference."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from asyncthink.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from asyncthink.config.params import Params
    from asyncthink.evaluation.evidence import Evidence
    from asyncthink.workflow.records import Records

EXAMPLE = "asyncthink claims --records metrics/reference/nano --ledger work/claims.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--evaluations", nargs="*", type=Path, default=[], help="metrics of `measure`, JSON")
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
    """Put the committed reference's tables of claims and of arms between the markers of the README."""
    from asyncthink import files
    from asyncthink.reporting import claims_table

    tables = claims_table.ledgers(reference), claims_table.arms(reference)
    files.write_text(readme, claims_table.updated(files.read_text(readme), *tables))


def read_evidence(args: argparse.Namespace, given: "Params") -> "Evidence":
    """The evidence in the files that the arguments name, with the learning rates that params.yaml gives each arm."""
    from asyncthink.workflow import records

    found = records.lying_in(args.records) if args.records else args
    if args.records and not found.evaluations:
        raise InputError(f"{args.records}: holds no evaluations (evaluate/TEST_SET/ARM/SEED.json)")
    return evidence_of(found, given)


def evidence_of(files: "Records | argparse.Namespace", given: "Params") -> "Evidence":
    """The evidence in evaluations, histories and filters."""
    from asyncthink.evaluation import evidence

    return evidence.read(files.evaluations, files.histories, files.filters, learning(given))


def learning(given: "Params") -> "Mapping[str, np.ndarray]":
    """Of each arm, the learning rate summed up to each step of its RL."""
    from asyncthink.training import learning_rate

    rates = {name: given.arm_params(name).grpo for name in given.arms}
    return {a: learning_rate.learning(g.learning_rate, g.schedule, g.warmup, g.steps) for a, g in rates.items()}


def write_ledger(args: argparse.Namespace) -> None:
    """Judge every claim, and say the verdicts."""
    from asyncthink import files
    from asyncthink.config import params
    from asyncthink.evaluation import agreement, claims, ledger
    from asyncthink.workflow import commits

    given = params.read(args.params)
    # A run's own ledger depends on what was recorded alone; that of a reference also names commits.
    known = commits.of_rules(args.records) if args.records else claims.Commits()
    judged = claims.ledger(read_evidence(args, given), given.scale, known)
    if args.reference and (same := args.reference / f"{judged['scale']}.json").is_file():
        judged = agreement.beside(judged, ledger.read(same))
    files.write_json(args.ledger, judged)
    for row in judged["claims"]:
        print(f"{row['id']:<8} {row['verdict']:<22} {row['ours'] or row['reason']}")
