"""`asyncthink stage NAME`: the command of every stage of dvc.yaml."""

import argparse

EXAMPLE = "asyncthink stage puzzles"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stage of dvc.yaml, which is named as its rule")


def run(args: argparse.Namespace) -> None:
    from asyncthink.workflow import freshness

    freshness.run_stage(args.name)
