"""`asyncthink synthesize`: demonstrations for the cold start of an arm, in its form of thinking."""

import argparse
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from asyncthink.config import params
from asyncthink.progress import Progress
from asyncthink.synthesis import demonstration, solver_teacher
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.cost_estimate import estimate
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.tasks import read_items

EXAMPLE = r"""asyncthink synthesize --arm asyncthink --puzzles data/puzzles/train.jsonl \
    --demonstrations work/demonstrations.jsonl"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--arm", required=True, help="the first arm with this cold start: asyncthink, for no_rl too")
    parser.add_argument("--puzzles", type=Path, required=True, help="the training items")
    parser.add_argument("--demonstrations", type=Path, required=True, help="written: JSON Lines")
    parser.add_argument("--ask-refused", action="store_true", help="ask again for what an API teacher refused before")
    parser.add_argument("--estimate", action="store_true", help="tell what an API teacher would cost, and ask nothing")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params).arm_params(args.arm)
    items = read_items(args.puzzles, settings.arm.task)
    assignment = Assignment(settings.arm.form, settings.seed, settings.synthesize, settings.thinking)
    if args.estimate:
        cost = estimate(assignment, settings.teacher, items, corpus=args.arm, ask_refused=args.ask_refused)
        print(json.dumps(cost))
        return
    if settings.synthesize.teacher == "openai":
        from asyncthink.synthesis import openai_teacher

        ask = partial(openai_teacher.demonstrate, corpus=args.arm, ask_refused=args.ask_refused)
        written = ask(assignment, settings.teacher, settings.filter.fewest_kept, items)
    else:
        written = solver_teacher.demonstrate(assignment, items)
    progress = Progress(f"synthesize {args.arm}", settings.synthesize.demonstrations, "demonstrations")
    demonstration.write(args.demonstrations, _told(written, progress))


def _told(written: Iterator[Demonstration], progress: Progress) -> Iterator[Demonstration]:
    """Pass demonstrations through and tell how far it is; a teacher may leave some out."""
    done = 0
    for done, each in enumerate(written, 1):
        yield each
        progress.tell(done)
    progress.tell(done, last=True)
    progress.end()
