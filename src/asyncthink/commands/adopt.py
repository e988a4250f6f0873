"""`asyncthink adopt`: after a checkout or a pull."""

import argparse

from asyncthink import ledger


def arguments(parser: argparse.ArgumentParser) -> None:
    """No flags."""


def run(args: argparse.Namespace) -> None:
    print(ledger.adopt())
