"""One graph with two front ends: the Snakefile, dvc.yaml and the table of what each step reads agree. No data."""

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from asyncthink import cli, rewards
from asyncthink.cli import engine_choice
from asyncthink.config import params, scales
from asyncthink.errors import InputError
from asyncthink.models import language_model
from asyncthink.settings import INERT
from asyncthink.workflow import estimate, graph

ROOT = Path(__file__).parents[1]
PARAMS = params.read(ROOT / "params.yaml")
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
WIRING = "src/asyncthink/workflow/graph.py"
LOCK = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line)


def snakemake(directory, *arguments, **environment):
    command, known = [sys.executable, "-m", "snakemake", "--nolock", *arguments], {**os.environ, **environment}
    return subprocess.run(command, cwd=directory, env=known, capture_output=True, text=True, timeout=120)


def laid_out(directory, text):
    scales.lay_out(ROOT, directory, text)
    return directory


def made(body):
    """The paths of a stage's outputs."""
    return {path for entry in [*body["outs"], *body.get("metrics", [])] for path in entry}


def inside(path, places):
    """Whether a path is one of some files and folders, or lies in one."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


def jobs(directory):
    """(rule, inputs, outputs with times) of every job of the graph."""
    done = snakemake(directory, "--dry-run", "--forceall", ASYNCTHINK_DETAILS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    for rule, block in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", done.stdout, re.MULTILINE):
        fields = {name: value.split(", ") for name, value in re.findall(r"^    (\w+): (.*)$", block, re.MULTILINE)}
        if rule != "all":
            yield rule, fields.get("input", []), fields["output"] + fields.get("benchmark", [])


@pytest.mark.parametrize("scale", ["smoke", "nano", "pretrained", "small", "paper"])
def test_a_stage_depends_on_all_that_its_rule_reads_and_has_all_that_it_makes_at_every_scale(tmp_path, scale):
    for rule, inputs, outputs in jobs(laid_out(tmp_path, scales.scaled(ROOT, scale))):
        assert not [path for path in inputs if not inside(path, DVC[rule]["deps"])], rule
        assert not [path for path in outputs if not inside(path, made(DVC[rule]))], rule


def test_a_larger_model_is_trained_by_the_file_of_the_pretrained_one(tmp_path):
    larger = {
        "start_from": "Qwen/Qwen3-0.6B@c1899de289a04d12100db370d81485cdf75e47ca",
        **{"hidden_size": 1024, "layers": 28, "heads": 16, "head_size": 128, "intermediate_size": 3072},
    }
    text = scales.merge(scales.scaled(ROOT, "pretrained"), json.dumps({"model": larger}))
    given = params.from_mapping(params.parsed(text))
    assert estimate.parameters(given) == pytest.approx(0.596e9, rel=0.01)
    planned = [rule for rule, _, _ in jobs(laid_out(tmp_path, text))]
    assert planned.count("grpo") == 3 and planned.count("sft") == 2 and planned.count("evaluate") == 5
    assert language_model.pinned(given.model.start_from) == larger["start_from"]


def test_every_rule_is_a_stage_that_asks_for_its_own_rule_and_depends_on_how_the_rules_are_wired():
    assert list(DVC) == list(graph.READS)
    assert all(body["cmd"] == f"asyncthink stage {rule}" for rule, body in DVC.items())
    assert all({"workflow/rules", WIRING} <= set(body["deps"]) for body in DVC.values())
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 300


def test_the_outputs_of_a_stage_persist_and_git_keeps_those_that_dvc_does_not():
    for body in DVC.values():
        for path, options in (item for entry in body["outs"] + body.get("metrics", []) for item in entry.items()):
            kept = {"cache": False} if path.startswith("metrics/") else {}
            assert options == {**kept, "persist": True}, path


def test_both_tools_order_the_steps_alike(tmp_path):
    edges = {
        (maker, rule)
        for rule, body in DVC.items()
        for dependency in body["deps"]
        for maker, other in DVC.items()
        if inside(dependency, made(other)) or any(inside(path, [dependency]) for path in made(other))
    }
    drawn = set()
    raw = yaml.safe_load(scales.scaled(ROOT, "paper"))  # here arms are trained on items too
    raw["arms"]["base"] = {"arm": {"cold_start": False, "rl": False}}
    for name, text in (("nano", scales.scaled(ROOT, "nano")), ("paper", json.dumps(raw))):
        done = snakemake(laid_out(tmp_path / name, text), "--rulegraph", "dot")
        label = dict(re.findall(r'(\d+)\[label = "(\w+)"', done.stdout))
        drawn |= {(label[a], label[b]) for a, b in re.findall(r"(\d+) -> (\d+)", done.stdout)}
    assert edges == {(a, b) for a, b in drawn if b != "all"}


def test_a_scale_changes_params_yaml_alone(tmp_path):
    project = laid_out(tmp_path, (ROOT / "params.yaml").read_text(encoding="utf-8"))
    (project / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    command = [sys.executable, "-m", "asyncthink", "scale", "paper"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (project / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()


@pytest.mark.parametrize("source", ["data/mine.jsonl", "data/sources/../mine.jsonl", "data/sources/mine.jsonl"])
def test_a_source_of_ones_own_lies_where_dvc_looks(tmp_path, source):
    project = laid_out(tmp_path, (ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw = PARAMS.to_mapping()
    raw["test_sets"]["sudoku"] |= {"source": source}
    (project / "params.yaml").write_text(json.dumps(raw))
    (project / "data" / "sources").mkdir(parents=True)
    (project / source).write_text("")
    done = snakemake(project, "--dry-run", "--", "data/items/sudoku.jsonl")
    refusal = f"the source of sudoku is {source}; put the file into data/sources/"
    assert (refusal in done.stdout + done.stderr) == (done.returncode != 0) == (source != "data/sources/mine.jsonl")


def test_a_rule_is_a_command_and_a_log():
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
            assert re.search(rf'"logs/{name}[/.]', body), name
            assert f"asyncthink {name} " in body or (name == "figures" and "papermill" in body), name
            assert name in cli.COMMANDS or name == "figures"


def test_every_key_of_params_is_read_by_a_step_but_those_that_decide_no_result():
    read = {key for step in graph.READS for arm in _arms(step) for key in graph.reads(step, PARAMS, arm)}
    read = {key for key in read if not key.startswith("arms.")}
    sections = {name: value for name, value in PARAMS.to_mapping().items() if name not in ("arms", "seeds")}
    nested = {f"{name}.{key}" for name, value in sections.items() if isinstance(value, dict) for key in value}
    assert read == nested - UNREAD | {name for name, value in sections.items() if not isinstance(value, dict)}


def test_what_an_api_teacher_reads_follows_from_the_teacher():
    asked = params.from_mapping(params.merged(PARAMS.to_mapping(), {"synthesize": {"teacher": "openai"}}))
    read = graph.reads("synthesize", asked, "sequential")
    assert {key for key in read if key.startswith("teacher.")} == {"teacher.temperature", "teacher.max_tokens"}
    assert not any(key.endswith("_budget") for key in read)


def test_arms_share_a_cold_start_as_far_as_it_reads_the_same():
    arms = {"long": {"arm": {"mode": "sequential"}, "thinking": {"organizer_budget": 200}}}
    arms |= {"fixed": {"synthesize": {"interleaved": 0.5, "batch": 0.5}}, "twice": {"thinking": {"latency_budget": 9}}}
    raw = PARAMS.to_mapping()
    plain = {name: raw["arms"][name] for name in ("asyncthink", "no_rl", "sequential", "parallel")}
    alone = {"evaluate": {**raw["evaluate"], "variants": {}}, "test_sets": {}}
    mine = params.from_mapping({**raw, "arms": {**plain, **arms}, **alone})
    assert graph.cold_starts("synthesize", mine) == ["asyncthink", "sequential", "long", "fixed"]
    assert graph.cold_starts("sft", mine) == ["asyncthink", "sequential", "long", "fixed", "twice"]
    assert graph.alike("sft", mine)["no_rl"] == "asyncthink" != graph.alike("filter", mine)["twice"]
    asked = params.from_mapping(params.merged(mine.to_mapping(), {"synthesize": {"teacher": "openai"}}))
    assert graph.cold_starts("synthesize", asked) == ["asyncthink", "sequential", "fixed"]


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


def bumped(path, given=PARAMS):
    """The parameters with another value at a path that is allowed there, for every arm too."""
    raw, value = given.to_mapping(), at(given.to_mapping(), path)
    section, key = path[-2:] if len(path) > 1 else ("", path[0])
    hint = typing.get_type_hints(typing.get_type_hints(params.Params).get(section, params.Params)).get(key)
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int | float):
        others = [value + 1, value - 1, value + 2, value * 0.9, value * 1.1]
    elif isinstance(value, list | tuple):
        others = [[*value, 2], ["no_rl"]]
    else:
        names = ("listed", "sequential", "no_rl", "asyncthink", "enigmata")
        others = [*typing.get_args(hint), *rewards.REWARDS, *names, 3, 3.5, ["another"], [3]]
    for other in others:
        with contextlib.suppress(InputError):
            found = params.from_mapping(with_value(raw, path, other))
            assert all(found.arm_params(arm) for arm in found.arms)
            if other != value:
                return found
    raise AssertionError(f"no other value was found for {'.'.join(path)}")


# A set that is null is not there, another task needs items of its own, no arm that learns can follow a plan, three
# numbers need other prompts: none of these is a number that is changed alone.
LEAVES = {
    ".".join(path): path
    for path in leaves(PARAMS.to_mapping())
    if path[-1] != "task"
    and path not in (("thinking", "plan"), ("puzzles", "numbers"))
    and not (path[0].endswith("_sets") and at(PARAMS.to_mapping(), path) is None)
}
# These decide no result: how often training is saved; how an API is asked, where a change must not cost answers that
# were paid for, and how it writes, where the solver does.
UNREAD = {*INERT, "teacher.temperature", "teacher.max_tokens"}


def read_by(given):
    """By rule, what Snakemake is told that each of its jobs reads: keys of params.yaml, and files of other rules."""
    arms = {name: given.arm_params(name).arm for name in given.arms}
    starts, weights, seeds = graph.starts(given), graph.weights(given), given.seeds
    alike = {step: graph.alike(step, given) for step in graph.COLD_START}
    cold = {step: {first[name] for name in arms if arms[name].cold_start} for step, first in alike.items()}
    sets = [name for name, found in {**given.training_sets, **given.test_sets}.items() if found]
    tests = [(name, arm) for name, answering in graph.answered(given).items() for arm in answering]
    files = {
        "synthesize": {arm: graph.items(arms[arm].task, "train") for arm in cold["synthesize"]},
        "filter": {arm: alike["synthesize"][arm] for arm in cold["filter"]},
        "sft": {arm: (alike["filter"][arm], seeds) for arm in cold["sft"]},
        "grpo": {arm: (starts[arm], graph.items(arms[arm].task, "train"), seeds) for arm in graph.trained(given)},
    }
    read = {rule: {arm: (graph.reads(rule, given, arm), files[rule][arm]) for arm in files[rule]} for rule in files}
    read["evaluate"] = {
        (name, arm): (graph.reads("evaluate", given, arm, name), weights[arm], seeds) for name, arm in tests
    }
    read["items"] = {name: (graph.reads("items", given, None, name), graph.own_source(given, name)) for name in sets}
    read |= {rule: (graph.reads(rule, given), seeds) for rule in ("pretrain", "measure", "case_studies", "page")}
    read |= {rule: (read[rule], tests) for rule in ("measure", "case_studies", "page")}
    recorded = (tests, cold, graph.trained(given), seeds)
    read |= {rule: (graph.reads(rule, given), recorded) for rule in ("tables", "claims", "report")}
    return read | {"puzzles": graph.reads("puzzles", given), "figures": graph.reads("figures", given)}


READ = read_by(PARAMS)


def without(names):
    """The parameters without some arms, and without what names arms."""
    raw = PARAMS.to_mapping() | {"test_sets": {}}
    raw["arms"] = {name: keys for name, keys in raw["arms"].items() if name not in names}
    raw["evaluate"] |= {"variants": {}}
    return params.from_mapping(raw)


DIVERSIFIED = ("parallel_diversified", "parallel_diversified_long")
OF_WORDS = ("fixed_plan", *DIVERSIFIED)
BORROWING = [name for name in PARAMS.arms if PARAMS.arm_params(name).arm.weights_of is not None]
# Arms beside which a key can have no other value, and keys that can have none beside the rest of the file.
REFUSED_BESIDE = {"thinking.prompts": OF_WORDS, "arm.mode": OF_WORDS, "arm.rl": BORROWING}
SETTLED = {"thinking.diversified", "synthesize.most_forks", "arm.weights_of"}
SETTLED |= {f"arms.{arm}.arm.mode" for arm in DIVERSIFIED}


@pytest.mark.parametrize("key", sorted(LEAVES.keys() - SETTLED))
def test_what_any_changed_number_makes_stale_for_snakemake_is_stale_for_dvc(key):
    """By what both are told that a step reads; test_smoke.py holds a key of each section to what they then say."""
    given = without(REFUSED_BESIDE[key]) if key in REFUSED_BESIDE else PARAMS
    after, before = bumped(LEAVES[key], given), READ if given is PARAMS else read_by(given)
    raw, changed, read = given.to_mapping(), after.to_mapping(), read_by(after)
    stale = {
        rule
        for rule, body in DVC.items()
        if any(at(raw, name.split(".")) != at(changed, name.split(".")) for name in body.get("params", []))
    }
    direct = {rule for rule in before if before[rule] != read[rule]}
    assert direct <= stale
    assert bool(direct) != (key in UNREAD)


def test_an_arm_that_shares_another_cold_start_after_a_change_is_stale_though_no_file_of_it_changed():
    arms = {name: PARAMS.arms[name] for name in ("asyncthink", "no_rl", "sequential", "parallel")}
    arms |= {
        name: {"synthesize": {"overlap": overlap, "batch": 0.4}} for name, overlap in (("one", 0.8), ("other", 0.6))
    }
    arms |= {"two": {"synthesize": {"batch": 0.4}}}
    raw = PARAMS.to_mapping() | {"arms": arms, "test_sets": {}}
    raw["evaluate"] |= {"variants": {}}
    before, after = (params.from_mapping(with_value(raw, ("synthesize", "overlap"), share)) for share in (0.8, 0.6))
    assert (graph.starts(before)["two"], graph.starts(after)["two"]) == ("results/sft/one", "results/sft/other")
    assert all("synthesize" in DVC[rule]["params"] for rule in ("sft", "grpo", "evaluate"))


def test_lambda_is_read_by_the_organizers_that_do_not_override_it():
    changed = params.from_mapping(params.merged(PARAMS.to_mapping(), {"reward": {"concurrency_weight": 0.37}}))
    stale = {arm for arm in PARAMS.arms if graph.reads("grpo", PARAMS, arm) != graph.reads("grpo", changed, arm)}
    trained = {"asyncthink", "asyncthink_ordered", "asyncthink_priced", "no_cold_start"}
    assert stale == trained | {"no_rl", "fixed_plan"}
    for step in ("puzzles", "synthesize", "filter", "pretrain", "sft"):
        assert graph.reads(step, PARAMS) == graph.reads(step, changed)
    assert {rule for rule, body in DVC.items() if "reward" in body.get("params", [])} == {"grpo", "evaluate", "report"}


@pytest.mark.parametrize("mode", ["asynchronous", "sequential", "parallel"])
def test_the_price_of_a_token_is_read_by_every_arm_that_pays_it(mode):
    arms = {"mine": {"arm": {"mode": mode}, "reward": {"name": "priced"}}}
    raw = PARAMS.to_mapping() | {"arms": arms, "test_sets": {}}
    raw["evaluate"] |= {"variants": {}}
    before, after = (params.from_mapping(with_value(raw, ("reward", "token_price"), price)) for price in (0.05, 0.5))
    for step in ("grpo", "evaluate"):
        assert graph.reads(step, before, "mine") != graph.reads(step, after, "mine"), step


def test_a_plan_and_diversified_traces_make_stale_the_arms_that_have_them():
    raw = PARAMS.to_mapping()
    for arm, key, value in (
        ("fixed_plan", "plan", {"order": "listed", "forked": 1, "own": 0}),
        ("parallel_diversified", "diversified", False),
    ):
        changed = params.from_mapping(params.merged(raw, {"arms": {arm: {"thinking": {key: value}}}}))
        stale = {
            name
            for name in PARAMS.arms
            if graph.reads("evaluate", PARAMS, name) != graph.reads("evaluate", changed, name)
        }
        assert stale == {arm}
        assert graph.starts(changed) == graph.starts(PARAMS) and graph.weights(changed) == graph.weights(PARAMS)


def room_of(path, named):
    """A module or folder of the package as a step's list of rooms names it."""
    module = path.relative_to(PACKAGE).with_suffix("")
    return module.as_posix() if module.parts[0] == "cli" or module.as_posix() in named else module.parts[0]


