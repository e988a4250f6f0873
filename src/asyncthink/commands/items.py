"""`asyncthink items`: the items of a test set beside countdown's own, generated or loaded."""

import argparse
import sys
from pathlib import Path

from asyncthink import params
from asyncthink.files import write_json_lines
from asyncthink.tasks import sources


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--test-set", required=True, help="one of `test_sets` in params.yaml")
    parser.add_argument("--items", type=Path, required=True, help="written: JSON Lines")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params)
    found = sources.test_items(settings.test_set(args.test_set), settings.seed)
    write_json_lines(args.items, found)
    print(f"items {args.test_set}: {len(found)} of {settings.test_set(args.test_set).source}", file=sys.stderr)
