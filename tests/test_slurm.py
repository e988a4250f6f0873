"""The smoke graph on a real SLURM of one node, disturbed as clusters disturb, held to the undisturbed local run."""

import json
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
from checkout import Project, of_arms
from safetensors.torch import load_file
from training_oracle import relative_error

from asyncthink.config import params
from asyncthink.workflow import graph

ONE_NODE = Path(__file__).parent / "slurm" / "one_node.sh"
ARMS = ("asyncthink", "asyncthink_priced", "sequential", "parallel")  # enough for every rule, and for three trainings
OF_ALL_ARMS = ("figures/", "metrics/tables/", "metrics/headline.json", "metrics/claims.json", "results/report/")
PRICED = "results/grpo/asyncthink_priced/1/model.safetensors"  # a price tells apart even episodes that learned nothing
pytestmark = pytest.mark.slow

# What the user of a cluster of two cores edits in profiles/slurm/profile.yaml. Its one GPU is kept for GRPO.
EDITED = {
    "latency-wait": 5,
    "slurm-status-command": "squeue",
    "slurm-no-account": True,
    "slurm-init-seconds-before-status-checks": 2,
    "default-resources": {"slurm_partition": "debug", "mem_mb": 1000, "runtime": 60, "tasks_per_gpu": 0},
    "set-threads": {"grpo": 1},
    "set-resources": {"grpo": {"gpu": 1, "mem_mb": 2000, "runtime": 60}},
}


class Cluster:
    """A SLURM with one node on this machine."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, verb):
        return subprocess.run(["bash", ONE_NODE, verb, self.folder], capture_output=True, text=True, timeout=600)

    def jobs(self, *options):
        """(id, what was asked for, state) of every job, oldest first."""
        command = ["squeue", "--noheader", "--sort=i", "--format=%i|%k|%T", *(options or ["--states=all"])]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return [tuple(line.strip().split("|")) for line in listed.splitlines()]

    def running_grpo(self):
        """The id of the job that has the GPU."""
        (job,) = [id for id, comment, _ in self.jobs("--states=RUNNING") if comment.startswith("rule_grpo")]
        return job


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        started = cluster("start")
        if started.returncode == 3:
            pytest.skip(started.stderr.strip())
        assert started.returncode == 0, started.stderr
        yield cluster
    finally:
        cluster("stop")


def edit_profile(project, changes):
    path = project.directory / "profiles" / "slurm" / "profile.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def training(project):
    """The GRPO that runs now, by the arm it trains."""
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if command[1:4] == ["-m", "asyncthink", "grpo"] and process.cwd() == str(project.directory):
                return process, command[command.index("--arm") + 1]
        except (psutil.Error, OSError):
            continue
    return None, None


@contextmanager
def frozen(project, run, arms):
    """The next GRPO of an arm beside `arms`, stopped after its first state; it goes on at the end if it still is."""
    process, arm = training(project)
    while process is None or arm in arms:
        assert run.poll() is None, "the run ended before a GRPO job could be caught"
        time.sleep(0.05)
        process, arm = training(project)
    others = set(project.directory.glob("work/grpo/*"))
    while not {state.parents[1] for state in project.directory.glob("work/grpo/*/checkpoint-1/DONE")} - others:
        assert process.is_running(), "the job ended before it could be caught"
        time.sleep(0.002)
    process.suspend()
    try:
        yield process, arm
    finally:
        if process.is_running():
            process.resume()


def pass_time_limit(cluster, process):
    """The least there is, one minute from the job's start."""
    process.terminate()
    job = cluster.running_grpo()
    subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=1"], check=True)
    while (job, "RUNNING") in {(id, state) for id, _, state in cluster.jobs()}:
        time.sleep(0.5)


def cancel(cluster, process):
    process.terminate()
    subprocess.run(["scancel", cluster.running_grpo()], check=True)


def restart_node(cluster, process):
    assert cluster("stop-node").returncode == 0
    assert cluster("start-node").returncode == 0


# SLURM wakes a stopped job before it sends it SIGTERM, and three steps can end in between: two disturbances therefore
# send the signal first, which waits until the job wakes.
DISTURBANCES = (pass_time_limit, cancel, restart_node)


@pytest.fixture(scope="module")
def disturbed(cluster, tmp_path_factory):
    """The graph of some arms, by one command; its three GRPO jobs meet with something. Which arm met with what."""
    project = Project.laid_out(tmp_path_factory.mktemp("cluster") / "project", "smoke")
    given = project.directory / "params.yaml"
    given.write_text(json.dumps(of_arms(params.read(given).to_mapping(), ARMS)))
    edit_profile(project, EDITED)
    command, met = ["snakemake", "--workflow-profile", "profiles/slurm"], {}
    with open(project.directory.parent / "log", "w+") as log, project.started(*command, output=log) as run:
        for disturb in DISTURBANCES:
            with frozen(project, run, met.values()) as (process, arm):
                disturb(cluster, process)
            met[disturb] = arm
        run.wait(timeout=3600)
        log.seek(0)
        assert run.returncode == 0, log.read()[-6000:]
    return project, met, cluster.jobs()


def test_every_job_is_in_the_queue_under_its_rule(disturbed):
    _, _, jobs = disturbed
    rules = {comment.removeprefix("rule_").split("_wildcards_")[0] for _, comment, _ in jobs}
    assert rules == set(graph.READS)


def test_whatever_a_job_met_with_the_run_ends_in_the_same_bytes(disturbed, project):
    made, local = disturbed[0].made(), project.made()
    assert {"results/report/index.html", *(f"results/evaluate/countdown/{arm}/1.jsonl.gz" for arm in ARMS)} <= set(made)
    assert [path for path in made if not path.startswith(OF_ALL_ARMS) and made[path] != local[path]] == []
    assert [path for path in (disturbed[0].directory / "work").rglob("*") if path.is_file()] == []


def test_a_job_cancelled_or_past_its_time_limit_is_submitted_again_and_goes_on_from_its_state(disturbed):
    project, met, jobs = disturbed
    ends = {}
    for _, comment, state in jobs:
        ends.setdefault(comment, []).append(state)
    for disturb, first in ((pass_time_limit, ["TIMEOUT"]), (cancel, ["CANCELLED"]), (restart_node, [])):
        assert ends.pop(f"rule_grpo_wildcards_{met[disturb]}_1") == [*first, "COMPLETED"]
        log = (project.directory / "logs" / "grpo" / met[disturb] / "1.log").read_text()
        assert ("going on from" in log) == bool(first)
    assert {tuple(states) for states in ends.values()} == {("COMPLETED",)}


def test_two_launchers_under_srun_train_as_one_process(disturbed, project):
    """As on two nodes with a process each."""
    twofold, _, _ = disturbed
    begun = load_file(project.directory / "results/sft/asyncthink/1/model.safetensors")
    one = load_file(project.directory / PRICED)
    grpo = {"gpu": 0, "processes": 2, "tasks": 2, "mpi": "srun", "mem_mb": 4000, "runtime": 60}
    edit_profile(twofold, {"set-resources": {"grpo": grpo}})
    forced = ("--allowed-rules", "grpo", "--force", "--", PRICED)
    said = twofold.run("snakemake", "--workflow-profile", "profiles/slurm", *forced)
    two = load_file(twofold.directory / PRICED)
    moved, moved_too = ({name: end[name] - begun[name] for name in begun} for end in (one, two))
    assert "--machine_rank" in said
    assert 0 < relative_error(moved_too, moved) < 1e-4
