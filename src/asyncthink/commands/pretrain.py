"""`asyncthink pretrain`: the base model."""

import argparse
from pathlib import Path

from asyncthink import params, steps


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--puzzles", type=Path, required=True, help="the training items")
    parser.add_argument("--model", type=Path, required=True, help="written: a folder with the model and its tokenizer")
    parser.add_argument("--history", type=Path, required=True, help="written: one JSON object a step")
    parser.add_argument("--times", type=Path, help="written: the wall-clock seconds of each step")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params)
    from asyncthink.training.checkpoints import Scratch
    from asyncthink.training.pretrain import pretrain

    config = {**steps.reads("pretrain", settings), "seed": args.seed}
    scratch = Scratch.of("pretrain", config, [args.puzzles], steps.code("pretrain"))
    pretrain(settings, args.seed, args.puzzles, args.model, args.history, scratch, args.times)
