"""`asyncthink estimate`: device hours, disk and API cost of params.yaml, before anything runs."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from asyncthink.config import params
from asyncthink.files import read_json_lines
from asyncthink.settings import COUNTDOWN
from asyncthink.workflow import graph
from asyncthink.workflow.estimate import Load, disk, fitting, loads, memory, parameters, rate

SHARING = (2, 4, 8)  # processes that a model is shared by
SAMPLE = 32  # items that stand for the training split where it was not generated yet
EXAMPLE = "asyncthink estimate --device gpu"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--device", choices=("cpu", "gpu"), help="default: gpu at the scales small and paper")
    parser.add_argument("--puzzles", type=Path, default=Path("data/puzzles/train.jsonl"), help="for the API cost")


def run(args: argparse.Namespace) -> None:
    given = params.read(args.params)
    device = args.device or ("gpu" if given.scale in ("small", "paper") else "cpu")
    work = list(loads(given))
    _hours(given, work, device)
    if device == "gpu":
        alone, *shared = (size / 1e9 for size in memory(given, (1, *SHARING)))
        told = ", ".join(f"{size:,.1f} ({number})" for size, number in zip(shared, SHARING, strict=True))
        print(
            f"GPU   {alone:,.1f} GB in each training process at its fullest, by a trace of a step; a vLLM comes on top"
        )
        print(f"      with shard: 1, by the number of processes: {told} GB")
    print(f"disk  about {disk(given, work) / 1e9:,.1f} GB, of which DVC's cache is half")
    for line in _teacher(given, args.puzzles):
        print(f"API   {line}")


def _hours(given: params.Params, work: Sequence[Load], device: str) -> None:
    """The table of steps."""
    own, count = rate(given, device), parameters(given)
    fit = fitting(given, own)
    print(f"scale {given.scale}, {count / 1e6:,.1f}M parameters, hours of {own.device} ({own.source})\n")
    print(f"{'step':<32} {'runs':>5} {'tokens decoded':>16} {'tokens trained':>16} {'hours':>10}")
    for load in work:
        hours = load.hours(count, own, fit)
        print(f"{load.step:<32} {load.runs:>5} {load.decoded:>16,.0f} {load.trained:>16,.0f} {hours:>10,.2f}")
    total = sum(load.hours(count, own, fit) for load in work)
    print(f"{'all':<32} {sum(load.runs for load in work):>5} {'':>33} {total:>10,.2f}")
    print(f"{'':<32} {'':>39} {'' if own.measured else 'at assumed rates':>16}\n")


def _teacher(given: params.Params, puzzles: Path) -> list[str]:
    """One line a corpus; none where the teacher needs no network."""
    if given.synthesize.teacher == "solver":
        return ["none: the teacher is the solver"]
    from asyncthink.synthesis.assignment import Assignment
    from asyncthink.synthesis.cost_estimate import estimate, told

    own = {name: given.arm_params(name) for name in graph.cold_starts("synthesize", given)}
    items = {task: _items(given, task, puzzles) for task in {arm.arm.task for arm in own.values()}}
    costs = {}
    for name, arm in own.items():
        assignment = Assignment(arm.arm.form, arm.seed, arm.synthesize, arm.thinking)
        costs[name] = estimate(assignment, arm.teacher, items[arm.arm.task], corpus=name)
    total = sum(cost["dollars"] for cost in costs.values())
    return [*(f"{name}: {told(cost)}" for name, cost in costs.items()), f"all: ${total:,.2f}"]


def _items(given: params.Params, task: str, puzzles: Path) -> list[dict[str, Any]]:
    """Training items of a task; generated countdown stands for what is not here yet: a prompt of about that length."""
    from asyncthink.tasks import countdown_puzzles

    made = puzzles if task == COUNTDOWN else Path(graph.items(task, "train"))
    if made.exists():
        return read_json_lines(made)
    few = replace(given.puzzles, train=SAMPLE, validation=1, test=1)
    return countdown_puzzles.generate(few, given.seed)["train"]
