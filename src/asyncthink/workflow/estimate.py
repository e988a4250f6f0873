"""What a run of params.yaml takes: device hours by step, disk, and what an API teacher costs.

A token costs 2 N operations to decode and 6 N to train on, N being the model's parameters; rates.json holds the
operations a second of a device, and whether they were measured or assumed. How long traces get is not known before a
run: a trace is taken to use USED of its budget, and an organizer to fork FORKS workers. Good to a factor of two.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from asyncthink.config.params import Params
from asyncthink.settings import COUNTDOWN, TestSet, Thinking
from asyncthink.workflow import graph

USED = 0.6  # of a trace's budget; the paper's reported latencies use about as much
ITEMS = 50  # of a test set whose size params.yaml leaves to its source: AMC-23 has 40, AIME-24 has 30
FORKS = 1.5  # workers an organizer starts: the paper ends at 1.4
CONTEXT = 1.3  # tokens that training reads for each decoded one: prompts and injected text come on top
WORDS = 200  # of the vocabulary of models trained from scratch, about
SUBWORDS = 151_936  # of the Qwen3 family's
MOST_KEY_HEADS = 8  # of the Qwen3 family; models trained from scratch have as many as heads
STATE_BYTES = 16  # a parameter in a training state: weights, gradients, two moments
KEPT_STATES = 2
START_BYTES = 4  # a parameter of the model at its start, which RL keeps for the divergence from it
TOKEN_BYTES = 6  # of a recorded token, compressed


@dataclass(frozen=True)
class Load:
    """One step's work over all its runs, in tokens."""

    step: str
    runs: int
    decoded: float = 0.0
    trained: float = 0.0

    def hours(self, parameters: int, rate: dict[str, Any]) -> float:
        """Device hours at a rate of rates.json."""
        seconds = 2 * parameters * self.decoded / rate["decode"] + 6 * parameters * self.trained / rate["train"]
        return seconds / 3600


def rates() -> dict[str, dict[str, Any]]:
    """Operations a second by kind of device."""
    return json.loads(files("asyncthink.workflow").joinpath("rates.json").read_text(encoding="utf-8"))


def parameters(params: Params) -> int:
    """N, embeddings included, of the model that params.model describes."""
    shape, pretrained = params.model, params.model.start_from is not None
    inner = shape.heads * shape.head_size
    keys = min(shape.heads, MOST_KEY_HEADS if pretrained else shape.heads) * shape.head_size
    layer = 2 * shape.hidden_size * (inner + keys) + 3 * shape.hidden_size * shape.intermediate_size
    return shape.layers * layer + (SUBWORDS if pretrained else WORDS) * shape.hidden_size


def episode_tokens(mode: str, thinking: Thinking) -> float:
    """Tokens that one episode decodes, as expected."""
    traces = {
        "sequential": thinking.organizer_budget,
        "parallel": thinking.organizer_budget * thinking.capacity,
        "asynchronous": thinking.organizer_budget + FORKS * thinking.worker_budget,
    }
    return USED * traces[mode]


def loads(params: Params) -> Iterator[Load]:
    """Every step that computes, in the order of the graph."""
    seeds = len(params.seeds)
    if params.model.start_from is None:
        yield Load("pretrain", seeds, trained=params.pretrain.tokens * seeds)
    read = params.synthesize.demonstrations * params.sft.epochs * seeds * CONTEXT
    longest = params.teacher.max_tokens if params.synthesize.teacher == "openai" else math.inf
    for name in graph.cold_starts("sft", params):
        own = params.arm_params(name)
        yield Load(f"sft {name}", seeds, trained=read * min(episode_tokens(own.arm.form, own.thinking), longest))
    for name in params.arms:
        given = params.arm_params(name)
        if given.arm.rl and given.arm.weights_of is None:
            episodes = given.grpo.steps * given.grpo.prompts_per_step * given.grpo.group * seeds
            decoded = episodes * episode_tokens(given.arm.mode, given.thinking)
            yield Load(f"grpo {name}", seeds, decoded, decoded * CONTEXT)
    for name in params.arms:
        given = params.arm_params(name)
        if given.arm.task == COUNTDOWN:
            yield _evaluation(given, name)
    for name, found in params.test_sets.items():
        for arm in found.arms if found else ():
            yield _test_set(params, name, found, arm)


def _evaluation(given: Params, name: str) -> Load:
    episodes = given.puzzles.test * given.evaluate.samples * len(given.seeds)
    variants = [
        replace(given.thinking, **variant.thinking)
        for variant in given.evaluate.variants.values()
        if name in variant.arms
    ]
    decoded = sum(episode_tokens(given.arm.mode, thinking) for thinking in (given.thinking, *variants))
    return Load(f"evaluate {name}", len(given.seeds) * (1 + len(variants)), episodes * decoded)


def _test_set(params: Params, name: str, found: TestSet, arm: str) -> Load:
    episodes = (found.items or ITEMS) * found.samples * len(params.seeds)
    (thinking,) = params.evaluations(arm, name).values()
    decoded = episodes * episode_tokens(params.arm_params(arm).arm.mode, thinking)
    return Load(f"evaluate {arm} {name}", len(params.seeds), decoded)


def memory(params: Params, sharing: int = 1) -> float:
    """Bytes that a training process holds where `sharing` processes share a model; activations and a vLLM apart.

    The model at the start is whole in each of them.
    """
    return parameters(params) * (STATE_BYTES / sharing + START_BYTES)


def disk(params: Params, work: Sequence[Load]) -> float:
    """Bytes: models that stay (4 a parameter), training states while arms run side by side, recorded episodes."""
    count = parameters(params)
    trained = sum(load.runs for load in work if load.trained)
    side_by_side = max((load.runs for load in work if load.trained), default=0)
    recorded = sum(load.decoded for load in work if load.step.startswith("evaluate")) * TOKEN_BYTES
    return count * (4 * trained + STATE_BYTES * KEPT_STATES * side_by_side) + recorded
