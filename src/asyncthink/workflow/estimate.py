"""What a run of params.yaml takes: device hours, memory of a GPU, disk.

A token costs 2 N operations to decode and 6 N to train on, N being the model's parameters; a large model on a GPU
computes its layers twice, so 8 N and a little for the divergence from its start. Decoding is also bound by how many
sequences are at work at once, each of which has a speed of its own: as many as episodes want, or as fit into the memory
of a vLLM; and a step takes at least as long as its longest trace. rates.json holds these speeds, and whether they were
measured or assumed. How long traces get is not known before a run: HABITS are those of the nano reference, to whose
tokens a test holds them, and in sentences the paper's. Hours are good to a factor of two.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from asyncthink.config.params import Params
from asyncthink.settings import Arm, Model, Thinking
from asyncthink.workflow import graph

ITEMS = 50  # of a test set whose size params.yaml leaves to its source: AMC-23 has 40, AIME-24 has 30
AGENTS = 1.5  # of an episode at work at once: the paper ends at 65 % of two
WORDS = 314  # of the vocabulary of models trained from scratch, at nano
FAMILIES = {"smollm2-135m": (49_152, 3), "": (151_936, 8)}  # by name: vocabulary, key heads; "": Qwen3, or unknown
PROMPT = 150  # tokens before a trace in the chat style: 250 of an organizer's, 60 to 100 of others
LARGE = 1e8  # parameters from which on a GPU recomputes activations, and products are of bfloat16
STATE_BYTES = 16  # a parameter in a training state: weights, gradients, two moments
KEPT_STATES = 2
COPIES = 2  # of what is recorded: DVC's cache has its own, unless the file system makes one of the two
TOKEN_BYTES = 6  # of a recorded token, compressed
VLLM_SHARE = 0.7  # of a GPU, as the cluster's profile has it
VLLM_BYTES = 4e9  # of a vLLM beside weights, keys and values


@dataclass(frozen=True)
class Habits:
    """What traces use of their budgets, and workers of theirs; workers that an organizer starts; tokens that training
    reads for each decoded one, injected text among them.
    """

    used: float
    worker: float
    forks: float
    read: float


HABITS = {
    "word": Habits(used=0.82, worker=0.4, forks=3.6, read=1.1),  # of the nano reference
    "chat": Habits(used=0.6, worker=0.6, forks=1.5, read=1.3),  # of the paper, which ends at 1.4 forks
}


@dataclass(frozen=True)
class Rate:
    """Operations a second of a device in decoding and in training, and whence they are known.

    sequence is the most tokens a second of one sequence, operations what training takes a parameter and token, memory
    the bytes of a GPU in which a vLLM decodes.
    """

    device: str
    decode: float
    train: float
    measured: bool
    source: str
    sequence: float = math.inf
    operations: float = 6.0
    memory: float = math.inf


@dataclass(frozen=True)
class Load:
    """One step's work over all its runs, in tokens.

    together is how many sequences could decode at once, longest the tokens of the longest traces, one after another, of
    all the times that episodes are waited for.
    """

    step: str
    runs: int
    decoded: float = 0.0
    trained: float = 0.0
    together: float = math.inf
    longest: float = 0.0

    def hours(self, parameters: int, rate: Rate, fitting: float = math.inf) -> float:
        """Device hours of a model of so many parameters, of which so many sequences fit into a device's memory."""
        devices = sharing(parameters, rate) if self.trained else 1
        at_once = max(1.0, min(self.together / devices, fitting))
        decoding = max(
            2 * parameters * self.decoded / rate.decode,
            self.decoded / (at_once * rate.sequence),
            devices * self.longest / rate.sequence,
        )
        return (decoding + rate.operations * parameters * self.trained / rate.train) / 3600


def rate(params: Params, device: str) -> Rate:
    """Of a cpu or a gpu, for the model of params.yaml."""
    small = parameters(params) <= LARGE
    return rates()[{"gpu": "gpu_small" if small else "gpu", "cpu": "cpu" if small else "cpu_large"}[device]]


def sharing(parameters: int, rate: Rate) -> int:
    """Devices that train a model together, so that its state takes half of their memory at most."""
    return next((n for n in (1, 4) if STATE_BYTES * parameters / n <= rate.memory / 2), 8)


def fitting(params: Params, rate: Rate) -> float:
    """Sequences of which keys and values fit into a vLLM's share of a GPU, half of an organizer's tokens each."""
    (shape, _, key_heads), count = _described(params), parameters(params)
    token = 2 * 2 * shape.layers * key_heads * shape.head_size
    context = HABITS[params.thinking.prompts].used * params.thinking.organizer_budget / 2
    return (VLLM_SHARE * rate.memory - 2 * count - VLLM_BYTES) / (token * context)


def rates() -> dict[str, Rate]:
    """By kind of device."""
    text = files("asyncthink.workflow").joinpath("rates.json").read_text(encoding="utf-8")
    return {kind: Rate(**rate) for kind, rate in json.loads(text).items()}


def parameters(params: Params) -> int:
    """N, embeddings included, of the model that params.model describes."""
    shape, vocabulary, key_heads = _described(params)
    inner, keys = shape.heads * shape.head_size, key_heads * shape.head_size
    layer = 2 * shape.hidden_size * (inner + keys) + 3 * shape.hidden_size * shape.intermediate_size
    return shape.layers * layer + vocabulary * shape.hidden_size


