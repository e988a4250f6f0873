"""`asyncthink adopt`: after a checkout or a pull."""

import argparse

from asyncthink.workflow import dvc_lock

EXAMPLE = "asyncthink adopt"


def run(args: argparse.Namespace) -> None:
    print(dvc_lock.adopt())
