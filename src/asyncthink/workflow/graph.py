"""What each step of the graph reads: keys of params.yaml, code, and the files of other steps.

The Snakefile takes all of it from here. dvc.yaml names the same things more coarsely, by hand, and the graph test holds
it to this table. A step lists the sections or keys that its code reads and nothing else: a number changed elsewhere
leaves it alone. (The items carry what they need of `puzzles`, so a change there reaches the later steps through the
data.) The keys that decide nothing (settings.INERT) are in no list. Code is listed by room, a module or a folder of the
package, and a test holds the list to the real imports.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asyncthink.config.params import Params
from asyncthink.errors import InputError
from asyncthink.settings import COUNTDOWN, INERT

FIGURES = (
    *("correct_at_least_k", "ablations", "math", "sudoku", "training_dynamics"),
    *("frontier", "organization", "topologies", "case_studies", "claims", "learning_curves"),
)
# A command of its own writes the case studies' table.
TABLES = (*(name for name in FIGURES if name != "case_studies"), "hacking", "test_sets", "evaluations")
SHOWN = ("asyncthink", "asyncthink_math")  # the arms of which case studies are shown

# Sections, or single keys where a step does not read the whole section.
BUDGETS = ("thinking.organizer_budget", "thinking.worker_budget", "thinking.prompts")  # and the words they count
PROTOCOL = ("thinking.capacity", "thinking.slot_release")
# All of `thinking` but the temperature of training and what belongs to one way of thinking.
EPISODE = (*BUDGETS, *PROTOCOL, "thinking.latency_budget", "thinking.reasoning")
# Of one way of thinking; `evaluate` writes them down for all.
OWN_WAY = ("thinking.plan", "thinking.diversified")
# Of countdown's world, beside the sizes of the splits.
WORLD = tuple(f"puzzles.{key}" for key in ("numbers", "smallest", "largest", "base_largest", "largest_target"))
SOLVED = ("puzzles.required", "puzzles.most_solutions")
COLD_START = ("synthesize", "filter", "sft")
# What decides how a teacher writes: the solver keeps budgets, the API's answers have limits of their own.
TEACHER_READS = {
    "solver": BUDGETS,
    "openai": ("thinking.prompts", "teacher.temperature", "teacher.max_tokens"),
}
# Only an organizer is paid for concurrency.
PAID = ("reward.name", "reward.format_error", "reward.token_price")
ARM_READS = {
    "asynchronous": ("arm", *EPISODE, "thinking.plan", "reward"),
    "sequential": ("arm", *EPISODE, *PAID),
    "parallel": ("arm", *EPISODE, "thinking.diversified", *PAID),
}
# Of every arm: a claim tells how far each has learned.
LEARNING = ("grpo.learning_rate", "grpo.schedule", "grpo.warmup", "grpo.steps")
READS: dict[str, tuple[str, ...]] = {
    "puzzles": ("seed", "puzzles"),
    "items": ("seed", "puzzles", "training_sets", "test_sets"),
    "synthesize": ("seed", "arm.mode", "arm.task", "thinking.capacity", "synthesize"),
    "filter": ("arm.mode", *EPISODE, "filter"),
    "pretrain": (*WORLD, *SOLVED, "thinking.prompts", "model", "pretrain"),
    "sft": ("arm.mode", *EPISODE, "sft"),
    "grpo": ("grpo", "thinking.temperature"),
    "evaluate": ("scale", "evaluate", *OWN_WAY),
    "measure": (),
    "claims": ("scale", "arms", *LEARNING),
    "tables": (),
    "case_studies": ("scale",),
    "figures": (),
    "report": (
        *("scale", "arms", "puzzles", "thinking", "model", "reward"),
        *("synthesize", "pretrain", "sft", "grpo", "evaluate"),
    ),
    "page": (),
}
# Of items beside countdown's own: these, and their own entry of training_sets or test_sets.
OF_ITEM_SET = {"items": ("seed", "puzzles"), "evaluate": ("scale", "evaluate.temperature", *OWN_WAY)}

# The rooms that a step's command imports, beside its own file in cli/. Left out is what decides no result: how an error
# is told, how a lock is held, how progress is told, what a terminal shows, and what serves Snakemake and DVC.
READING = ("config", "files", "rewards", "settings")  # of params.yaml, which names rewards
# Of its room, what decodes: a change of what is measured decodes nothing again.
DECODING = tuple(f"evaluation/{name}" for name in ("__init__", "episode_chunks", "evaluate", "recording"))
# Of its room, what keeps half-done states: a change of a training decodes nothing again.
KEEPING = tuple(f"training/{name}" for name in ("__init__", "attention", "checkpoints"))
EPISODES = (
    *READING,
    "engines",
    "episode",
    "models",
    "protocol",
    "randomness",
    "schedule",
    "synthesis",
    "tasks",
    "thinking",
)
SAMPLING = tuple(room for room in EPISODES if room != "synthesis")
# By what reads no params.yaml and draws nothing.
RECORDED = tuple(room for room in EPISODES if room not in ("config", "randomness", "rewards"))
ROOMS: dict[str, tuple[str, ...]] = {
    "puzzles": (*READING, "randomness", "tasks"),
    "items": (*READING, "randomness", "tasks"),
    "synthesize": (*READING, "engines", "protocol", "randomness", "synthesis", "tasks"),
    "filter": (*READING, "protocol", "randomness", "schedule", "synthesis", "tasks"),
    "pretrain": (*READING, "models", "protocol", "randomness", "synthesis", "tasks", "training"),
    "sft": (*EPISODES, "training"),
    "grpo": (*SAMPLING, "training", "cli/engine_choice"),
    "evaluate": (*SAMPLING, *KEEPING, *DECODING, "cli/engine_choice"),
    "measure": (*RECORDED, "evaluation"),
    "claims": (*EPISODES, "training/__init__", "training/learning_rate", "evaluation", "reporting"),
    "tables": (*RECORDED, "evaluation", "reporting"),
    "case_studies": (*EPISODES, "evaluation", "reporting"),
    "figures": (*RECORDED, "randomness", "evaluation", "reporting"),
    "report": (*EPISODES, "evaluation", "reporting"),
    "page": ("files", "episode", "protocol", "schedule", "reporting"),
}
LEFT_OUT = ("__init__", "errors", "locks", "progress", "workflow", "terminal")

SOURCES = "data/sources/"  # where items of one's own lie, so that DVC sees them change


def reads(step: str, params: Params, arm: str | None = None, item_set: str = COUNTDOWN) -> dict[str, Any]:
    """The keys that a step reads, with an arm's overrides applied: {"grpo.steps": 110, ...}."""
    return _reads(step, params.arm_params(arm) if arm else params, arm is not None, item_set)


