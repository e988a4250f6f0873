"""`asyncthink sft`: stage 1, cold-start format fine-tuning."""

import argparse
from pathlib import Path

from asyncthink.config import params
from asyncthink.settings import training_seed
from asyncthink.workflow import graph

EXAMPLE = r"""asyncthink sft --arm asyncthink --seed 1 --start results/pretrain/1 \
    --demonstrations data/filter/asyncthink.jsonl --model work/sft --history work/sft.jsonl"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--arm", required=True, help="the first arm with this cold start: asyncthink, for no_rl too")
    parser.add_argument("--seed", type=training_seed, required=True, help="the training seed")
    parser.add_argument("--start", type=Path, required=True, help="the folder of the base model")
    parser.add_argument("--demonstrations", type=Path, required=True, help="those that the filter kept")
    parser.add_argument("--model", type=Path, required=True, help="written: a folder with the model and its tokenizer")
    parser.add_argument("--history", type=Path, required=True, help="written: one JSON object a step")
    parser.add_argument("--times", type=Path, help="written: the wall-clock seconds of each step")


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params)
    own = settings.arm_params(args.arm)
    from asyncthink.training.checkpoints import Scratch
    from asyncthink.training.resumption import Outputs, Run
    from asyncthink.training.sft import sft

    config = {**graph.reads("sft", settings, args.arm), "arm": args.arm, "seed": args.seed}
    scratch = Scratch.of("sft", config, [args.start, args.demonstrations], graph.code("sft"))
    run, written = Run(f"sft {args.arm}", args.seed, scratch), Outputs(args.model, args.history, args.times)
    sft(own.sft, own.thinking, run, args.start, args.demonstrations, written)
