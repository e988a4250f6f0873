"""The tokens that `asyncthink estimate` expects, against those that the committed reference took."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from taught_chat_model import tokenizer as chat_tokenizer
from tiny_models import tiny_model

from asyncthink import cli
from asyncthink.config import params, scales
from asyncthink.errors import InputError
from asyncthink.models import language_model
from asyncthink.workflow import estimate, graph, probe

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "metrics" / "reference" / "nano"
MANIFEST = json.loads((REFERENCE / "manifest.json").read_text(encoding="utf-8"))
GIVEN = params.from_mapping({**MANIFEST["params"], "seeds": MANIFEST["seeds"]})
LOADS = list(estimate.loads(GIVEN))


def told(pattern: str) -> Iterator[dict]:
    for path in sorted(REFERENCE.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        yield from map(json.loads, text.splitlines() if path.suffix == ".jsonl" else [text])


def test_demonstrations_have_the_tokens_that_are_expected():
    took = expected = 0.0
    for record in told("filter/*.json"):
        own = GIVEN.arm_params(record["arm"])
        workers = record["forks"] * (record["worker_tokens"]["mean"] or 0)
        took += record["kept"] * (record["organizer_tokens"]["mean"] + workers)
        expected += own.synthesize.demonstrations * estimate.demonstration_tokens(own)
    assert took > 0 and expected == pytest.approx(took, rel=0.2)


@pytest.mark.parametrize(("step", "pattern"), [("grpo", "grpo/*/*.jsonl"), ("evaluate", "evaluate/*/*/*.json")])
def test_episodes_have_the_tokens_that_are_expected(step, pattern):
    took = sum(decoded(record) for record in told(pattern))
    expected = sum(load.decoded for load in LOADS if load.step.split()[0] == step)
    assert took > 0 and expected == pytest.approx(took, rel=0.2)


def decoded(record: dict) -> float:
    """Tokens of a training step, or of an arm's episodes; a vote and a union are of the same ones."""
    if "evaluations" not in record:
        return record["work"] * record["episodes"]
    each = record["evaluations"].values()
    return sum(sum(one["episodes"]["work"]) for one in each if one["aggregation"] != "union")


def test_the_reference_trained_what_the_estimate_counts():
    trained = {path.parent.name for path in REFERENCE.glob("grpo/*/*.jsonl")}
    assert {load.step for load in LOADS if load.step.startswith("grpo")} == {f"grpo {name}" for name in trained}
    assert trained == set(graph.trained(GIVEN))


def test_a_pipe_is_told_the_hours_on_the_wall_and_of_how_many_cores(capsys, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    for device, cores in (("cpu", 2), ("gpu", None)):
        assert cli.main(["estimate", "--params", str(ROOT / "params.yaml"), "--device", device]) == 0
        whole = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert whole["cores"] == cores and whole["wall_hours"] == pytest.approx(whole["hours"] / (cores or 1))


def test_a_folder_tells_the_shape_of_its_model(tmp_path):
    config = {
        "hidden_size": 1024,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 3072,
        "vocab_size": 151_936,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    started = dataclasses.replace(GIVEN, model=dataclasses.replace(GIVEN.model, start_from=str(tmp_path)))
    assert estimate.parameters(started) == pytest.approx(0.596e9, rel=0.01)
    (tmp_path / "config.json").write_text("torn")
    assert estimate.parameters(started) < 0.1e9


def test_the_papers_hours_are_those_of_the_arithmetic():
    given = params.from_mapping(params.parsed(scales.scaled(ROOT, "paper")))
    rate, count = estimate.rate(given, "gpu"), estimate.parameters(given)
    fit = estimate.fitting(given, rate)
    hours = {load.step: load.hours(count, rate, fit) for load in estimate.loads(given)}
    assert 700 < sum(hours.values()) < 1800
    assert 20 < hours["grpo asyncthink"] / len(given.seeds) < 80


def test_small_is_an_afternoon_of_one_gpu():
    given = params.from_mapping(params.parsed(scales.scaled(ROOT, "small")))
    rate, count = estimate.rate(given, "gpu"), estimate.parameters(given)
    fit = estimate.fitting(given, rate)
    assert 2 < sum(load.hours(count, rate, fit) for load in estimate.loads(given)) < 8


@pytest.fixture
def brief(monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 0.2)


def test_a_probe_tells_the_hours_of_this_machine(brief, monkeypatch, tmp_path, capsys):
    known = estimate.rate(GIVEN, "cpu")
    found = probe.measured(GIVEN, known)
    assert 0 < found.decode != known.decode and 0 < found.train != known.train and "probe" in found.source
    monkeypatch.setattr(probe, "_speed", lambda turn: 1e4)
    (tmp_path / "params.yaml").write_text(scales.scaled(ROOT, "nano"), encoding="utf-8")
    assert cli.main(["estimate", "--probe", "--params", str(tmp_path / "params.yaml")]) == 0
    loads = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [pretrain] = [load for load in loads if load["step"] == "pretrain"]
    assert pretrain["hours"] == pytest.approx(pretrain["trained"] / 1e4 / 3600)


def test_a_probe_takes_a_model_in_a_folder_and_refuses_the_hub(brief, tmp_path):
    tokenizer = chat_tokenizer()
    language_model.write(tiny_model("llama, tied", tokenizer), tokenizer, tmp_path)
    here = dataclasses.replace(GIVEN, model=dataclasses.replace(GIVEN.model, start_from=str(tmp_path)))
    assert probe.measured(here, estimate.rate(here, "cpu")).train > 0
    away = dataclasses.replace(here, model=dataclasses.replace(GIVEN.model, start_from="ORG/NAME"))
    with pytest.raises(InputError, match="needs the model in a folder"):
        probe.measured(away, estimate.rate(away, "cpu"))


def test_a_probe_of_a_gpu_is_refused(tmp_path, capsys):
    (tmp_path / "params.yaml").write_text(scales.scaled(ROOT, "small"), encoding="utf-8")
    assert cli.main(["estimate", "--probe", "--params", str(tmp_path / "params.yaml")]) == 2
    assert "say --device cpu" in capsys.readouterr().err
