"""What this machine and this checkout have, what the scale in params.yaml needs, and which scale fits.

Each check is one function in CHECKS and says one line: `ok`, `note` (worth knowing) or `lacks` (the scale at hand needs
it and will fail or starve without). Nothing is changed, nothing is downloaded, and no key is ever shown.
"""

import configparser
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from asyncthink import protocol
from asyncthink.errors import InputError
from asyncthink.workflow import surroundings
from asyncthink.workflow.surroundings import GIGA, Finding, Place

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PATIENCE = 5  # seconds for a program of the machine; sinfo hangs where its controller is gone
NEEDS = {  # bytes of disk and of main memory: what the scale's run left behind and used, rounded up; not of one's own
    "smoke": (2e9, 4e9),
    "nano": (5e9, 4e9),
    "pretrained": (16e9, 14e9),
    "small": (20e9, 16e9),
    "paper": (3000e9, 64e9),  # by the estimate
}
SMALLEST_GPU = 8e9  # bytes, from which on a model of tens of millions of parameters trains in comfort
HERE = ("snakemake --cores all",)
ON_A_CLUSTER = (
    "asyncthink estimate",
    "export ASYNCTHINK_ENGINE=vllm",
    "snakemake --workflow-profile profiles/slurm",
)
COMMANDS = {"nano": HERE, "pretrained": HERE, "small": HERE, "paper": ON_A_CLUSTER}  # after `asyncthink scale`


UNSEEN = Finding("note", "not looked at: the model's tokenizer is not on this machine yet")


def examine(place: Place) -> dict[str, Finding]:
    """All findings by the names of the checks."""
    return {name: check(place) for name, check in CHECKS.items()}


def fitting_scale(gpu_bytes: float, cluster: bool) -> str:
    """The largest scale that a machine is made for; gpu_bytes is the memory of its largest GPU, 0 without one."""
    if cluster:
        return "paper"
    return "small" if gpu_bytes >= SMALLEST_GPU else "nano"


def python(place: Place) -> Finding:
    """The interpreter."""
    wanted = metadata.metadata("asyncthink")["Requires-Python"]
    fits = SpecifierSet(wanted).contains(python_version())
    return Finding("ok" if fits else "lacks", f"{python_version()} ({wanted})")


def packages(place: Place) -> Finding:
    """Installed packages against the requirements of this one."""
    every = map(Requirement, metadata.requires("asyncthink") or [])
    needed = [wanted for wanted in every if wanted.marker is None or wanted.marker.evaluate({"extra": ""})]
    wrong = [problem for wanted in needed if (problem := _unmet(wanted))]
    return Finding("lacks", "; ".join(wrong)) if wrong else Finding("ok", f"all {len(needed)} requirements are met")


def _unmet(requirement: Requirement) -> str | None:
    version = _version(requirement.name)
    if version is None:
        return f"{requirement.name} is not installed"
    fits = requirement.specifier.contains(version, prereleases=True)
    return None if fits else f"{requirement.name} is {version}, not {requirement.specifier}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def vllm(place: Place) -> Finding:
    """The server that paper scale decodes with."""
    version = _version("vllm")
    if version:
        return Finding("ok", version)
    needed = place.params.scale == "paper"
    return Finding("lacks" if needed else "note", "not installed; paper scale needs it: pip install -e '.[vllm]'")


def gpu(place: Place) -> Finding:
    """NVIDIA devices, by the driver's own tool."""
    devices = gpus()
    if devices:
        told = (f"{name} ({f'{memory / GIGA:.0f} GB' if memory else 'memory unknown'})" for name, memory in devices)
        return Finding("ok", ", ".join(told))
    needed = place.params.scale in ("small", "paper") and not partitions()
    return Finding("lacks" if needed else "note", "none; the scales small and paper need one")


