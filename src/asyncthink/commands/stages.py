"""`asyncthink stages`: dvc.yaml from the Snakefile."""

import argparse
from pathlib import Path

from asyncthink import stages
from asyncthink.files import write_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """No flags."""


def run(args: argparse.Namespace) -> None:
    write_text("dvc.yaml", stages.text(Path()))
    print("dvc.yaml: written from the Snakefile")