def imported(tree):
    """The package's modules that some code imports, at any depth of it, or names in a string."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and re.fullmatch(r"asyncthink(\.\w+)+", str(node.value)):
            names = [node.value]
        for parts in (name.split(".")[1:] for name in names if name.startswith("asyncthink.")):
            places = [PACKAGE.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
            yield from (file for p in places for file in (p.with_suffix(".py"), p / "__init__.py") if file.is_file())


def reached(trees):
    """Every module that some code leads to."""
    left, found = [path for tree in trees for path in imported(tree)], set()
    while left:
        if (path := left.pop()) not in found:
            found.add(path)
            left += imported(ast.parse(path.read_text(encoding="utf-8")))
    return found


PACKAGE = ROOT / "src" / "asyncthink"


def code_of(step):
    """What a step runs: its command, or the cells of the notebooks."""
    if step != "figures":
        return [ast.parse((PACKAGE / "cli" / f"{step}.py").read_text(encoding="utf-8"))]
    notebooks = [ROOT / f"notebooks/{name}.ipynb" for name in graph.FIGURES]
    cells = [cell for path in notebooks for cell in json.loads(path.read_text())["cells"]]
    return [ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("step", graph.ROOMS)
def test_the_rooms_of_a_step_are_those_that_it_imports_and_its_stage_names_each(step):
    paths = reached(code_of(step))
    rooms = {room_of(path, graph.ROOMS[step]) for path in paths} - {*graph.LEFT_OUT, "cli/__init__"}
    own = {f"cli/{step}"} - {"cli/figures"}
    assert rooms - own == set(graph.ROOMS[step])
    named = {path for path in DVC[step]["deps"] if path.startswith("src/")} - {WIRING}
    assert named == {str(find(f"src/asyncthink/{room}")) for room in rooms | own}


def find(place):
    """A folder, or the module of that name."""
    return Path(place) if (ROOT / place).is_dir() else Path(f"{place}.py")


def test_a_changed_added_or_renamed_file_of_a_room_changes_the_hash_of_its_steps_alone(tmp_path):
    root = tmp_path / "asyncthink"
    (root / "reporting" / "page").mkdir(parents=True)
    (root / "reporting" / "page" / "page.html").write_text("<p>")
    (root / "training").mkdir()

    def hashes():
        return graph.code_hash("page", str(root)), graph.code_hash("sft", str(root))

    before = hashes()
    (root / "reporting" / "page" / "page.html").write_text("<div>")
    changed = hashes()
    (root / "reporting" / "page" / "page.html").rename(root / "reporting" / "page" / "frame.html")
    renamed = hashes()
    (root / "reporting" / "__pycache__").mkdir()
    (root / "reporting" / "__pycache__" / "page.pyc").write_text("compiled")
    assert len({before[0], changed[0], renamed[0]}) == 3 and hashes() == renamed
    assert before[1] == changed[1] == renamed[1]
    (root / "training" / "loss.py").touch()
    assert hashes()[1] != before[1] and hashes()[0] == renamed[0]


def test_the_lists_of_tables_and_figures_are_whole():
    from asyncthink.reporting.tables import TABLES

    assert set(graph.TABLES) == set(TABLES)
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == {*graph.FIGURES, "explore"}


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml")))
def test_the_graph_is_whole_at_every_scale(tmp_path, name):
    done = snakemake(laid_out(tmp_path, scales.scaled(ROOT, name)), "--dry-run", "--quiet", "rules")
    assert done.returncode == 0, done.stdout + done.stderr
    given = params.read(tmp_path / "params.yaml")
    arms = sum(arm.rl and arm.weights_of is None for arm in (given.arm_params(name).arm for name in given.arms))
    item_sets = sum(found is not None for found in (*given.training_sets.values(), *given.test_sets.values()))
    for rule, jobs in {"grpo": arms * len(given.seeds), "items": item_sets}.items():
        assert jobs == 0 or re.search(rf"^{rule} +{jobs}$", done.stdout, re.MULTILINE)


@pytest.fixture(scope="module")
def adopted(tmp_path_factory):
    """A graph with an API teacher, of which Snakemake holds every file for up to date in a plain environment."""
    text = scales.merge(scales.scaled(ROOT, "smoke"), "synthesize: {teacher: openai}")
    directory = laid_out(tmp_path_factory.mktemp("adopted"), text)
    for _, _, outputs in jobs(directory):
        for path in (directory / name for name in outputs):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
    assert snakemake(directory, "--cores", "1", "--touch", "--forceall", "--quiet", "all").returncode == 0
    return directory


SERVER = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("environment", "stale"),
    [
        ({}, set()),
        ({"ASYNCTHINK_ENGINE": "local", "ASYNCTHINK_TEACHER_MODEL": "gpt-4o"}, set()),
        ({"ASYNCTHINK_ENGINE": "vllm"}, {"grpo", "evaluate"}),
        ({"ASYNCTHINK_SERVER": SERVER}, {"grpo", "evaluate"}),
        ({"ASYNCTHINK_KERNELS": "compiled", "ASYNCTHINK_ATTENTION": "sdpa"}, set()),
        ({"ASYNCTHINK_KERNELS": "plain"}, {"pretrain"}),  # and what comes after it, since its input changes
        ({"ASYNCTHINK_TEACHER_MODEL": "another"}, {"synthesize"}),
        ({"OPENAI_BASE_URL": SERVER}, {"synthesize"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_who_decodes_computes_and_teaches_make_stale_what_another_one_made(adopted, environment, stale):
    done = snakemake(adopted, "--dry-run", ASYNCTHINK_DETAILS="1", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    blocks = re.findall(r"^rule (\w+):\n((?:    .*\n)+)", done.stdout, re.MULTILINE)
    assert {rule for rule, block in blocks if "Params have changed" in block} == stale
    assert stale or "Nothing to be done" in done.stdout + done.stderr


def test_an_engine_that_is_not_there_stops_snakemake_before_anything_runs(adopted):
    done = snakemake(adopted, "--dry-run", ASYNCTHINK_ENGINE="vlm")
    assert done.returncode != 0 and "no engine 'vlm'; allowed: local, vllm, text" in done.stdout + done.stderr


def test_arms_on_mathematics_share_no_cold_start_with_countdown(tmp_path):
    (tmp_path / "params.yaml").write_text(scales.scaled(ROOT, "paper"))
    given = params.read(tmp_path / "params.yaml")
    tasks = {name: given.arm_params(name).arm.task for name in given.arms}
    for step in graph.COLD_START:
        assert all(tasks[arm] == tasks[first] for arm, first in graph.alike(step, given).items())
    assert graph.alike("synthesize", given)["parallel_math_1k"] == "sequential_math"
    assert given.evaluations("sequential_math_1k", "amc_23")["headline"].organizer_budget == 1024
    assert graph.reads("evaluate", given, "asyncthink_math", "amc_23")["test_sets.amc_23"]["samples"] == 8


def test_a_mistyped_key_stops_snakemake_with_the_nearest_one(tmp_path):
    text = (ROOT / "params.yaml").read_text().replace("  concurrency_weight:", "  concurency_weight:", 1)
    project = laid_out(tmp_path, (ROOT / "params.yaml").read_text())
    (project / "params.yaml").write_text(text)
    done = snakemake(project, "--dry-run")
    assert done.returncode != 0
    said = "unknown key reward.concurency_weight; did you mean concurrency_weight?"
    assert said in done.stdout + done.stderr


def test_a_dry_run_counts_the_jobs_on_one_screen_and_says_why(tmp_path):
    done = snakemake(laid_out(tmp_path, (ROOT / "params.yaml").read_text()), "--dry-run")
    said = done.stdout + done.stderr
    assert re.search(r"^evaluate +20$", said, re.MULTILINE) and "output files have to be generated" in said
    assert "Shell command" not in said and len(said.splitlines()) <= 60


def test_a_split_that_no_step_needs_may_be_empty(tmp_path):
    none = re.sub("(?m)^  validation: [0-9]+", "  validation: 0", scales.scaled(ROOT, "smoke"))
    done = snakemake(laid_out(tmp_path, none), "--cores", "1", "data/puzzles/train.jsonl")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/puzzles/validation.jsonl").read_bytes() == b""


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
    done = snakemake(tmp_path, "--dry-run", *asked, "--", target, ASYNCTHINK_DETAILS="1")
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
    assert set(profile["set-threads"]) | set(profile["set-resources"]) <= set(graph.READS)
    assert "cores" not in profile
    laid_out(tmp_path, scales.scaled(ROOT, "paper"))
    asked = ("--workflow-profile", "profiles/slurm", "--dry-run", "--", "metrics/grpo/asyncthink/1.jsonl")
    done = snakemake(tmp_path, *asked, ASYNCTHINK_DETAILS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = dict(re.findall(r"^rule (\w+):\n((?:    .*\n)+)", done.stdout, re.MULTILINE))
    shell = {rule: line for line in done.stdout.splitlines() for rule in re.findall(r"-m asyncthink (\w+) ", line)}
    own = profile["set-resources"]["grpo"]
    told = {name: own[f"vllm_{name}"] for name in engine_choice.OWN}
    assert "".join(f"{engine_choice.OWN[name]}={value} " for name, value in told.items()) in shell["grpo"]
    assert "ASYNCTHINK_VLLM" not in shell["sft"]
    for rule, body in jobs.items():
        values = profile["default-resources"] | profile["set-resources"].get(rule, {})
        resources = re.search(r"resources: (.*)", body)[1].split(", ")
        assert {f"{name}={value}" for name, value in values.items()} <= set(resources), rule


def extras():
    """What the package asks for, and by the name of an extra what else it can have."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["dependencies"], project["optional-dependencies"]


