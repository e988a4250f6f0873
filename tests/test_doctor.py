"""What a machine has, what a scale needs, what a run would take."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chat_templates import ALWAYS_REASONS, LEAVES_SYSTEM_OUT, QWEN, SWITCHES
from packaging.requirements import Requirement
from taught_chat_model import tokenizer as byte_tokenizer
from taught_model import WORDS
from tiny_models import tiny_model
from transformers import BartConfig, BartForCausalLM

from asyncthink import cli, terminal
from asyncthink.config import params, scales
from asyncthink.models import language_model
from asyncthink.workflow import caches, doctor, estimate, surroundings
from asyncthink.workflow.doctor import fitting_scale, tag_finding, template_finding
from asyncthink.workflow.surroundings import Finding, Place

ROOT = Path(__file__).parent.parent
NANO = params.read(ROOT / "params.yaml")
KEY = "sk-test-0123456789-secret"


def at_scale(name: str, **sections) -> params.Params:
    changed = {section: dataclasses.replace(getattr(NANO, section), **keys) for section, keys in sections.items()}
    return dataclasses.replace(NANO, scale=name, **changed)


def place(given: params.Params = NANO, root: Path = ROOT, **environment: str) -> Place:
    return Place(given, root, environment)


@pytest.mark.parametrize(
    ("template", "state", "said"),
    [
        (QWEN, "ok", "the model's own"),
        (LEAVES_SYSTEM_OUT, "ok", "the model's own; no system role, so roles are told with the question"),
        (SWITCHES, "ok", "the model's own; thinking.reasoning switches its reasoning"),
        (ALWAYS_REASONS, "ok", "it reasons before every answer"),
        (None, "lacks", "has no chat template"),
    ],
)
def test_it_is_said_how_a_template_takes_our_prompts(template, state, said):
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = template
    finding = template_finding(tokenizer)
    assert finding.state == state and said in finding.said


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


def test_a_model_that_a_run_would_refuse_is_told_before(tmp_path):
    unpinned = at_scale("pretrained", model={"start_from": "work/nothing"})
    assert doctor.model(place(unpinned)).state == "lacks" and "NAME@COMMIT" in doctor.model(place(unpinned)).said
    (tmp_path / "config.json").write_text("{")
    torn = place(at_scale("pretrained", model={"start_from": str(tmp_path)}, thinking={"prompts": "chat"}))
    assert doctor.model(torn).state == "lacks" and "config.json is not JSON" in doctor.model(torn).said
    assert doctor.chat_template(torn) == doctor.tags(torn) == doctor.UNSEEN


def test_a_model_that_the_local_engine_cannot_decode_is_told(tmp_path):
    tokenizer = byte_tokenizer()
    start = place(at_scale("pretrained", model={"start_from": str(tmp_path)}, thinking={"prompts": "chat"}))
    language_model.write(tiny_model("llama, tied", tokenizer), tokenizer, tmp_path)
    assert doctor.model(start).state == "ok"
    sizes = {"vocab_size": len(tokenizer), "d_model": 8, "decoder_layers": 1, "decoder_ffn_dim": 8}
    language_model.write(BartForCausalLM(BartConfig(**sizes, decoder_attention_heads=2)), tokenizer, tmp_path)
    assert doctor.model(start).state == "note" and "cannot decode it: it takes no positions" in doctor.model(start).said


def test_a_machine_with_too_little_disk_for_a_scale_is_told(monkeypatch):
    free = shutil.disk_usage(ROOT).free
    monkeypatch.setitem(doctor.NEEDS, "paper", (free * 2, 1e6))
    assert doctor.disk(place(at_scale("paper"))).state == "lacks"
    assert doctor.memory(place(at_scale("paper"))).state == "ok"


def test_of_a_scale_of_ones_own_the_estimate_alone_says_what_it_needs():
    own = place(at_scale("mine"))
    assert doctor.memory(own).state == "ok" and "needs" not in doctor.memory(own).said
    assert "mine needs " in doctor.disk(own).said


def test_the_driver_says_what_gpus_there_are(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nprint('NVIDIA H200, 143771')\nprint('Quadro, RTX 4, 8192')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.gpus() == [("NVIDIA H200", 143771 * 2**20), ("Quadro, RTX 4", 8192 * 2**20)]
    assert doctor.gpu(place(at_scale("small"))).state == "ok"
    program.write_text(f"#!{sys.executable}\nprint('NVIDIA GB10, [N/A]')\n")
    assert doctor.gpus() == [("NVIDIA GB10", 0)]
    assert doctor.gpu(place()) == Finding("ok", "NVIDIA GB10 (memory unknown)")
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
    assert doctor.dvc_remote(place(root=tmp_path)) == Finding("ok", "store is the default")


def test_the_command_prints_a_line_a_check(capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    code = cli.main(["doctor", "--params", str(ROOT / "params.yaml")])
    printed = capsys.readouterr().out
    assert all(name in printed for name in doctor.CHECKS)
    assert "asyncthink scale" in printed and KEY not in printed
    assert code == int("lacks " in printed)


QWEN = {
    "start_from": "Qwen/Qwen3-4B",
    "hidden_size": 2560,
    "layers": 36,
    "heads": 32,
    "head_size": 128,
    "intermediate_size": 9728,
}


def test_parameters_are_counted_as_the_model_has_them():
    from asyncthink.models import language_model, word_tokenizer

    words = word_tokenizer.build(NANO.puzzles)
    real = sum(parameter.numel() for parameter in language_model.build(NANO.model, words, 0).parameters())
    assert estimate.parameters(NANO) == pytest.approx(real, rel=0.02)
    assert estimate.parameters(at_scale("paper", model=QWEN)) == pytest.approx(4.02e9, rel=0.01)


SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_a_pretrained_model_takes_a_night_on_two_cores_and_minutes_on_a_gpu():
    given = params.from_mapping(params.parsed(scales.scaled(ROOT, "pretrained")))
    assert given.model.start_from.startswith(SMOLLM) and estimate.parameters(given) == pytest.approx(
        134_515_008, rel=1e-3
    )
    work = list(estimate.loads(given))

    def hours(device):
        return sum(load.hours(estimate.parameters(given), estimate.rate(given, device)) for load in work)

    assert 2 < hours("cpu") / 2 < 9 and hours("gpu") < 1
    assert estimate.rate(given, "cpu").measured and estimate.rate(NANO, "cpu") != estimate.rate(given, "cpu")


def test_training_reads_the_prompts_of_every_trace_where_they_are_sentences():
    words = estimate.read_tokens(100, "asynchronous", NANO.thinking)
    sentences = dataclasses.replace(NANO.thinking, prompts="chat")
    assert (
        estimate.read_tokens(100, "asynchronous", sentences)
        > estimate.read_tokens(100, "sequential", sentences)
        > words
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
    assert load.hours(1000, estimate.Rate("", decode=1e9, train=2e9, measured=True, source="")) == pytest.approx(
        (2e12 / 1e9 + 12e12 / 2e9) / 3600
    )


@pytest.mark.parametrize("scale", ["smoke", "nano", "pretrained", "small", "paper"])
def test_every_scale_can_be_estimated(scale, tmp_path, capsys, monkeypatch):
    from asyncthink.config import scales

    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        scales.merge(scales.scaled(ROOT, scale), "synthesize:\n  demonstrations: 400\n")
    )
    cli.main(["estimate"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["hours"] == pytest.approx(sum(line["hours"] for line in lines[:-1]))
    monkeypatch.setattr(terminal, "for_people", lambda args: True)
    cli.main(["estimate"])
    printed = capsys.readouterr().out
    assert f"scale {scale}" in printed and "disk" in printed and "API" in printed
    assert ("measured" in printed) and ("requests to" in printed) == (scale == "paper")
    assert ("at assumed rates" in printed) == (scale in ("small", "paper")) == ("each training process" in printed)


def test_processes_that_share_a_model_hold_their_part_of_it():
    whole, two, four = estimate.memory(NANO, (1, 2, 4))
    state = estimate.STATE_BYTES * estimate.parameters(NANO)
    assert two - four == pytest.approx(state / 4, rel=0.02) and whole > state


def test_decoding_is_bound_by_operations_by_sequences_and_by_the_longest_trace():
    rate = estimate.Rate("", decode=2e6, train=1, measured=True, source="", sequence=10.0)
    load = {"step": "x", "runs": 1, "decoded": 7200.0}
    assert estimate.Load(**load, together=1000).hours(1000, rate) == pytest.approx(2.0 * 1000 * 7200 / 2e6 / 3600)
    assert estimate.Load(**load, together=4).hours(1000, rate) == pytest.approx(7200 / 40 / 3600)
    assert estimate.Load(**load, together=4).hours(1000, rate, fitting=2) == pytest.approx(7200 / 20 / 3600)
    assert estimate.Load(**load, together=72, longest=3600).hours(1000, rate) == pytest.approx(360 / 3600)


def test_a_large_model_on_gpus_is_shared_by_four_and_a_vllm_has_room_for_a_hundred_sequences():
    given = at_scale("paper", model=QWEN, thinking={"organizer_budget": 8192})
    rate = estimate.rate(given, "gpu")
    assert rate.memory == 80e9 and estimate.sharing(estimate.parameters(given), rate) == 4
    assert 60 < estimate.fitting(given, rate) < 200
    assert estimate.rate(NANO, "gpu") == estimate.rates()["gpu_small"]


def test_a_scales_disk_is_what_doctor_asks_for():
    from asyncthink.config import scales

    given = params.from_mapping(yaml.safe_load(scales.scaled(ROOT, "paper")))
    needed, _ = doctor.NEEDS["paper"]
    assert needed / 2 < estimate.disk(given, list(estimate.loads(given))) < needed


NOWHERE = "/proc/no-such-home"  # which not even root can make


def snakemake(*arguments, **environment):
    own = {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in caches.VARIABLES}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=ROOT,
        env={**kept, **own, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_home_that_cannot_be_written_is_told_and_a_run_does_without():
    assert surroundings.home(place(HOME=NOWHERE)).state == "note"
    done = snakemake("--dry-run", "--quiet", "all", HOME=NOWHERE)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert done.stderr.count(f"{NOWHERE}/.cache cannot be written; caches of this run are kept in work/cache") == 1


def test_a_home_that_may_not_even_be_looked_into_is_one_that_cannot_be_written(monkeypatch, capsys):
    look = os.stat

    def stat(path, *rest, **named):
        if str(path).startswith(f"{NOWHERE}/"):
            raise PermissionError(13, "Permission denied", path)
        return look(path, *rest, **named)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setenv("XDG_CACHE_HOME", f"{NOWHERE}/.cache")
    caches.settle()
    assert "caches of this run are kept in work/cache" in capsys.readouterr().err


def test_a_home_that_can_be_written_is_not_spoken_of(tmp_path):
    assert surroundings.home(place(HOME=str(tmp_path))).state == "ok"
    assert "cannot be written" not in snakemake("--dry-run", "--quiet", "all", HOME=str(tmp_path)).stderr
    assert list(tmp_path.iterdir()) == []


def test_models_in_a_cache_that_can_only_be_read_are_still_read(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HOME", raising=False)
    (tmp_path / "huggingface").mkdir()
    monkeypatch.setattr(caches, "writable", lambda _: False)  # root can write whatever its mode is
    caches.settle()
    assert os.environ["HF_HOME"] == str(tmp_path / "huggingface")
    assert os.environ["XDG_CACHE_HOME"] == str(Path("work/cache").absolute())


@pytest.mark.parametrize("variable", caches.VARIABLES)
def test_a_cache_folder_that_cannot_be_written_is_named(variable, tmp_path):
    finding = surroundings.cache_folders(place(**{variable: NOWHERE}))
    assert finding.state == "lacks" and f"{variable}={NOWHERE}" in finding.said
    assert surroundings.cache_folders(place(**{variable: str(tmp_path / "new")})).state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_the_kernel_of_the_notebooks_is_started_whatever_kernel_is_called_python3(tmp_path):
    for folder in (tmp_path / "foreign", tmp_path / "workflow"):
        (folder / "kernels/python3").mkdir(parents=True)
        text = '{"argv": ["/bin/false", "{connection_file}"], "display_name": "x", "language": "python"}'
        (folder / "kernels/python3/kernel.json").write_text(text)
    environment = dict(os.environ) | {"JUPYTER_PATH": str(tmp_path / "foreign")}
    assert surroundings.kernel(Place(NANO, ROOT, environment)) == Finding("ok", "starts")
    assert surroundings.kernel(Place(NANO, tmp_path, environment)).state == "lacks"


def test_a_params_yaml_that_takes_more_disk_than_its_scale_did_is_told():
    many = at_scale("nano", evaluate={"samples": NANO.evaluate.samples * 10**7})
    assert doctor.disk(place(many)).state == "lacks"


def test_a_temporary_folder_without_room_is_told(monkeypatch):
    assert surroundings.temporary(place()).state == "ok"
    monkeypatch.setattr(surroundings, "TEMPORARY", 1e18)
    assert "TMPDIR" in surroundings.temporary(place()).said


def test_the_math_library_is_started():
    assert "math-verify starts in" in surroundings.mathematics(place()).said


def test_a_run_at_work_and_what_a_killed_one_left_are_told(tmp_path):
    from asyncthink.locks import acquire

    (tmp_path / "params.yaml").touch()
    assert surroundings.locks(place(root=tmp_path)).state == "ok"
    held = acquire(tmp_path / ".snakemake/run.lock", 0)
    assert f"a run is at work here: process {os.getpid()}" in surroundings.locks(place(root=tmp_path)).said
    held.release()
    step = acquire(tmp_path / ".snakemake/steps/host.1", 0)
    assert "still at work" in surroundings.locks(place(root=tmp_path)).said
    step.release()
    (tmp_path / ".snakemake/locks").mkdir()
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    assert "asyncthink unlock" in surroundings.locks(place(root=tmp_path)).said


@pytest.mark.parametrize("scale", ["smoke", "nano", "pretrained", "small"])
def test_an_estimate_in_a_pipe_is_json_that_any_reader_takes(tmp_path, capsys, scale):
    path = tmp_path / "params.yaml"
    path.write_text(scales.scaled(ROOT, scale), encoding="utf-8")
    assert cli.main(["estimate", "--params", str(path), "--json"]) == 0
    rows = [json.loads(line, parse_constant=pytest.fail) for line in capsys.readouterr().out.splitlines()]
    assert {row["together"] for row in rows if row["step"].startswith("sft")} == {None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", "holds no items"),
        ("nope", "line 1 is not JSON"),
        ('{"numbers": [1, 2], "target": 3}', "line 1: the item has no required"),
    ],
)
def test_puzzles_that_are_none_are_refused_whoever_the_teacher_is(tmp_path, capsys, text, said):
    path = tmp_path / "items.jsonl"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert cli.main(["estimate", "--params", str(ROOT / "params.yaml"), "--puzzles", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"asyncthink estimate: {path}: {said}")
