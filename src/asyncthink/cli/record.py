"""`asyncthink record`: after a Snakemake run."""

import argparse
import sys

from asyncthink.workflow import dvc_lock

EXAMPLE = "asyncthink record"


def run(args: argparse.Namespace) -> None:
    if sys.stderr.isatty():
        print("reading what was made, to hash it; this takes half a minute ...", file=sys.stderr, flush=True)
    print(dvc_lock.record())
