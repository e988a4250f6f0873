"""`asyncthink pretrain`: the base model."""

import argparse
from functools import partial
from pathlib import Path

from asyncthink.config import params
from asyncthink.settings import training_seed
from asyncthink.workflow import graph

EXAMPLE = "asyncthink pretrain --seed 1 --model work/pretrain --history work/pretrain.jsonl"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--seed", type=training_seed, required=True, help="the training seed")
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
    corpus = partial(documents.documents, documents.Settings(settings.puzzles, settings.pretrain), args.seed)
    config = {**graph.reads("pretrain", settings), "seed": args.seed}
    scratch = Scratch.of("pretrain", config, [], graph.code("pretrain"))
    chosen = pretrain.Settings(settings.pretrain, settings.model, word_tokenizer.build(settings.puzzles))
    pretrain.pretrain(chosen, Run("pretrain", args.seed, scratch), corpus, written)
