"""`asyncthink evaluate`: record an arm's episodes on the test items."""

import argparse
import os
import shutil
from pathlib import Path

from asyncthink.cli import engine_choice
from asyncthink.errors import InputError
from asyncthink.settings import COUNTDOWN, training_seed
from asyncthink.tasks.countdown_puzzles import SPLITS

EXAMPLE = r"""asyncthink evaluate --test-set countdown --split test --arm asyncthink --seed 1 \
    --model results/grpo/asyncthink/1 --items data/puzzles/test.jsonl \
    --episodes work/episodes.jsonl.gz --recording work/recording.json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", default="params.yaml", help="the parameters of every step")
    parser.add_argument("--test-set", required=True, help="countdown, or one of `test_sets` in params.yaml")
    parser.add_argument("--split", required=True, choices=SPLITS, help="which of its splits the items are")
    parser.add_argument("--arm", required=True, help="an arm of params.yaml")
    parser.add_argument("--seed", required=True, type=training_seed, help="the training seed of the model")
    parser.add_argument("--model", required=True, type=Path, help="folder of the trained model")
    parser.add_argument("--items", required=True, type=Path, help="test items, JSON Lines")
    parser.add_argument("--episodes", required=True, type=Path, help="written: episodes, gzipped JSON Lines")
    parser.add_argument("--recording", required=True, type=Path, help="written: what was recorded, for `measure`, JSON")
    engine_choice.arguments(parser)


def run(args: argparse.Namespace) -> None:
    from asyncthink import files
    from asyncthink.config import params
    from asyncthink.config.subject import subject
    from asyncthink.evaluation import evaluate
    from asyncthink.tasks import read_items
    from asyncthink.training import checkpoints
    from asyncthink.workflow import graph

    given = params.read(args.params)
    task = given.task(args.test_set)
    if args.test_set != COUNTDOWN and args.split != "test":
        raise InputError(f"{args.test_set} has no {args.split} items; say --split test")
    if args.episodes.suffix != ".gz":
        raise InputError(f"{args.episodes}: episodes are recorded gzipped; end the name in .jsonl.gz")
    items = read_items(args.items, task)
    engine = engine_choice.chosen(args, os.environ).opened(args.model)
    about = subject(given, args.test_set, args.split, args.arm, args.seed, items, engine.identity())
    engine_choice.check_weights(engine, args.model)
    inputs, code = [args.model, args.items], graph.code("evaluate")
    scratch = checkpoints.Scratch.of("evaluate", about.fingerprint(), inputs, code)
    with scratch.held():
        episodes = scratch.folder / "episodes.jsonl.gz"
        evaluate.record(about, engine, episodes)
        files.write_json(args.recording, about.recording(files.sha256(args.items)))
        with files.replacing(args.episodes) as own:
            shutil.copyfile(episodes, own)
        scratch.remove()
