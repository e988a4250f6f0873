"""The whole graph at smoke scale, run once, through both front ends: what a newcomer, a colleague and DVC then see."""

import gzip
import json
import pstats
import re
import shutil
from pathlib import Path

import pytest
from checkout import MOVING, Project
from kills import Moment, repeated
from safetensors.torch import load_file
from training_oracle import relative_error

from asyncthink.config import params
from asyncthink.evaluation.recordings import SMOKE_NOTE
from asyncthink.settings import INERT
from asyncthink.workflow import graph

pytestmark = pytest.mark.slow

SUDOKU = params.read(Path(__file__).parents[1] / "params.yaml").to_mapping()["test_sets"]["sudoku"]

# One key of every section, with another value that is as good.
CHANGES = {
    "seed": 5,
    "puzzles.train": 47,
    "thinking.worker_budget": 45,
    "thinking.temperature": 0.9,
    "model.layers": 2,
    "reward.concurrency_weight": 0.2,
    "reward.format_error": -0.2,
    "arm.cold_start": True,
    "synthesize.demonstrations": 81,
    "filter.fewest_kept": 0.25,
    "pretrain.hit_weight": 3.5,
    "sft.tag_weight": 2.5,
    "grpo.warmup": 0.1,
    "evaluate.samples": 2,
    "test_sets.sudoku": {**SUDOKU, "items": 11},
    "arms.no_concurrency_reward": {"reward": {"concurrency_weight": 0.01}},
}


@pytest.fixture(scope="module")
def traces(smoke_run):
    """What each step of the run read: its name, its arm, its test set, keys of params.yaml, files of the package."""
    records = [json.loads(path.read_text()) for path in (smoke_run / "trace").glob("*.json")]
    found = []
    for record in records:
        command = record["argv"]
        if Path(command[0]).parts[-2:] == ("asyncthink", "__main__.py") and command[1] in graph.READS:
            arm = command[command.index("--arm") + 1] if "--arm" in command else None
            test_set = command[command.index("--test-set") + 1] if "--test-set" in command else params.COUNTDOWN
            found.append((command[1], arm, test_set, set(record["keys"]), set(record["files"])))
    return found


@pytest.fixture(scope="module")
def clone(project, tmp_path_factory):
    """A fresh clone of the recorded project, without its results."""
    directory = tmp_path_factory.mktemp("clone") / "project"
    project.run("dvc", "push", "--quiet")
    project.run("git", "clone", "--quiet", ".", str(directory))
    copy = Project(directory)
    copy.run("dvc", "config", "--local", "remote.local.url", str(project.directory.parent / "asyncthink-remote"))
    return copy


def test_every_arm_is_run_and_every_figure_drawn(project):
    made = project.made()
    for arm in params.read(project.directory / "params.yaml").arms:
        assert gzip.decompress(made[f"results/evaluate/countdown/{arm}/1.jsonl.gz"]).count(b"\n") >= 12
    for name in graph.FIGURES:
        assert made[f"figures/{name}.png"].startswith(b"\x89PNG")
        assert SMOKE_NOTE in made[f"figures/{name}.svg"].decode()
    for name in graph.TABLES:
        rows = made[f"metrics/tables/{name}.csv"].decode().splitlines()[1:]
        assert all(SMOKE_NOTE in row for row in rows)
    assert SMOKE_NOTE in made["results/report/index.html"].decode()


def test_no_scratch_state_is_left(project):
    assert [path for path in (project.directory / "work").rglob("*") if path.is_file()] == []


def test_a_second_run_does_nothing_under_either_front_end(project):
    before = project.made()
    assert "Nothing to be done" in project.run("snakemake", "--cores", "2")
    assert "Data and pipelines are up to date" in project.run("dvc", "status")
    assert "Running stage" not in project.run("dvc", "repro")
    assert project.made() == before


def test_looking_for_stale_steps_makes_at_most_five_times_the_calls_of_dvc_in_an_empty_project(project, tmp_path):
    # Calls of Python functions, which a busy machine does not change; they take twice the CPU time (`make bench`).
    empty = Project(tmp_path)
    empty.run("git", "init", "--quiet")
    empty.run("dvc", "init", "--quiet")
    assert calls_of_dvc_status(project, tmp_path) <= 5 * calls_of_dvc_status(empty, tmp_path)


def calls_of_dvc_status(project, scratch):
    project.run("cProfile", "-o", str(scratch / "profile"), "-m", "dvc", "status")
    return pstats.Stats(str(scratch / "profile")).total_calls


