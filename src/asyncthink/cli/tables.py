"""`asyncthink tables`: every table of the report as CSV, from recorded metrics, training histories and the ledger."""

import argparse
from pathlib import Path

EXAMPLE = r"""asyncthink tables --evaluations metrics/reference/nano/evaluate/*/*/*.json \
    --histories metrics/reference/nano/grpo/*/*.jsonl --filters metrics/reference/nano/filter/*.json \
    --ledger metrics/reference/nano.json --tables work/tables"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--evaluations", nargs="*", type=Path, default=[], help="metrics of `measure`, JSON")
    parser.add_argument("--histories", nargs="*", type=Path, default=[], help="histories of training, JSON Lines")
    parser.add_argument("--filters", nargs="*", type=Path, default=[], help="metrics of `filter`, JSON")
    parser.add_argument("--ledger", required=True, type=Path, help="the ledger of claims, JSON")
    parser.add_argument("--tables", required=True, type=Path, help="written: a folder of CSV files")
    parser.add_argument("--headline", type=Path, help="written: each arm's headline measures, JSON")


def run(args: argparse.Namespace) -> None:
    from asyncthink import files
    from asyncthink.evaluation import evidence, ledger
    from asyncthink.reporting import tables
    from asyncthink.reporting.source import Source

    found = evidence.read(args.evaluations, args.histories, args.filters)
    source = Source(found, ledger.read(args.ledger))
    frames = {name: table.frame(source) for name, table in tables.TABLES.items()}
    for name, frame in frames.items():
        files.write_text(args.tables / f"{name}.csv", tables.text(frame))
    if args.headline:
        files.write_json(args.headline, tables.headline(frames["evaluations"]))
