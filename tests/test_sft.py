"""Format fine-tuning: what is trained on, with what weight, and to which bytes."""

import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from launched import train, update_error
from taught_chat_model import tokenizer as chat_tokenizer
from taught_model import DEMONSTRATION, PARAMS, SEQUENTIAL, WORDS, random_model
from training_oracle import logprobs, relative_error
from transformers import PreTrainedModel, TrainerCallback

from asyncthink.config.params import from_mapping, merged
from asyncthink.episode import Trace
from asyncthink.errors import InputError
from asyncthink.files import read_json_lines, sha256
from asyncthink.models import kernels, language_model
from asyncthink.models.tags import token_ids
from asyncthink.synthesis import demonstration
from asyncthink.synthesis.replay import replay
from asyncthink.training import log_probabilities, micro_batches, sft, skills
from asyncthink.training.checkpoints import Scratch
from asyncthink.training.progress_callback import reporters
from asyncthink.training.resumption import Outputs, Run
from asyncthink.training.weighted_loss import IGNORED
from asyncthink.workflow import machine

WEIGHTS = {"tag_weight": 5.0, "answer_weight": 7.0}
SETTINGS = {"sft": {"epochs": 3, "batch_traces": 4, "learning_rate": 0.01, "checkpoint_every": 2, **WEIGHTS}}
PARAMETERS = from_mapping(merged(PARAMS.to_mapping(), SETTINGS))


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sft") / "start"
    language_model.write(random_model(WORDS, tie_word_embeddings=True), WORDS, folder)
    return folder


@pytest.fixture(scope="module")
def demonstrations(start) -> Path:
    path = start.parent / "demonstrations.jsonl"
    demonstration.write(path, [DEMONSTRATION, DEMONSTRATION])
    return path


def test_labels_are_the_tokens_that_the_model_would_sample_and_no_others():
    organizer, first, second = sft.rows([DEMONSTRATION], WORDS, PARAMETERS.thinking)
    trained = [WORDS.decode([label]).strip() for label in organizer.labels if label != IGNORED]
    assert " ".join(trained) == DEMONSTRATION.organizer
    whole = WORDS.decode(organizer.input_ids).split()
    assert whole[:7] == ["<organizer>", "11", "9", "8", "5", "3", "=24"]
    assert "<JOIN-1> 8 * 3 </JOIN-1> <JOIN-2> none </JOIN-2>" in " ".join(whole)
    for row, number in ((first, 1), (second, 2)):
        trained = [WORDS.decode([label]).strip() for label in row.labels if label != IGNORED]
        assert " ".join(trained) == DEMONSTRATION.workers[number]
        assert row.labels[:5] == [IGNORED] * 5
    assert all(
        label in (IGNORED, i) for row in (organizer, first) for label, i in zip(row.labels, row.input_ids, strict=True)
    )


def test_a_sequential_demonstration_is_one_row():
    (row,) = sft.rows([SEQUENTIAL], WORDS, PARAMETERS.thinking)
    assert WORDS.decode([label for label in row.labels if label != IGNORED]).split() == SEQUENTIAL.organizer.split()


class Caught(TrainerCallback):
    def __init__(self) -> None:
        self.gradients: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: torch.nn.Module, **others: Any) -> None:
        self.gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        control.should_training_stop = True


def trainer_of(start: Path, given: list, folder: Path) -> sft.TraceTrainer:
    return sft.trainer_of(PARAMETERS.sft, PARAMETERS.thinking, Run("test", 1, Scratch(folder)), start, given)


@pytest.mark.parametrize(
    ("cells", "scorer"),
    [(32768, "kernels"), (1, "kernels"), (32768, "whole logits"), (32768, "fused head"), (1, "fused head")],
)
def test_the_gradient_is_that_of_a_weighted_mean_over_single_traces(tmp_path, start, monkeypatch, cells, scorer):
    monkeypatch.setattr(micro_batches, "tokens_of", lambda model, recomputed, room: cells)
    if scorer != "kernels":
        monkeypatch.setattr(kernels, "LARGEST", 0)
    if scorer == "fused head":
        monkeypatch.setitem(log_probabilities.SMALL, "cpu", 0)
        monkeypatch.setattr(log_probabilities, "plain", None)
    given = [DEMONSTRATION, SEQUENTIAL]
    traces = [trace for each in given for trace in replay(each, WORDS, PARAMETERS.thinking).traces]
    trainer = trainer_of(start, given, tmp_path)
    assert trainer.args.gradient_accumulation_steps == (1 if cells > 1 else len(traces))
    trainer.args.max_grad_norm = 0.0
    caught = Caught()
    trainer.add_callback(caught)
    trainer.train()
    assert relative_error(caught.gradients, weighted(traces)) < 1e-5


