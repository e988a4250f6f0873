"""What `asyncthink think` takes where params.yaml is silent, or speaks of models of another kind.

params.yaml describes an experiment. A model of one's own is often another one: an instruction-tuned model beside the
word language of nano, or no params.yaml at all.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from asyncthink.config import params
from asyncthink.errors import InputError
from asyncthink.settings import MOST, Reward, Thinking

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHAT = Thinking(
    capacity=3,
    organizer_budget=1000,
    worker_budget=500,
    latency_budget=None,
    plan=None,
    diversified=False,
    slot_release="join",
    temperature=0.7,
    prompts="chat",
)
REWARD = Reward(
    name="asyncthink",
    format_error=-0.1,
    concurrency_weight=0.3,
    concurrency_target=0.85,
    concurrency_gate="always",
    token_price=0.05,
)


def described(args: argparse.Namespace) -> tuple[Thinking, Reward, int]:
    """Settings with the flags put in, reward, and solutions of a countdown; those of params.yaml where there is one."""
    if args.params is None and not Path("params.yaml").is_file():
        return _flagged(CHAT, args), REWARD, 1
    given = params.read(args.params or "params.yaml")
    return _flagged(given.thinking, args), given.reward, given.puzzles.required


def suited(settings: Thinking, tokenizer: "PreTrainedTokenizerBase", args: argparse.Namespace) -> Thinking:
    """The settings for the language that a model speaks; of another one, budgets are of no use either."""
    worded = "<organizer>" in tokenizer.get_vocab()
    if worded == (settings.prompts == "word"):
        return settings
    return replace(settings, prompts="word") if worded else _flagged(CHAT, args)


def _flagged(settings: Thinking, args: argparse.Namespace) -> Thinking:
    """The settings with the flags put in."""
    temperature = 0.0 if args.greedy else args.temperature
    flags = {"capacity": args.capacity, "temperature": temperature, "budget": args.budget, "pace": args.pace}
    for name, least in (("capacity", 1), ("temperature", 0), ("budget", 1), ("pace", 0)):
        value = flags[name]
        if value is not None and not least <= value <= MOST:
            raise InputError(f"--{name} must be from {least} to {MOST}, not {value}")
    budgets = {"organizer_budget": args.budget, "worker_budget": args.budget}
    chosen = {"capacity": args.capacity, "temperature": temperature, "reasoning": args.reasoning or None, **budgets}
    return replace(settings, **{key: value for key, value in chosen.items() if value is not None})
