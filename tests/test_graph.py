"""One graph with two front ends: the Snakefile, dvc.yaml and the table of what each step reads agree. No data."""

import contextlib
import itertools
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from asyncthink import cli, params, rewards, scales, stages, steps
from asyncthink.config.sections import INERT
from asyncthink.errors import InputError

ROOT = Path(__file__).parents[1]
PARAMS = params.read(ROOT / "params.yaml")
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
LOCK = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line)


def snakemake(directory, *arguments, **environment):
    command, known = [sys.executable, "-m", "snakemake", "--nolock", *arguments], {**os.environ, **environment}
    return subprocess.run(command, cwd=directory, env=known, capture_output=True, text=True, timeout=120)


def laid_out(directory, text):
    scales.lay_out(ROOT, directory, text)
    return directory


def rule_of(stage):
    return re.match(rf"({'|'.join(steps.READS)})(_|$)", stage)[1]


def made(body):
    entries = body.get("outs", []) + body.get("metrics", [])
    return {path for entry in entries for path in ([entry] if isinstance(entry, str) else entry)}


def test_dvc_yaml_is_what_the_snakefile_says():
    assert stages.text(ROOT) == (ROOT / "dvc.yaml").read_text(encoding="utf-8"), "run `asyncthink stages`"


def test_a_scale_brings_its_own_stages_and_a_source_of_ones_own_is_a_dependency(tmp_path):
    project = laid_out(tmp_path, (ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name in ("workflow/scales/small.yaml", "dvc.yaml", "mine/amc.jsonl"):
        (project / name).parent.mkdir(exist_ok=True)
    (project / "mine" / "amc.jsonl").write_text("")
    (project / "dvc.yaml").write_text("stages: {}\n")
    own = {"task": "competition_math", "source": "mine/amc.jsonl", "subset": None, "items": None, "clues": None}
    own |= {"gaps": None, "samples": 1, "arms": ["asyncthink"], "thinking": {}}
    raw = yaml.safe_load((project / "params.yaml").read_text())
    raw["test_sets"]["mine"] = own
    (project / "params.yaml").write_text(yaml.safe_dump(raw))
    assert not stages.are_current(project)
    command = [sys.executable, "-m", "asyncthink", "scale", "paper"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert stages.are_current(project)
    found = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    assert "mine/amc.jsonl" in found["items_mine"]["deps"]
    assert {"evaluate_mine_asyncthink", "grpo_asyncthink_math"} <= set(found)


@pytest.mark.parametrize("stage", DVC)
def test_a_stage_is_a_leaf_call_of_its_own_rule(stage):
    leaf = r"snakemake --cores all --allowed-rules (\w+) --force -- (\S+)"
    rule, target = re.fullmatch(leaf, DVC[stage]["cmd"]).groups()
    assert rule == rule_of(stage)
    assert target in made(DVC[stage])


def test_both_tools_order_the_steps_alike(tmp_path):
    makers = {path: rule_of(name) for name, body in DVC.items() for path in expanded(body, made(body))}
    edges = {
        (rule, rule_of(name))
        for name, body in DVC.items()
        for dependency in expanded(body, body.get("deps", []))
        for path, rule in makers.items()
        if path == dependency or path.startswith(f"{dependency}/")
    }
    done = snakemake(laid_out(tmp_path, (ROOT / "params.yaml").read_text()), "--rulegraph", "dot")
    label = dict(re.findall(r'(\d+)\[label = "(\w+)"', done.stdout))
    drawn = {(label[a], label[b]) for a, b in re.findall(r"(\d+) -> (\d+)", done.stdout)}
    assert edges == {(a, b) for a, b in drawn if b != "all"}


def expanded(body, patterns):
    """Paths with the values of the stage's matrix put in; seeds stay as they are."""
    matrix = {key: values for key, values in body.get("matrix", {}).items() if key != "seed"}
    for pattern in patterns:
        for values in itertools.product(*matrix.values()):
            path = pattern
            for key, value in zip(matrix, values, strict=True):
                path = path.replace(f"${{item.{key}}}", value)
            yield path


def test_a_rule_is_a_command_and_a_log():
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
            assert re.search(rf'"logs/{name}[/.]', body), name
            assert f"asyncthink {name} " in body or (name == "figures" and "papermill" in body), name
            assert name in cli.COMMANDS or name == "figures"


def test_every_key_of_params_is_read_by_a_step_but_those_that_decide_no_result():
    read = {key for step in steps.READS for arm in _arms(step) for key in steps.reads(step, PARAMS, arm)}
    sections = {name: value for name, value in PARAMS.to_mapping().items() if name not in ("arms", "seeds")}
    nested = {f"{name}.{key}" for name, value in sections.items() if isinstance(value, dict) for key in value}
    assert read == nested - UNREAD | {name for name, value in sections.items() if not isinstance(value, dict)}


def test_what_an_api_teacher_reads_follows_from_the_teacher():
    asked = params.from_mapping(params.merged(PARAMS.to_mapping(), {"synthesize": {"teacher": "openai"}}))
    read = steps.reads("synthesize", asked, "sequential")
    assert {key for key in read if key.startswith("teacher.")} == {"teacher.temperature", "teacher.max_tokens"}
    assert not any(key.endswith("_budget") for key in read)


def test_arms_share_a_cold_start_as_far_as_it_reads_the_same():
    arms = {"long": {"arm": {"mode": "sequential"}, "thinking": {"organizer_budget": 200}}}
    arms |= {"fixed": {"synthesize": {"interleaved": 0.5, "batch": 0.5}}, "twice": {"thinking": {"latency_budget": 9}}}
    raw = PARAMS.to_mapping()
    plain = {name: raw["arms"][name] for name in ("asyncthink", "no_rl", "sequential", "parallel")}
    mine = params.from_mapping({**raw, "arms": {**plain, **arms}, "evaluate": {**raw["evaluate"], "variants": {}}})
    assert steps.cold_starts("synthesize", mine) == ["asyncthink", "sequential", "long", "fixed"]
    assert steps.cold_starts("sft", mine) == ["asyncthink", "sequential", "long", "fixed", "twice"]
    assert steps.alike("sft", mine)["no_rl"] == "asyncthink" != steps.alike("filter", mine)["twice"]
    asked = params.from_mapping(params.merged(mine.to_mapping(), {"synthesize": {"teacher": "openai"}}))
    assert steps.cold_starts("synthesize", asked) == ["asyncthink", "sequential", "fixed"]


def _arms(step):
    return list(PARAMS.arms) if step in ("synthesize", "filter", "sft", "grpo", "evaluate") else [None]


def leaves(value, path=()):
    """The path of every value that is no table."""
    if not isinstance(value, dict):
        return [path]
    return [leaf for key, entry in value.items() for leaf in leaves(entry, (*path, key))]


def at(raw, path):
    """The value at a path, None where there is none."""
    for key in path:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def with_value(raw, path, value):
    """The same tables with one value replaced."""
    return {**raw, path[0]: with_value(raw[path[0]], path[1:], value)} if path else value


def bumped(path):
    """The parameters with another value at a path that is allowed there, for every arm too."""
    raw, value = PARAMS.to_mapping(), at(PARAMS.to_mapping(), path)
    section, key = path[-2:] if len(path) > 1 else ("", path[0])
    hint = typing.get_type_hints(typing.get_type_hints(params.Params).get(section, params.Params)).get(key)
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int | float):
        others = [value + 1, value - 1, value + 2, value * 0.9, value * 1.1]
    elif isinstance(value, list | tuple):
        others = [[*value, 2], ["no_rl"]]
    else:
        names = ("+-", "sequential", "no_rl", "asyncthink", "enigmata")
        others = [*typing.get_args(hint), *rewards.REWARDS, *names, 3, 3.5]
    for other in others:
        with contextlib.suppress(InputError):
            found = params.from_mapping(with_value(raw, path, other))
            assert all(found.arm_params(arm) for arm in found.arms)
            if other != value:
                return found
    raise AssertionError(f"no other value was found for {'.'.join(path)}")


# A set that is null is not there, and another task needs items of its own: neither is a number that is changed.
LEAVES = {
    ".".join(path): path
    for path in leaves(PARAMS.to_mapping())
    if path[-1] != "task" and not (path[0].endswith("_sets") and at(PARAMS.to_mapping(), path) is None)
}
# These decide no result: how often training is saved; how an API is asked, where a change must not cost answers that
# were paid for, and how it writes, where the solver does; the seeds, which are names of jobs.
UNREAD = {*INERT, "teacher.temperature", "teacher.max_tokens", "seeds"}


def read_by(stage, given):
    """What Snakemake is told that the jobs of a stage read."""
    rule = rule_of(stage)
    named = stage.removeprefix(rule).removeprefix("_")
    sets = (name for name in [*PARAMS.training_sets, *PARAMS.test_sets] if re.match(rf"{name}(_|$)", named))
    item_set = next(sets, steps.COUNTDOWN)
    return steps.reads(rule, given, named.removeprefix(item_set).removeprefix("_") or None, item_set)


READ = {stage: read_by(stage, PARAMS) for stage in DVC}


@pytest.mark.parametrize("key", LEAVES)
def test_what_any_changed_number_makes_stale_for_snakemake_is_stale_for_dvc(key):
    """By what both are told that a step reads; test_smoke.py holds a key of each section to what they then say."""
    raw, after = PARAMS.to_mapping(), bumped(LEAVES[key])
    changed = after.to_mapping()
    stale = {
        stage
        for stage, body in DVC.items()
        if any(at(raw, name.split(".")) != at(changed, name.split(".")) for name in body.get("params", []))
    }
    direct = {stage for stage in DVC if READ[stage] != read_by(stage, after)}
    assert direct <= stale
    assert bool(stale) != (key in UNREAD)


def test_lambda_is_read_by_the_organizers_that_do_not_override_it():
    changed = params.from_mapping(params.merged(PARAMS.to_mapping(), {"reward": {"concurrency_weight": 0.37}}))
    stale = {arm for arm in PARAMS.arms if steps.reads("grpo", PARAMS, arm) != steps.reads("grpo", changed, arm)}
    trained = {"asyncthink", "no_cold_start", "no_random_structures", "leverage"}
    assert stale == trained | {"no_rl"}
    for step in ("puzzles", "synthesize", "filter", "pretrain", "sft"):
        assert steps.reads(step, PARAMS) == steps.reads(step, changed)
    named = {
        name for name, body in DVC.items() if {"reward", "reward.concurrency_weight"} & set(body.get("params", []))
    }
    evaluated = {f"evaluate_countdown_{arm}" for arm in trained} | {"evaluate_countdown_no_rl"}
    evaluated.add("evaluate_sudoku_asyncthink")
    assert named - {"report"} == {f"grpo_{arm}" for arm in trained} | evaluated


def test_an_import_at_any_depth_is_a_source(tmp_path):
    room = tmp_path / "asyncthink"
    (room / "commands").mkdir(parents=True)
    (room / "page").mkdir()
    (room / "commands" / "show.py").write_text("def run():\n    from asyncthink import page\n    return page\n")
    (room / "page" / "__init__.py").write_text("TEMPLATE = 'page.html'\nOTHER = 'asyncthink.marks'\n")
    (room / "page" / "page.html").touch()
    (room / "marks.py").write_text("from asyncthink.errors import InputError\n")
    (room / "errors.py").touch()
    (room / "unused.py").touch()
    found = [Path(path).relative_to(room).as_posix() for path in steps.sources("show", str(room))]
    assert found == ["commands/show.py", "marks.py", "page/__init__.py", "page/page.html"]


def test_the_lists_of_tables_and_figures_are_whole():
    from asyncthink.reporting.tables import TABLES

    assert set(steps.TABLES) == set(TABLES)
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(steps.FIGURES)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml")))
def test_the_graph_is_whole_at_every_scale(tmp_path, name):
    done = snakemake(laid_out(tmp_path, scales.scaled(ROOT, name)), "--dry-run", "--quiet", "rules")
    assert done.returncode == 0, done.stdout + done.stderr
    given = params.read(tmp_path / "params.yaml")
    arms = sum(arm.rl and arm.weights_of is None for arm in (given.arm_params(name).arm for name in given.arms))
    item_sets = sum(found is not None for found in (*given.training_sets.values(), *given.test_sets.values()))
    for rule, jobs in {"grpo": arms * len(given.seeds), "items": item_sets}.items():
        assert jobs == 0 or re.search(rf"^{rule} +{jobs}$", done.stdout, re.MULTILINE)


def test_arms_on_mathematics_share_no_cold_start_with_countdown(tmp_path):
    (tmp_path / "params.yaml").write_text(scales.scaled(ROOT, "paper"))
    given = params.read(tmp_path / "params.yaml")
    tasks = {name: given.arm_params(name).arm.task for name in given.arms}
    for step in steps.COLD_START:
        assert all(tasks[arm] == tasks[first] for arm, first in steps.alike(step, given).items())
    assert steps.alike("synthesize", given)["parallel_math_1k"] == "sequential_math"
    assert given.evaluations("sequential_math_1k", "amc_23")["headline"].organizer_budget == 1024
    assert steps.reads("evaluate", given, "asyncthink_math", "amc_23")["test_sets.amc_23"]["samples"] == 8


def test_a_mistyped_key_stops_snakemake_with_the_nearest_one(tmp_path):
    text = (ROOT / "params.yaml").read_text().replace("  concurrency_weight:", "  concurency_weight:", 1)
    project = laid_out(tmp_path, (ROOT / "params.yaml").read_text())
    (project / "params.yaml").write_text(text)
    done = snakemake(project, "--dry-run")
    assert done.returncode != 0
    said = "unknown key reward.concurency_weight; did you mean concurrency_weight?"
    assert said in done.stdout + done.stderr


def test_a_number_cannot_be_changed_beside_params_yaml(tmp_path):
    laid_out(tmp_path, (ROOT / "params.yaml").read_text())
    done = snakemake(tmp_path, "--dry-run", "--config", "seed=7")
    assert done.returncode != 0
    assert "params.yaml is the one file that counts" in done.stdout + done.stderr


def test_the_workflow_is_lint_free_and_formatted(tmp_path):
    done = snakemake(laid_out(tmp_path, (ROOT / "params.yaml").read_text()), "--lint")
    assert done.returncode == 0, done.stdout + done.stderr
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_training_starts_as_many_processes_as_its_resources_say(tmp_path):
    laid_out(tmp_path, (ROOT / "params.yaml").read_text())
    target = "metrics/grpo/asyncthink/1.jsonl"
    nodes = ("grpo:gpu=8", "grpo:nodes=2", "grpo:tasks=2", "grpo:mpi=srun")
    asked = ("--resources", "gpu=8", "--set-resources", "pretrain:gpu=4", "sft:processes=2", "sft:shard=1", *nodes)
    done = snakemake(tmp_path, "--dry-run", *asked, "--", target)
    shell = {rule: line for line in done.stdout.splitlines() for rule in re.findall(r"-m asyncthink (\w+) ", line)}
    assert shell["puzzles"].startswith("Shell command: python -m asyncthink puzzles")
    assert "--num_processes 4 --num_machines 1" in shell["pretrain"]
    assert "--num_processes 2 --num_machines 1" in shell["sft"]
    assert "--use_fsdp --fsdp_version 2" in shell["sft"] and "--multi_gpu" not in shell["sft"]
    assert "--multi_gpu" in shell["grpo"] and "fsdp" not in shell["grpo"] + shell["pretrain"]
    assert "srun --ntasks=2 " in shell["grpo"] and "--num_processes 8 --num_machines 2" in shell["grpo"]
    refused = snakemake(
        tmp_path, "--dry-run", "--set-resources", "grpo:tasks=2", "--", "metrics/grpo/asyncthink/1.jsonl"
    )
    assert "needs mpi: srun" in refused.stdout + refused.stderr


def test_the_slurm_profile_fits_the_graph_of_the_scale_it_is_written_for(tmp_path):
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())
    assert set(profile["set-threads"]) | set(profile["set-resources"]) <= set(steps.READS)
    assert "cores" not in profile
    laid_out(tmp_path, scales.scaled(ROOT, "paper"))
    asked = ("--workflow-profile", "profiles/slurm", "--dry-run", "--", "metrics/grpo/asyncthink/1.jsonl")
    done = snakemake(tmp_path, *asked, ASYNCTHINK_DETAILS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = dict(re.findall(r"^rule (\w+):\n((?:    .*\n)+)", done.stdout, re.MULTILINE))
    for rule, body in jobs.items():
        values = profile["default-resources"] | profile["set-resources"].get(rule, {})
        resources = re.search(r"resources: (.*)", body)[1].split(", ")
        assert {f"{name}={value}" for name, value in values.items()} <= set(resources), rule


def test_the_lock_holds_what_the_package_asks_for_and_no_place_of_one_machine():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = {name.lower().replace("_", "-"): version for name, version in LOCK.items()}
    for text in project["dependencies"] + project["optional-dependencies"]["test"]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(versions[wanted.name.lower()]), text
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_conda_users_get_the_versions_of_the_lock():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pins = dict(line.split("==") for line in dependencies[-1]["pip"])
    assert pins == {name: LOCK[name] for name in pins}
    assert {"torch", "transformers", "trl", "snakemake", "dvc", "papermill"} <= set(pins)
