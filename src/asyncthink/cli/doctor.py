"""`asyncthink doctor`: what is here, what is missing, which scale fits; with MODEL, whether that model will work."""

import argparse
import os
from pathlib import Path

from asyncthink.config import params
from asyncthink.workflow.doctor import COMMANDS, examine, fitting_scale, gpus, partitions
from asyncthink.workflow.surroundings import Finding, Place

EXAMPLE = "asyncthink doctor"


def arguments(parser: argparse.ArgumentParser) -> None:
    said = "a folder, a hub name or a .gguf file: tell whether it will work here and how fast, in about a minute"
    parser.add_argument("model", nargs="?", type=Path, help=said)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")


def run(args: argparse.Namespace) -> int:
    """One line a check; exit code 1 if something lacks: of the model, or of what the scale in params.yaml needs."""
    if args.model is not None:
        from asyncthink.workflow import model_doctor

        return int(any([_told(*finding) for finding in model_doctor.examine(args.model)]))
    given = params.read(args.params)
    findings = examine(Place(given, args.params.resolve().parent, os.environ))
    lacks = any([_told(*finding) for finding in findings.items()])
    scale = fitting_scale(max((memory for _, memory in gpus()), default=0), bool(partitions()))
    print(f"\nparams.yaml is at scale {given.scale}; this machine fits {scale}:")
    for command in (f"asyncthink scale {scale}", *COMMANDS[scale]):
        print(f"    {command}")
    return int(lacks)


def _told(name: str, finding: Finding) -> bool:
    """Print a finding; whether it says that something lacks."""
    print(f"{finding.state:<6} {name:<14} {finding.said}", flush=True)
    return finding.state == "lacks"