def word_weights(trace: Trace) -> list[float]:
    """Of each token: 7 from after <ANSWER> or <RETURN> up to where it closes, else 5 for a tag, else 1."""
    result, until = [], None
    for word in (WORDS.decode([i]).strip() for i in trace.ids):
        result.append(7.0 if until else 5.0 if word.startswith("<") else 1.0)
        until = None if word == until else word.replace("<", "</") if word in ("<ANSWER>", "<RETURN>") else until
    return result


def weighted(traces: list[Trace]) -> dict[str, torch.Tensor]:
    model = random_model(WORDS, tie_word_embeddings=True)
    losses, weights = [], []
    for trace in traces:
        weight = torch.tensor(word_weights(trace)) * torch.tensor(trace.policy)
        losses.append(-(weight * logprobs(model, trace)).sum())
        weights.append(weight.sum())
    (sum(losses) / sum(weights)).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_every_tag_of_the_protocol_is_weighted():
    names = {WORDS.decode([i]).strip() for i in token_ids(WORDS, "word")}
    assert {
        "<FORK-1>",
        "</FORK-16>",
        "<JOIN-3>",
        "</JOIN-3>",
        "<ANSWER>",
        "</ANSWER>",
        "<RETURN>",
        "</RETURN>",
    } <= names
    assert len(names) == 4 * 16 + 4


def run(folder: Path, start: Path, demonstrations: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir()
    monkeypatch.chdir(folder)
    again(folder, start, demonstrations)
    return folder


def test_the_weights_of_a_large_model_are_one_file_too(tmp_path, start, demonstrations, monkeypatch):
    """transformers parts what it saves into files of 50 GB; a smaller limit shows what the rules would then miss."""
    usual = ["100KB" if value == "50GB" else value for value in PreTrainedModel.save_pretrained.__defaults__]
    assert "100KB" in usual
    monkeypatch.setattr(PreTrainedModel.save_pretrained, "__defaults__", tuple(usual))
    written = run(tmp_path / "run", start, demonstrations, monkeypatch)
    assert [path.name for path in written.rglob("*.safetensors*")] == ["model.safetensors"]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_run_that_is_given_notice_saves_its_state_and_goes_on_to_the_same_bytes(
    tmp_path, start, demonstrations, monkeypatch, number
):
    whole = run(tmp_path / "whole", start, demonstrations, monkeypatch)
    folder = tmp_path / "given notice"
    folder.mkdir()
    monkeypatch.chdir(folder)
    handler = signal.getsignal(number)
    with monkeypatch.context() as patched:
        stepped = sft.TraceTrainer.compute_loss
        patched.setattr(
            sft.TraceTrainer,
            "compute_loss",
            lambda *given, **named: (os.kill(os.getpid(), number), stepped(*given, **named))[1],
        )
        with pytest.raises(KeyboardInterrupt):
            again(folder, start, demonstrations)
    assert signal.getsignal(number) == handler
    assert [path.parent.name for path in folder.glob("work/sft/*/*/DONE")] == ["checkpoint-1"]
    again(folder, start, demonstrations)
    for name in ("model/model.safetensors", "history.jsonl"):
        assert sha256(folder / name) == sha256(whole / name)


HEEDING = """
import time
from asyncthink.training.notice import Notice
with Notice() as notice:
    print("ready", flush=True)
    while not notice.given:
        time.sleep(0.02)
    print("saved", flush=True)
"""


@pytest.mark.parametrize(("prefix", "survives"), [(machine.HEEDED, True), ("", False)])
def test_a_notice_to_a_whole_job_reaches_the_training_and_ends_no_shell_around_it(prefix, survives):
    """A cluster signals every process of a job: the rule's shell, and the training in it."""
    line = f"set -euo pipefail; {prefix} {sys.executable} -c '{HEEDING}'; echo after"
    with subprocess.Popen(["bash", "-c", line], stdout=subprocess.PIPE, text=True, start_new_session=True) as shell:
        assert shell.stdout.readline() == "ready\n"
        os.killpg(shell.pid, signal.SIGUSR1)
        said = shell.stdout.read()
    assert said == ("saved\nafter\n" if survives else "saved\n")
    assert shell.returncode == (0 if survives else -signal.SIGUSR1)


def test_the_same_seed_gives_the_same_bytes_and_a_falling_loss(tmp_path, start, demonstrations, monkeypatch):
    one, two = (run(tmp_path / name, start, demonstrations, monkeypatch) for name in ("one", "two"))
    for name in ("model/model.safetensors", "history.jsonl"):
        assert sha256(one / name) == sha256(two / name)
    history = read_json_lines(one / "history.jsonl")
    assert [row["step"] for row in history] == [1, 2, 3, 4]  # 3 epochs of 6 traces by 4, the rest dropped
    assert history[-1]["loss"] < history[0]["loss"]
    assert not list((one / "work").glob("sft/*"))
    assert not list(one.rglob("*.bin"))


def test_a_training_tells_tensorboard_each_step_and_ends_in_equal_bytes(tmp_path, start, demonstrations, monkeypatch):
    quiet = run(tmp_path / "quiet", start, demonstrations, monkeypatch)
    told: list[tuple[str, int]] = []

    class SummaryWriter:
        def __init__(self, log_dir: str) -> None:
            assert log_dir == "logs/tensorboard/sft/1"

        def add_text(self, *told: str) -> None: ...
        def add_scalar(self, name: str, value: float, step: int) -> None:
            told.append((name, step))

        def flush(self) -> None: ...
        def close(self) -> None: ...

    board = ModuleType("tensorboardX")
    board.__spec__, board.SummaryWriter = ModuleSpec("tensorboardX", None), SummaryWriter
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboardX", board)
    monkeypatch.setattr("asyncthink.training.progress_callback.is_tensorboard_available", lambda: True)
    monkeypatch.setattr("transformers.integrations.integration_utils.is_tensorboard_available", lambda: True)
    monkeypatch.setenv("ASYNCTHINK_REPORT_TO", "tensorboard")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")
    watched = run(tmp_path / "watched", start, demonstrations, monkeypatch)
    steps = [row["step"] for row in read_json_lines(watched / "history.jsonl")]
    assert [step for name, step in told if name == "train/loss"] == steps
    for name in ("model/model.safetensors", "history.jsonl"):
        assert sha256(quiet / name) == sha256(watched / name)


def test_who_is_told_of_a_training_is_nobody_or_tensorboard(monkeypatch):
    for wanted, said in (("wandb", "allowed: none, tensorboard"), ("tensorboard", "pip install tensorboard")):
        monkeypatch.setenv("ASYNCTHINK_REPORT_TO", wanted)
        monkeypatch.setattr("asyncthink.training.progress_callback.is_tensorboard_available", lambda: False)
        with pytest.raises(InputError, match=said):
            reporters("sft asyncthink 1")


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path, start, demonstrations, monkeypatch):
    whole = run(tmp_path / "whole", start, demonstrations, monkeypatch)
    original = sft.TraceTrainer.training_step

    def interrupted(trainer: Any, *inputs: Any, **named: Any) -> Any:
        if trainer.state.global_step == 3:
            raise KeyboardInterrupt
        return original(trainer, *inputs, **named)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(sft.TraceTrainer, "training_step", interrupted)
        run(tmp_path / "cut", start, demonstrations, monkeypatch)
    assert [path.name for path in (tmp_path / "cut").glob("work/sft/*/*") if path.is_dir()] == ["checkpoint-2"]
    again(tmp_path / "cut", start, demonstrations)
    for name in ("model/model.safetensors", "history.jsonl"):
        assert sha256(whole / name) == sha256(tmp_path / "cut" / name)


