"""`asyncthink grpo`: stage 2, reinforcement learning of one arm."""

import argparse
from pathlib import Path

from asyncthink import params
from asyncthink.errors import InputError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--arm", required=True, help="one of `arms` in params.yaml")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--start", type=Path, required=True, help="the folder of the model to start from")
    parser.add_argument("--puzzles", type=Path, required=True, help="the training items")
    parser.add_argument("--model", type=Path, required=True, help="written: a folder with the model and its tokenizer")
    parser.add_argument("--history", type=Path, required=True, help="written: one JSON object a step")
    parser.add_argument("--times", type=Path, help="written: the wall-clock seconds of each step")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params)
    if not settings.arm_params(args.arm).arm.rl:
        raise InputError(f"params.yaml: the arm {args.arm} is not trained (arm.rl is false); evaluate its start")
    from asyncthink.training.grpo import grpo

    grpo(settings, args.arm, args.seed, args.start, args.puzzles, args.model, args.history, args.times)
