"""What a machine has, what a scale needs, what a run would take."""

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from taught_chat_model import tokenizer as byte_tokenizer
from taught_model import WORDS

from asyncthink import cli
from asyncthink.config import params
from asyncthink.workflow import doctor, estimate
from asyncthink.workflow.doctor import Place, fitting_scale, tag_finding, template_finding

ROOT = Path(__file__).parent.parent
NANO = params.read(ROOT / "params.yaml")
KEY = "sk-test-0123456789-secret"
QWEN = (
    "{% for turn in messages %}<|im_start|>{{ turn.role }}\n{{ turn.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def at_scale(name: str, **sections) -> params.Params:
    changed = {section: dataclasses.replace(getattr(NANO, section), **keys) for section, keys in sections.items()}
    return dataclasses.replace(NANO, scale=name, **changed)


def place(given: params.Params = NANO, root: Path = ROOT, **environment: str) -> Place:
    return Place(given, root, environment)


@pytest.mark.parametrize(
    ("template", "state"), [(QWEN, "ok"), (QWEN.replace("<|im_end|>", "</s>"), "lacks"), (None, "note")]
)
def test_a_template_that_is_not_the_prompts_own_is_found(template, state):
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    assert template_finding(tokenizer).state == state


def test_it_is_said_how_many_tokens_a_tag_takes():
    assert "one token each" in tag_finding(WORDS).said
    assert "up to 5 tokens each" in tag_finding(byte_tokenizer()).said


def test_a_tokenizer_that_cannot_spell_a_tag_is_found():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    poor = Tokenizer(models.WordLevel({"?": 0, "a": 1}, unk_token="?"))
    poor.pre_tokenizer = pre_tokenizers.Whitespace()
    assert tag_finding(PreTrainedTokenizerFast(tokenizer_object=poor)).state == "lacks"


@pytest.mark.parametrize(
    ("teacher", "environment", "state"),
    [
        ("solver", {}, "ok"),
        ("openai", {}, "lacks"),
        ("openai", {"OPENAI_API_KEY": KEY}, "ok"),
        ("openai", {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, "ok"),
    ],
)
def test_a_teacher_that_cannot_be_asked_is_found_and_no_key_is_shown(teacher, environment, state):
    finding = doctor.teacher(place(at_scale("paper", synthesize={"teacher": teacher}), **environment))
    assert finding.state == state
    assert KEY not in finding.said


def test_requirements_are_met_here_and_a_wrong_version_is_named():
    assert doctor.packages(place()).state == "ok"
    assert "not ==0.1" in doctor._unmet(Requirement("numpy==0.1"))
    assert "not installed" in doctor._unmet(Requirement("no-such-package-here>=1"))


def test_a_machine_with_too_little_disk_for_a_scale_is_told(monkeypatch):
    free = shutil.disk_usage(ROOT).free
    monkeypatch.setitem(doctor.NEEDS, "paper", (free * 2, 1e6))
    assert doctor.disk(place(at_scale("paper"))).state == "lacks"
    assert doctor.memory(place(at_scale("paper"))).state == "ok"


def test_the_driver_says_what_gpus_there_are(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nprint('NVIDIA H200, 143771')\nprint('Quadro, RTX 4, 8192')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.gpus() == [("NVIDIA H200", 143771 * 2**20), ("Quadro, RTX 4", 8192 * 2**20)]
    assert doctor.gpu(place(at_scale("small"))).state == "ok"
    program.unlink()
    assert doctor.gpus() == []
    assert doctor.gpu(place(at_scale("small"))).state == "lacks"
    assert doctor.gpu(place()).state == "note"


@pytest.mark.parametrize(
    ("memory", "cluster", "scale"),
    [(0, False, "nano"), (4e9, False, "nano"), (24e9, False, "small"), (0, True, "paper")],
)
def test_the_scale_fits_the_machine(memory, cluster, scale):
    assert fitting_scale(memory, cluster) == scale


def test_a_remote_without_a_default_is_told(tmp_path):
    (tmp_path / ".dvc").mkdir()
    config = tmp_path / ".dvc" / "config"
    config.write_text("[core]\n    autostage = true\n")
    assert doctor.dvc_remote(place(root=tmp_path)).said.startswith("none, no default")
    config.write_text("[core]\n    remote = store\n['remote \"store\"']\n    url = /mnt/store\n")
    assert doctor.dvc_remote(place(root=tmp_path)) == doctor.Finding("ok", "store is the default")


def test_the_command_prints_a_line_a_check(capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    code = cli.main(["doctor", "--params", str(ROOT / "params.yaml")])
    printed = capsys.readouterr().out
    assert all(name in printed for name in doctor.CHECKS)
    assert "asyncthink scale" in printed and KEY not in printed
    assert code == int("lacks " in printed)


def test_parameters_are_counted_as_the_model_has_them():
    from asyncthink.models import language_model, word_tokenizer

    words = word_tokenizer.build(NANO.puzzles)
    real = sum(parameter.numel() for parameter in language_model.build(NANO.model, words, 0).parameters())
    assert estimate.parameters(NANO) == pytest.approx(real, rel=0.02)
    qwen = {"start_from": "Qwen/Qwen3-4B", "hidden_size": 2560, "layers": 36, "heads": 32, "head_size": 128}
    assert estimate.parameters(at_scale("paper", model=qwen | {"intermediate_size": 9728})) == pytest.approx(
        4.02e9, rel=0.01
    )


def test_every_arm_is_counted_once_and_twice_the_steps_take_twice_the_hours():
    work = list(estimate.loads(NANO))
    steps = [load.step for load in work]
    assert len(steps) == len(set(steps))
    trained = {name for name, arm in ((n, NANO.arm_params(n).arm) for n in NANO.arms) if arm.rl and not arm.weights_of}
    assert {step.split()[1] for step in steps if step.startswith("grpo")} == trained
    assert {step.split()[1] for step in steps if step.startswith("evaluate")} == set(NANO.arms)
    doubled = list(estimate.loads(at_scale("nano", grpo={"steps": 2 * NANO.grpo.steps})))
    rate = estimate.rates()["cpu"]
    for one, two in zip(work, doubled, strict=True):
        step, arm, *_ = [*one.step.split(), "asyncthink"]
        factor = 2 if step == "grpo" and "steps" not in NANO.arms[arm].get("grpo", {}) else 1
        assert two.hours(10**6, rate) == pytest.approx(factor * one.hours(10**6, rate))


def test_a_step_of_known_size_takes_the_hours_that_its_operations_take():
    load = estimate.Load("x", 1, decoded=1e9, trained=2e9)
    assert load.hours(1000, {"decode": 1e9, "train": 2e9}) == pytest.approx((2e12 / 1e9 + 12e12 / 2e9) / 3600)


@pytest.mark.parametrize("scale", ["smoke", "nano", "small", "paper"])
def test_every_scale_can_be_estimated(scale, tmp_path, capsys, monkeypatch):
    from asyncthink.config import scales

    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        scales.merge(scales.scaled(ROOT, scale), "synthesize:\n  demonstrations: 400\n")
    )
    cli.main(["estimate"])
    printed = capsys.readouterr().out
    assert f"scale {scale}" in printed and "disk" in printed and "API" in printed
    assert ("measured" in printed) and ("requests to" in printed) == (scale == "paper")
    assert ("at assumed rates" in printed) == (scale in ("small", "paper")) == ("each training process" in printed)


def test_processes_that_share_a_model_hold_their_part_of_it_and_the_model_at_the_start():
    whole, quarter = (estimate.memory(NANO, sharing) for sharing in (1, 4))
    assert quarter - estimate.START_BYTES * estimate.parameters(NANO) == pytest.approx(
        (whole - estimate.START_BYTES * estimate.parameters(NANO)) / 4
    )


def test_a_scales_disk_is_what_doctor_asks_for():
    from asyncthink.config import scales

    given = params.from_mapping(yaml.safe_load(scales.scaled(ROOT, "paper")))
    needed, _ = doctor.NEEDS["paper"]
    assert needed / 2 < estimate.disk(given, list(estimate.loads(given))) < needed
