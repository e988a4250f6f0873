"""`asyncthink report`: the report, one page that stands alone."""

import argparse
from pathlib import Path

EXAMPLE = r"""asyncthink report --tables metrics/tables --ledger metrics/reference/nano.json \
    --report work/report.html"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--tables", required=True, type=Path, help="folder of the CSV files of `tables`")
    parser.add_argument("--ledger", required=True, type=Path, help="the ledger of claims, JSON")
    parser.add_argument("--figures", nargs="*", type=Path, default=[], help="figures, SVG; each named as its table")
    parser.add_argument("--times", nargs="*", type=Path, default=[], help="what jobs took: .../times/STEP/*.tsv")
    parser.add_argument("--report", required=True, type=Path, help="written: one HTML file")


def run(args: argparse.Namespace) -> None:
    from asyncthink import files
    from asyncthink.config import params
    from asyncthink.evaluation import ledger
    from asyncthink.reporting import report, run_facts, tables

    given = params.read(args.params)
    results = report.Results(
        tables={name: tables.read(args.tables, name) for name in (*tables.TABLES, "case_studies")},
        figures={path.stem: path.read_text(encoding="utf-8") for path in args.figures},
        ledger=ledger.read(args.ledger),
        world=report.World.among(vars(given)),
    )
    files.write_text(args.report, report.html(results, run_facts.facts(), run_facts.durations(args.times)))
