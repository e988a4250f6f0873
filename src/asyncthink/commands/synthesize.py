"""`asyncthink synthesize`: demonstrations for the cold start of an arm, in its form of thinking."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from asyncthink import params
from asyncthink.files import read_json_lines
from asyncthink.synthesis import demonstration
from asyncthink.synthesis.cost_estimate import estimate
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.synthesis.teachers import TEACHERS

EVERY = 2.0  # seconds between two lines of progress


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--arm", required=True, help="the first of the arms that share this cold start")
    parser.add_argument("--puzzles", type=Path, required=True, help="the training items")
    parser.add_argument("--demonstrations", type=Path, required=True, help="written: JSON Lines")
    parser.add_argument("--ask-refused", action="store_true", help="ask again for what an API teacher refused before")
    parser.add_argument("--estimate", action="store_true", help="tell what an API teacher would cost, and ask nothing")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params).arm_params(args.arm)
    form = settings.arm.form
    if args.estimate:
        print(json.dumps(estimate(settings, form, read_json_lines(args.puzzles), corpus=args.arm)))
        return
    teacher = TEACHERS[settings.synthesize.teacher]
    written = teacher(settings, form, read_json_lines(args.puzzles), args.arm, args.ask_refused)
    total = settings.synthesize.demonstrations
    demonstration.write(args.demonstrations, _told(written, f"synthesize {args.arm}", total))


def _told(written: Iterator[Demonstration], name: str, total: int) -> Iterator[Demonstration]:
    """Pass demonstrations through and tell on standard error how far it is."""
    start = last = time.monotonic()
    done = 0
    for done, each in enumerate(written, 1):
        yield each
        now = time.monotonic()
        if now - last >= EVERY:
            rate, last = done / (now - start), now
            print(
                f"{name}: {done} of {total}, {rate:.0f} a second, {(total - done) / rate:.0f} s left", file=sys.stderr
            )
    print(f"{name}: {done} demonstrations in {time.monotonic() - start:.1f} s", file=sys.stderr)
