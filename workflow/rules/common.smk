from snakemake.exceptions import WorkflowError

from asyncthink import locks, machine, outlook, params as parameters, steps
from asyncthink.errors import InputError

machine.activate()
locks.guard(workflow)
# They run this directory's own source, which is what `code` lists.
shell.prefix(f"set -euo pipefail; {locks.SHELL}" "export PYTHONPATH=$PWD/src${{PYTHONPATH:+:$PYTHONPATH}}; ")

try:
    PARAMS = parameters.read("params.yaml")
    if parameters.from_mapping(config) != PARAMS:
        raise InputError("params.yaml is the one file that counts; change it there, not with --config")
except InputError as error:
    raise WorkflowError(str(error)) from None

ARMS = list(PARAMS.arms)
ALIKE = {step: steps.alike(step, PARAMS) for step in steps.COLD_START}
TEST_SETS = {name: list(found.arms) for name, found in PARAMS.test_sets.items() if found}
ANSWERED = {"countdown": [name for name in ARMS if PARAMS.arm_params(name).arm.task == "countdown"]} | TEST_SETS
ITEM_SETS = [*(name for name, found in PARAMS.training_sets.items() if found), *TEST_SETS]
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


def trained():
    """The arms that GRPO trains itself."""
    arms = {name: PARAMS.arm_params(name).arm for name in ARMS}
    return [name for name, arm in arms.items() if arm.rl and arm.weights_of is None]


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


def cold_starts(step):
    """The names under which a step of the cold start is run, over all arms that have one."""
    return steps.cold_starts(step, PARAMS)


def start(wildcards):
    """The model an arm starts from: the base, or the base after format fine-tuning."""
    arm = PARAMS.arm_params(wildcards.arm).arm
    if arm.cold_start:
        return f"results/sft/{alike('sft', wildcards.arm)}/{wildcards.seed}"
    return f"results/pretrain/{wildcards.seed}"


def awaited(wildcards):
    """The priority of a cold start: how many arms are trained from it, so that few cores make the longest wait first."""
    starting = [name for name in trained() if PARAMS.arm_params(name).arm.cold_start]
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


def evaluated(pattern):
    """All files of a pattern, over every test set, the arms that answer it, and every seed."""
    return [path for name, arms in ANSWERED.items() for path in every(pattern, test_set=name, arm=arms)]


def every(pattern, **wildcards):
    """All files of a pattern, over every seed of params.yaml."""
    return expand(pattern, seed=PARAMS.seeds, **wildcards)
