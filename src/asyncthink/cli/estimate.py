"""`asyncthink estimate`: device hours, disk and API cost of params.yaml, before anything runs."""

import argparse
import json
import math
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from asyncthink import terminal
from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.settings import COUNTDOWN
from asyncthink.tasks import read_items
from asyncthink.workflow import graph
from asyncthink.workflow.estimate import Rate, disk, fitting, loads, memory, parameters, rate

SHARING = (2, 4, 8)  # processes that a model is shared by
PUZZLES = Path("data/puzzles/train.jsonl")
SAMPLE = 32  # items that stand for the training split where it was not generated yet
EXAMPLE = "asyncthink estimate --device gpu"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
    parser.add_argument("--device", choices=("cpu", "gpu"), help="default: gpu at the scales small and paper")
    parser.add_argument("--probe", action="store_true", help="measure a core of this machine first, for ten seconds")
    parser.add_argument("--puzzles", type=Path, help=f"items of countdown, for the API cost (default: {PUZZLES})")
    terminal.argument(parser)


def run(args: argparse.Namespace) -> None:
    given = params.read(args.params)
    device = args.device or ("gpu" if given.scale in ("small", "paper") else "cpu")
    own, count, work = _rate(given, device, args.probe), parameters(given), list(loads(given))
    fit = fitting(given, own)
    hours = [load.hours(count, own, fit) for load in work]
    api = _teacher(given, None if args.puzzles is None else read_items(args.puzzles, COUNTDOWN))
    if not terminal.for_people(args):
        for load, spent in zip(work, hours, strict=True):
            together = load.together if math.isfinite(load.together) else None  # training waits for no episode
            print(json.dumps({**asdict(load), "together": together, "hours": spent}, allow_nan=False))
        cores = _cores(device)
        whole: dict[str, Any] = {"hours": sum(hours), "cores": cores, "wall_hours": sum(hours) / (cores or 1)}
        whole |= {"measured": own.measured, "bytes": disk(given, work), "api": api}
        print(json.dumps({"step": "all", **whole}, allow_nan=False))
        return
    print(f"scale {given.scale}, {count / 1e6:,.1f}M parameters, time of {own.device} ({own.source})\n")
    rows = [[d.step, d.runs, round(d.decoded), round(d.trained), _span(h)] for d, h in zip(work, hours, strict=True)]
    last = ["all", sum(load.runs for load in work), "", "", _span(sum(hours))]
    print(terminal.aligned(("step", "runs", "tokens decoded", "tokens trained", "time"), [*rows, last]), end="\n\n")
    print(f"time  {_wall(sum(hours), device)}{'' if own.measured else ', at assumed rates'}; good to a factor of two")
    if device == "gpu":
        alone, *shared = (size / 1e9 for size in memory(given, (1, *SHARING)))
        told = ", ".join(f"{size:,.1f} ({number})" for size, number in zip(shared, SHARING, strict=True))
        print(f"GPU   {alone:,.1f} GB in each training process at its fullest, by a trace; what samples comes on top")
        print(f"      with shard: 1, by the number of processes: {told} GB")
    print(f"disk  about {disk(given, work) / 1e9:,.1f} GB, of which DVC's cache is half")
    for line in api:
        print(f"API   {line}")


def _rate(given: params.Params, device: str, probed: bool) -> Rate:
    known = rate(given, device)
    if not probed:
        return known
    if device == "gpu":
        raise InputError("--probe measures a core, and the estimate is of a GPU; say --device cpu beside it")
    from asyncthink.workflow import probe

    return probe.measured(given, known)


def _span(hours: float) -> str:
    """`12 s`, `3.5 min`, `2.1 h`"""
    seconds = 3600 * hours
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min" if hours < 1 else f"{hours:,.1f} h"


def _cores(device: str) -> int | None:
    """Cores of this machine that work side by side; None where one GPU does it all."""
    return None if device == "gpu" else len(os.sched_getaffinity(0))


def _wall(hours: float, device: str) -> str:
    """What a clock on the wall shows at the end, if each core has a job until then."""
    cores = _cores(device)
    if cores is None:
        return f"about {_span(hours)} on one GPU"
    said = f"{cores} free cores" if cores > 1 else "one free core"
    return f"about {_span(hours / cores)} on this machine's {said}"


def _teacher(given: params.Params, puzzles: list[dict[str, Any]] | None) -> list[str]:
    """One line a corpus; none where the teacher needs no network."""
    if given.synthesize.teacher == "solver":
        return ["none: the teacher is the solver"]
    from asyncthink.synthesis.assignment import Assignment
    from asyncthink.synthesis.cost_estimate import estimate, told

    own = {name: given.arm_params(name) for name in graph.cold_starts("synthesize", given)}
    tasks = {arm.arm.task for arm in own.values()}
    items = {task: puzzles if puzzles and task == COUNTDOWN else _items(given, task) for task in tasks}
    costs = {}
    for name, arm in own.items():
        assignment = Assignment(arm.arm.form, arm.seed, arm.synthesize, arm.thinking)
        costs[name] = estimate(assignment, arm.teacher, items[arm.arm.task], corpus=name)
    total = sum(cost["dollars"] for cost in costs.values())
    return [*(f"{name}: {told(cost)}" for name, cost in costs.items()), f"all: ${total:,.2f}"]


def _items(given: params.Params, task: str) -> list[dict[str, Any]]:
    """Training items of a task; generated countdown stands for what is not here yet: a prompt of about that length."""
    from asyncthink.tasks import countdown_puzzles

    made = PUZZLES if task == COUNTDOWN else Path(graph.items(task, "train"))
    if made.exists():
        return read_items(made, task)
    few = replace(given.puzzles, train=SAMPLE, validation=1, test=1)
    return countdown_puzzles.generate(few, given.seed)["train"]