def alike(step: str, params: Params) -> dict[str, str]:
    """For each arm the first of those whose cold start is the same up to and including a step; it names the files."""
    steps = COLD_START[: COLD_START.index(step) + 1]
    arms = {name: params.arm_params(name) for name in params.arms}
    read = {
        name: [_reads(part, own, True) | {"arm.mode": own.arm.form} for part in steps] for name, own in arms.items()
    }
    return {arm: next(name for name in read if read[name] == own) for arm, own in read.items()}


def cold_starts(step: str, params: Params) -> list[str]:
    """The names under which a step of the cold start is run, over all arms that have one."""
    first = alike(step, params)
    return list(dict.fromkeys(first[name] for name in params.arms if params.arm_params(name).arm.cold_start))


def trained(params: Params) -> list[str]:
    """The arms that GRPO trains itself."""
    arms = {name: params.arm_params(name).arm for name in params.arms}
    return [name for name, arm in arms.items() if arm.rl and arm.weights_of is None]


def answered(params: Params) -> dict[str, list[str]]:
    """The arms that answer each test set."""
    on_countdown = [name for name in params.arms if params.arm_params(name).arm.task == COUNTDOWN]
    return {COUNTDOWN: on_countdown} | {name: list(entry.arms) for name, entry in params.test_sets.items() if entry}


