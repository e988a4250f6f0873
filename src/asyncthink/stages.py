"""dvc.yaml from the Snakefile: one stage a rule, each the same leaf call.

DVC decides whether a step is stale, Snakemake how it runs, so a stage allows its own rule and nothing else. Outputs
and dependencies are read from Snakemake's own list of jobs; which keys of params.yaml a stage names comes from the
table of steps. Arms are stages, for each of them reads other keys; seeds and the other wildcards are a matrix.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from asyncthink import scales, steps
from asyncthink.errors import InputError
from asyncthink.params import Params, read

HEADER = """\
# Written from the Snakefile by `asyncthink stages`: run it again after changing a rule, an import or an arm.
# A stage is a leaf call: DVC decides whether the step is stale, Snakemake runs that one rule and no other.
"""
SEED = "271828"  # stands for every seed in the list of jobs; a number that no path holds otherwise
CURVES = "metrics/tables/training_dynamics.csv"


@dataclass(frozen=True)
class Job:
    """One line of work of the graph."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    wildcards: dict[str, str]


def text(directory: Path) -> str:
    """The dvc.yaml that belongs to the Snakefile and the params.yaml of a directory."""
    params = read(directory / "params.yaml")
    groups: dict[tuple[str, str], list[tuple[dict[str, str], str]]] = {}
    for job in jobs(directory):
        name = "_".join([job.rule, *([job.wildcards["arm"]] if "arm" in job.wildcards else [])])
        items = {key: value for key, value in job.wildcards.items() if key != "arm"}
        groups.setdefault((name, json.dumps(stage(job, items, params))), []).append((items, name))
    if len({name for name, _ in groups}) < len(groups):
        raise InputError("two jobs of one rule and arm differ in more than their wildcards; name them apart")
    listed = {name: _foreach([items for items, _ in found], json.loads(body)) for (name, body), found in groups.items()}
    document = {"stages": dict(sorted(listed.items(), key=_phase)), "plots": list(_plots())}
    return HEADER + yaml.safe_dump(document, sort_keys=False, width=1000)


def stage(job: Job, items: dict[str, str], params: Params) -> dict[str, Any]:
    """One job as a stage, its wildcards replaced by DVC's `${item.NAME}`."""
    outputs = [_templated(path, items) for path in job.outputs]
    names = steps.dvc_params(job.rule, params, job.wildcards.get("arm"))
    command = f"snakemake --cores all --allowed-rules {job.rule} --force -- {outputs[0]}"
    metrics = [path for path in outputs if path.startswith("metrics/") and path.endswith(".json")]
    body = {
        "cmd": command,
        "deps": sorted({_dependency(path, items) for path in job.inputs}),
        "params": names,
        "outs": [_uncached(path) if path.startswith("metrics/") else path for path in outputs if path not in metrics],
        "metrics": [_uncached(path) for path in metrics],
    }
    return {key: value for key, value in body.items() if value}


def jobs(directory: Path) -> list[Job]:
    """Every job of the graph, from `snakemake --dry-run --forceall`, which needs no data."""
    with tempfile.TemporaryDirectory() as scratch:
        params = (directory / "params.yaml").read_text(encoding="utf-8")
        scales.lay_out(directory, Path(scratch), scales.merge(params, f"seeds: [{SEED}]"))
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--nolock"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
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


def _foreach(found: list[dict[str, str]], body: dict[str, Any]) -> dict[str, Any]:
    """A stage over all values of its wildcards."""
    if not found[0]:
        return body
    values = {key: list(dict.fromkeys(items[key] for items in found)) for key in found[0]}
    if len(list(product(*values.values()))) != len(found):
        raise InputError(f"the jobs of {body['cmd']} are no full product of their wildcards")
    matrix = {key: "${seeds}" if key == "seed" else sorted(entries) for key, entries in values.items()}
    return {"matrix": matrix, **body}


def _phase(entry: tuple[str, Any]) -> tuple[int, str]:
    order = list(steps.READS)
    return next(place for place, rule in enumerate(order) if re.match(rf"{rule}(_|$)", entry[0])), entry[0]


def _plots() -> Iterable[Any]:
    for curve in ("accuracy", "concurrency_ratio", "latency"):
        yield {f"{curve} in training": {"x": "step", "y": {CURVES: curve}}}
    for figure in steps.FIGURES:
        yield f"figures/{figure}.svg"
