"""GRPO whose episodes come from a vLLM, on a server or in the training process, through TRL and our engines."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from taught_model import ITEM, PARAMS, WORDS, random_model, taught_model
from weight_server import Served, in_this_process, on_a_server

from asyncthink import cli
from asyncthink.config.params import from_mapping, merged
from asyncthink.errors import InputError
from asyncthink.models import language_model
from asyncthink.training import grpo, samplers
from asyncthink.training.checkpoints import Scratch
from asyncthink.training.episode_trainer import Settings
from asyncthink.training.grpo_history import step_record
from asyncthink.training.resumption import Run

SETTINGS = {
    "thinking": {"organizer_budget": 40, "worker_budget": 20, "temperature": 1.0},
    "grpo": {"steps": 3, "prompts_per_step": 2, "group": 2, "checkpoint_every": 5, "learning_rate": 1.0e-2},
}
WAYS = {"on a server": on_a_server, "in this process": in_this_process}
SYNCED = {
    "on a server": ["start_weight_update", "update_weights", "finish_weight_update", "reset_prefix_cache"],
    "in this process": ["load_weights", "reset_prefix_cache"],
}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    language_model.write(taught_model(), WORDS, folder)
    return folder


def other_model():
    """The shape of the trained model with other weights."""
    return random_model(WORDS, seed=5, tie_word_embeddings=True)


def trained(way, start, served, scratch, *own, **started):
    """The trainer after its steps."""
    params = from_mapping(merged(PARAMS.to_mapping(), SETTINGS))
    items = [{**ITEM, "id": str(n)} for n in range(4)]
    with pytest.MonkeyPatch.context() as monkeypatch, WAYS[way](served, monkeypatch, *own, **started) as sampler:
        settings = Settings(params.arm, params.thinking, params.reward, params.grpo)
        trainer = grpo.trainer_of(settings, Run("test", 1, Scratch(scratch)), start, items, sampler)
        trainer.train()
    return trainer


@pytest.fixture(scope="module", params=WAYS)
def run(request, start, tmp_path_factory):
    """Three steps with a vLLM that begins with other weights than the trainer."""
    served = Served(other_model(), WORDS)
    trainer = trained(request.param, start, served, tmp_path_factory.mktemp("work"))
    return SimpleNamespace(way=request.param, served=served, trainer=trainer)


def test_each_step_is_sampled_from_the_weights_that_it_updates(run):
    """Were one update late, the log-probabilities would tell."""
    history = [step_record(entry) for entry in run.trainer.state.log_history if "loss" in entry]
    assert [row["step"] for row in history] == [1, 2, 3]
    assert all(row["largest_sampler_gap"] < 1e-5 for row in history)
    served, ends = (model.state_dict() for model in (run.served.model, run.trainer.model))
    assert any(not torch.allclose(served[name], ends[name]) for name in ends)  # the last update is nobody's to sample


def test_weights_are_sent_and_the_cache_is_reset_before_the_episodes_of_every_step(run):
    synced = SYNCED[run.way]
    said = [name for name in run.served.said if name in (*synced, "completions")]
    assert said == [*synced, "reset_prefix_cache", "completions"] * 3


def test_a_vllm_here_takes_what_it_is_told_and_sleeps_while_weights_are_trained(start, tmp_path):
    served = Served(other_model(), WORDS)
    trainer = trained("in this process", start, served, tmp_path, 0.7, 512, 12, True)
    told = ("gpu_memory_utilization", "max_model_len", "max_num_seqs", "enable_sleep_mode")
    assert [trainer.vllm_generation.llm.made[name] for name in told] == [0.7, 512, 12, True]
    step = [*SYNCED["in this process"], "wake up kv_cache", "reset_prefix_cache", "completions", "sleep"]
    assert served.said == ["sleep", *["wake up weights", *step] * 3]
    kept = [samplers.vllm_here(*own).taken for own in ((), (0.7,), (0.7, None, None, True))]
    assert kept == [0.3, 0.7, 0.0]


FAULTS = {"the prefix cache was not reset": {"resets": False}, "it has other weights": {"applies": False}}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("told", "fault"), FAULTS.items(), ids=FAULTS)
def test_a_vllm_that_keeps_old_weights_ends_the_run(told, fault, way, start, tmp_path):
    with pytest.raises(InputError, match=told):
        trained(way, start, Served(other_model(), WORDS, **fault), tmp_path)


def test_a_server_that_was_not_started_for_training_is_told_how(start, tmp_path):
    with pytest.raises(InputError, match="Restart it with `VLLM_SERVER_DEV_MODE=1`"):
        trained("on a server", start, Served(other_model(), WORDS), tmp_path, develops=False)


REFUSED = {"nothing can be trained on its episodes": "text", "pip install -e '.[vllm]'": "vllm"}


@pytest.mark.parametrize(("told", "engine"), REFUSED.items(), ids=REFUSED.values())
def test_an_engine_that_cannot_train_is_refused_before_anything_is_loaded(told, engine, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    paths = [word for name in ("start", "puzzles", "model", "history") for word in (f"--{name}", str(tmp_path / name))]
    server = ["--engine", engine, "--server", "http://127.0.0.1:1/v1"]
    assert cli.main(["grpo", "--arm", "asyncthink", "--seed", "1", *paths, *server]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arm", "told"), [("no_rl", "arm.rl is false"), ("fixed_plan", "arm.weights_of is asyncthink")]
)
def test_an_arm_that_is_evaluated_with_other_weights_than_its_own_is_not_trained(arm, told, tmp_path, capsys):
    paths = [word for name in ("start", "puzzles", "model", "history") for word in (f"--{name}", str(tmp_path / name))]
    params = str(Path(__file__).parent.parent / "params.yaml")
    assert cli.main(["grpo", "--params", params, "--arm", arm, "--seed", "1", *paths]) == 2
    assert f"the arm {arm} is not trained ({told})" in capsys.readouterr().err
