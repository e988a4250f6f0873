"""What each step of the graph reads: keys of params.yaml, and source files.

Snakemake, DVC and the graph test take both from here, so the two front ends cannot disagree on when a step is stale.
A step lists the sections or keys that its code reads and nothing else: a number changed elsewhere leaves it alone.
(The items carry what they need of `puzzles`, so a change there reaches the later steps through the data.)
Left out of the source files are the carriers (files, errors, this table, the sections of params.yaml): they decide no
result, and the values that a section carries are listed key by key. How an arm's settings follow from them is in
params.py, which counts. The keys that decide nothing (sections.INERT) are in no list.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from asyncthink.config.sections import INERT
from asyncthink.files import sha256
from asyncthink.params import COUNTDOWN, Params

FIGURES = (
    "correct_at_least_k",
    "ablations",
    "math",
    "sudoku",
    "training_dynamics",
    "frontier",
    "topologies",
    "case_studies",
    "claims",
    "learning_curves",
)
TABLES = (
    "correct_at_least_k",
    "ablations",
    "math",
    "sudoku",
    "training_dynamics",
    "frontier",
    "topologies",
    "claims",
    "learning_curves",
    "hacking",
    "test_sets",
    "evaluations",
)

# Sections, or single keys where a step does not read the whole section.
BUDGETS = ("thinking.organizer_budget", "thinking.worker_budget", "thinking.prompts")
PROTOCOL = ("thinking.capacity", "thinking.slot_release")
EPISODE = (*BUDGETS, *PROTOCOL, "thinking.latency_budget")  # all of `thinking` but the temperature of training
WORDS = ("puzzles.largest", "puzzles.largest_result")
COLD_START = ("synthesize", "filter", "sft")
# What decides how a teacher writes: the solver keeps budgets, the API's answers have limits of their own.
TEACHER_READS = {
    "solver": ("puzzles.largest_result", *BUDGETS),
    "openai": ("thinking.prompts", "teacher.temperature", "teacher.max_tokens"),
}
# Only an organizer is paid for concurrency.
ARM_READS = {
    "asynchronous": ("arm", *EPISODE, "reward"),
    "sequential": ("arm", *EPISODE, "reward.name", "reward.format_error"),
    "parallel": ("arm", *EPISODE, "reward.name", "reward.format_error"),
}
READS: dict[str, tuple[str, ...]] = {
    "puzzles": ("seed", "puzzles"),
    "items": ("seed", "training_sets", "test_sets"),
    "synthesize": ("seed", "arm.mode", "arm.task", "thinking.capacity", "synthesize"),
    "filter": ("arm.mode", *EPISODE, "filter"),
    "pretrain": (*WORDS, "puzzles.uses", "puzzles.operations", "puzzles.required", *BUDGETS, "model", "pretrain"),
    "sft": ("arm.mode", *EPISODE, "sft"),
    "grpo": ("grpo", "thinking.temperature"),
    "evaluate": ("scale", "evaluate"),
    "tables": ("scale",),
    "claims": ("scale",),
    "case_studies": ("scale",),
    "figures": (),
    "report": ("scale", "puzzles", "thinking", "model", "reward", "grpo", "pretrain.tokens"),
    "page": (),
}
# Of items beside countdown's own: these, and their own entry of training_sets or test_sets.
OF_ITEM_SET = {"items": ("seed",), "evaluate": ("scale", "evaluate.temperature")}
CARRIERS = frozenset(
    {"__init__.py", "cli.py", "errors.py", "files.py", "steps.py"}
    | {f"config/{name}.py" for name in ("__init__", "refusals", "rules", "sections")}
)


def reads(step: str, params: Params, arm: str | None = None, item_set: str = COUNTDOWN) -> dict[str, Any]:
    """The keys that a step reads, with an arm's overrides applied: {"grpo.steps": 110, ...}."""
    values = (params.arm_params(arm) if arm else params).to_mapping()
    entries = _entries(step, params, arm, item_set)
    return {leaf: value for entry in entries for leaf, value in _leaves(values, entry)}


def alike(step: str, params: Params) -> dict[str, str]:
    """For each arm the first of those whose cold start is the same up to and including a step; it names the files."""
    steps = COLD_START[: COLD_START.index(step) + 1]
    read = {}
    for name in params.arms:
        form = params.arm_params(name).arm.form
        read[name] = [{**reads(each, params, name), "arm.mode": form} for each in steps]
    return {arm: next(name for name in read if read[name] == own) for arm, own in read.items()}