def test_too_few_traces_for_a_batch_are_told_in_one_line(tmp_path, start):
    settings = replace(PARAMETERS.sft, batch_traces=64)
    with pytest.raises(InputError, match=r"fewer than sft\.batch_traces = 64"):
        sft.trainer_of(settings, PARAMETERS.thinking, Run("test", 1, Scratch(tmp_path)), start, [SEQUENTIAL])


def test_an_answer_weight_for_tags_of_several_tokens_is_told_in_one_line():
    spelled = chat_tokenizer()
    equal = sft.weights(replace(PARAMETERS.sft, answer_weight=1.0), spelled, len(spelled), [7])
    assert equal.of(torch.tensor([[IGNORED, 7, 8]])).tolist() == [[0.0, 5.0, 1.0]]
    with pytest.raises(InputError, match=r"sft\.answer_weight must be 1\.0 for a tokenizer whose tags are several"):
        sft.weights(PARAMETERS.sft, spelled, len(spelled), [7])


TOLD = {
    "an answer, its closing tag included": ("1 <ANSWER> 2 3 </ANSWER> 4", "2 3 </ANSWER>"),
    "nothing after a stray closing tag": ("</ANSWER> 1 <ANSWER> 2 </ANSWER> 3", "2 </ANSWER>"),
    "nothing after two": ("</RETURN> </ANSWER> 1 <RETURN> 2 </RETURN> 3", "2 </RETURN>"),
    "an answer that is opened twice": ("<ANSWER> 1 <ANSWER> 2 </ANSWER> 3", "1 <ANSWER> 2 </ANSWER>"),
    "not beyond another's closing tag": ("<ANSWER> 1 </RETURN> 2 </ANSWER> 3", "1 </RETURN> 2 </ANSWER>"),
    "an answer that is never closed": ("<ANSWER> 1 2", "1 2"),
}


