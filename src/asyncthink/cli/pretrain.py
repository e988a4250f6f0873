"""`asyncthink pretrain`: the base model."""

import argparse
from functools import partial
from pathlib import Path

from asyncthink.config import params
from asyncthink.files import read_json_lines
from asyncthink.workflow import graph

EXAMPLE = r"""asyncthink pretrain --seed 1 --puzzles data/puzzles/train.jsonl \
    --model work/pretrain --history work/pretrain.jsonl"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--puzzles", type=Path, required=True, help="the training items")
    parser.add_argument("--model", type=Path, required=True, help="written: a folder with the model and its tokenizer")
    parser.add_argument("--history", type=Path, required=True, help="written: one JSON object a step")
    parser.add_argument("--times", type=Path, help="written: the wall-clock seconds of each step")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params)
    from asyncthink.models import word_tokenizer
    from asyncthink.synthesis import documents
    from asyncthink.training import pretrain
    from asyncthink.training.checkpoints import Scratch
    from asyncthink.training.resumption import Outputs, Run

    written = Outputs(args.model, args.history, args.times)
    if settings.model.start_from is not None:
        pretrain.prepare(settings.model.start_from, settings.thinking.prompts, written)
        return
    described = documents.Settings(settings.puzzles, settings.thinking, settings.pretrain)
    corpus = partial(documents.documents, described, read_json_lines(args.puzzles), args.seed)
    config = {**graph.reads("pretrain", settings), "seed": args.seed}
    scratch = Scratch.of("pretrain", config, [args.puzzles], graph.code("pretrain"))
    chosen = pretrain.Settings(settings.pretrain, settings.model, word_tokenizer.build(settings.puzzles))
    pretrain.pretrain(chosen, Run("pretrain", args.seed, scratch), corpus, written)