def gpus() -> list[tuple[str, int]]:
    """Name and bytes of each device; 0 where the driver tells none, as of a device that shares the main memory."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    told = (line.rpartition(",") for line in _output(query).splitlines())
    sizes = [(name.strip(), mebibytes.strip()) for name, comma, mebibytes in told if comma]
    return [(name, int(size) * 2**20 if size.isdecimal() else 0) for name, size in sizes]


def _output(command: list[str]) -> str:
    """What a program prints; nothing if it is not there, fails or takes long."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def memory(place: Place) -> Finding:
    """Cores and main memory."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    _, needed = NEEDS.get(place.params.scale, (0, 0))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    said = f"; {place.params.scale} needs {needed / GIGA:.0f} GB" if needed else ""
    return Finding("ok" if total >= needed else "lacks", f"{cores} cores, {total / GIGA:.0f} GB{said}")


def disk(place: Place) -> Finding:
    """Free space where the checkout lies."""
    free = shutil.disk_usage(place.root).free
    known, _ = NEEDS.get(place.params.scale, (0, 0))
    needed = surroundings.disk_needed(place, known)
    said = f"{free / GIGA:.0f} GB free; {place.params.scale} needs {needed / GIGA:.0f} GB"
    return Finding("ok" if free >= needed else "lacks", said)


def model(place: Place) -> Finding:
    """Whether the model can be had without a download, and decoded here."""
    from asyncthink.engines import forward_pass
    from asyncthink.models import checkpoint_files, language_model

    start = place.params.model.start_from
    if start is None:
        return Finding("ok", "trained from scratch; its words are its tokens")
    try:
        language_model.pinned(start)
    except InputError as error:
        return Finding("lacks", str(error))
    if fault := checkpoint_files.fault(Path(start)):
        return Finding("lacks", f"{start}: {fault}")
    if _tokenizer(start) is None:
        return Finding("note", f"{start} is not on this machine yet; the first run downloads it")
    try:
        reason = forward_pass.unfit(language_model.empty(start))
    except InputError as error:
        return Finding("lacks", str(error))
    if reason:
        return Finding("note", f"{start} is on this machine; the local engine cannot decode it: {reason}")
    return Finding("ok", f"{start} is on this machine")


@cache
def _tokenizer(start: str) -> "PreTrainedTokenizerBase | None":
    """That of a model, if it is on this machine."""
    from transformers import AutoTokenizer, logging

    from asyncthink.models.language_model import located

    logging.set_verbosity_error()

    name, revision = located(start)
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision, local_files_only=True, trust_remote_code=False)
    except Exception:  # the tokenizers library raises Exception itself where a file is torn
        return None


def chat_template(place: Place) -> Finding:
    """Whether the model can be asked by its own template."""
    if place.params.thinking.prompts == "word":
        return Finding("ok", "none is used: prompts are words")
    tokenizer = _tokenizer(place.params.model.start_from) if place.params.model.start_from else None
    return UNSEEN if tokenizer is None else template_finding(tokenizer)


def template_finding(tokenizer: "PreTrainedTokenizerBase") -> Finding:
    """What a model's own template does with a role, a question and a reasoning."""
    from asyncthink.models import chat_template

    try:
        prompt = chat_template.written(tokenizer, "ROLE", "QUESTION")
    except InputError as error:
        return Finding("lacks", str(error))
    said = [
        "the model's own",
        "" if chat_template.takes_system(tokenizer) else "no system role, so roles are told with the question",
    ]
    if chat_template.switches_reasoning(tokenizer):
        said.append("thinking.reasoning switches its reasoning")
    elif protocol.reasons(prompt):
        said.append("it reasons before every answer, in which no tag counts: give it large budgets")
    return Finding("ok", "; ".join(filter(None, said)))


def tags(place: Place) -> Finding:
    """How the model spells the protocol's tags."""
    start = place.params.model.start_from
    if start is None:
        return Finding("ok", "one token each: stops are exact")
    tokenizer = _tokenizer(start)
    return UNSEEN if tokenizer is None else tag_finding(tokenizer)


def tag_finding(tokenizer: "PreTrainedTokenizerBase") -> Finding:
    """One token a tag, or several, or a tag that does not come back as it was."""
    encoded = {name: tokenizer.encode(name, add_special_tokens=False) for name in protocol.tags([1])}
    broken = [name for name, ids in encoded.items() if str(tokenizer.decode(ids)).strip() != name]
    if broken:
        return Finding("lacks", f"{', '.join(broken)} cannot be spelled by this tokenizer")
    most = max(map(len, encoded.values()))
    said = "one token each: stops are exact" if most == 1 else f"up to {most} tokens each: stops go by text"
    return Finding("ok", said)


def slurm(place: Place) -> Finding:
    """The cluster's commands."""
    if not shutil.which("sbatch"):
        return Finding("note", "no sbatch here; profiles/slurm is for clusters")
    names = partitions()
    if not names:
        return Finding("note", "sbatch is here, but sinfo names no partition")
    accounting = "" if _output(["sacct", "--version"]) else "; no sacct: use --slurm-status-command squeue"
    return Finding("ok", f"partitions {', '.join(names)}{accounting}")


@cache
def partitions() -> list[str]:
    """The partitions of a SLURM that answers."""
    return _output(["sinfo", "--noheader", "--format=%P"]).split()


def dvc_remote(place: Place) -> Finding:
    """Where results are shared."""
    config = configparser.ConfigParser()
    config.read([place.root / ".dvc" / "config", place.root / ".dvc" / "config.local"])
    remotes = [section.split('"')[1] for section in config.sections() if 'remote "' in section]
    default = config.get("core", "remote", fallback=None)
    if default:
        return Finding("ok", f"{default} is the default")
    advice = "dvc remote add --default NAME URL shares results"
    return Finding("note", f"{', '.join(remotes) or 'none'}, no default; {advice}")


def teacher(place: Place) -> Finding:
    """Whom `synthesize` asks."""
    from asyncthink.synthesis.openai_client import NO_KEY, endpoint

    if place.params.synthesize.teacher == "solver":
        return Finding("ok", "the solver; no network, no key")
    try:
        where = endpoint(place.environment)
    except InputError as error:
        return Finding("lacks", str(error))
    key = "a key is set" if where.key != NO_KEY else "no key"
    return Finding("ok", f"{where.model} at {where.host}, {key}; see asyncthink estimate for the cost")


CHECKS: dict[str, Callable[[Place], Finding]] = {
    "python": python,
    "packages": packages,
    "vllm": vllm,
    "gpu": gpu,
    "attention": surroundings.attention,
    "memory": memory,
    "disk": disk,
    "temporary": surroundings.temporary,
    "home": surroundings.home,
    "caches": surroundings.cache_folders,
    "locks": surroundings.locks,
    "model": model,
    "chat template": chat_template,
    "tags": tags,
    "slurm": slurm,
    "dvc remote": dvc_remote,
    "teacher": teacher,
    "mathematics": surroundings.mathematics,
    "kernel": surroundings.kernel,
}
