"""`asyncthink case_studies`: choose the episodes that the report shows in full, by rules."""

import argparse
from pathlib import Path

EXAMPLE = r"""asyncthink case_studies --episodes results/evaluate/countdown/asyncthink/1.jsonl.gz \
    --table work/case_studies.csv"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--episodes", nargs="*", type=Path, default=[], help="recordings, JSON Lines")
    parser.add_argument("--table", required=True, type=Path, help="written: one row a stretch of an agent's time, CSV")


def run(args: argparse.Namespace) -> None:
    from asyncthink import files
    from asyncthink.config import params
    from asyncthink.reporting import case_table, tables

    found = case_table.frame(args.episodes, params.read(args.params).scale)
    files.write_text(args.table, tables.text(found))
    for (test_set, case), rows in found.groupby(["test_set", "case"], sort=False):
        told = rows.episode.iloc[0]
        print(f"case_studies: {test_set}: {case}: {told if isinstance(told, str) else 'no episode fits'}")
