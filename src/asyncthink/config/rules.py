"""What the sections of params.yaml ask of one another, and of the tables of the science whose entries they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

from asyncthink.errors import InputError
from asyncthink.rewards import REWARDS
from asyncthink.settings import COUNTDOWN, FIXED, HEADLINE, SOURCES, SUBJECT, Thinking, TrainedTask, require
from asyncthink.tasks.multiple_choice import SUBSETS
from asyncthink.tasks.sources import HUB

if TYPE_CHECKING:  # params.py checks with the rules below
    from asyncthink.config.params import Params

Rule = tuple[str, bool, Any, str]  # key, whether it holds, value, what is allowed
STRUCTURES = ("interleaved", "batch", "join_order")  # keys of synthesize that say in which order workers come and go
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")  # of what names a folder or a file
SOURCE = re.compile(r"generated|.+\.jsonl|[a-z0-9-]+@[0-9a-f]{40}")  # beside the names in HUB


def check(params: Params) -> None:
    """Refuse what does not fit together."""
    rules = (*_of_the_tables(params), *_of_the_arm(params), *_of_the_names(params), *_of_the_sets(params))
    for key, holds, value, allowed in rules:
        require(holds, key, value, allowed)


def check_arms(params: Params) -> None:
    """Refuse an arm that asks for other structures where there is one alone: its demonstrations would be the base's.

    Also one that asks for the weights of an arm that has none of its own.
    """
    for name in params.arms:
        own = params.arm_params(name)
        owner = own.arm.weights_of
        if owner is not None and not _is_trained(params.arm_params(owner)):
            raise InputError(
                f"params.yaml: arms.{name}.arm.weights_of is {owner}; allowed: null, or an arm that RL trains and that"
                " borrows no weights itself"
            )
        agents, forks = own.thinking.capacity, own.synthesize.most_forks
        for key in STRUCTURES if agents < 3 or forks < 2 else ():
            value, base = getattr(own.synthesize, key), getattr(params.synthesize, key)
            if value != base:
                raise InputError(
                    f"params.yaml: arms.{name}.synthesize.{key} is {value}; allowed: {base}, as for all arms: at"
                    f" thinking.capacity = {agents} and synthesize.most_forks = {forks} forks and joins alternate;"
                    " there is no other order"
                )


def _is_trained(params: Params) -> bool:
    return params.arm.rl and params.arm.weights_of is None


def check_evaluations(params: Params, arm: str, test_set: str) -> None:
    """Refuse settings of a variant or of a test set that an arm or the task cannot follow."""
    own, task = params.arm_params(arm), params.task(test_set)
    for name, thinking in params.evaluations(arm, test_set).items():
        if test_set != COUNTDOWN:
            _check_evaluation(own, task, thinking, f"test_sets.{test_set}")
        elif name != HEADLINE:  # which is of the arm's own settings
            _check_evaluation(own, task, thinking, f"evaluate.variants.{name}")


def _check_evaluation(params: Params, task: str, thinking: Thinking, where: str) -> None:
    worded, mode = thinking.prompts == "word" and task == COUNTDOWN, params.arm.mode
    planned, apart = worded and mode == "asynchronous", worded and mode == "parallel"
    spoken = params.puzzles.numbers == 4 or not worded
    for key, holds, value, allowed in (
        ("prompts", spoken, "word", "chat with puzzles.numbers = 3"),
        ("plan", planned or thinking.plan is None, "a plan", f"null: plans are for asynchronous {COUNTDOWN} in words"),
        ("diversified", apart or not thinking.diversified, "true", f"false: it is for parallel {COUNTDOWN} in words"),
    ):
        if not holds:
            raise InputError(f"params.yaml: {where}.thinking.{key} is {value}; allowed: {allowed}")


def _of_the_tables(params: Params) -> Iterator[Rule]:
    reward = params.reward.name
    yield "reward.name", reward in REWARDS, f"{reward!r:.80}", ", ".join(REWARDS)
    for table in ("training_sets", "test_sets"):
        for name, entry in getattr(params, table).items():
            if entry:
                known = entry.source in HUB or SOURCE.fullmatch(entry.source) is not None
                yield f"{table}.{name}.source", known, f"{entry.source!r:.80}", SOURCES
    for name, test_set in params.test_sets.items():
        subset = test_set.subset if test_set else None
        known = subset is None or subset in SUBSETS
        yield f"test_sets.{name}.subset", known, f"{subset!r:.80}", f"{SUBJECT}, or null"


def _of_the_arm(params: Params) -> Iterator[Rule]:
    arm, thinking, tau = params.arm, params.thinking, params.reward.concurrency_target
    alone = 1 / thinking.capacity  # eta/c of an organizer that never forks
    above = f"above 1/c = {alone:.3f} (else R_eta is constant) and at most 1"
    yield "reward.concurrency_target", tau > alone or thinking.capacity == 1, tau, above
    greedy = thinking.temperature == 0 and _is_trained(params)
    yield "thinking.temperature", not greedy, 0.0, "above 0 for grpo: greedy episodes are all alike"
    spoken = thinking.prompts == "chat" and params.model.start_from is not None  # the base's documents are of four
    pretrained = "4; or 3 for a pretrained model (model.start_from) with thinking.prompts = chat"
    yield "puzzles.numbers", spoken or params.puzzles.numbers == 4, params.puzzles.numbers, pretrained
    ordered, none = params.synthesize.ordered_share, "0.0 with puzzles.numbers = 3: the good order is of four numbers"
    yield "synthesize.ordered_share", params.puzzles.numbers == 4 or not ordered, ordered, none
    worded = thinking.prompts == "word" and arm.task == COUNTDOWN and not _is_trained(params)
    where = f"{COUNTDOWN} in words, with the weights of another arm (arm.weights_of) or without RL"
    planned = worded and arm.mode == "asynchronous"
    yield "thinking.plan", planned or thinking.plan is None, "a plan", f"null: plans are for asynchronous {where}"
    apart = worded and arm.mode == "parallel"
    yield "thinking.diversified", apart or not thinking.diversified, "true", f"false: it is for parallel {where}"
    taught = arm.task == COUNTDOWN or params.training_sets.get(arm.task) is not None
    yield "arm.task", taught, arm.task, f"{COUNTDOWN}, or a task with an entry in training_sets"
    asked = arm.task == COUNTDOWN or not arm.cold_start or params.synthesize.teacher != "solver"
    yield "synthesize.teacher", asked, "solver", f"openai for {arm.task}: the solver solves countdown alone"


def _of_the_names(params: Params) -> Iterator[Rule]:
    variants = params.evaluate.variants
    keyed = {
        "scale": [params.scale],
        "arms": list(params.arms),
        "evaluate.variants": list(variants),
        "test_sets": list(params.test_sets),
    }
    for key, name in ((key, name) for key, names in keyed.items() for name in names):
        yield key, NAME.fullmatch(name) is not None, f"{name!r:.80}", "letters, digits, _ and -"
    for name in variants:
        yield "evaluate.variants", not name.endswith("_union"), name, "a name without _union at its end, which is ours"
    arms, owner = ", ".join(params.arms), params.arm.weights_of
    yield "arm.weights_of", owner is None or owner in params.arms, owner, f"null, or an arm: {arms}"
    yield "arm.weights_of", owner is None or params.arm.rl, owner, "null without RL (arm.rl is false)"
    named = {f"evaluate.variants.{name}": variant.arms for name, variant in params.evaluate.variants.items()}
    named |= {f"test_sets.{name}": test_set.arms for name, test_set in params.test_sets.items() if test_set}
    for key, names in named.items():
        unknown = [name for name in names if name not in params.arms]
        yield f"{key}.arms", not unknown, ", ".join(unknown), f"some of {arms}"
    others = {
        name: test_set.arms for name, test_set in params.test_sets.items() if test_set and test_set.task != COUNTDOWN
    }
    for name, names in others.items():
        bound = [arm for arm in names if _is_of_countdown(params.arms.get(arm, {}))]
        yield f"test_sets.{name}.arms", not bound, ", ".join(bound), "arms without a plan or diversified traces"


def _is_of_countdown(arm: dict[str, dict[str, Any]]) -> bool:
    thinking = arm.get("thinking", {})
    return bool(thinking.get("plan") or thinking.get("diversified"))


def _of_the_sets(params: Params) -> Iterator[Rule]:
    sections = ", ".join(field.name for field in fields(params) if field.name not in FIXED)
    for arm, override in params.arms.items():
        for key in FIXED:
            yield f"arms.{arm}.{key}", key not in override, "the same for every arm", f"sections: {sections}"
    others = [task for task in get_args(TrainedTask) if task != COUNTDOWN]
    for name in params.training_sets:
        yield "training_sets", name in others, name, ", ".join(others)
    for name in params.test_sets:
        taken = [COUNTDOWN, *params.training_sets]
        yield "test_sets", name not in taken, name, f"a name other than {', '.join(taken)}"
