import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

from asyncthink.cli import engine_choice
from asyncthink.workflow import caches, run_lock, links, machine, outlook, graph
from asyncthink.config import params as parameters
from asyncthink.errors import InputError

machine.activate()
caches.settle()
run_lock.guard(workflow)
outlook.brief(workflow)
# They run this directory's own source, which is what `code` hashes, and notebooks the interpreter that runs papermill.
shell.prefix(
    f"set -euo pipefail; {machine.HEEDED} {run_lock.SHELL}"
    "export PYTHONPATH=$PWD/src${{PYTHONPATH:+:$PYTHONPATH}} JUPYTER_PATH=$PWD/workflow; "
)

try:
    PARAMS = parameters.read("params.yaml")
    if parameters.from_mapping(config) != PARAMS:
        raise InputError("params.yaml is the one file that counts; change it there, not with --config")
    ITEM_SETS = [name for name, entry in {**PARAMS.training_sets, **PARAMS.test_sets}.items() if entry]
    OWN_SOURCES = {name: graph.own_source(PARAMS, name) for name in ITEM_SETS}
    ENGINE = engine_choice.declared(os.environ)
except InputError as error:
    raise WorkflowError(str(error)) from None

# Who computes, where the environment asks for another than is usual: it rounds in its own way.
USUAL = {"ASYNCTHINK_KERNELS": "compiled", "ASYNCTHINK_ATTENTION": "sdpa"}
COMPUTING = {name: told for name in USUAL if (told := os.environ.get(name)) not in (None, "", USUAL[name])}

ARMS = list(PARAMS.arms)
ALIKE = {step: graph.alike(step, PARAMS) for step in graph.COLD_START}
COLD_STARTS = {step: graph.cold_starts(step, PARAMS) for step in graph.COLD_START}
TRAINED = graph.trained(PARAMS)
STARTS, WEIGHTS = graph.starts(PARAMS), graph.weights(PARAMS)
ANSWERED = graph.answered(PARAMS)
MODEL = ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
GPU = int(machine.has_gpu())


wildcard_constraints:
    arm="|".join(ARMS),
    figure="|".join(graph.FIGURES),
    item_set="|".join(ITEM_SETS),
    seed=r"\d+",
    test_set="|".join(ANSWERED),


def reads(step):
    """What a step reads of params.yaml, and of the environment; a change of one of the values makes the step stale."""

    def read(wildcards):
        item_set = wildcards.get("test_set") or wildcards.get("item_set", "countdown")
        return graph.reads(step, PARAMS, wildcards.get("arm"), item_set) | outside(step, wildcards.get("arm"))

    return read


def outside(step, arm):
    """What the environment, and not params.yaml, says of who decodes, of who computes and of who teaches."""
    if step == "synthesize" and PARAMS.arm_params(arm).synthesize.teacher == "openai":
        from asyncthink.synthesis import openai_client

        return {"teacher": openai_client.named(os.environ).name}
    computing = COMPUTING if step in ("pretrain", "sft", "grpo", "evaluate") else {}
    return computing | (ENGINE if step in ("grpo", "evaluate") else {})


def python(wildcards, threads, resources):
    """What starts a training: as many processes as its resources say, by default one a GPU. They decide no result."""
    processes, shard = resources.get("processes", max(1, resources.gpu)), bool(resources.get("shard", 0))
    return machine.python(processes, resources.get("tasks", 1), resources.get("mpi"), threads, shard=shard)


def vllm(wildcards, resources):
    """What a vLLM in the process may take of its GPU, by the profile's resources vllm_memory and so on, for the shell."""
    told = {variable: resources.get(f"vllm_{name}") for name, variable in engine_choice.OWN.items()}
    return "".join(f"{variable}={value} " for variable, value in told.items() if value is not None)


def model(folder):
    """The files of a published model."""
    return [f"{folder}/{name}" for name in MODEL]


def start(wildcards):
    """The model an arm starts from."""
    return model(f"{STARTS[wildcards.arm]}/{wildcards.seed}")


def awaited(wildcards):
    """The priority of a cold start: how many arms are trained from it, so that few cores make the longest wait first."""
    return 1 + [STARTS[name] for name in TRAINED].count(f"results/sft/{wildcards.arm}")


def weights(wildcards):
    """The model an arm is evaluated with."""
    return model(f"{WEIGHTS[wildcards.arm]}/{wildcards.seed}")


def checkpoint():
    """The files of the local folder that the base is taken from, if it is one."""
    folder = PARAMS.model.start_from and Path(PARAMS.model.start_from)
    return sorted(str(path) for path in folder.rglob("*") if path.is_file()) if folder else []


def training_items(wildcards):
    """The items that an arm is trained on."""
    return graph.items(PARAMS.arm_params(wildcards.arm).arm.task, "train")


def evaluated(pattern, shown=ARMS):
    """All files of a pattern, over every test set, those of some arms that answer it, and every seed."""
    arms = {name: [arm for arm in answering if arm in shown] for name, answering in ANSWERED.items()}
    return [path for name in ANSWERED for path in every(pattern, test_set=name, arm=arms[name])]


def every(pattern, **wildcards):
    """All files of a pattern, over every seed of params.yaml."""
    return expand(pattern, seed=PARAMS.seeds, **wildcards)
