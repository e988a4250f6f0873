"""What a step tells of itself: a line in its log, and a small file for the terminal."""

from dataclasses import replace
from itertools import count

import pytest
from transformers import TrainerState

from asyncthink import progress
from asyncthink.progress import Progress
from asyncthink.training import progress_callback

NOTABLE = {"gap": 0.1, "other": 0.1}


@pytest.fixture(autouse=True)
def seconds(tmp_path, monkeypatch):
    """A clock on which ten seconds go by each time that it is looked at."""
    monkeypatch.chdir(tmp_path)
    ticks = count(0, 10)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(ticks)))


def test_a_step_says_how_far_how_fast_and_how_long_yet_in_its_log_and_in_its_file(tmp_path, capsys):
    told = Progress("evaluate asyncthink 1", 1000, "episodes")
    told.resume(100)
    told.tell(400)
    line = "400 of 1000 episodes, 30.0 a second, 20 s left"
    assert capsys.readouterr().err == f"evaluate asyncthink 1: {line}\n"
    assert progress.read("evaluate asyncthink 1") == progress.Note(400, 1000, 30.0, 20.0, line)
    told.end()
    assert progress.read("evaluate asyncthink 1") is None
    assert [path for path in (tmp_path / "work").rglob("*") if path.is_file()] == []


def test_a_line_just_after_another_is_left_out_unless_it_is_the_last(monkeypatch, capsys):
    monkeypatch.setattr(progress.time, "monotonic", lambda: 5.0)
    told = Progress("grpo asyncthink 1", 3, "steps")
    told.tell(2)
    assert capsys.readouterr().err == ""
    told.tell(3)
    assert "3 of 3 steps" in capsys.readouterr().err
    told.tell(3)
    assert capsys.readouterr().err == ""


def test_a_step_goes_on_where_its_progress_cannot_be_written(tmp_path, capsys):
    (tmp_path / "work").write_text("in the way")
    told = Progress("sft asyncthink 1", 4, "steps")
    told.tell(4)
    told.end()
    assert "4 of 4 steps" in capsys.readouterr().err


def test_a_file_that_is_none_of_ours_is_no_progress(tmp_path):
    for text in ("", "[]", "{}", "null"):
        path = progress.file("sft asyncthink 1")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        assert progress.read("sft asyncthink 1") is None


def test_a_training_tells_the_numbers_to_watch_and_only_its_first_process_does(capsys):
    logs = {"loss": 0.5, "episodes/reward": 0.25, "gone": None, "gap": 0.1234, "other": 0.01}
    begun, done = TrainerState(global_step=2, max_steps=4), TrainerState(global_step=4, max_steps=4)
    training = progress_callback.Progress("grpo asyncthink 1", ("episodes/reward", "loss", "gone"), NOTABLE)
    training.on_train_begin(None, begun, None)
    training.on_log(None, replace(done, is_world_process_zero=False), None, logs)
    assert capsys.readouterr().err == ""
    training.on_log(None, done, None, logs)
    line = "4 of 4 steps, 5.00 s each, 0 s left; reward 0.250, loss 0.500, gap 0.12"
    assert capsys.readouterr().err == f"grpo asyncthink 1: {line}\n"
    assert progress.read("grpo asyncthink 1").line == line
    training.on_train_end(None, done, None)
    assert progress.read("grpo asyncthink 1") is None
