"""dvc.yaml from the Snakefile: one stage a rule, each the same leaf call.

DVC decides whether a step is stale, Snakemake how it runs, so a stage allows its own rule and nothing else. Outputs
and dependencies are read from Snakemake's own list of jobs; which keys of params.yaml a stage names comes from the
table of steps. Arms and test sets are stages, for each of them reads other keys; seeds and the other wildcards are a
matrix.
"""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from asyncthink import machine, scales, steps
from asyncthink.errors import InputError
from asyncthink.params import COUNTDOWN, Params, from_mapping

HEADER = """\
# Written from the Snakefile by `asyncthink stages`: run it after changing a rule, an import, an arm or a test set.
# A stage is a leaf call: DVC decides whether the step is stale, Snakemake runs that one rule and no other.
"""
SEED = "271828"  # stands for every seed in the list of jobs; a number that no path holds otherwise
NAMED = ("item_set", "test_set", "arm")  # the wildcards that are part of a stage's name
METRICS = ("metrics/headline.json",)  # what `dvc metrics diff` compares: short enough to read
CURVES = "metrics/tables/training_dynamics.csv"


@dataclass(frozen=True)
class Job:
    """One line of work of the graph."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    wildcards: dict[str, str]

    @property
    def arm(self) -> str | None:
        """The arm it works for, if any."""
        return self.wildcards.get("arm")

    @property
    def item_set(self) -> str:
        """The training or test set it works for."""
        return self.wildcards.get("test_set") or self.wildcards.get("item_set", COUNTDOWN)

    @property
    def items(self) -> dict[str, str]:
        """Its other wildcards."""
        return {key: value for key, value in self.wildcards.items() if key not in NAMED}


def text(directory: Path, params_text: str | None = None) -> str:
    """The dvc.yaml that belongs to the Snakefile of a directory, and to its params.yaml or to another text of it."""
    if params_text is None:
        params_text = (directory / "params.yaml").read_text(encoding="utf-8")
    params = from_mapping(yaml.safe_load(params_text))
    groups: dict[str, list[Job]] = {}
    for job in jobs(directory, params_text):
        named = [job.wildcards[key] for key in NAMED if key in job.wildcards]
        groups.setdefault("_".join([job.rule, *named]), []).append(job)
    stages = {name: stage(groups[name], params) for name in sorted(groups, key=_phase)}
    return HEADER + yaml.safe_dump({"stages": stages, "plots": list(_plots())}, sort_keys=False, width=1000)


def stage(group: list[Job], params: Params) -> dict[str, Any]:
    """The jobs of one rule, test set and arm as one stage, their wildcards replaced by DVC's `${item.NAME}`."""
    bodies = {json.dumps(_body(job, _common(group), params)) for job in group}
    values = {key: sorted({job.items[key] for job in group}) for key in group[0].items}
    if len(bodies) > 1 or math.prod(map(len, values.values())) != len(group):
        raise InputError(f"the jobs of rule {group[0].rule} differ in more than their wildcards; make them two rules")
    matrix = {key: "${seeds}" if key == "seed" else entries for key, entries in values.items()}
    return {**({"matrix": matrix} if matrix else {}), **json.loads(bodies.pop())}


def _common(group: list[Job]) -> set[str]:
    """Inputs that depend on no wildcard but the seed, whatever their names."""
    return set.intersection(*(set(job.inputs) for job in group)) if len(group) > 1 else set()


def _body(job: Job, common: set[str], params: Params) -> dict[str, Any]:
    outputs = [_templated(path, job.items) for path in job.outputs]
    metrics = [path for path in outputs if path in METRICS]
    seed = {key: value for key, value in job.items.items() if key == "seed"}
    body = {
        "cmd": f"snakemake --cores all --allowed-rules {job.rule} --force -- {outputs[0]}",
        "deps": sorted({_dependency(path, seed if path in common else job.items) for path in job.inputs}),
        "params": steps.dvc_params(job.rule, params, job.arm, job.item_set),
        "outs": [_uncached(path) if path.startswith("metrics/") else path for path in outputs if path not in metrics],
        "metrics": [_uncached(path) for path in metrics],
    }
    return {key: value for key, value in body.items() if value}


def are_current(directory: Path) -> bool:
    """Whether the dvc.yaml of a directory says what its Snakefile and its params.yaml do."""
    return yaml.safe_load((directory / "dvc.yaml").read_text(encoding="utf-8")) == yaml.safe_load(text(directory))


def jobs(directory: Path, params_text: str) -> list[Job]:
    """Every job of the graph, from `snakemake --dry-run --forceall`, which needs no data."""
    with tempfile.TemporaryDirectory() as scratch:
        scales.lay_out(directory, Path(scratch), scales.merge(params_text, f"seeds: [{SEED}]"))
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--nolock"]
        details = {**os.environ, machine.DETAILS: "1"}
        done = subprocess.run(command, cwd=scratch, env=details, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"snakemake --dry-run failed: {' '.join((done.stdout + done.stderr).split())[-400:]}")
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", done.stdout, re.MULTILINE)
    return [_job(rule, block) for rule, block in blocks if rule != "all"]


def _job(rule: str, block: str) -> Job:
    fields = dict(re.findall(r"^    (\w+): (.*)$", block, re.MULTILINE))
    wildcards = dict(pair.split("=", 1) for pair in _listed(fields, "wildcards"))
    return Job(rule, _listed(fields, "input"), _listed(fields, "output"), wildcards)


def _listed(fields: dict[str, str], name: str) -> tuple[str, ...]:
    return tuple(fields[name].split(", ")) if fields.get(name) else ()


def _templated(path: str, items: dict[str, str]) -> str:
    """A path with each wildcard's value, where it is a whole name of the path, replaced by its place holder."""
    if path.startswith("src/"):
        return path
    for key, value in items.items():
        path = re.sub(rf"(?<![^/]){re.escape(value)}(?=[/.]|$)", f"${{item.{key}}}", path)
    return path


def _dependency(path: str, items: dict[str, str]) -> str:
    """What reads every seed depends on the folder that holds one file a seed."""
    if "seed" not in items and SEED in path:
        return str(Path(path).parent)
    return _templated(path, items)


def _uncached(path: str) -> dict[str, Any]:
    return {path: {"cache": False}}


def _phase(name: str) -> tuple[int, str]:
    order = list(steps.READS)
    return next(place for place, rule in enumerate(order) if re.match(rf"{rule}(_|$)", name)), name


def _plots() -> Iterable[Any]:
    for curve in ("accuracy", "concurrency_ratio", "latency"):
        yield {f"{curve} in training": {"x": "step", "y": {CURVES: curve}}}
    for figure in steps.FIGURES:
        yield f"figures/{figure}.svg"
