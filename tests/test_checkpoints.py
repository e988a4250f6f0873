"""States are whole or not there, whatever a kill or a disk leaves; results appear file by file, the weights last."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from asyncthink import files
from asyncthink.errors import InputError
from asyncthink.training import checkpoints
from asyncthink.training.checkpoints import DONE, Scratch, fingerprint, publish


def state(scratch: Scratch, number: int, finished: bool = True) -> Path:
    folder = scratch.state(number)
    (folder / "shards").mkdir(parents=True)
    (folder / "optimizer.pt").write_bytes(bytes([number]) * 1000)
    (folder / "shards" / "0.bin").write_bytes(bytes([number]) * 10)
    if finished:
        scratch.finish(number)
    return folder


def test_the_newest_finished_state_is_resumed_and_two_are_kept(tmp_path):
    scratch = Scratch(tmp_path)
    assert scratch.newest() is None
    for number in (5, 9, 10, 100):
        state(scratch, number)
        assert scratch.newest() == scratch.state(number)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-10", "checkpoint-100"}


def test_a_state_that_was_cut_off_while_it_was_saved_is_not_read(tmp_path, capsys):
    scratch = Scratch(tmp_path)
    whole = state(scratch, 10)
    state(scratch, 20, finished=False)
    assert scratch.newest() == whole
    assert not capsys.readouterr().err


DAMAGE = {
    "a byte differs": lambda folder: (folder / "optimizer.pt").write_bytes(b"\x14" * 999 + b"\x00"),
    "a file is shorter": lambda folder: (folder / "optimizer.pt").write_bytes(b"\x14" * 99),
    "a file is gone": lambda folder: (folder / "shards" / "0.bin").unlink(),
    "the mark is cut off": lambda folder: (folder / DONE).write_text('{"optimizer.pt": "ab'),
    "the mark is empty": lambda folder: (folder / DONE).write_text(""),
    "the mark is no table": lambda folder: (folder / DONE).write_text("[]"),
    "the mark is no text": lambda folder: (folder / DONE).write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("hurt", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_state_is_passed_over_with_one_line(tmp_path, capsys, hurt):
    scratch = Scratch(tmp_path)
    older = state(scratch, 10)
    hurt(state(scratch, 20))
    assert scratch.newest() == older
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and str(scratch.state(20)) in told and "damaged" in told


def test_a_state_can_be_saved_again_over_a_damaged_one(tmp_path, capsys):
    scratch = Scratch(tmp_path)
    state(scratch, 10)
    DAMAGE["a byte differs"](state(scratch, 20))
    scratch.drop(20)
    again = state(scratch, 20)
    assert scratch.newest() == again


def test_a_removal_that_is_cut_off_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    scratch = Scratch(tmp_path)
    whole = state(scratch, 10)
    state(scratch, 20)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    scratch.drop(20)
    assert scratch.newest() == whole


def test_the_fingerprint_follows_parameters_contents_and_code_and_not_places(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "start").mkdir(parents=True)
        (tmp_path / name / "train.jsonl").write_text("{}\n")
        (tmp_path / name / "start" / "model.safetensors").write_bytes(b"weights")

    def of(name: str, code: str = "code", **config: object) -> str:
        inputs = [tmp_path / name / "start", tmp_path / name / "train.jsonl"]
        return fingerprint("grpo", {"grpo.kl": 0.2} | config, inputs, code)

    assert of("a") == of("b")
    others = [of("a", seed=1), of("a", **{"grpo.kl": 0.3}), of("a", "mended"), fingerprint("sft", {}, [], "code")]
    assert len({of("a"), *others}) == 5
    (tmp_path / "b" / "start" / "model.safetensors").write_bytes(b"others")
    assert of("a") != of("b")


def test_a_missing_input_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="no such file; run the step that makes it"):
        Scratch.of("sft", {}, [tmp_path / "nothing"], "code")


def test_a_result_is_published_with_the_weights_last(tmp_path, monkeypatch):
    source, destination = tmp_path / "result", tmp_path / "model"
    source.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json", "vocab.txt"):
        (source / name).write_text(name)
    order = []
    original = files.os.replace
    monkeypatch.setattr(files.os, "replace", lambda a, b: (order.append(Path(b).name), original(a, b)))
    publish(source, destination)
    assert order == ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"]
    assert {path.name: path.read_text() for path in destination.iterdir()} == {name: name for name in order}


def test_a_result_is_not_asked_by_the_chat_template_of_the_model_that_lay_there_before(tmp_path):
    one, two, destination = (tmp_path / name for name in ("one", "two", "model"))
    for folder, names in ((one, ("chat_template.jinja", "additional_chat_templates/tools.jinja")), (two, ())):
        for name in ("model.safetensors", "tokenizer.json", *names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{name} of {folder.name}")
    publish(one, destination)
    (destination / "notes.txt").write_text("a person's own")
    assert len(checkpoints.hashes(destination)) == 5
    publish(two, destination)
    assert checkpoints.hashes(destination).keys() == {"model.safetensors", "tokenizer.json", "notes.txt"}


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path):
    source, destination = tmp_path / "result", tmp_path / "model"
    source.mkdir()
    (source / checkpoints.WEIGHTS).write_text("w")
    destination.mkdir()
    (destination / checkpoints.WEIGHTS).mkdir()  # a folder stands where the file should go
    with pytest.raises(InputError, match="cannot be written"):
        publish(source, destination)
    assert [path.name for path in destination.iterdir()] == [checkpoints.WEIGHTS]


def test_what_killed_writers_of_this_machine_left_beside_a_file_goes_when_it_is_written(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left, alive, elsewhere, other = (
        tmp_path / name
        for name in (
            f".a.{files.HOST}.{dead.pid}.part",
            f".a.{files.HOST}.{os.getppid()}.part",
            f".a.node7.cluster.{dead.pid}.part",
            f".b.{files.HOST}.{dead.pid}.part",
        )
    )
    for path in (left, alive, elsewhere, other):
        path.write_text("half")
    files.write_text(tmp_path / "a", "whole")
    assert set(tmp_path.iterdir()) == {tmp_path / "a", alive, elsewhere, other}


def test_a_writer_that_was_killed_and_not_reaped_is_dead(tmp_path):
    killed = subprocess.Popen(["true"])
    left = tmp_path / f".a.{files.HOST}.{killed.pid}.part"
    left.write_text("half")
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not reaped by this
    files.write_text(tmp_path / "a", "whole")
    assert not left.exists() and killed.wait() == 0