def _described(params: Params) -> tuple[Model, int, int]:
    """The model's shape, vocabulary and key heads: as the folder it starts from says, else as params.yaml does."""
    given = params.model
    if given.start_from is None:
        return given, WORDS, given.heads
    try:
        return _configured(given, json.loads((Path(given.start_from) / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):  # a hub name, or a folder that loading will refuse
        vocabulary, key_heads = next(own for name, own in FAMILIES.items() if name in given.start_from.lower())
        return given, vocabulary, min(given.heads, key_heads)


def _configured(given: Model, config: dict[str, Any]) -> tuple[Model, int, int]:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    shape = replace(
        given,
        hidden_size=hidden,
        layers=config["num_hidden_layers"],
        heads=heads,
        head_size=config.get("head_dim") or hidden // heads,
        intermediate_size=config["intermediate_size"],
    )
    return shape, config["vocab_size"], config.get("num_key_value_heads") or heads


def episode_tokens(mode: str, thinking: Thinking) -> float:
    """Tokens that one episode decodes, as expected."""
    own = HABITS[thinking.prompts]
    trace = own.used * thinking.organizer_budget
    if mode == "asynchronous":
        return trace + own.forks * own.worker * thinking.worker_budget
    return trace * (thinking.capacity if mode == "parallel" else 1)


def read_tokens(decoded: float, mode: str, thinking: Thinking) -> float:
    """Tokens that training reads of an episode in which so many are decoded."""
    own = HABITS[thinking.prompts]
    traces = {"sequential": 1, "parallel": thinking.capacity, "asynchronous": 1 + own.forks}
    return decoded * own.read + (PROMPT * traces[mode] if thinking.prompts == "chat" else 0)


def expected_mode(arm: Arm) -> str:
    """How an arm's episodes will be: without a cold start, no organizer comes to fork."""
    return arm.mode if arm.cold_start or arm.mode != "asynchronous" else "sequential"


def loads(params: Params) -> Iterator[Load]:
    """Every step that computes, in the order of the graph."""
    seeds = len(params.seeds)
    if params.model.start_from is None:
        yield Load("pretrain", seeds, trained=params.pretrain.tokens * seeds)
    for name in graph.cold_starts("sft", params):
        own = params.arm_params(name)
        read = read_tokens(demonstration_tokens(own), own.arm.form, own.thinking)
        yield Load(f"sft {name}", seeds, trained=own.synthesize.demonstrations * own.sft.epochs * seeds * read)
    for name in graph.trained(params):
        own = params.arm_params(name)
        batch, times = own.grpo.prompts_per_step * own.grpo.group, own.grpo.steps * seeds
        mode = expected_mode(own.arm)
        each = episode_tokens(mode, own.thinking)
        decoded, read = times * batch * each, times * batch * read_tokens(each, mode, own.thinking)
        together = AGENTS * batch if mode == "asynchronous" else batch
        longest = times * own.thinking.organizer_budget
        yield Load(f"grpo {name}", seeds, decoded, read, together, longest)
    for test_set, arms in graph.answered(params).items():
        yield from (_evaluation(params, test_set, arm) for arm in arms)


def demonstration_tokens(own: Params) -> float:
    """Tokens of a demonstration of an arm: what an API's teacher is asked for, or what budgets let a solver write."""
    if own.synthesize.teacher == "solver":
        return episode_tokens(own.arm.form, own.thinking)
    from asyncthink.synthesis.cost_estimate import EXPECTED

    return min(EXPECTED["traces" if own.arm.form == "asynchronous" else "sequential"], own.teacher.max_tokens)


def _evaluation(params: Params, test_set: str, arm: str) -> Load:
    """An arm on a test set, in its headline and all its variants."""
    own, other = params.arm_params(arm), params.test_set(test_set)
    name = f"evaluate {arm} {test_set}" if other else f"evaluate {arm}"
    items, samples = (other.items or ITEMS, other.samples) if other else (own.puzzles.test, own.evaluate.samples)
    runs, seeds = params.evaluations(arm, test_set).values(), len(params.seeds)
    decoded = sum(episode_tokens(expected_mode(own.arm), thinking) for thinking in runs)
    longest = seeds * sum(thinking.organizer_budget for thinking in runs)
    return Load(name, seeds * len(runs), items * samples * seeds * decoded, 0.0, items * samples, longest)


def memory(params: Params, shared: Sequence[int]) -> list[int]:
    """Most bytes of a training step in one of so many processes that share a model, by a trace of its fullest part.

    It is of an asynchronous arm's traces at their budgets, as many as a micro-batch has room for; a vLLM comes on top.
    """
    from asyncthink.training import memory_trace, micro_batches

    shape, vocabulary, key_heads = _described(params)
    config = memory_trace.qwen3(
        shape.layers,
        shape.hidden_size,
        shape.intermediate_size,
        shape.heads,
        key_heads,
        shape.head_size,
        vocabulary,
    )
    large, thinking = parameters(params) > LARGE, params.thinking
    most = micro_batches.most_tokens(config, recomputed=large)
    workers = max(0, most - thinking.organizer_budget) // thinking.worker_budget
    passing = memory_trace.update(config, [thinking.organizer_budget, *[thinking.worker_budget] * workers], large)
    count = memory_trace.parameters(config)
    return [micro_batches.state(config, count, sharing) + passing for sharing in shared]


def disk(params: Params, work: Sequence[Load]) -> float:
    """Bytes: models that stay (4 a parameter) and their copies in DVC's cache, training states while arms run side by
    side, recorded episodes. A remote is elsewhere.
    """
    count = parameters(params)
    trained = sum(load.runs for load in work if load.trained)
    side_by_side = max((load.runs for load in work if load.trained), default=0)
    recorded = sum(load.decoded for load in work if load.step.startswith("evaluate")) * TOKEN_BYTES
    return count * (4 * trained * COPIES + STATE_BYTES * KEPT_STATES * side_by_side) + recorded * COPIES
