"""The sections of params.yaml as frozen records: one a section, each key with its range, and no defaults but one.

A record is a dataclass that pydantic checks whenever one is made, by `dataclasses.replace` too. The same ranges make
the JSON Schema (config/schema.py) and say what an error calls allowed (config/refusals.py); a key has a description
only where its type and bounds do not say that. Rewards, sources and subjects are tables of later rooms: config/rules.py
checks such names.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StrictBool, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from asyncthink.errors import InputError

EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?e[-+]?\d+", re.IGNORECASE)  # DVC writes 5e-05, which YAML 1.1 takes for a word
COUNTDOWN = "countdown"  # the test set that `puzzles` makes
HEADLINE = "headline"  # an arm's evaluation itself, beside its variants
# The same for every arm: no step reads another world or another base for an arm of its own.
FIXED = ("arms", "seed", "seeds", "scale", "puzzles", "model", "pretrain", "training_sets", "test_sets")
GENERATED = ("sudoku", "countdown")
LARGEST_SEED = 2**32 - 1  # of a training: NumPy takes no larger one
MOST = 10**12  # of anything that is counted
CLOSED = ConfigDict(extra="forbid", allow_inf_nan=False)

# How often training is saved, how an API is asked and how it may call itself decide no result: a change of these keys
# makes nothing stale.
PATIENCE = ("concurrency", "attempts", "time_limit", "batch")
LIMITS = ("input_price", "output_price", "budget_tokens", "budget_dollars")
INERT = frozenset(
    {f"{step}.checkpoint_every" for step in ("pretrain", "sft", "grpo")}
    | {f"teacher.{key}" for key in ("model_names", *PATIENCE, *LIMITS)}
)


def require(holds: bool, key: str, value: Any, allowed: str) -> None:
    """Refuse a value because of others; `key` is relative to the record that asks."""
    if not holds:
        raise PydanticCustomError("rule", "{key}", {"key": key, "value": value, "allowed": allowed})


def training_seed(text: str) -> int:
    """What a flag says, in the range of `seeds`."""
    if text.isascii() and text.isdecimal() and int(text) <= LARGEST_SEED:
        return int(text)
    raise InputError(f"--seed is {ascii(text)[:60]}; allowed: from 0 to {LARGEST_SEED}")


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def _distinct(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(entries)) < len(entries):
        raise ValueError("an entry stands there twice")
    return entries


def _run(arms: Any) -> Any:
    """Those that are run at this scale."""
    if not isinstance(arms, dict):
        return arms
    run = {name: override for name, override in arms.items() if override is not None}
    require(bool(run), "", "empty", "one arm or more that is not null")
    return run


EITHER_NOTATION = BeforeValidator(_number)
Count = Annotated[int, Field(strict=True, ge=1, le=MOST)]
Whole = Annotated[int, Field(strict=True, ge=0, le=MOST)]
Seed = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]
Number = Annotated[float, Field(strict=True), EITHER_NOTATION]
Positive = Annotated[float, Field(strict=True, gt=0), EITHER_NOTATION]
Weight = Annotated[float, Field(strict=True, ge=0), EITHER_NOTATION]
Share = Annotated[float, Field(strict=True, ge=0, le=1), EITHER_NOTATION]
Text = Annotated[str, Field(min_length=1)]
UNIQUE = (Field(min_length=1, json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct))
Seeds = Annotated[tuple[Seed, ...], *UNIQUE]
Names = Annotated[tuple[Text, ...], *UNIQUE]
Overrides = dict[str, dict[str, Any]]  # by section and key
Arms = Annotated[dict[str, Overrides], BeforeValidator(_run, json_schema_input_type=dict[str, Overrides | None])]
SOURCES = (
    "generated, deepscaler, aime-24, amc-23, math-500, enigmata, mmlu-pro, or a file that ends in .jsonl; a name of the"
    " hub takes a commit after an @"
)
SUBJECT = "a subject of MMLU-Pro"
Source = Annotated[Text, Field(description=SOURCES)]
TrainedTask = Literal["countdown", "competition_math"]


@dataclass(frozen=True, config=CLOSED)
class Puzzles:
    """The world of multi-solution countdown, and the sizes of its three splits (items).

    A puzzle gives `numbers` distinct numbers, each used once, and has from `required` to `most_solutions` solutions
    (null: no upper limit) that the search of tasks.countdown_search finds. A base that is trained from scratch searches
    numbers up to base_largest.
    """

    smallest: Count
    largest: Count
    base_largest: Count
    largest_target: Annotated[int, Field(strict=True, ge=1, le=100)]  # as the results on the way to it
    required: Annotated[int, Field(strict=True, ge=1, le=8)]
    most_solutions: Count | None
    train: Count
    validation: Whole  # no step of the graph needs it
    test: Count
    numbers: Literal[3, 4] = 4

    @model_validator(mode="after")
    def _check(self) -> Self:
        others = self.numbers - 1
        distinct = f"puzzles.smallest + {others} = {self.smallest + others} or more: a puzzle's numbers are distinct"
        require(self.largest >= self.smallest + others, "largest", self.largest, distinct)
        own = f"puzzles.largest = {self.largest} or more"
        require(self.base_largest >= self.largest, "base_largest", self.base_largest, own)
        most, least = self.most_solutions, self.required
        require(most is None or most >= least, "most_solutions", most, f"null, or puzzles.required = {least} or more")
        return self


@dataclass(frozen=True, config=CLOSED)
class FixedPlan:
    """An organizer that decides nothing: rounds of so many branches in a sub-query and so many of its own, then a Join.

    order is that of the branches: as they are listed, or the likeliest to hold a hit first (tasks.branch_predictor).
    """

    order: Literal["listed", "predicted"]
    forked: Count
    own: Whole


@dataclass(frozen=True, config=CLOSED)
class Thinking:
    """How an episode runs. Budgets are decoded tokens a trace; `capacity` is c of the paper, the organizer included.

    Two baselines on countdown in the word language: an organizer along a fixed plan, and diversified parallel thinking,
    each trace of which begins with a branch of its own.
    """

    capacity: Count
    organizer_budget: Count
    worker_budget: Count
    latency_budget: Count | None
    plan: FixedPlan | None
    diversified: StrictBool
    slot_release: Literal["join", "completion"]
    temperature: Weight
    prompts: Literal["word", "chat"]
    reasoning: StrictBool = False  # chat: a model that can switch it reasons before it answers; no tag in it counts


@dataclass(frozen=True, config=CLOSED)
class Model:
    """A Qwen3 architecture trained from scratch, or a checkpoint to start from."""

    start_from: Text | None
    hidden_size: Count
    layers: Count
    heads: Count
    head_size: Annotated[int, Field(strict=True, ge=2, le=MOST, multiple_of=2)]  # rotary positions turn pairs
    intermediate_size: Count


@dataclass(frozen=True, config=CLOSED)
class Reward:
    """R = R_FE on a format error, else R_A + lambda * min(eta/c, tau)/tau (paper, section on rewards)."""

    name: str
    format_error: Number
    concurrency_weight: Weight
    concurrency_target: Annotated[float, Field(strict=True, gt=0, le=1), EITHER_NOTATION]
    concurrency_gate: Literal["always", "correct", "proportional"]
    token_price: Weight


@dataclass(frozen=True, config=CLOSED)
class Arm:
    """What one arm of the experiment is; `task` is the one that its cold start and its RL are on."""

    task: TrainedTask
    mode: Literal["asynchronous", "sequential", "parallel"]
    cold_start: StrictBool
    rl: StrictBool
    weights_of: Text | None

    @property
    def form(self) -> str:
        """The form of its demonstrations: parallel thinking is sequential thinking, several times over."""
        return "asynchronous" if self.mode == "asynchronous" else "sequential"


@dataclass(frozen=True, config=CLOSED)
class Synthesize:
    """Demonstrations and the random action sequences they follow; shares are probabilities."""

    teacher: Literal["solver", "openai"]
    demonstrations: Count
    interleaved: Share
    batch: Share
    fewest_forks: Whole
    most_forks: Annotated[int, Field(strict=True, ge=0, le=16)]
    join_order: Literal["first_in_first_out", "random"]
    overlap: Share
    least_think_share: Share
    most_think_share: Share
    most_branches: Count
    systematic_share: Share
    ordered_share: Share

    @model_validator(mode="after")
    def _check(self) -> Self:
        rest = round(1 - self.batch, 9)
        require(self.interleaved <= rest, "interleaved", self.interleaved, f"from 0 to 1 - synthesize.batch = {rest}")
        most, fewest = self.most_forks, self.fewest_forks
        require(fewest <= most, "fewest_forks", fewest, f"from 0 to synthesize.most_forks = {most}")
        least, highest = self.least_think_share, self.most_think_share
        allowed = f"from 0 to synthesize.most_think_share = {highest}"
        require(least <= highest, "least_think_share", least, allowed)
        return self


@dataclass(frozen=True, config=CLOSED)
class Teacher:
    """A teacher behind an OpenAI-compatible interface; only temperature and max_tokens decide what it writes.

    model_names are further names under which the model that is asked may answer: a deployment's, an alias's.
    Prices are dollars per million tokens. The budget is a ceiling over all runs that share the kept responses.
    """

    temperature: Weight
    max_tokens: Count
    model_names: Names | None
    concurrency: Count
    attempts: Count
    time_limit: Positive
    input_price: Weight
    output_price: Weight
    budget_tokens: Count | None
    budget_dollars: Positive | None
    batch: StrictBool


@dataclass(frozen=True, config=CLOSED)
class Filter:
    """The format filter; `fewest_kept` is the share below which the step fails."""

    fewest_kept: Share


@dataclass(frozen=True, config=CLOSED)
class Pretrain:
    """The stand-in for a pretrained language model: search, arithmetic and copying as text."""

    tokens: Count
    batch_tokens: Count
    learning_rate: Positive
    warmup: Share
    hit_weight: Weight
    asked_share: Share
    announced_share: Share
    listed_share: Share
    protocol_share: Share
    notes_share: Share
    sudoku_share: Share
    checkpoint_every: Count

    @model_validator(mode="after")
    def _check(self) -> Self:
        others = (self.asked_share, self.announced_share, self.listed_share, self.protocol_share, self.notes_share)
        rest = round(1 - sum(others), 9)
        require(self.sudoku_share <= rest, "sudoku_share", self.sudoku_share, f"from 0 to 1 - the others = {rest}")
        return self


@dataclass(frozen=True, config=CLOSED)
class SFT:
    """Stage 1, cold-start format fine-tuning."""

    epochs: Count
    batch_traces: Count
    learning_rate: Positive
    warmup: Share
    tag_weight: Weight
    answer_weight: Weight
    checkpoint_every: Count


@dataclass(frozen=True, config=CLOSED)
class GRPO:
    """Stage 2, reinforcement learning; a step takes prompts_per_step * group episodes, for one update."""

    steps: Count
    prompts_per_step: Count
    group: Annotated[int, Field(strict=True, ge=2, le=MOST)]  # an advantage is relative to the rest of its group
    learning_rate: Positive
    warmup: Share
    schedule: Literal["constant", "cosine"]
    advantage: Literal["centered", "standardized"]
    loss: Literal["dapo", "grpo"]
    kl: Weight
    checkpoint_every: Count


@dataclass(frozen=True, config=CLOSED)
class Variant:
    """A further evaluation of some arms with other budgets or another n; `thinking` holds the keys it overrides."""

    arms: Names
    thinking: dict[str, Any]


@dataclass(frozen=True, config=CLOSED)
class Evaluate:
    """Sampled evaluation on the test split: the headline first, then every variant that names the arm."""

    samples: Count
    temperature: Weight
    variants: dict[str, Variant]

    @model_validator(mode="after")
    def _check(self) -> Self:
        require(HEADLINE not in self.variants, "variants", HEADLINE, "any other name, for the evaluation itself")
        return self


@dataclass(frozen=True, config=CLOSED)
class TrainingSet:
    """Where the training items of a task come from (see TestSet); at most `items` of them."""

    source: Source
    items: Count | None

    @model_validator(mode="after")
    def _check(self) -> Self:
        require(self.source != "generated", "source", self.source, "a name on the hub or a file, to train on")
        return self


@dataclass(frozen=True, config=CLOSED)
class TestSet:
    """A test set beside countdown's own: the task of its items, where they come from, and the arms that answer them.

    source: `generated`, a short name of tasks.sources.HUB, or a local JSON Lines file. `items`: at most so many, null
    for all. `clues` and `gaps` (most empty cells of a row) belong to generated Sudoku, `subset` to MMLU-Pro. `thinking`
    holds the keys that it overrides.
    """

    task: Literal["countdown", "sudoku", "competition_math", "multiple_choice"]
    source: Source
    subset: Annotated[Text, Field(description=SUBJECT)] | None
    items: Count | None
    clues: Annotated[int, Field(strict=True, ge=0, le=16)] | None
    gaps: Annotated[int, Field(strict=True, ge=0, le=4)] | None
    samples: Count
    arms: Names
    thinking: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> Self:
        made = self.source == "generated"
        which = f"a name on the hub or a file: only {', '.join(GENERATED)} can be generated"
        require(not made or self.task in GENERATED, "source", self.source, which)
        require(not made or self.items is not None, "items", "null", "1 or more where they are generated")
        return self