def starts(params: Params) -> dict[str, str]:
    """For each arm the folder, seeds apart, of the model it starts from: the base, or that after format fine-tuning."""
    first = alike("sft", params)
    cold = {name: params.arm_params(name).arm.cold_start for name in params.arms}
    return {name: f"results/sft/{first[name]}" if cold[name] else "results/pretrain" for name in params.arms}


def weights(params: Params) -> dict[str, str]:
    """For each arm the folder, seeds apart, of the model it is evaluated with: its own, or that of another arm."""
    begun, arms = starts(params), {name: params.arm_params(name).arm for name in params.arms}
    return {name: f"results/grpo/{arm.weights_of or name}" if arm.rl else begun[name] for name, arm in arms.items()}


def items(name: str, split: str) -> str:
    """The items of a training or test set; countdown's have one file a split."""
    return f"data/puzzles/{split}.jsonl" if name == COUNTDOWN else f"data/items/{name}.jsonl"


def own_source(params: Params, item_set: str) -> list[str]:
    """The local file that items are read from, if it is one."""
    named = params.item_set(item_set).source
    if named not in params.local_sources():
        return []
    if not named.startswith(SOURCES) or ".." in Path(named).parts:
        raise InputError(f"params.yaml: the source of {item_set} is {named}; put the file into {SOURCES}")
    return [named]


def _reads(step: str, own: Params, of_arm: bool, item_set: str = COUNTDOWN) -> dict[str, Any]:
    """`own`: the parameters with the arm's overrides, where the step has an arm."""
    values = own.to_mapping()
    return {leaf: value for entry in _entries(step, own, of_arm, item_set) for leaf, value in _leaves(values, entry)}


def _entries(step: str, own: Params, of_arm: bool, item_set: str) -> tuple[str, ...]:
    table = "test_sets" if item_set in own.test_sets else "training_sets"
    entries = READS[step] if item_set == COUNTDOWN else (*OF_ITEM_SET[step], f"{table}.{item_set}")
    if step == "synthesize":
        entries += TEACHER_READS[own.synthesize.teacher]
    if step in ("grpo", "evaluate") and of_arm:
        entries += ARM_READS[own.arm.mode]
    return entries


def _leaves(values: Mapping[str, Any], entry: str) -> Iterator[tuple[str, Any]]:
    section, _, key = entry.partition(".")
    table = values[section]
    if key or not isinstance(table, Mapping):
        yield entry, table[key] if key else table
    else:
        leaves = ((f"{section}.{name}", value) for name, value in table.items())
        yield from ((leaf, value) for leaf, value in leaves if leaf not in INERT)


def sources(step: str, root: str = "src/asyncthink") -> list[str]:
    """The files of a step's rooms, and its command's own."""
    rooms = (Path(root) / name for name in (f"cli/{step}", *ROOMS[step]))
    return sorted(str(path) for room in rooms for path in _files(room))


def code_hash(step: str, root: str = "src/asyncthink") -> str:
    """One hash (SHA-256) over the names and the contents of a step's source files."""
    digest = hashlib.sha256()
    for path in map(Path, sources(step, root)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def code(step: str, root: Path = Path(__file__).parents[1]) -> str:
    """The same of the package that runs, wherever it lies."""
    return code_hash(step, str(root))


def _files(room: Path) -> Iterator[Path]:
    """A module, or every file of a folder but what Python compiles."""
    if room.is_dir():
        yield from (path for path in room.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    elif (module := room.with_suffix(".py")).is_file():
        yield module


def caption(notebook: str) -> dict[str, str]:
    """The title of a notebook's exhibit and the lines below it, for Snakemake's own report."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    title, _, text = "".join(cells[0]["source"]).removeprefix("# ").partition("\n")
    return {"title": title, "text": text.strip()}