def test_a_step_reads_no_key_and_imports_no_file_that_its_table_lacks(smoke_run, project, traces):
    given = params.read(project.directory / "params.yaml")
    assert {step for step, *_ in traces} == set(graph.READS) - {"figures"}
    room = smoke_run / "project" / "src" / "asyncthink"
    started = (*(f"{name}.py" for name in graph.LEFT_OUT), "__main__.py", "cli/__init__.py")
    # The witness itself loads config/params.py, and with it the settings, the names of rewards and sources, and tasks.
    others = {str(room / name) for name in (*started, "settings.py", "rewards.py", "randomness.py")}
    others |= {str(path) for folder in ("config", "workflow", "tasks") for path in (room / folder).glob("*")}
    tables = {"arms", "training_sets", "test_sets"}
    for step, arm, test_set, keys, files in traces:
        assert keys - tables - INERT <= set(graph.reads(step, given, arm, test_set)), step
        assert files <= others | set(graph.sources(step, str(room))), step


@pytest.mark.parametrize("key", CHANGES)
def test_what_a_changed_number_makes_stale_for_snakemake_is_stale_for_dvc(project, key):
    path = project.directory / "params.yaml"
    before = path.read_text()
    try:
        path.write_text(project.with_value(key, CHANGES[key]))
        dry_run = Project(project.directory, ASYNCTHINK_DETAILS="1").run("snakemake", "--dry-run", "--nolock")
        status = json.loads(re.search(r"^\{.*\}$", project.run("dvc", "status", "--json"), re.MULTILINE)[0])
    finally:
        path.write_text(before)
    blocks = re.findall(r"^rule (\w+):\n((?:    .*\n)+)", dry_run, re.MULTILINE)
    direct = [(rule, block) for rule, block in blocks if "Params have changed" in block]
    assert {rule for rule, _ in direct} <= set(status)
    if key == "reward.concurrency_weight":
        trained = {re.search(r"\barm=(\w+)", block)[1] for rule, block in direct if rule == "grpo"}
        own = {
            "asyncthink",
            "asyncthink_4",
            "asyncthink_priced",
            "asyncthink_ordered",
            "no_cold_start",
            "no_random_structures",
            "leverage",
        }
        assert trained == own
        assert set(status) == {"grpo", "evaluate", "report"}
    elif key != "arm.cold_start":
        assert direct or key.startswith("arms")


def test_a_colleague_gets_the_results_without_running_a_step(project, clone):
    refused = clone.run("asyncthink", "adopt", check=False)
    assert "run `dvc pull` (or `dvc checkout`) first, then adopt" in refused
    clone.run("dvc", "pull", "--quiet")
    clone.run("asyncthink", "adopt")
    assert "Nothing to be done" in clone.run("snakemake", "--dry-run")
    assert "Data and pipelines are up to date" in clone.run("dvc", "status")
    assert clone.made() == project.made()


def test_dvc_repro_makes_every_byte_again_though_it_is_killed(project, tmp_path):
    """Two runs, two front ends, one result; only the report tells times, so it is left out."""
    directory = tmp_path / "project"
    project.run("git", "clone", "--quiet", ".", str(directory))
    again = Project(directory)
    (directory / "dvc.lock").unlink()  # so that every stage is written into it, and a kill can come while it is
    command = ["dvc", "repro", "tables", "claims", "page", "figures"]
    moments = [
        Moment("dvc", "writing dvc.lock", call=4, victim="driver"),
        Moment("grpo", "updating", call=2),
        Moment("evaluate", "decoding", delay=0.1, victim="step"),
    ]
    attempts = [(each.came, each.mended) for each in repeated(again, command, moments, tmp_path / "notes")]
    assert attempts == [([0], False), ([], True), ([1], False), ([2], False), ([], False)]
    first, second = project.made(), again.made()
    assert set(first) - set(second) == {"results/report/index.html"}
    assert [path for path in second if second[path] != first[path]] == []
    assert "metrics/" not in again.run("git", "status", "--short")


def test_the_rule_in_two_processes_that_share_a_model_trains_as_in_one_and_nothing_gets_stale(project, tmp_path):
    weights = f"results/grpo/{MOVING}/1/model.safetensors"
    two = Project(shutil.copytree(project.directory, tmp_path / "project", symlinks=True))
    asked = ("--allowed-rules", "grpo", "--force", "--set-resources", "grpo:processes=2", "grpo:shard=1")
    said = two.run("snakemake", "--cores", "2", *asked, "--", weights)
    assert "--use_fsdp" in said
    begun = load_file(project.directory / "results/sft/asyncthink/1/model.safetensors")
    ends = (load_file(each.directory / weights) for each in (two, project))
    found, expected = ({name: end[name] - begun[name] for name in begun} for end in ends)
    assert 0 < relative_error(found, expected) < 1e-4
    assert "Nothing to be done" in two.run("snakemake", "--dry-run", "--", weights)
