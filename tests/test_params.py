"""Each key of params.yaml has its range, and what is out of it is refused in one line before anything runs."""

import copy
import json
import math
import re
import typing
from pathlib import Path

import checkout
import jsonschema
import pytest
import yaml

from asyncthink import cli, settings
from asyncthink.config import params, scales
from asyncthink.config.schema import schema
from asyncthink.errors import InputError
from asyncthink.rewards import GATES
from asyncthink.tasks import sources
from asyncthink.workflow import graph

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
RAW = params.parsed(TEXT)
SCALES = sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml"))


def nested(key, value):
    """{"grpo": {"steps": 3}} of "grpo.steps" and 3."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


def refusal(tmp_path, key, value):
    """The line that a command prints where a key has a value."""
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params.merged(RAW, nested(key, value))))
    with pytest.raises(InputError) as error:
        params.read(path)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


def test_a_good_order_of_branches_is_refused_of_three_numbers(tmp_path):
    path = tmp_path / "params.yaml"
    three = yaml.safe_load(scales.scaled(ROOT, "pretrained"))
    for where in ("synthesize", "arms.asyncthink_ordered.synthesize"):
        path.write_text(yaml.safe_dump(params.merged(three, nested(f"{where}.ordered_share", 1.0))))
        with pytest.raises(InputError, match=rf": {where}.ordered_share is .*; allowed: 0.0 with puzzles.numbers = 3"):
            params.read(path)


PLAN = {"order": "listed", "forked": 2, "own": 1}


@pytest.mark.parametrize(
    ("scale", "arm", "thinking", "said"),
    [
        ("pretrained", "asyncthink", {"prompts": "word"}, "prompts is word; allowed: chat with puzzles.numbers = 3"),
        ("pretrained", "asyncthink", {"plan": PLAN}, "plan is a plan; allowed: null: plans are for asynchronous"),
        ("pretrained", "parallel", {"diversified": True}, "diversified is true; allowed: false: it is for parallel"),
        (
            "nano",
            "sequential",
            {"plan": PLAN},
            "plan is a plan; allowed: null: plans are for asynchronous countdown in",
        ),
        ("nano", "asyncthink", {"diversified": True}, "diversified is true; allowed: false: it is for parallel"),
    ],
)
@pytest.mark.parametrize("table", ["evaluate.variants", "test_sets"])
def test_an_evaluation_is_refused_what_its_arm_cannot_follow(tmp_path, table, scale, arm, thinking, said):
    path = tmp_path / "params.yaml"
    larger = RAW["test_sets"]["countdown_larger"]
    entry = (larger if table == "test_sets" else {}) | {"arms": [arm], "thinking": thinking}
    scaled = yaml.safe_load(scales.scaled(ROOT, scale))
    path.write_text(yaml.safe_dump(params.merged(scaled, nested(f"{table}.mine", entry))))
    with pytest.raises(InputError, match=rf": {table}.mine.thinking.{said}"):
        params.read(path)


OUT_OF_RANGE = [
    ("evaluate.samples", 0, "evaluate.samples is 0; allowed: 1 or more"),
    ("sft.epochs", 10**400, "sft.epochs is 1000000"),  # and not a traceback of what multiplies it
    ("evaluate.samples", 10**13, "evaluate.samples is 10000000000000; allowed: from 1 to 1000000000000"),
    ("evaluate.temperature", -1, "evaluate.temperature is -1; allowed: 0 or more"),
    ("evaluate.temperature", math.inf, "evaluate.temperature is inf; allowed: 0 or more"),
    ("evaluate.variants.headline", {"arms": ["no_rl"], "thinking": {}}, "evaluate.variants is headline"),
    ("synthesize.systematic_share", 1.7, "synthesize.systematic_share is 1.7; allowed: from 0 to 1"),
    ("synthesize.ordered_share", -0.1, "synthesize.ordered_share is -0.1; allowed: from 0 to 1"),
    ("synthesize.most_branches", 0, "synthesize.most_branches is 0; allowed: 1 or more"),
    (
        "synthesize",
        {"interleaved": 0.6, "batch": 0.5},
        "synthesize.interleaved is 0.6; allowed: from 0 to 1 - synthesi",
    ),
    ("synthesize.fewest_forks", 17, "synthesize.fewest_forks is 17; allowed: from 0 to synthesize.most_forks = 16"),
    (
        "synthesize.least_think_share",
        1.0,
        "synthesize.least_think_share is 1.0; allowed: from 0 to synthesize.most_think_share = 0.9",
    ),
    ("grpo.steps", 0, "grpo.steps is 0; allowed: 1 or more"),
    ("grpo.steps", True, "grpo.steps is true; allowed: a whole number, 1 or more"),
    ("grpo.steps", 2.5, "grpo.steps is 2.5; allowed: a whole number, 1 or more"),
    ("grpo.group", 1, "grpo.group is 1; allowed: 2 or more"),
    ("grpo.learning_rate", math.nan, "grpo.learning_rate is nan; allowed: above 0"),
    ("grpo.learning_rate", "fast", "grpo.learning_rate is 'fast'; allowed: a number, above 0"),
    ("grpo.schedule", "linear", "grpo.schedule is 'linear'; allowed: constant, cosine"),
    ("grpo.stepps", 3, "unknown key grpo.stepps; did you mean steps?"),
    ("grpo", None, "grpo is null; allowed: a table"),
    ("grop", {}, "unknown key grop; did you mean grpo?"),
    ("arm.rl", "yes", "arm.rl is 'yes'; allowed: true, false"),
    ("arm.weights_of", "nobody", "arm.weights_of is nobody; allowed: null, or an arm: asyncthink, "),
    (
        "arms.parallel.arm.weights_of",
        "no_rl",
        "arms.parallel.arm.weights_of is no_rl; allowed: null, or an arm that RL",
    ),
    ("arms.parallel.arm.weights_of", "parallel", "arms.parallel.arm.weights_of is parallel; allowed: null, or an arm"),
    ("arms.parallel.arm.weights_of", "fixed_plan", "arms.parallel.arm.weights_of is fixed_plan; allowed: null, or an"),
    ("arms.fixed_plan.arm.rl", False, "arms.fixed_plan.arm.weights_of is asyncthink; allowed: null without RL (arm.rl"),
    ("arms", {"../mine": {}}, "arms is '../mine'; allowed: letters, digits, _ and -"),
    ("test_sets", {"{seed}": None}, "test_sets is '{seed}'; allowed: letters, digits, _ and -"),
    (
        "evaluate.variants",
        {"": {"arms": ["no_rl"], "thinking": {}}},
        "evaluate.variants is ''; allowed: letters, digits",
    ),
    (
        "evaluate.variants",
        {"n_union": {"arms": ["no_rl"], "thinking": {}}},
        "evaluate.variants is n_union; allowed: a name wi",
    ),
    ("thinking.organizer_budget", -5, "thinking.organizer_budget is -5; allowed: 1 or more"),
    ("thinking.latency_budget", 0, "thinking.latency_budget is 0; allowed: 1 or more, or null"),
    ("thinking.temperature", 0, "thinking.temperature is 0.0; allowed: above 0 for grpo"),
    ("thinking.plan", PLAN | {"order": "any"}, "thinking.plan.order is 'any'; allowed: listed, predicted"),
    ("thinking.plan", PLAN | {"forked": 0}, "thinking.plan.forked is 0; allowed: 1 or more"),
    ("thinking.plan", PLAN | {"own": -1}, "thinking.plan.own is -1; allowed: 0 or more"),
    (
        "thinking.plan",
        PLAN,
        "thinking.plan is a plan; allowed: null: plans are for asynchronous countdown in words, with",
    ),
    (
        "arms.fixed_plan.thinking.prompts",
        "chat",
        "arms.fixed_plan.thinking.plan is a plan; allowed: null: plans are fo",
    ),
    ("thinking.diversified", "yes", "thinking.diversified is 'yes'; allowed: true, false"),
    ("thinking", {"diversified": True, "prompts": "chat"}, "thinking.diversified is true; allowed: false: it is for"),
    ("reward.concurrency_target", 0.5, "reward.concurrency_target is 0.5; allowed: above 1/c = 0.500"),
    ("reward.name", "fame", "reward.name is 'fame'; allowed: asyncthink, leverage, priced"),
    ("reward.name", 3, "reward.name is 3; allowed: asyncthink, leverage, priced"),
    ("reward.token_price", -0.1, "reward.token_price is -0.1; allowed: 0 or more"),
    ("arms.leverage.reward.name", "fame", "arms.leverage.reward.name is 'fame'; allowed: asyncthink, leverage"),
    ("pretrain.sudoku_share", 0.5, "pretrain.sudoku_share is 0.5; allowed: from 0 to 1 - the others = 0.23"),
    ("puzzles.train", 0, "puzzles.train is 0; allowed: 1 or more"),
    (
        "puzzles.largest",
        3,
        "puzzles.largest is 3; allowed: puzzles.smallest + 3 = 4 or more: a puzzle's numbers are distinct",
    ),
    ("puzzles.base_largest", 12, "puzzles.base_largest is 12; allowed: puzzles.largest = 13 or more"),
    ("puzzles.largest_target", 101, "puzzles.largest_target is 101; allowed: from 1 to 100"),
    ("puzzles.numbers", 3, "puzzles.numbers is 3; allowed: 4; or 3 for a pretrained model (model.start_from) with"),
    ("puzzles.numbers", 5, "puzzles.numbers is 5; allowed: 3, 4"),
    ("puzzles.required", 9, "puzzles.required is 9; allowed: from 1 to 8"),
    ("puzzles.most_solutions", 3, "puzzles.most_solutions is 3; allowed: null, or puzzles.required = 4 or more"),
    ("seeds", [2, 2], "seeds is [2, 2]; allowed: a list of one or more, none twice"),
    ("seeds", [], "seeds is []; allowed: a list of one or more, none twice"),
    ("seeds", [-1], "seeds.0 is -1; allowed: from 0 to 4294967295"),
    ("arms", dict.fromkeys(RAW["arms"]), "arms is empty; allowed: one arm or more"),
    ("arms.leverage.grpo.steps", 0, "arms.leverage.grpo.steps is 0; allowed: 1 or more"),
    ("arms.leverage.grpo.stepps", 1, "unknown key arms.leverage.grpo.stepps; did you mean steps?"),
    ("arms.leverage.reword", {}, "unknown key arms.leverage.reword; did you mean reward?"),
    ("arms.leverage.thinking", {"capacity": 1.5}, "arms.leverage.thinking.capacity is 1.5; allowed: a whole number"),
    ("arms.leverage.seed", {}, "arms.leverage.seed is the same for every arm; allowed: sections: thinking, "),
    ("arms.leverage.puzzles", {"numbers": 4}, "arms.leverage.puzzles is the same for every arm; allowed: sections: "),
    ("arms.leverage.model", {"layers": 2}, "arms.leverage.model is the same for every arm; allowed: sections: thin"),
    ("arms.leverage.pretrain", {"tokens": 9}, "arms.leverage.pretrain is the same for every arm; allowed: sections"),
    ("arms.leverage.grpo", 3, "arms.leverage.grpo is 3; allowed: a table"),
    ("evaluate.variants.n_4.arms", ["nobody"], "evaluate.variants.n_4.arms is nobody; allowed: some of asyncthink, "),
    ("evaluate.variants.n_4.thinking.capacity", 0, "evaluate.variants.n_4.thinking.capacity is 0; allowed: 1 or more"),
    ("training_sets.sudoku", {"source": "enigmata", "items": 9}, "training_sets is sudoku; allowed: competition_math"),
    ("training_sets.competition_math", {"source": "generated", "items": 9}, "training_sets.competition_math.source is"),
    ("test_sets.countdown", None, "test_sets is countdown; allowed: a name other than countdown, competition_math"),
    ("test_sets.sudoku.thinking", {"capcity": 2}, "unknown key test_sets.sudoku.thinking.capcity; did you mean capac"),
    ("test_sets.sudoku.items", None, "test_sets.sudoku.items is null; allowed: 1 or more where they are generated"),
    ("test_sets.sudoku.source", "aime-25", "test_sets.sudoku.source is 'aime-25'; allowed: generated, "),
    ("test_sets.sudoku.task", "multiple_choice", "test_sets.sudoku.source is generated; allowed: a name on the hub"),
    ("test_sets.sudoku.subset", "poetry", "test_sets.sudoku.subset is 'poetry'; allowed: a subject of MMLU-Pro"),
    ("test_sets.sudoku.arms", ["no_rl", "no_rl"], "test_sets.sudoku.arms is ['no_rl', 'no_rl']; allowed: a list of"),
]


@pytest.mark.parametrize(
    ("key", "value", "line"), OUT_OF_RANGE, ids=[f"{key}={value}" for key, value, _ in OUT_OF_RANGE]
)
def test_a_value_out_of_range_is_refused_with_its_key_and_what_is_allowed(tmp_path, key, value, line):
    assert refusal(tmp_path, key, value).startswith(line)


def test_weights_of_an_arm_that_rl_does_not_train_are_refused_where_the_base_says_so(tmp_path):
    path = tmp_path / "params.yaml"
    raw = {
        **copy.deepcopy(RAW),
        "arm": {**RAW["arm"], "rl": False},
        "arms": {"sequential": {"arm": {"mode": "sequential"}}},
    }
    raw["arms"]["parallel"] = {"arm": {"mode": "parallel", "rl": True, "weights_of": "sequential"}}
    path.write_text(yaml.safe_dump(checkout.of_arms(raw, raw["arms"])))
    with pytest.raises(
        InputError, match=r"arms\.parallel\.arm\.weights_of is sequential; allowed: null, or an arm that"
    ):
        params.read(path)


@pytest.mark.parametrize("key", ["interleaved", "batch"])
def test_an_arm_with_structures_of_its_own_is_refused_where_there_is_one_structure(tmp_path, key):
    own = {"synthesize": {"interleaved": 0.3, "batch": 0.7} | {key: RAW["synthesize"][key]}}
    raw = {**RAW, "arms": {**RAW["arms"], "no_random_structures": own}}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(
        InputError, match=r"arms\.no_random_structures\.synthesize\.\w+ is 0\.\d; allowed: .* alternate"
    ):
        params.read(path)
    own["thinking"] = {"capacity": 4}
    path.write_text(yaml.safe_dump(raw))
    params.read(path)
    own["synthesize"] |= {"fewest_forks": 1, "most_forks": 1}
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(InputError, match="most_forks = 1 forks and joins alternate"):
        params.read(path)


def numbers(tree, *path):
    """The keys that hold a number."""
    for key, value in tree.items():
        if isinstance(value, dict) and key not in ("arms", "variants"):
            yield from numbers(value, *path, key)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield ".".join([*path, key])


@pytest.mark.parametrize("key", list(numbers(RAW)))
def test_no_number_takes_a_truth_value_or_one_without_end_or_far_below_its_range(tmp_path, key):
    for value in (True, math.nan, math.inf, *([] if key == "reward.format_error" else [-3])):
        assert key.split(".")[-1] in refusal(tmp_path, key, value)


@pytest.mark.parametrize("place", ["", "filter", "arms", "arms.asyncthink", "arms.no_rl.arm"])
def test_a_key_that_is_no_text_is_named(place):
    raw = copy.deepcopy(RAW)
    table = raw
    for step in filter(None, place.split(".")):
        table = table[step]
    table[7] = {}
    with pytest.raises(InputError, match=rf"^params\.yaml: {f'{place}.'.lstrip('.')}7 is a key that is no text"):
        params.from_mapping(raw)


def test_a_key_that_is_left_out_is_missing():
    raw = {**RAW, "filter": {}}
    with pytest.raises(InputError, match=r"^params\.yaml: filter\.fewest_kept is missing$"):
        params.from_mapping(raw)


BROKEN_LINES = ["seed: 1\n", "seed: [\n", "x: 2001-99-99\n", "x: !!int 'x'\n", "x: !!bool 'x'\n", f"x: {'9' * 5000}\n"]


@pytest.mark.parametrize("line", BROKEN_LINES)
def test_a_key_that_stands_there_twice_or_a_broken_file_is_refused_in_one_line(tmp_path, capsys, line):
    path = tmp_path / "params.yaml"
    path.write_text(f"{TEXT}{line}")
    assert cli.main(["estimate", "--params", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"asyncthink estimate: {path}: not YAML: ") and said.count("\n") == 1


@pytest.mark.parametrize(("content", "reason"), [(b"\xff\xfe", "not UTF-8"), (b"[" * 10_000, "nested too deeply")])
@pytest.mark.parametrize("command", ["estimate", "doctor"])
def test_a_file_that_is_no_text_or_nested_without_end_is_refused_in_one_line(
    tmp_path, capsys, command, content, reason
):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    assert cli.main([command, "--params", str(path)]) == 2
    assert capsys.readouterr().err == f"asyncthink {command}: {path}: {reason}\n"


def test_a_table_that_holds_itself_is_refused_in_one_line(tmp_path, capsys):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("\narms:", "\narms: &all\n  loop: {thinking: *all}", 1))
    assert cli.main(["estimate", "--params", str(path)]) == 2
    assert capsys.readouterr().err == f"asyncthink estimate: {path}: nested too deeply\n"


@pytest.mark.parametrize("name", ["nano.v2", "../nano", "a b"])
def test_a_scale_is_named_as_a_folder_and_a_file_may_be(tmp_path, name):
    assert refusal(tmp_path, "scale", name) == f"scale is {name!r}; allowed: letters, digits, _ and -"


@pytest.mark.parametrize("step", ["pretrain", "sft", "grpo", "evaluate"])
@pytest.mark.parametrize("seed", ["-1", "4294967296", "20261130055800", "1.0", "²", "one"])
def test_a_seed_that_no_training_takes_is_refused_before_anything_is_read(capsys, step, seed):
    assert cli.main([step, f"--seed={seed}"]) == 2
    said = capsys.readouterr().err
    assert said == f"asyncthink {step}: --seed is {seed!a}; allowed: from 0 to 4294967295\n"


@pytest.mark.parametrize("text", ["5.0e-5", "5e-05", "5E-5", "0.00005"])
def test_a_number_is_the_same_to_dvc_to_snakemake_and_to_the_commands(tmp_path, text):
    from dvc.utils.serialize import parse_yaml
    from snakemake.common.configfile import load_configfile

    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"(?ms)^(grpo:$.*?^  learning_rate: )\S+", rf"\g<1>{text}", TEXT))
    given = params.read(path)
    assert given.grpo.learning_rate == 5e-5
    assert parse_yaml(path.read_text(), path)["grpo"]["learning_rate"] == 5e-5
    assert params.from_mapping(load_configfile(path)) == given


def test_the_committed_schema_is_that_of_the_sections():
    committed = json.loads((ROOT / "workflow" / "params.schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(schema())), "run `make schema`"
    first = TEXT.splitlines()[0]
    assert (ROOT / first.removeprefix("# yaml-language-server: $schema=")).samefile(
        ROOT / "workflow/params.schema.json"
    )


@pytest.mark.parametrize("name", SCALES)
def test_every_scale_fits_the_schema(name):
    jsonschema.validate(params.parsed(scales.scaled(ROOT, name)), schema())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("grpo.steps", 0),
        ("grpo.stepps", 1),
        ("reward.name", "fame"),
        ("arms.leverage.grpo.steps", 0),
        ("arms.leverage.seed", {}),
        ("puzzles.largest_target", 101),
        ("thinking.plan", PLAN | {"order": "any"}),
        ("evaluate.variants.n_4.thinking.capacity", 0),
        ("test_sets.sudoku.thinking.capcity", 2),
        ("seeds", [2, 2]),
        ("seeds", [2**32]),
    ],
)
def test_an_editor_marks_what_the_commands_refuse(key, value):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(params.merged(RAW, nested(key, value)), schema())


def test_the_names_that_a_key_allows_are_those_of_the_tables():
    hints = typing.get_type_hints(settings.Reward)
    assert typing.get_args(hints["concurrency_gate"]) == tuple(GATES)
    assert set(settings.GENERATED) == set(sources.GENERATORS)
    said = schema()["$defs"]["TrainingSet"]["properties"]["source"]["description"]
    assert set(said.split(", ")[:-1]) == {"generated", *sources.HUB}


def test_a_change_of_how_settings_are_derived_makes_stale_what_uses_them():
    for step in (step for step, keys in graph.READS.items() if keys):
        listed = {
            Path(path).relative_to(ROOT / "src/asyncthink") for path in graph.sources(step, ROOT / "src/asyncthink")
        }
        assert Path("config/params.py") in listed, step


def test_no_step_reads_a_key_that_decides_nothing():
    given = params.from_mapping(RAW)
    for step in graph.READS:
        for arm in (None, *given.arms):
            assert not settings.INERT & set(graph.reads(step, given, arm)), step


def test_the_temperature_of_training_decides_no_cold_start_and_no_evaluation():
    given = params.from_mapping(RAW)
    warmer = params.from_mapping(params.merged(RAW, nested("thinking.temperature", 0.9)))
    stale = {
        step
        for step in graph.READS
        if graph.reads(step, given, "asyncthink") != graph.reads(step, warmer, "asyncthink")
    }
    assert stale == {"grpo", "report"}
    assert given.evaluations("asyncthink") == warmer.evaluations("asyncthink")
