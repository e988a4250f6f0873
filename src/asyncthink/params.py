"""params.yaml as frozen dataclasses: one per section, no defaults, errors for people.

The file is complete: a missing, unknown or mistyped key stops every command before anything runs, in a sentence that
names the key and the nearest valid one. An arm is the base with a few keys overridden (`Params.arm_params`), so an
ablation is a line of YAML and never a branch in the code.
"""

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from asyncthink.errors import InputError
from asyncthink.rewards import GATES, REWARDS

COUNTDOWN = "countdown"  # the test set that `puzzles` makes
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?e[-+]?\d+", re.IGNORECASE)  # DVC writes 5e-05, which PyYAML takes for a word


@dataclass(frozen=True)
class Puzzles:
    """The world of multi-solution countdown, and the sizes of its three splits (items).

    A puzzle has from `required` to `most_solutions` distinct solutions (null: no upper limit) that can be calculated
    through whole results from 0 to largest_result.
    """

    numbers: int
    smallest: int
    largest: int
    distinct: bool
    uses: int
    operations: str
    largest_result: int
    required: int
    most_solutions: int | None
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Thinking:
    """How an episode runs. Budgets are decoded tokens a trace; `capacity` is c of the paper, the organizer included."""

    capacity: int
    organizer_budget: int
    worker_budget: int
    latency_budget: int | None
    slot_release: Literal["join", "completion"]
    temperature: float
    prompts: Literal["word", "chat"]


@dataclass(frozen=True)
class Model:
    """A Qwen3 architecture trained from scratch, or a checkpoint to start from."""

    start_from: str | None
    hidden_size: int
    layers: int
    heads: int
    head_size: int
    intermediate_size: int


@dataclass(frozen=True)
class Reward:
    """R = R_FE on a format error, else R_A + lambda * min(eta/c, tau)/tau (paper, section on rewards)."""

    name: str
    format_error: float
    concurrency_weight: float
    concurrency_target: float
    concurrency_gate: Literal[*GATES]


@dataclass(frozen=True)
class Arm:
    """What one arm of the experiment is; `task` is the one that its cold start and its RL are on."""

    task: Literal["countdown", "competition_math"]
    mode: Literal["asynchronous", "sequential", "parallel"]
    cold_start: bool
    rl: bool
    weights_of: str | None

    @property
    def form(self) -> str:
        """The form of its demonstrations: parallel thinking is sequential thinking, several times over."""
        return "asynchronous" if self.mode == "asynchronous" else "sequential"


@dataclass(frozen=True)
class Synthesize:
    """Demonstrations and the random action sequences they follow; shares are probabilities in [0, 1]."""

    teacher: Literal["solver", "openai"]
    demonstrations: int
    interleaved: float
    batch: float
    fewest_forks: int
    most_forks: int
    join_order: Literal["first_in_first_out", "random"]
    overlap: float
    think_share: float
    window_share: float
    first_branch_share: float
    correct_share: float


@dataclass(frozen=True)
class Teacher:
    """A teacher behind an OpenAI-compatible interface; only temperature and max_tokens decide what it writes.

    Prices are dollars per million tokens. The budget is a ceiling over all runs that share the kept responses.
    """

    temperature: float
    max_tokens: int
    concurrency: int
    attempts: int
    time_limit: float
    input_price: float
    output_price: float
    budget_tokens: int | None
    budget_dollars: float | None
    batch: bool


@dataclass(frozen=True)
class Filter:
    """The format filter; `fewest_kept` is the share below which the step fails."""

    fewest_kept: float


@dataclass(frozen=True)
class Pretrain:
    """The stand-in for a pretrained language model: search, arithmetic and copying as text."""

    tokens: int
    batch_tokens: int
    learning_rate: float
    warmup: float
    hit_weight: float
    worker_share: float
    protocol_share: float
    notes_share: float
    sudoku_share: float
    checkpoint_every: int


@dataclass(frozen=True)
class SFT:
    """Stage 1, cold-start format fine-tuning."""

    epochs: int
    batch_traces: int
    learning_rate: float
    warmup: float
    tag_weight: float
    answer_weight: float
    checkpoint_every: int


