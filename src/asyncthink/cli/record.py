"""`asyncthink record`: after a Snakemake run."""

import argparse

from asyncthink.workflow import dvc_lock

EXAMPLE = "asyncthink record"


def arguments(parser: argparse.ArgumentParser) -> None:
    """No flags."""


def run(args: argparse.Namespace) -> None:
    print(dvc_lock.record())
