"""`asyncthink items`: the items of a training or test set beside countdown's own, generated or loaded."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from asyncthink.config import params
from asyncthink.files import write_json_lines
from asyncthink.tasks import competition_math, sources

EXAMPLE = "asyncthink items --item-set sudoku --items work/sudoku.jsonl"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--item-set", required=True, help="one of `training_sets` or `test_sets` in params.yaml")
    parser.add_argument("--items", type=Path, required=True, help="written: JSON Lines")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params)
    wanted = settings.item_set(args.item_set)
    task = getattr(wanted, "task", args.item_set)
    loaded = sources.items(wanted, task, settings.puzzles, settings.seed)
    write_json_lines(args.items, loaded)
    if repeated := [name for name, times in Counter(item["id"] for item in loaded).items() if times > 1]:
        shown = ", ".join(repeated[:3])
        print(f"items {args.item_set}: {len(repeated)} ids come more than once: {shown}", file=sys.stderr)
    print(f"items {args.item_set}: {len(loaded)} of {wanted.source}", file=sys.stderr)
    if task == "competition_math":
        unequal = sum(not competition_math.equals_itself(item["answer"]) for item in loaded)
        ending = f"; asyncthink check-golds {args.items} lists them" if unequal else ""
        print(f"items {args.item_set}: {unequal} right answers do not equal themselves{ending}", file=sys.stderr)
