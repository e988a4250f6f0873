"""What the graph has to know of the machine and the screen it runs on; never anything that decides a result."""

import os
import signal
import sys
from pathlib import Path

from asyncthink.errors import InputError

# In front of a step: a cluster's notice, SIGUSR1, is for the training alone and ends no shell and no launcher.
HEEDED = "trap '' USR1;"
DETAILS = "ASYNCTHINK_DETAILS"  # set, Snakemake lists every file of a job in place of its one line


def told(line: str) -> str | None:
    """What a job says of itself on the screen."""
    return None if os.environ.get(DETAILS) else line


def has_gpu() -> bool:
    """Whether an NVIDIA device is here, without loading torch."""
    return Path("/dev/nvidia0").exists()


# FSDP2 around each layer of the model. Every process loads the weights: each also keeps the model at the start.
SHARDED = (
    "--use_fsdp --fsdp_version 2 --fsdp_reshard_after_forward true --fsdp_auto_wrap_policy TRANSFORMER_BASED_WRAP"
    " --fsdp_state_dict_type FULL_STATE_DICT --fsdp_cpu_ram_efficient_loading false"
)


def python(processes: int, machines: int = 1, mpi: str | None = None, threads: int = 1, *, shard: bool = False) -> str:
    """What starts a module in `processes` processes that train together, `processes / machines` on each machine.

    On several machines `mpi` (srun) starts a launcher on each; they meet on the one that the job itself runs on.
    With `shard` they share one model, else each has its own. Without a flag for either, accelerate would start a single
    process on a machine without GPUs, and say nothing.
    """
    if machines > 1 and not mpi:
        raise InputError(f"a training on {machines} machines (tasks: {machines}) needs mpi: srun beside it")
    if processes % machines:
        raise InputError(
            f"{processes} processes (gpu, or processes) cannot be dealt out to {machines} machines (tasks)"
        )
    if processes == 1:
        return "python"
    launch = (
        f"python -m accelerate.commands.launch {SHARDED if shard else '--multi_gpu'}"
        " --mixed_precision no --dynamo_backend no"
        f" --num_processes {processes} --num_machines {machines}"
    )
    if machines == 1:
        return f"{launch} --main_process_port 0"
    meeting = '--main_process_ip "$HEAD" --main_process_port "$PORT" --machine_rank "$SLURM_PROCID"'
    return (
        "HEAD=$(hostname) PORT=$((20000 + SLURM_JOB_ID % 20000))"
        f""" {mpi} --ntasks={machines} --cpus-per-task={threads} sh -c 'exec {launch} {meeting} "$@"' sh"""
    )


def activate() -> None:
    """Steps run with the interpreter that runs Snakemake, whether or not its environment is activated.

    A Snakemake that runs one step of a cluster's job leaves the cluster's notice to that step.
    """
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