@dataclass(frozen=True)
class GRPO:
    """Stage 2, reinforcement learning; a step takes prompts_per_step * group episodes."""

    steps: int
    prompts_per_step: int
    group: int
    accumulation: int
    learning_rate: float
    warmup: float
    schedule: Literal["constant", "cosine"]
    advantage: Literal["centered", "standardized"]
    loss: Literal["dapo", "grpo"]
    clip: float
    kl: float
    checkpoint_every: int


@dataclass(frozen=True)
class Variant:
    """A further evaluation of some arms with other budgets or another n; `thinking` holds the keys it overrides."""

    arms: tuple[str, ...]
    thinking: Mapping[str, Any]


@dataclass(frozen=True)
class Evaluate:
    """Sampled evaluation on the test split: the headline first, then every variant that names the arm."""

    samples: int
    temperature: float
    variants: Mapping[str, Variant]


@dataclass(frozen=True)
class TrainingSet:
    """Where the training items of a task come from (see TestSet); at most `items` of them."""

    source: str
    items: int | None


@dataclass(frozen=True)
class TestSet:
    """A test set beside countdown's own: the task of its items, where they come from, and the arms that answer them.

    source: `generated`, a short name of tasks.sources.HUB, or a local JSON Lines file. `items`: at most so many, null
    for all. `clues` and `gaps` (most empty cells of a row) belong to generated Sudoku, `subset` to MMLU-Pro. `thinking`
    holds the keys that it overrides.
    """

    task: Literal["countdown", "sudoku", "competition_math", "multiple_choice"]
    source: str
    subset: str | None
    items: int | None
    clues: int | None
    gaps: int | None
    samples: int
    arms: tuple[str, ...]
    thinking: Mapping[str, Any]


@dataclass(frozen=True)
class Params:
    """All of params.yaml, with the overrides of one arm already applied where `arm_params` made it."""

    scale: str
    seed: int
    seeds: tuple[int, ...]
    puzzles: Puzzles
    thinking: Thinking
    model: Model
    reward: Reward
    arm: Arm
    arms: Mapping[str, Mapping[str, Mapping[str, Any]]]
    synthesize: Synthesize
    teacher: Teacher
    filter: Filter
    pretrain: Pretrain
    sft: SFT
    grpo: GRPO
    evaluate: Evaluate
    training_sets: Mapping[str, TrainingSet | None]
    test_sets: Mapping[str, TestSet | None]

    def arm_params(self, name: str) -> "Params":
        """The parameters of one arm: the base with that arm's overrides."""
        if name not in self.arms:
            raise InputError(f"params.yaml: no arm {name!r}; {_nearest(name, self.arms)}")
        return from_mapping(merged(self.to_mapping(), self.arms[name]))

    def item_set(self, name: str) -> TrainingSet | TestSet:
        """A training set, by its task, or a test set, by its name."""
        found = self.training_sets.get(name) or self.test_set(name)
        if found is None:
            raise InputError(f"params.yaml: the items of {name} are made by `asyncthink puzzles`")
        return found

    def local_sources(self) -> list[str]:
        """The local files that training and test sets are read from."""
        sets = (*self.training_sets.values(), *self.test_sets.values())
        return [each.source for each in sets if each and each.source.endswith(".jsonl")]

    def test_set(self, name: str) -> TestSet | None:
        """A test set that is run at this scale; None for countdown's own, which `puzzles` describes."""
        if name != COUNTDOWN and self.test_sets.get(name) is None:
            run = [COUNTDOWN, *(each for each, found in self.test_sets.items() if found)]
            raise InputError(f"params.yaml: no test set {name!r}; {_nearest(name, run)}")
        return self.test_sets.get(name)

    def evaluations(self, arm: str, test_set: str = COUNTDOWN) -> dict[str, Thinking]:
        """What `evaluate` runs for an arm: its `headline`, then each variant that names it, each with its settings.

        Variants are of countdown; another test set has its headline alone.
        """
        own, found = self.arm_params(arm), self.test_set(test_set)
        variants = {} if found else {name: v.thinking for name, v in own.evaluate.variants.items() if arm in v.arms}
        settings = {"headline": found.thinking if found else {}} | variants
        sampled = {**asdict(own.thinking), "temperature": own.evaluate.temperature}
        return {name: _section(Thinking, merged(sampled, keys), "thinking") for name, keys in settings.items()}

    def to_mapping(self) -> dict[str, Any]:
        """The nested dict that params.yaml holds."""
        return {**asdict(self), "seeds": list(self.seeds)}