@pytest.mark.parametrize(("text", "expected"), TOLD.values(), ids=TOLD)
def test_the_answer_weight_covers_what_is_told(text, expected):
    labels_RT = torch.tensor([WORDS.encode(text)])
    heavy_RT = sft.Weights(torch.ones(len(WORDS)), 2.0, sft.telling(WORDS)).of(labels_RT) == 2
    found = WORDS.decode(labels_RT[heavy_RT]).split()
    assert found == expected.split()
    assert [
        word for word, flag in zip(text.split(), skills.places(text.split())["copying"], strict=True) if flag
    ] == found


def test_a_folder_without_a_model_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="not a model that can be loaded"):
        language_model.load(tmp_path)


@pytest.mark.parametrize("last", [False, True], ids=["a state", "the result"])
def test_a_disk_that_is_full_is_told_in_one_line_and_keeps_the_state_before(
    tmp_path, start, demonstrations, monkeypatch, last
):
    """A limit on the size of files stands in for the disk."""
    whole = run(tmp_path / "whole", start, demonstrations, monkeypatch)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    step, finish = sft.TraceTrainer.training_step, sft.finish

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    def filling(trainer: Any, *inputs: Any, **named: Any) -> Any:
        if trainer.state.global_step == 3 and not last:
            fill()
        return step(trainer, *inputs, **named)

    with monkeypatch.context() as patched, pytest.raises(InputError, match="cannot be saved"):
        patched.setattr(sft.TraceTrainer, "training_step", filling)
        patched.setattr(sft, "finish", lambda *given: (fill(), finish(*given)))
        try:
            run(tmp_path / "full", start, demonstrations, monkeypatch)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again(tmp_path / "full", start, demonstrations)
    assert sha256(whole / "model/model.safetensors") == sha256(tmp_path / "full" / "model/model.safetensors")


def again(folder: Path, start: Path, demonstrations: Path) -> None:
    run = Run("sft", 1, Scratch(folder / "work" / "sft" / "one"))
    written = Outputs(folder / "model", folder / "history.jsonl", folder / "times.jsonl")
    sft.sft(PARAMETERS.sft, PARAMETERS.thinking, run, start, demonstrations, written)


@pytest.mark.parametrize("cells", [10**6, 1])  # with 1 a trace is a micro-batch, and the last traces fill no step
def test_a_run_whose_result_could_not_be_written_only_writes_it_again(
    tmp_path, start, demonstrations, monkeypatch, capsys, cells
):
    monkeypatch.setattr(micro_batches, "tokens_of", lambda model, recomputed, room: cells)
    whole = run(tmp_path / "whole", start, demonstrations, monkeypatch)
    folder = tmp_path / "blocked"
    folder.mkdir()
    (folder / "model").write_text("in the way")
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=r"model.*: cannot be written"):
        again(folder, start, demonstrations)
    (folder / "model").unlink()
    monkeypatch.setattr(sft.TraceTrainer, "training_step", None)
    again(folder, start, demonstrations)
    assert "checkpoint-4" in capsys.readouterr().err
    for name in ("model/model.safetensors", "history.jsonl"):
        assert sha256(whole / name) == sha256(folder / name)


def test_a_loss_that_is_no_number_ends_the_run_in_one_line(tmp_path, demonstrations, monkeypatch):
    model = random_model(WORDS, tie_word_embeddings=True)
    model.model.norm.weight.data[:] = float("nan")
    language_model.write(model, WORDS, tmp_path / "start")
    with pytest.raises(InputError, match="the loss of step 1 is nan"):
        run(tmp_path / "run", tmp_path / "start", demonstrations, monkeypatch)


@pytest.mark.slow
def test_two_processes_that_share_a_model_fine_tune_as_one(tmp_path, start, demonstrations):
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(PARAMETERS.to_mapping(), sort_keys=False))
    read = ["--start", str(start), "--demonstrations", str(demonstrations), "--params", str(params)]
    written = ["--model", "model", "--history", "history.jsonl"]
    command = ["-m", "asyncthink", "sft", "--arm", "asyncthink", "--seed", "1", *read, *written]
    one, sharing = (train(tmp_path / launcher, launcher, command) for launcher in ("one", "sharing"))
    assert 0 < update_error(start, sharing, one) < 1e-4
