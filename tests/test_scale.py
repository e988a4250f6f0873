"""One params.yaml that counts: going to another scale changes the keys of that scale, and nothing else."""

import re
import shutil
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path

import pytest
import yaml

from asyncthink.config import params, scales
from asyncthink.errors import InputError
from asyncthink.evaluation.claims_of_frontier import FEWEST_BUDGETS
from asyncthink.evaluation.evidence import ALSO, ASYNC, BASELINES, NO_COLD_START, NO_RL
from asyncthink.evaluation.histories import FEWEST_STEPS
from asyncthink.settings import HEADLINE

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "workflow" / "scales").glob("*.yaml"))
SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")


def scale_file(name):
    return (ROOT / "workflow" / "scales" / f"{name}.yaml").read_text(encoding="utf-8")


def leaves(document):
    """Every key of two levels with its value, read by an independent way: the parsed document."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        else:
            yield name, value


@pytest.fixture
def project(tmp_path):
    shutil.copytree(ROOT / "workflow" / "scales", tmp_path / "workflow" / "scales")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def asyncthink(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "asyncthink", *arguments], cwd=project, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_scale_sets_its_own_keys_and_leaves_all_others(name):
    before, wanted = dict(leaves(yaml.safe_load(SHIPPED))), dict(leaves(yaml.safe_load(scale_file(name))))
    after = yaml.safe_load(scales.merge(SHIPPED, scale_file(name)))
    assert dict(leaves(after)) == before | wanted
    assert params.from_mapping(after).scale == name


@pytest.mark.parametrize("name", NAMES)
def test_going_to_a_scale_and_back_restores_every_byte(name):
    assert scales.merge(scales.merge(SHIPPED, scale_file(name)), scale_file("nano")) == SHIPPED


@pytest.mark.parametrize("text, value", [("5e-05", 5e-05), ("1.5E3", 1500.0), ("3", 3.0)])
def test_a_number_is_read_however_dvc_writes_it(text, value):
    raw = yaml.safe_load(SHIPPED)
    raw["grpo"]["learning_rate"] = yaml.safe_load(text)
    assert params.from_mapping(raw).grpo.learning_rate == value


@pytest.mark.parametrize("name", sorted({*NAMES} - {"smoke", "pretrained"}))  # which leave out C9
def test_a_scale_evaluates_as_many_budgets_as_the_claim_on_frontiers_needs(name):
    given = params.from_mapping(yaml.safe_load(scales.merge(SHIPPED, scale_file(name))))
    for arm in (ASYNC, *BASELINES):
        found = [each for own in trained(given, arm) for each in given.evaluations(own).values()]
        alike = {astuple(each) for each in found if each.capacity == given.arm_params(arm).thinking.capacity}
        assert len(alike) >= FEWEST_BUDGETS, arm


def test_a_pretrained_model_is_held_against_its_baselines_and_ablations_at_their_own_latency_too():
    given = params.from_mapping(yaml.safe_load(scales.merge(SHIPPED, scale_file("pretrained"))))
    assert {*given.arms} == {ASYNC, NO_COLD_START, NO_RL, *BASELINES}
    for arm in (ASYNC, *BASELINES):
        runs = given.evaluations(arm)
        assert runs[HEADLINE].organizer_budget == given.thinking.organizer_budget
        assert len({each.organizer_budget for each in runs.values()}) >= (1 if arm == ASYNC else 3)
    assert given.grpo.steps >= FEWEST_STEPS


def trained(given: params.Params, arm: str) -> list[str]:
    """An arm and those whose evaluations are further points of its frontier."""
    return [name for name in (arm, *ALSO.get(arm, ())) if name in given.arms]


def test_all_scales_name_the_same_keys():
    keys = {name: {key for key, _ in leaves(yaml.safe_load(scale_file(name)))} for name in NAMES}
    assert all(found == keys["nano"] for found in keys.values())


def test_ones_own_edit_of_another_key_lives_on(project):
    path = project / "params.yaml"
    edited = SHIPPED.replace("format_error: -0.1 ", "format_error: -0.25", 1)
    assert edited != SHIPPED
    path.write_text(edited)
    for name in ("smoke", "nano"):
        done = asyncthink(project, "scale", name)
        assert done.returncode == 0, done.stderr
    assert path.read_text() == edited


@pytest.mark.parametrize("name", NAMES)
def test_a_comment_of_ones_own_below_any_key_outlives_every_scale(name):
    key = re.compile(r"^(  \w+: .+)$", re.MULTILINE)
    own = key.sub(r"\1\n  # my own", SHIPPED)
    assert own.count("# my own") > 100
    there = scales.merge(own, scale_file(name))
    assert there.count("# my own") == own.count("# my own")
    assert scales.merge(there, scale_file("nano")) == own


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_dvc_rewrote_can_go_to_any_scale_and_back(project, name):
    from dvc.utils.serialize import modify_yaml

    path = project / "params.yaml"
    with modify_yaml(path) as document:
        document["grpo"]["kl"] = 0.25
    text = scales.merge(path.read_text(), scale_file(name))
    assert params.from_mapping(yaml.safe_load(text)).scale == name
    back = params.from_mapping(yaml.safe_load(scales.merge(text, scale_file("nano"))))
    assert back.grpo.kl == 0.25
    expected = params.merged(yaml.safe_load(SHIPPED), {"grpo": {"kl": 0.25}})
    assert back == params.from_mapping(expected)


def test_an_unknown_key_in_a_scale_is_named_with_the_nearest_one():
    with pytest.raises(InputError, match=r"no key grpo\.step in params\.yaml; did you mean grpo\.steps\?"):
        scales.merge(SHIPPED, "grpo:\n  step: 3\n")


def test_a_scale_that_does_not_fit_leaves_params_as_they_were(project):
    broken = scale_file("smoke").replace("capacity: 3", "capacity: many")
    (project / "workflow" / "scales" / "smoke.yaml").write_text(broken)
    done = asyncthink(project, "scale", "smoke")
    assert done.returncode == 2
    assert "thinking.capacity is 'many'; allowed: a whole number, 1 or more" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (project / "params.yaml").read_text() == SHIPPED


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not a table"), (b"- a", "not a table"), (b"\xff", "not UTF-8"), (b"seed: !!int a", "not YAML: invalid")],
)
def test_a_file_that_is_no_scale_is_named(project, content, reason):
    (project / "workflow" / "scales" / "own.yaml").write_bytes(content)
    with pytest.raises(InputError, match=rf"^{project}/workflow/scales/own\.yaml: {reason}"):
        scales.scaled(project, "own")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is null"),
        (b"\xff", "not UTF-8"),
        (b"x: 2001-99-99", "not YAML"),
        (b"seed: 1", "scale is missing"),
    ],
)
def test_a_folder_is_laid_out_from_a_whole_params_yaml_alone(project, content, reason):
    (project / "params.yaml").write_bytes(content)
    with pytest.raises(InputError, match=rf"params\.yaml: {reason}"):
        scales.scaled(project, "smoke")


def test_a_params_yaml_that_is_no_text_is_laid_out_anew(project):
    (project / "there").mkdir()
    (project / "there/params.yaml").write_bytes(b"\xff")
    scales.lay_out(project, project / "there", SHIPPED)
    assert (project / "there/params.yaml").read_text() == SHIPPED


def test_a_scale_that_is_not_there_lists_those_that_are(project):
    done = asyncthink(project, "scale", "huge")
    assert done.returncode == 2
    assert done.stderr == f"asyncthink scale: no scale 'huge'; there are {', '.join(NAMES)}\n"


def test_a_folder_with_a_params_yaml_of_its_own_is_told_where_a_scale_is_taken_from(project):
    shutil.rmtree(project / "workflow")
    done = asyncthink(project, "scale", "smoke", "--into", "work/smoke")
    said = "asyncthink scale: no workflow/scales here; run this in the root of the project\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_laying_out_a_directory_leaves_the_checkout_alone(project):
    done = asyncthink(project, "scale", "smoke", "--into", "work/smoke")
    assert done.returncode == 0, done.stderr
    assert params.read(project / "work" / "smoke" / "params.yaml").scale == "smoke"
    assert (project / "params.yaml").read_text() == SHIPPED
    assert (project / "work" / "smoke" / "workflow").resolve() == (project / "workflow").resolve()


@pytest.mark.parametrize("place", ["../beside", "work/../smoke"])
def test_a_directory_is_laid_out_wherever_it_lies(project, monkeypatch, place):
    monkeypatch.chdir(project)
    (project / "work").mkdir()
    scales.lay_out(Path(), Path(place), SHIPPED)
    assert (project / place / "workflow").resolve() == (project / "workflow").resolve()


def test_keys_of_ones_own_that_a_scale_cannot_follow_leave_params_as_they_were(project):
    path = project / "params.yaml"
    own = "\n  mine: {arm: {weights_of: asyncthink}, thinking: {plan: {order: listed, forked: 1, own: 1}}}\n"
    path.write_text(SHIPPED.replace("\n  no_rl:", f"{own}  no_rl:", 1))
    before = path.read_text()
    assert params.read(path) and before != SHIPPED
    with pytest.raises(InputError, match=r"^at scale paper, params\.yaml: arms\.mine\.thinking\.plan is a plan"):
        scales.rewrite(project, "paper")
    assert path.read_text() == before
