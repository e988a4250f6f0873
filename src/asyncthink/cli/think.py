"""`asyncthink think`: one episode, live, and what it was worth."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncthink import terminal
from asyncthink.cli import engine_choice
from asyncthink.errors import InputError
from asyncthink.files import json_object
from asyncthink.settings import COUNTDOWN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from asyncthink.engines import Engine
    from asyncthink.episode import Episode
    from asyncthink.settings import Thinking

MOST_SOLVED = 5  # numbers of an item whose solutions are counted at once
WORDS = """\
What a model of the scale nano writes: `| a-d 13 10 3` begins a branch, the largest number less the fourth, 13 - 10 = 3.
With 11 left over, `11 -! 8 !- 14` says what the other two must make for 3: 8, for 11 - 8, or 14, for 14 - 11; what
they do make follows. A sign like `!-` and a whole expression is a solution; `none` is a return, or answer, without one.
Tags begin and end what an agent hands out (FORK), takes in (JOIN), returns (RETURN) and answers (ANSWER)."""
LEGEND = "`| a-d 13 10 3`: a branch, 13 - 10 = 3; `!-` or a whole expression: a solution; `none`: without one"
UNSAID = ("required", "uses")  # flags that the word language has no words for
MODES = ("asynchronous", "sequential", "parallel")
EXAMPLE = "asyncthink think --model docs/nano --numbers 8 5 2 1 --target 6"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, type=Path, help="a folder, a hub name (ORG/NAME) or a .gguf file")
    parser.add_argument("--task", default="countdown", help="countdown (default), or another one with --item")
    parser.add_argument("--numbers", type=int, nargs="+", help="countdown: the numbers")
    parser.add_argument("--target", type=int, help="countdown: what each expression equals")
    parser.add_argument("--required", type=int, help="countdown: how many different expressions are asked for")
    parser.add_argument("--uses", type=int, help="countdown: how many numbers an expression takes")
    parser.add_argument("--item", help="the item of any task, as JSON, in place of the flags above")
    parser.add_argument("--mode", choices=MODES, default="asynchronous", help="the way of thinking")
    parser.add_argument("--capacity", type=int, help="agents in the pool, the organizer included")
    parser.add_argument("--budget", type=int, help="tokens that each agent may decode")
    parser.add_argument("--reasoning", action="store_true", help="let a model that can switch it reason first")
    sampling = parser.add_mutually_exclusive_group()
    sampling.add_argument("--temperature", type=float, help="of the sampling")
    sampling.add_argument("--greedy", action="store_true", help="temperature 0")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling")
    parser.add_argument("--pace", type=float, default=25, help="steps a second on a terminal; 0: as fast as it goes")
    parser.add_argument("--params", help="budgets, and what the flags leave open (default: params.yaml, where it is)")
    engine_choice.arguments(parser)
    parser.epilog = WORDS
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--plain", action="store_true", help="lines of text, also on a terminal")
    shown.add_argument("--json", action="store_true", help="nothing but the episode's record, one line of JSON")


def run(args: argparse.Namespace) -> None:
    from asyncthink import engines, episode
    from asyncthink.cli.think_settings import described, suited
    from asyncthink.thinking import THINKING
    from asyncthink.thinking.scoring import finish

    settings, reward, required = described(args)
    item = _item(args, required)
    with _engine(args) as engine:
        chosen = suited(settings, engine.vocabulary.tokenizer, args)
        think = THINKING[args.mode](engine, args.task, item, chosen, {"seed": args.seed}, (args.seed, "think"))
        told = finish(engines.run(engine, [think])[0], reward)
    print(episode.to_json(told) if args.json else _verdict(told))
    if terminal.for_people(args) and args.task == COUNTDOWN and chosen.prompts == "word":
        print(f"{'notation':<10} {LEGEND}")
    for said in () if args.json else (*_unheard(args, chosen, engine.vocabulary.tokenizer), *_notes(told)):
        print(f"note: {said}", file=sys.stderr)


def _item(args: argparse.Namespace, required: int) -> dict[str, Any]:
    """The item that the flags describe, checked by its task."""
    from asyncthink.tasks import TASKS

    if args.task not in TASKS:
        raise InputError(f"no task {args.task!r}; allowed: {', '.join(TASKS)}")
    item = _countdown(args, required) if args.item is None else json_object(args.item, "--item")
    TASKS[args.task].check(item)
    return item


def _countdown(args: argparse.Namespace, required: int) -> dict[str, Any]:
    if args.task != "countdown" or args.numbers is None or args.target is None:
        raise InputError("give --numbers and --target of a countdown, or the --item of another task")
    wanted = required if args.required is None else args.required
    item = {"numbers": args.numbers, "target": args.target, "required": wanted}
    return item if args.uses is None else item | {"uses": args.uses}


@contextmanager
def _engine(args: argparse.Namespace) -> Iterator["Engine"]:
    """The engine, watched: in panes, line by line, or not at all. A server has a pace of its own."""
    from rich.console import Console

    from asyncthink.cli.panes import Lines, Observed, Panes
    from asyncthink.models import names

    console, choice = Console(), engine_choice.chosen(args, os.environ)
    names.check(args.model)
    if console.is_terminal and not args.json:
        print(f"loading {args.model} ...", file=sys.stderr, flush=True)
    engine = choice.opened(args.model)
    if args.json:
        yield engine
    elif console.is_terminal and not args.plain:
        with Panes(console, args.pace, lambda: engine.steps) as panes:
            yield Observed(engine, panes)
    else:
        yield Observed(engine, Lines())


def _verdict(episode: "Episode") -> str:
    """What was asked, the answer, what it is worth, and what it took."""
    from asyncthink.reporting.page_record import asked, game_asked

    schedule, score = episode.schedule, episode.score
    error = schedule["format_error"]
    question = game_asked(episode.item) if episode.task == COUNTDOWN else asked(episode.item)
    rows = [
        ("asked", question),
        ("answer", episode.answer if episode.answer is not None else f"none ({error})"),
        ("accuracy", f"{score['accuracy']:.2f} ({score['correct']} right of {score['offered']} offered)"),
        ("latency", f"T = {schedule['latency']} tokens on the critical path" if not error else f"none ({error})"),
        ("work", f"{schedule['work']} tokens, {schedule['forks']} forks, {schedule['joins']} joins"),
    ]
    if not error:
        ratio, capacity = schedule["concurrency_ratio"], episode.capacity
        rows.append(("busy", f"η/c = {ratio:.2f} of c = {capacity} agents at work, on average"))
    return "\n".join(f"{name:<10} {text}" for name, text in rows)


def _unheard(args: argparse.Namespace, settings: "Thinking", tokenizer: "PreTrainedTokenizerBase") -> Iterator[str]:
    """Flags that change nothing of what the model is told."""
    from asyncthink.models.chat_template import switches_reasoning

    worded = settings.prompts == "word"
    for flag in UNSAID if worded else ():
        if getattr(args, flag) is not None:
            yield f"--{flag} counts in the score alone: the word language cannot say it to the model"
    if args.reasoning and (worded or not switches_reasoning(tokenizer)):
        yield "--reasoning changes nothing: the model's prompt has no switch for it"


def _notes(episode: "Episode") -> Iterator[str]:
    """What would else be taken for the model's fault, or this program's."""
    from asyncthink.tasks import expressions, solver

    item = episode.item
    if episode.task == "countdown" and len(item["numbers"]) <= MOST_SOLVED:
        operations = item.get("operations", expressions.OPERATIONS)
        there = len(solver.solutions(item["numbers"], item["target"], operations, uses=item.get("uses")))
        if there < item["required"]:
            yield f"the item has {there} solution{'' if there == 1 else 's'}; {item['required']} are asked for"
    if episode.schedule["format_error"] == "pool_overflow":
        pool = f"{episode.capacity - 1} worker{'' if episode.capacity == 2 else 's'}"
        yield f"pool_overflow: the model forked where none of the pool's {pool} was free"
    if episode.mode != "asynchronous" and any("<FORK-" in trace.own_text for trace in episode.traces):
        yield f"the model forks, and nobody takes that up in {episode.mode} thinking; try --mode asynchronous"
