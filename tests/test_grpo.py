"""GRPO over episodes against a plain loop over traces; runs of the real command, whole, killed and doubled."""

import copy
import math
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
import yaml
from launched import environment, train, update_error, words
from safetensors.torch import load_file
from taught_model import ITEM, PARAMS, WORDS, random_model, taught_model
from training_oracle import advantages, gradients, logprobs, relative_error, written_episodes, written_trace
from transformers import TrainerCallback
from trl.trainer.utils import add_fused_lm_head

from asyncthink.config.params import from_mapping, merged
from asyncthink.engines import run
from asyncthink.engines.local import Local
from asyncthink.errors import InputError
from asyncthink.files import read_json_lines, sha256, write_json_lines
from asyncthink.models import kernels, language_model
from asyncthink.thinking.agents import Agent
from asyncthink.training import episode_trainer, grpo, log_probabilities, micro_batches
from asyncthink.training.checkpoints import Scratch
from asyncthink.training.episode_rows import stream
from asyncthink.training.episode_trainer import EpisodeTrainer, Settings
from asyncthink.training.grpo_history import summary
from asyncthink.training.log_probabilities import fused, packed, padded, plain, score
from asyncthink.training.resumption import Run
from asyncthink.training.samplers import LOCAL, Sampler, Tolerance

VOCABULARY = 50
GROUP, PROMPTS = 4, 3
STOPS = ("</ANSWER>",)
SETTINGS = {
    "puzzles": {"train": 12, "validation": 4, "test": 4},
    "thinking": {"temperature": 1.3},
    "grpo": {"steps": 5, "prompts_per_step": 2, "group": 4, "checkpoint_every": 1, "warmup": 0.0},
}


class Caught(TrainerCallback):
    """The gradients that the optimizer is given."""

    def __init__(self) -> None:
        self.gradients: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: torch.nn.Module, **others: Any) -> None:
        self.gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def model_of(seed: int = 0) -> torch.nn.Module:
    return language_model.ready(random_model(range(VOCABULARY), seed, tie_word_embeddings=True))


def settings_of(**changes: dict[str, Any]) -> Settings:
    params = from_mapping(merged(merged(PARAMS.to_mapping(), SETTINGS), changes))
    return Settings(params.arm, params.thinking, params.reward, params.grpo)


ANY = replace(LOCAL, tolerance=Tolerance(math.inf, math.inf))  # written episodes were sampled by no one


def one_step(
    folder: Path, episodes: list, tokens: int = 10**6, sampler: Sampler = ANY, **changes: Any
) -> tuple[dict[str, torch.Tensor], dict]:
    """The gradients of the trainer's first step on the given episodes, with so many tokens a micro-batch; its log."""
    one = {"steps": 1, "prompts_per_step": PROMPTS, "group": GROUP, **changes}
    settings, run = settings_of(grpo=one, thinking={"temperature": 1.0}), Run("test", 1, Scratch(folder))
    caught, model = Caught(), model_of()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(episode_trainer, "sample", lambda engine, rows, *others: [episodes[row.index] for row in rows])
        patched.setattr(micro_batches, "tokens_of", lambda model, recomputed, room: tokens)
        trainer = EpisodeTrainer(
            model=model,
            processing_class=WORDS,
            train_dataset=grpo.Dataset.from_list(
                [asdict(episode_trainer.Row(0, 0, i, i)) for i in range(len(episodes))]
            ),
            order=range(len(episodes)),
            settings=settings,
            items=[],
            start=copy.deepcopy(model),
            sampler=sampler,
            rate=lambda step, steps: 1.0,
            scratch=run.scratch,
            progress=grpo.Progress("test", ()),
            args=grpo.config_of(settings, run, model, {}),
        )
        trainer.args.max_grad_norm = 0.0
        trainer.add_callback(caught)
        trainer.train()
    return caught.gradients, trainer.state.log_history[0]


