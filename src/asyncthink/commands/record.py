"""`asyncthink record`: after a Snakemake run."""

import argparse

from asyncthink import ledger


def arguments(parser: argparse.ArgumentParser) -> None:
    """No flags."""


def run(args: argparse.Namespace) -> None:
    print(ledger.record())
