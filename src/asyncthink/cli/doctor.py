"""`asyncthink doctor`: what is here, what is missing, which scale fits."""

import argparse
import os
from pathlib import Path

from asyncthink.config import params
from asyncthink.workflow.doctor import COMMANDS, examine, fitting_scale, gpus, partitions
from asyncthink.workflow.surroundings import Place

EXAMPLE = "asyncthink doctor"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))


def run(args: argparse.Namespace) -> int:
    """One line a check; exit code 1 if the scale in params.yaml lacks something."""
    given = params.read(args.params)
    findings = examine(Place(given, args.params.resolve().parent, os.environ))
    for name, finding in findings.items():
        print(f"{finding.state:<6} {name:<14} {finding.said}")
    scale = fitting_scale(max((memory for _, memory in gpus()), default=0), bool(partitions()))
    print(f"\nparams.yaml is at scale {given.scale}; this machine fits {scale}:")
    for command in (f"asyncthink scale {scale}", *COMMANDS[scale]):
        print(f"    {command}")
    return int(any(finding.state == "lacks" for finding in findings.values()))