@pytest.mark.parametrize(("loss", "advantage"), [("dapo", "standardized"), ("grpo", "centered")])
def test_the_gradient_is_that_of_a_loop_over_traces_whatever_the_micro_batches(tmp_path, loss, advantage):
    episodes = written_episodes(7, GROUP * PROMPTS, VOCABULARY)
    weights = advantages([episode.reward["total"] for episode in episodes], GROUP, advantage)
    expected = gradients(model_of(), episodes, weights, loss)
    told = []
    for tokens in (10**6, 300, 1):
        found, log = one_step(tmp_path / str(tokens), episodes, tokens, loss=loss, advantage=advantage)
        assert relative_error(found, expected) < 1e-5
        told.append([log[name] for name in ("loss", "episodes/entropy", "episodes/sampler_gap")])
    assert torch.allclose(torch.tensor(told[:-1]), torch.tensor(told[1:]), atol=1e-6)


@pytest.mark.parametrize(("able", "least", "most"), [({}, 0.0, 1e-5), ({"avx512_bf16": True}, 1e-4, 0.1)])
def test_a_large_model_is_trained_in_bfloat16_where_the_processor_multiplies_in_it(
    tmp_path, monkeypatch, able, least, most
):
    episodes = written_episodes(7, GROUP * PROMPTS, VOCABULARY)
    weights = advantages([episode.reward["total"] for episode in episodes], GROUP, "centered")
    expected = gradients(model_of(), episodes, weights, "dapo")
    monkeypatch.setattr(language_model, "LARGE", 0)
    monkeypatch.setattr(kernels, "LARGEST", 0)
    monkeypatch.setattr(episode_trainer, "ROUNDED", ANY.tolerance)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    found, _ = one_step(tmp_path, episodes, loss="dapo", advantage="centered")
    assert least <= relative_error(found, expected) < most


def test_our_own_sampler_is_held_to_the_trainers_log_probabilities_too(tmp_path):
    """Written episodes say log-probabilities that no model has."""
    with pytest.raises(InputError, match=r"grpo, step 1: the sampler.s log-probabilities are .* nats away"):
        one_step(tmp_path, written_episodes(7, GROUP * PROMPTS, VOCABULARY), sampler=LOCAL)


def test_a_large_vocabulary_is_scored_without_its_logits(tmp_path, monkeypatch):
    monkeypatch.setitem(log_probabilities.SMALL, "cpu", VOCABULARY - 1)
    monkeypatch.setattr(log_probabilities, "plain", None)
    episodes = written_episodes(7, GROUP * PROMPTS, VOCABULARY)
    found, _ = one_step(tmp_path, episodes, kl=0.1, loss="dapo", advantage="centered")
    weights = advantages([episode.reward["total"] for episode in episodes], GROUP, "centered")
    assert relative_error(found, gradients(model_of(), episodes, weights, "dapo")) < 1e-5


