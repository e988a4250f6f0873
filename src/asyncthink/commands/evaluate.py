"""`asyncthink evaluate`: record an arm's episodes on the test items, and measure them."""

import argparse
import os
from pathlib import Path

from asyncthink.commands import engine_choice


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", default="params.yaml", help="the parameters of every step")
    parser.add_argument("--test-set", required=True, help="countdown, or one of `test_sets` in params.yaml")
    parser.add_argument("--arm", required=True, help="an arm of params.yaml")
    parser.add_argument("--seed", required=True, type=int, help="the training seed of the model")
    parser.add_argument("--model", required=True, type=Path, help="folder of the trained model")
    parser.add_argument("--items", required=True, type=Path, help="test items, JSON Lines")
    parser.add_argument("--episodes", required=True, type=Path, help="output: episodes, gzipped JSON Lines")
    parser.add_argument("--metrics", required=True, type=Path, help="output: metrics with intervals, JSON")
    engine_choice.arguments(parser)


def run(args: argparse.Namespace) -> None:
    from asyncthink import episode, files, params
    from asyncthink.evaluation import evaluate, recordings
    from asyncthink.training import checkpoints

    given, items = params.read(args.params), files.read_json_lines(args.items)
    engine = engine_choice.chosen(args, os.environ).opened(args.model)
    subject = evaluate.Subject(args.test_set, args.items.stem, args.arm, args.seed, items, given, engine.identity())
    engine_choice.check_weights(engine, args.model)
    scratch = checkpoints.Scratch.of("evaluate", subject.fingerprint(), [args.model, args.items])
    with scratch.held():
        episodes = evaluate.record(subject, engine, scratch.folder)
        episode.write(args.episodes, episodes)
        recordings.write(args.metrics, evaluate.summarized(subject, episodes, files.sha256(args.items)))
        scratch.remove()
