from pathlib import Path

from snakemake.exceptions import WorkflowError

from asyncthink import ledger, machine, outlook, params as parameters, records, steps
from asyncthink.errors import InputError

machine.activate()
# They run this directory's own source, which is what `code` lists, and notebooks the interpreter that runs papermill.
shell.prefix("set -euo pipefail; export PYTHONPATH=$PWD/src${{PYTHONPATH:+:$PYTHONPATH}} JUPYTER_PATH=$PWD/workflow; ")

try:
    PARAMS = parameters.read("params.yaml")
    if parameters.from_mapping(config) != PARAMS:
        raise InputError("params.yaml is the one file that counts; change it there, not with --config")
except InputError as error:
    raise WorkflowError(str(error)) from None

if workflow.is_main_process:
    ledger.take_over()

ARMS = list(PARAMS.arms)
ALIKE = {step: steps.alike(step, PARAMS) for step in steps.COLD_START}
RECORDS = records.of(PARAMS)
ANSWERED = records.answered(PARAMS)
ITEM_SETS = [name for name, found in {**PARAMS.training_sets, **PARAMS.test_sets}.items() if found]
MODEL = ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
GPU = int(machine.has_gpu())


wildcard_constraints:
    arm="|".join(ARMS),
    figure="|".join(steps.FIGURES),
    item_set="|".join(ITEM_SETS),
    seed=r"\d+",
    test_set="|".join(ANSWERED),


def code(step):
    """The source files that a step's command imports."""
    return steps.sources(step)


def reads(step):
    """The keys of params.yaml that a step reads, with their values; a change of one of them makes the step stale."""

    def read(wildcards):
        item_set = wildcards.get("test_set") or wildcards.get("item_set", "countdown")
        return steps.reads(step, PARAMS, wildcards.get("arm"), item_set)

    return read


def python(wildcards, threads, resources):
    """What starts a training: as many processes as its resources say, by default one a GPU. They decide no result."""
    processes, shard = resources.get("processes", max(1, resources.gpu)), bool(resources.get("shard", 0))
    return machine.python(processes, resources.get("tasks", 1), resources.get("mpi"), threads, shard=shard)


def model(folder):
    """The files of a published model."""
    return [f"{folder}/{name}" for name in MODEL]


def alike(step, arm):
    """The arm that names what a step of the cold start makes for an arm."""
    return ALIKE[step][arm]


def start(wildcards):
    """The model an arm starts from: the base, or the base after format fine-tuning."""
    arm = PARAMS.arm_params(wildcards.arm).arm
    if arm.cold_start:
        return f"results/sft/{alike('sft', wildcards.arm)}/{wildcards.seed}"
    return f"results/pretrain/{wildcards.seed}"


def awaited(wildcards):
    """The priority of a cold start: how many arms are trained from it, so that few cores make the longest wait first."""
    starting = [name for name in records.trained(PARAMS) if PARAMS.arm_params(name).arm.cold_start]
    return 1 + [alike("sft", name) for name in starting].count(wildcards.arm)


def weights(wildcards):
    """The model an arm is evaluated with: its own, or that of the arm it borrows from."""
    arm = PARAMS.arm_params(wildcards.arm).arm
    owner = arm.weights_of or wildcards.arm
    return f"results/grpo/{owner}/{wildcards.seed}" if arm.rl else start(wildcards)


def items(name, split):
    """The items of a training or test set; countdown's have one file a split."""
    return f"results/puzzles/{split}.jsonl" if name == "countdown" else f"results/items/{name}.jsonl"


def training_items(wildcards):
    """The items that an arm is trained on."""
    return items(PARAMS.arm_params(wildcards.arm).arm.task, "train")


def source(wildcards):
    """The local file that items are read from, if it is one."""
    named = PARAMS.item_set(wildcards.item_set).source
    return [named] if named in PARAMS.local_sources() else []


def checkpoint():
    """The files of the local folder that the base is taken from, if it is one."""
    folder = PARAMS.model.start_from and Path(PARAMS.model.start_from)
    return sorted(str(path) for path in folder.rglob("*") if path.is_file()) if folder else []


def recorded(chosen=ARMS):
    """The episodes of the chosen arms, over every test set and seed."""
    names = [path.relative_to("evaluate") for path in RECORDS.evaluations if path.parts[-2] in chosen]
    return [f"results/evaluate/{name.with_suffix('.jsonl.gz')}" for name in names]