def test_a_step_has_as_many_backward_passes_as_its_tokens_need(tmp_path, monkeypatch):
    """And the graph of each is gone before the next begins, so memory does not grow with the step."""
    episodes = written_episodes(7, GROUP * PROMPTS, VOCABULARY)
    said, loss_of = [], EpisodeTrainer.loss_of
    original = torch.Tensor.backward

    def counted(self: torch.Tensor, *given: Any, **named: Any) -> None:
        said.append("backward")
        original(self, *given, **named)

    monkeypatch.setattr(torch.Tensor, "backward", counted)
    monkeypatch.setattr(EpisodeTrainer, "loss_of", lambda *given: (said.append("forward"), loss_of(*given))[1])
    one_step(tmp_path, episodes, tokens=300)
    assert said == ["forward", "backward"] * (len(said) // 2) and len(said) >= 6


def test_what_another_process_needs_is_cut_so_that_it_fits_here_too():
    """Three runs fit, and four would not: the cut is elsewhere."""
    lengths, fits = [1, 10, 10, 1, 1, 1], 11
    together = SimpleNamespace(device="cpu", gather=lambda own: torch.stack([own, torch.tensor(4)]))
    runs = EpisodeTrainer.micro_batches(SimpleNamespace(tokens=fits, accelerator=together), lengths)
    assert len(runs) >= 4 and max(sum(lengths[run]) for run in runs) <= fits


def test_a_term_of_the_divergence_from_the_start_is_nothing_at_the_start(tmp_path):
    episodes = written_episodes(7, GROUP * PROMPTS, VOCABULARY)
    without, _ = one_step(tmp_path / "0", episodes)
    found, log = one_step(tmp_path / "1", episodes, kl=0.5)
    assert relative_error(found, without) < 1e-5
    assert log["kl"] == pytest.approx(0, abs=1e-6)


def test_injected_tokens_get_no_gradient(tmp_path):
    """Injected text at the end of a trace is nothing but a label, so its words must not matter."""
    episodes = written_episodes(3, GROUP * PROMPTS, VOCABULARY)
    for episode in episodes:
        for trace in episode.traces:
            trace.extend([2, 3, 4], (), "", injected=True)
    changed = copy.deepcopy(episodes)
    for episode in changed:
        for trace in episode.traces:
            trace.ids[-3:] = [30, 31, 32]
    first, _ = one_step(tmp_path / "a", episodes)
    second, _ = one_step(tmp_path / "b", changed)
    assert relative_error(first, second) < 1e-6


def test_all_traces_of_an_episode_share_an_advantage_and_a_group_sums_to_zero(tmp_path, monkeypatch):
    seen, loss_of = [], EpisodeTrainer.loss_of
    monkeypatch.setattr(EpisodeTrainer, "loss_of", lambda self, m, part: (seen.append(part), loss_of(self, m, part))[1])
    episodes = written_episodes(5, GROUP * PROMPTS, VOCABULARY)
    one_step(tmp_path, episodes)
    (batch,) = seen
    assert batch["advantages"].shape == (len(episodes),)  # one a row: a row is an episode
    expected = advantages([episode.reward["total"] for episode in episodes], GROUP, PARAMS.grpo.advantage)
    order = [_row_of(batch, episode) for episode in episodes]
    found = batch["advantages"][order]
    assert torch.allclose(found, torch.tensor(expected), atol=1e-4)
    assert found.view(PROMPTS, GROUP).sum(1).abs().max() < 1e-5


def _row_of(batch: dict, episode: Any) -> int:
    first = torch.tensor(episode.traces[0].ids)
    (row,) = [n for n, ids in enumerate(batch["completion_ids"]) if torch.equal(ids[: len(first)], first)]
    return row


def lengths_of(traces: list) -> list[int]:
    return [len(trace.prompt_ids) + len(trace.ids) for trace in traces]


LAYOUTS = {"padded": (padded, 64), "padded, one pass": (padded, 10**6), "packed": (packed, 10**6), "tight": (packed, 1)}


@pytest.mark.parametrize(("layout", "budget"), LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_traces_do_not_see_each_other(layout, budget, attention):
    model = model_of()
    model.set_attn_implementation(attention)
    rng = random.Random(1)
    traces = [written_trace(rng, "worker", None, VOCABULARY) for _ in range(23)]
    ids_N, lengths = stream(traces)["ids"], lengths_of(traces)
    found = score(model, ids_N, lengths, layout=layout, budget=budget, temperature=0.7).logprob_N
    for trace, own in zip(traces, found.split(lengths), strict=True):
        assert (own[len(trace.prompt_ids) :] - logprobs(model, trace, 0.7)).abs().max() < 1e-5


@pytest.mark.parametrize("head", [plain, fused])
def test_a_pass_that_is_made_because_others_need_more_changes_nothing(monkeypatch, head):
    episodes = written_episodes(4, 1, VOCABULARY)
    ids_N, lengths = stream(episodes[0].traces)["ids"], lengths_of(episodes[0].traces)

    def gradient() -> dict[str, torch.Tensor]:
        model = model_of()
        add_fused_lm_head(model, temperature=1.0, outputs=("log_probs", "entropy", "is_top1"))
        score(model, ids_N, lengths, head=head).logprob_N.sum().backward()
        return {name: parameter.grad for name, parameter in model.named_parameters()}

    alone = gradient()
    monkeypatch.setattr(log_probabilities, "most", lambda model, passes: passes + 2)
    assert relative_error(gradient(), alone) < 1e-6


@pytest.mark.parametrize("head", [None, plain, fused])
def test_a_process_that_has_nothing_to_score_makes_a_pass_that_changes_nothing(head):
    """More processes than groups: some have no first episode of one."""
    model = model_of()
    add_fused_lm_head(model, temperature=1.0, outputs=("log_probs", "entropy", "is_top1"))
    scores = score(model, torch.zeros(0, dtype=torch.long), [], head=head)
    assert [len(value) for value in (scores.logprob_N, scores.entropy_N, scores.likeliest_N)] == [0, 0, 0]
    scores.logprob_N.sum().backward()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())


def test_the_fused_head_says_what_the_logits_say():
    model = model_of()
    traces = written_episodes(2, 1, VOCABULARY)[0].traces
    ids_N, lengths = stream(traces)["ids"], lengths_of(traces)
    expected = score(model, ids_N, lengths, temperature=0.8, head=plain)
    add_fused_lm_head(model, temperature=0.8, outputs=("log_probs", "entropy", "is_top1"))
    found = score(model, ids_N, lengths, temperature=0.8, head=fused)
    assert (found.logprob_N - expected.logprob_N).abs().max() < 1e-5
    assert (found.entropy_N - expected.entropy_N).abs().max() < 1e-5
    assert torch.equal(found.likeliest_N, expected.likeliest_N)


def test_sampled_log_probabilities_are_teacher_forced_ones_on_traces_with_joins():
    """Organizers that wait for workers of other lengths and get text injected, all in one batch of the engine."""
    model, rng = model_of_words(), random.Random(0)
    engine = Local(model, WORDS)

    async def organizer(number: int) -> list:
        boss = Agent(engine, (number, "organizer"), "organizer", None, "<organizer> 3 5 8 =24", 1.1)
        workers = []
        for fork in range(1, rng.randint(2, 4)):
            await boss.decode(STOPS, rng.randint(1, 9))
            worker = Agent(engine, (number, fork), "worker", fork, f"<worker> {number} {fork} =24", 1.1)
            await worker.decode(STOPS, rng.randint(1, 20))
            boss.inject(" 8 * 3 ; 9 + 11 </JOIN-1>" if fork % 2 else " none </JOIN-2>")
            workers.append(worker.trace)
        await boss.decode(STOPS, 6)
        return [boss.trace, *workers]

    traces = [trace for several in run(engine, [organizer(number) for number in range(8)]) for trace in several]
    columns = stream(traces)
    with torch.no_grad():
        forced_N = score(model, columns["ids"], lengths_of(traces), temperature=1.1).logprob_N
    assert ((forced_N - columns["logprobs"]) * columns["sampled"]).abs().max() < 1e-4


def model_of_words() -> torch.nn.Module:
    return language_model.ready(random_model(WORDS, tie_word_embeddings=True))


def test_the_curriculum_depends_on_seed_and_step_alone_and_uses_every_item():
    short, long = (replace(PARAMS.grpo, steps=steps, prompts_per_step=3, group=2) for steps in (4, 8))
    rows = grpo.curriculum(long, 6, 1)
    assert rows[: 4 * 6] == grpo.curriculum(short, 6, 1)
    assert rows != grpo.curriculum(long, 6, 2)
    for epoch in range(4):
        assert sorted(row.index for row in rows[12 * epoch : 12 * (epoch + 1)]) == sorted([*range(6)] * 2)


def test_a_step_is_summed_up_over_the_episodes_that_have_a_number():
    right, wrong = {"latency": 10, "forks": 2}, {"latency": None, "forks": 1}
    told = summary([(right, None), (right, None), (wrong, "no_answer")])
    assert (told["latency"], told["forks"], told["episodes"]) == (10, 5 / 3, 3)
    assert (told["no_answer"], told["pool_overflow"]) == (1, 0)
    assert math.isnan(summary([(wrong, "no_answer")])["latency"])


# -- the command, in processes of its own ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with parameters, items and a model that forks, joins and answers, now and then rightly."""
    folder = tmp_path_factory.mktemp("grpo")
    mapping = merged(PARAMS.to_mapping(), SETTINGS)
    (folder / "params.yaml").write_text(yaml.safe_dump(mapping, sort_keys=False))
    items = [{**ITEM, "id": f"train-{n}", "numbers": random.Random(n).sample(range(1, 12), 5)} for n in range(12)]
    write_json_lines(folder / "train.jsonl", items)
    language_model.write(taught_model(), WORDS, folder / "start")
    return folder


READ = ["--start", "../start", "--puzzles", "../train.jsonl", "--params", "../params.yaml"]
WRITTEN = ["--model", "model", "--history", "history.jsonl", "--times", "times.jsonl"]
COMMAND = ["-m", "asyncthink", "grpo", "--arm", "asyncthink", "--seed", "1", *READ, *WRITTEN]


@pytest.fixture(scope="module")
def undisturbed(world) -> Callable[[str], dict[str, torch.Tensor]]:
    """The weights of a whole run by a launcher, made once; its folder has the launcher's name."""
    return cache(lambda launcher: train(world / launcher, launcher, COMMAND))


@pytest.fixture(scope="module")
def killed(world) -> Callable[[str], Path]:
    """The folder of a launcher's run that was killed behind its second step, made once."""
    return cache(lambda launcher: kill(world / f"{launcher}, killed", launcher))


def kill(folder: Path, launcher: str) -> Path:
    folder.mkdir()
    process = subprocess.Popen(words(launcher, COMMAND), cwd=folder, env=environment(), stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(folder.glob("work/grpo/*/checkpoint-2/DONE")):
        time.sleep(0.005)
    assert process.poll() is None, "the run ended before it could be killed"
    started = psutil.Process(process.pid).children(recursive=True)
    for victim in (process, *started):
        victim.kill()
    process.wait()
    psutil.wait_procs(started)
    return folder


@pytest.mark.slow
def test_the_command_publishes_a_changed_model_and_a_history_and_cleans_up(world, undisturbed):
    begun, ended = load_file(world / "start" / "model.safetensors"), undisturbed("one")
    assert any(not torch.equal(ended[name], begun[name]) for name in begun)
    names = {path.name for path in (world / "one" / "model").iterdir()}
    files = {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert names == files
    history = read_json_lines(world / "one" / "history.jsonl")
    assert [row["step"] for row in history] == [1, 2, 3, 4, 5]
    assert {"reward", "latency", "concurrency_ratio", "forks", "valid", "entropy", "kl"} <= history[0].keys()
    assert history[0]["kl"] < 1e-6 < history[-1]["kl"]
    assert all(0 <= row["sampler_gap"] <= row["largest_sampler_gap"] < 1e-4 for row in history)
    assert not list((world / "one" / "work").glob("grpo/*"))


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["one", "sharing"])
def test_a_killed_run_goes_on_to_the_same_bytes(world, undisturbed, killed, launcher):
    undisturbed(launcher)
    folder = shutil.copytree(killed(launcher), world / f"{launcher}, gone on")
    train(folder, launcher, COMMAND)
    for name in ("model/model.safetensors", "model/config.json", "history.jsonl"):
        assert sha256(folder / name) == sha256(world / launcher / name), name


ROUNDED = dict.fromkeys(("kl", "entropy", "sampler_gap", "largest_sampler_gap"), 0)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["two", "sharing"])
def test_two_processes_train_as_one(world, undisturbed, launcher):
    assert 0 < update_error(world / "start", undisturbed(launcher), undisturbed("one")) < 1e-4
    assert sha256(world / launcher / "model/config.json") == sha256(world / "one/model/config.json")
    histories = (read_json_lines(world / name / "history.jsonl") for name in ("one", launcher))
    for one, two in zip(*histories, strict=True):
        assert {**one, **ROUNDED} == {**two, **ROUNDED}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["one", "two", "sharing"])
def test_processes_in_micro_batches_train_as_one_without(world, undisturbed, launcher):
    script = str(Path(__file__).with_name("small_micro_batches.py"))
    found = train(world / f"{launcher}, in micro-batches", launcher, [script, *COMMAND[2:]])
    assert 0 < update_error(world / "start", found, undisturbed("one")) < 1e-4


@pytest.mark.slow
def test_what_processes_that_shared_a_model_left_behind_one_goes_on_from(world, undisturbed, killed):
    folder = shutil.copytree(killed("sharing"), world / "taken over")
    assert 0 < update_error(world / "start", train(folder, "one", COMMAND), undisturbed("one")) < 1e-4
