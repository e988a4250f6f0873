"""What a run of params.yaml takes: device hours by step, disk, and what an API teacher costs.

A token costs 2 N operations to decode and 6 N to train on, N being the model's parameters; rates.json holds the
operations a second of a device, and whether they were measured or assumed. How long traces get is not known before a
run: a trace is taken to use USED of its budget, and an organizer to fork FORKS workers. Good to a factor of two.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from asyncthink.config.params import Params
from asyncthink.settings import Thinking
from asyncthink.workflow import graph

USED = 0.6  # of a trace's budget; the paper's reported latencies use about as much
ITEMS = 50  # of a test set whose size params.yaml leaves to its source: AMC-23 has 40, AIME-24 has 30
FORKS = 1.5  # workers an organizer starts: the paper ends at 1.4
CONTEXT = 1.3  # tokens that training reads for each decoded one: prompts and injected text come on top
WORDS = 314  # of the vocabulary of models trained from scratch, at nano
SUBWORDS = 151_936  # of the Qwen3 family's
MOST_KEY_HEADS = 8  # of the Qwen3 family; models trained from scratch have as many as heads
STATE_BYTES = 16  # a parameter in a training state: weights, gradients, two moments
KEPT_STATES = 2
START_BYTES = 4  # a parameter of the model at its start, which RL keeps for the divergence from it
TOKEN_BYTES = 6  # of a recorded token, compressed


@dataclass(frozen=True)
class Rate:
    """Operations a second of a device in decoding and in training, and whence they are known."""

    device: str
    decode: float
    train: float
    measured: bool
    source: str


@dataclass(frozen=True)
class Load:
    """One step's work over all its runs, in tokens."""

    step: str
    runs: int
    decoded: float = 0.0
    trained: float = 0.0

    def hours(self, parameters: int, rate: Rate) -> float:
        """Device hours of a model of so many parameters."""
        return (2 * parameters * self.decoded / rate.decode + 6 * parameters * self.trained / rate.train) / 3600


def rates() -> dict[str, Rate]:
    """By kind of device."""
    text = files("asyncthink.workflow").joinpath("rates.json").read_text(encoding="utf-8")
    return {kind: Rate(**rate) for kind, rate in json.loads(text).items()}


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
    for name in graph.trained(params):
        own = params.arm_params(name)
        episodes = own.grpo.steps * own.grpo.prompts_per_step * own.grpo.group * seeds
        decoded = episodes * episode_tokens(own.arm.mode, own.thinking)
        yield Load(f"grpo {name}", seeds, decoded, decoded * CONTEXT)
    for test_set, arms in graph.answered(params).items():
        yield from (_evaluation(params, test_set, arm) for arm in arms)


def _evaluation(params: Params, test_set: str, arm: str) -> Load:
    """An arm on a test set, in its headline and all its variants."""
    own, other = params.arm_params(arm), params.test_set(test_set)
    name = f"evaluate {arm} {test_set}" if other else f"evaluate {arm}"
    items, samples = (other.items or ITEMS, other.samples) if other else (own.puzzles.test, own.evaluate.samples)
    runs, seeds = params.evaluations(arm, test_set).values(), len(params.seeds)
    decoded = sum(episode_tokens(own.arm.mode, thinking) for thinking in runs)
    return Load(name, seeds * len(runs), items * samples * seeds * decoded)


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
