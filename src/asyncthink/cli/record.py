"""`asyncthink record`: after a Snakemake run."""

import argparse

from asyncthink.config import project
from asyncthink.workflow import dvc_lock

EXAMPLE = "asyncthink record"


def arguments(parser: argparse.ArgumentParser) -> None:
    """No flags."""


def run(args: argparse.Namespace) -> None:
    project.check_root()
    print(dvc_lock.record())
