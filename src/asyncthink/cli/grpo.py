"""`asyncthink grpo`: stage 2, reinforcement learning of one arm."""

import argparse
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from asyncthink.cli import engine_choice
from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.settings import training_seed
from asyncthink.workflow import graph

if TYPE_CHECKING:
    from asyncthink.training.samplers import Sampler

EXAMPLE = r"""asyncthink grpo --arm asyncthink --seed 1 --start results/sft/asyncthink/1 \
    --puzzles data/puzzles/train.jsonl --model work/grpo --history work/grpo.jsonl"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--arm", required=True, help="one of `arms` in params.yaml")
    parser.add_argument("--seed", type=training_seed, required=True, help="the training seed")
    parser.add_argument("--start", type=Path, required=True, help="the folder of the model to start from")
    parser.add_argument("--puzzles", type=Path, required=True, help="the training items")
    parser.add_argument("--model", type=Path, required=True, help="written: a folder with the model and its tokenizer")
    parser.add_argument("--history", type=Path, required=True, help="written: one JSON object a step")
    parser.add_argument("--times", type=Path, help="written: the wall-clock seconds of each step")
    engine_choice.arguments(parser)


def run(args: argparse.Namespace) -> None:
    settings = params.read(args.params)
    own = settings.arm_params(args.arm)
    if not own.arm.rl:
        raise InputError(f"params.yaml: the arm {args.arm} is not trained (arm.rl is false); evaluate its start")
    if (owner := own.arm.weights_of) is not None:
        raise InputError(f"params.yaml: the arm {args.arm} is not trained (arm.weights_of is {owner}); train {owner}")
    choice = engine_choice.chosen(args, os.environ)
    if choice.name not in SAMPLERS:
        raise InputError(f"the engine {choice.name} knows no log-probabilities: nothing can be trained on its episodes")
    from asyncthink.training.checkpoints import Scratch
    from asyncthink.training.episode_trainer import Settings
    from asyncthink.training.grpo import grpo
    from asyncthink.training.resumption import Outputs, Run

    sampler = SAMPLERS[choice.name](choice)
    config = {**graph.reads("grpo", settings, args.arm), "arm": args.arm, "seed": args.seed, "sampler": sampler.name}
    scratch = Scratch.of("grpo", config, [args.start, args.puzzles], graph.code("grpo"))
    chosen = Settings(own.arm, own.thinking, own.reward, own.grpo)
    run, written = Run(f"grpo {args.arm}", args.seed, scratch), Outputs(args.model, args.history, args.times)
    grpo(chosen, run, args.start, args.puzzles, written, sampler)


def _local(choice: engine_choice.Choice) -> "Sampler":
    from asyncthink.training import samplers

    return samplers.LOCAL


def _vllm(choice: engine_choice.Choice) -> "Sampler":
    from asyncthink.engines.vllm_here import MISSING

    if find_spec("vllm") is None:
        raise InputError(f"{MISSING}; to send weights to a server too")
    from asyncthink.training import samplers

    if choice.server:
        return samplers.vllm_server(choice.server, choice.served_model)
    own = choice.own
    return samplers.vllm_here(own.share, own.length, own.sequences, bool(own.sleep))


SAMPLERS = {"local": _local, "vllm": _vllm}