def test_the_lock_holds_what_the_package_asks_for_and_no_place_of_one_machine():
    needed, optional = extras()
    versions = {name.lower().replace("_", "-"): version for name, version in LOCK.items()}
    for wanted in map(Requirement, needed + optional["dev"]):
        assert wanted.specifier.contains(versions[wanted.name.lower()]), wanted
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), line


def test_conda_users_get_the_versions_of_the_lock_and_what_a_rule_may_need_beside_it():
    needed, optional = extras()
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pins = {pin.name: pin for pin in map(Requirement, dependencies[-1]["pip"])}
    of_the_lock = {name: str(pin.specifier) for name, pin in pins.items() if name in LOCK}
    assert of_the_lock == {name: f"=={LOCK[name]}" for name in of_the_lock}
    assert {name.lower() for name in of_the_lock} == {
        Requirement(text).name.lower() for text in needed + optional["dev"]
    }
    [vllm], [remotes] = map(Requirement, optional["vllm"]), map(Requirement, optional["remotes"])
    assert pins["vllm"].specifier == vllm.specifier
    assert pins.keys() - of_the_lock.keys() == {"vllm", *(f"dvc-{name}" for name in remotes.extras)}


@pytest.mark.parametrize("recipe", ["Dockerfile", "asyncthink.def"])
def test_a_container_has_the_lock_the_lowest_python_and_what_the_package_is_built_from(recipe):
    text = (ROOT / recipe).read_text()
    assert re.search(r"^FROM:? +python:3\.11-slim$", text, re.MULTILINE | re.IGNORECASE)
    assert "--requirement requirements.lock" in text and "--no-deps ." in text
    assert all(name in text for name in ("pyproject.toml", "README.md", "src"))