def read(path: str | Path = "params.yaml") -> Params:
    """Read and check a parameter file, every arm's overrides included."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run this in the root of the project") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        params = from_mapping(raw)
        for name in params.arms:
            params.evaluations(name)
        for name, found in params.test_sets.items():
            for arm in found.arms if found else ():
                params.evaluations(arm, name)
    except InputError as error:
        raise InputError(str(error).replace("params.yaml", str(path), 1)) from None
    return params


def from_mapping(raw: Any) -> Params:
    """Check a nested dict against the dataclasses above."""
    params = _section(Params, raw, "")
    _check(params)
    return params


def merged(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the leaves of `override` put in, level by level."""
    result = dict(base)
    for key, value in override.items():
        nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if nested else value
    return result


def _section(kind: type, raw: Any, where: str) -> Any:
    if not isinstance(raw, Mapping):
        raise InputError(f"params.yaml: {where or 'the file'} must be a table of keys, not {raw!r}")
    hints = typing.get_type_hints(kind)
    for key in raw:
        if key not in hints:
            raise InputError(f"params.yaml: unknown key {_dotted(where, key)}; {_nearest(str(key), hints)}")
    for field in fields(kind):
        if field.name not in raw:
            raise InputError(f"params.yaml: {_dotted(where, field.name)} is missing")
    return kind(**{key: _value(hints[key], raw[key], _dotted(where, key)) for key in hints})