def cold_starts(step: str, params: Params) -> list[str]:
    """The names under which a step of the cold start is run, over all arms that have one."""
    first = alike(step, params)
    return list(dict.fromkeys(first[name] for name in params.arms if params.arm_params(name).arm.cold_start))


def dvc_params(step: str, params: Params, arm: str | None = None, item_set: str = COUNTDOWN) -> list[str]:
    """The same as keys of the file itself: an overridden key is replaced by the arm's own table of overrides."""
    values, override = params.to_mapping(), params.arms[arm] if arm else {}
    names = [f"arms.{arm}"] if arm else []
    for entry in _entries(step, params, arm, item_set):
        section = entry.split(".")[0]
        in_part = section in override or any(key.startswith(f"{entry}.") for key in INERT)
        kept = [leaf for leaf, _ in _leaves(values, entry) if not _covers(override, leaf)]
        names += kept if in_part else [entry]
    return names


def _entries(step: str, params: Params, arm: str | None, item_set: str) -> tuple[str, ...]:
    table = "test_sets" if item_set in params.test_sets else "training_sets"
    entries = READS[step] if item_set == COUNTDOWN else (*OF_ITEM_SET[step], f"{table}.{item_set}")
    if step == "synthesize":
        entries += TEACHER_READS[(params.arm_params(arm) if arm else params).synthesize.teacher]
    if step in ("grpo", "evaluate") and arm is not None:
        entries += ARM_READS[params.arm_params(arm).arm.mode]
    return entries


def _leaves(values: Mapping[str, Any], entry: str) -> Iterator[tuple[str, Any]]:
    section, _, key = entry.partition(".")
    found = values[section]
    if key or not isinstance(found, Mapping):
        yield entry, found[key] if key else found
    else:
        leaves = ((f"{section}.{name}", value) for name, value in found.items())
        yield from ((leaf, value) for leaf, value in leaves if leaf not in INERT)


def _covers(override: Mapping[str, Mapping[str, Any]], leaf: str) -> bool:
    section, _, key = leaf.partition(".")
    return key in override.get(section, {})


def sources(step: str, root: str = "src/asyncthink") -> list[str]:
    """The source files of the package that a step's command imports, directly or not, and the files they name."""
    return sorted(str(path) for path in _closure(Path(root) / "commands" / f"{step}.py", Path(root)))


def code(step: str, root: Path = Path(__file__).parent) -> str:
    """The hash of a step's source files, their names included: those of the package that runs, wherever it lies."""
    files = {Path(path).relative_to(root).as_posix(): sha256(path) for path in sources(step, str(root))}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def notebook_sources(notebook: str, root: str = "src/asyncthink") -> list[str]:
    """The source files that a notebook's code cells import."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found: set[Path] = set()
    for path in _imported(ast.parse(code), Path(notebook), Path(root)):
        found |= _closure(path, Path(root))
    return sorted(map(str, found))


def caption(notebook: str) -> dict[str, str]:
    """The title of a notebook's exhibit and the lines below it, for Snakemake's own report."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    title, _, text = "".join(cells[0]["source"]).removeprefix("# ").partition("\n")
    return {"title": title, "text": text.strip()}


def _closure(start: Path, root: Path) -> set[Path]:
    found, open_ends, carriers = set(), [start], {root / name for name in CARRIERS}
    while open_ends:
        path = open_ends.pop()
        if path in found or path in carriers or not path.is_file():
            continue
        found.add(path)
        open_ends += _mentioned(path, root)
    return found


@cache
def _mentioned(path: Path, root: Path) -> tuple[Path, ...]:
    if path.suffix != ".py":
        return ()
    return tuple(_imported(ast.parse(path.read_text(encoding="utf-8")), path, root))


def _imported(tree: ast.Module, path: Path, root: Path) -> Iterator[Path]:
    """Files behind the imports of a module, at any depth of it, and data files beside it that a string names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(alias.name, root)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from _module(node.module, root)
            for alias in node.names:
                yield from _module(f"{node.module}.{alias.name}", root)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _named(node.value, path, root)


def _named(text: str, path: Path, root: Path) -> Iterator[Path]:
    if re.fullmatch(r"asyncthink(\.\w+)+", text):
        yield from _module(text, root)
    elif re.fullmatch(r"[\w./-]+\.\w+", text) and (path.parent / text).is_file():
        yield path.parent / text


def _module(name: str, root: Path) -> Iterator[Path]:
    parts = name.split(".")
    if parts[0] != "asyncthink":
        return
    for depth in range(2, len(parts) + 1):
        place = root.joinpath(*parts[1:depth])
        yield place.with_suffix(".py")
        yield place / "__init__.py"
