"""`asyncthink unlock`: after a run that was killed, where nothing is to be run at once."""

import argparse

from asyncthink.workflow import run_lock

EXAMPLE = "asyncthink unlock"


def run(args: argparse.Namespace) -> None:
    print("freed what a killed run had locked" if run_lock.unlock() else "nothing is locked")