def _value(kind: Any, raw: Any, where: str) -> Any:
    if kind is Any:
        return raw
    if isinstance(kind, type) and kind.__module__ == __name__:
        return _section(kind, raw, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if raw not in arguments:
            raise InputError(f"params.yaml: {where} is {raw!r}; allowed: {', '.join(map(str, arguments))}")
        return raw
    if origin is types.UnionType:
        return None if raw is None else _value(arguments[0], raw, where)
    if origin is tuple:
        if not isinstance(raw, list | tuple) or not raw:
            raise InputError(f"params.yaml: {where} must be a list with at least one entry, not {raw!r}")
        return tuple(_value(arguments[0], entry, where) for entry in raw)
    if where == "arms":
        return _arms(raw)
    if origin is Mapping:
        if not isinstance(raw, Mapping):
            raise InputError(f"params.yaml: {where} must be a table of keys, not {raw!r}")
        return {str(key): _value(arguments[1], entry, _dotted(where, str(key))) for key, entry in raw.items()}
    if kind is float and (type(raw) is int or (isinstance(raw, str) and EXPONENT.fullmatch(raw))):
        return float(raw)
    if not isinstance(raw, kind) or (kind is int and isinstance(raw, bool)):
        raise InputError(f"params.yaml: {where} must be {kind.__name__}, not {raw!r}")
    return raw


FIXED = ("arms", "seed", "seeds", "scale", "training_sets", "test_sets")  # the same for every arm


def _arms(raw: Any) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    if not isinstance(raw, Mapping) or not raw:
        raise InputError("params.yaml: arms must name at least one arm")
    run = {name: override for name, override in raw.items() if override is not None}
    for name, override in run.items():
        if not isinstance(override, Mapping) or not all(isinstance(value, Mapping) for value in override.values()):
            raise InputError(f"params.yaml: arms.{name} must hold sections with keys, like {{reward: {{...}}}}")
        for section in override:
            if section in FIXED:
                raise InputError(f"params.yaml: arms.{name} cannot override {section}")
    return run


def _check(params: Params) -> None:
    """Ranges that the types cannot say."""
    puzzles, thinking, reward, arm = params.puzzles, params.thinking, params.reward, params.arm
    alone = 1 / max(thinking.capacity, 1)  # eta/c of an organizer that never forks
    rules = [
        ("thinking.capacity", thinking.capacity >= 1, "at least 1"),
        ("thinking.temperature", thinking.temperature >= 0, "0 or more"),
        ("puzzles.uses", 2 <= puzzles.uses <= puzzles.numbers, "between 2 and puzzles.numbers"),
        ("puzzles.operations", set(puzzles.operations) <= set("+-*/") and puzzles.operations, "some of + - * /"),
        ("puzzles.required", 1 <= puzzles.required <= 8, "between 1 and 8"),
        ("puzzles.smallest", 0 <= puzzles.smallest <= puzzles.largest, "from 0 to puzzles.largest"),
        (
            "puzzles.distinct",
            not puzzles.distinct or puzzles.largest - puzzles.smallest + 1 >= puzzles.numbers,
            "false where smallest..largest holds fewer values than puzzles.numbers",
        ),
        (
            "puzzles.most_solutions",
            puzzles.most_solutions is None or puzzles.most_solutions >= puzzles.required,
            "null or at least puzzles.required",
        ),
        ("puzzles.train", min(puzzles.train, puzzles.validation, puzzles.test) >= 0, "0 or more, as the other splits"),
        ("reward.name", reward.name in REWARDS, f"one of {', '.join(REWARDS)}"),
        (
            "reward.concurrency_target",
            alone < reward.concurrency_target <= 1 or thinking.capacity == 1,
            f"above 1/c = {alone:.3f} (else R_eta is constant) and at most 1",
        ),
        ("arm.weights_of", arm.weights_of is None or arm.weights_of in params.arms, "an arm of `arms`, or null"),
        ("teacher.concurrency", params.teacher.concurrency >= 1, "at least 1"),
        ("teacher.attempts", params.teacher.attempts >= 1, "at least 1"),
        ("seeds", len(set(params.seeds)) == len(params.seeds), "without repetition"),
        (
            "synthesize.interleaved",
            params.synthesize.interleaved + params.synthesize.batch <= 1,
            "at most 1 with batch",
        ),
        (
            "synthesize.fewest_forks",
            0 <= params.synthesize.fewest_forks <= params.synthesize.most_forks <= 8,
            "0 or more and not above most_forks, which is at most 8",
        ),
    ]
    for name, variant in params.evaluate.variants.items():
        known = set(variant.arms) <= set(params.arms)
        rules.append((f"evaluate.variants.{name}.arms", known, f"some of {', '.join(params.arms)}"))
    rules += _item_set_rules(params)
    rules.append(("evaluate.variants", "headline" not in params.evaluate.variants, "without the name headline"))
    for name, holds, allowed in rules:
        if not holds:
            raise InputError(f"params.yaml: {name} must be {allowed}")


def _item_set_rules(params: Params) -> Iterator[tuple[str, bool, str]]:
    """What an arm's task and the test sets must keep: the key, whether it does, what is allowed."""
    arm = params.arm
    taught = arm.task == COUNTDOWN or params.training_sets.get(arm.task) is not None
    yield "arm.task", taught, f"{COUNTDOWN}, or a task with an entry in training_sets"
    asked = arm.task == COUNTDOWN or not arm.cold_start or params.synthesize.teacher != "solver"
    yield "synthesize.teacher", asked, f"openai for {arm.task}: the solver solves countdown alone"
    yield "test_sets", COUNTDOWN not in params.test_sets, f"without the name {COUNTDOWN}"
    for name, found in params.test_sets.items():
        yield f"test_sets.{name}", name not in params.training_sets, "another name than that of a training set"
        known = found is None or set(found.arms) <= set(params.arms)
        yield f"test_sets.{name}.arms", known, f"some of {', '.join(params.arms)}"
        counted = found is None or found.source != "generated" or (found.items or 0) > 0
        yield f"test_sets.{name}.items", counted, "1 or more where they are generated"


def _dotted(where: str, key: str) -> str:
    return f"{where}.{key}" if where else str(key)


def _nearest(key: str, allowed: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(key, list(allowed), n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(allowed)}"
