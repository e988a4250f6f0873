"""`asyncthink tables`: every table of the report as CSV, from recorded metrics and training histories."""

import argparse
from pathlib import Path

EXAMPLE = r"""asyncthink tables --evaluations metrics/reference/nano/evaluate/*/*/*.json \
    --histories metrics/reference/nano/grpo/*/*.jsonl --filters metrics/reference/nano/filter/*.json \
    --tables work/tables"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--evaluations", nargs="*", type=Path, default=[], help="metrics of `evaluate`, JSON")
    parser.add_argument("--histories", nargs="*", type=Path, default=[], help="histories of training, JSON Lines")
    parser.add_argument("--filters", nargs="*", type=Path, default=[], help="metrics of `filter`, JSON")
    parser.add_argument("--tables", required=True, type=Path, help="written: a folder of CSV files")
    parser.add_argument("--headline", type=Path, help="written: each arm's headline measures, JSON")


def run(args: argparse.Namespace) -> None:
    from asyncthink import files
    from asyncthink.cli.claims import read_evidence
    from asyncthink.config import params
    from asyncthink.reporting import tables

    given = params.read(args.params)
    source = tables.Source(read_evidence(args, given), given.scale)
    frames = {name: table.frame(source) for name, table in tables.TABLES.items()}
    for name, frame in frames.items():
        files.write_text(args.tables / f"{name}.csv", tables.text(frame))
    if args.headline:
        files.write_json(args.headline, tables.headline(frames["evaluations"]))
