"""Nothing that other code, another run or another machine made is published as a result of this one."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from taught_model import DEMONSTRATION, ITEM, PARAMS, WORDS, random_model

from asyncthink.config.params import from_mapping, merged
from asyncthink.errors import InputError
from asyncthink.files import write_json_lines
from asyncthink.models import language_model
from asyncthink.synthesis import demonstration
from asyncthink.tasks import sources
from asyncthink.workflow import graph

PACKAGE = Path(graph.__file__).parents[1]
SMALL = {"sft": {"epochs": 2, "batch_traces": 3, "checkpoint_every": 1}}


class Checkout:
    """A folder with a copy of the package, whose commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, folder / "src/asyncthink"
        shutil.copytree(PACKAGE, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        alone = replace(PARAMS, evaluate=replace(PARAMS.evaluate, variants={}))
        given = from_mapping(merged(alone.to_mapping(), SMALL))
        (folder / "params.yaml").write_text(yaml.safe_dump(given.to_mapping()))
        language_model.write(random_model(WORDS, tie_word_embeddings=True), WORDS, folder / "start")
        write_json_lines(folder / "items.jsonl", [ITEM] * 2)
        demonstration.write(folder / "demonstrations.jsonl", [DEMONSTRATION])

    def run(self, *words: str) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "asyncthink", *words]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        return done.returncode, done.stderr

    def mend(self, name: str) -> None:
        with open(self.package / name, "a", encoding="utf-8") as file:
            file.write("# mended\n")


ARM = ["--arm", "asyncthink", "--seed", "1"]
# A step's command, where its result goes, a file of its code, and what it says where it goes on and where it does not.
STEPS = {
    "sft": (
        ["sft", *ARM, "--start=start", "--demonstrations=demonstrations.jsonl", "--model=out", "--history=h.jsonl"],
        "training/weighted_loss.py",
        lambda said: "going on from" in said,
    ),
    "evaluate": (
        [
            *("evaluate", *ARM, "--test-set=countdown", "--split=test", "--model=start", "--items=items.jsonl"),
            *("--episodes=out/episodes.jsonl.gz", "--recording=recording.json"),
        ],
        "tasks/countdown.py",
        lambda said: "2 of 2 episodes" not in said,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_what_a_run_left_is_gone_on_from_by_the_same_code_and_by_no_other(tmp_path, step):
    """A file in the way of the result stands for a kill: all work is done, and nothing is published."""
    command, source, resumed = STEPS[step]
    checkout = Checkout(tmp_path)
    (tmp_path / "out").write_text("in the way")
    for mended, expected in ((False, False), (False, True), (True, False)):
        if mended:
            checkout.mend(source)
        code, said = checkout.run(*command)
        assert code == 2 and resumed(said) == expected, said


def test_a_steps_code_is_what_its_sources_hold_wherever_they_lie(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "asyncthink")
    moved = [graph.code(step, tmp_path / "asyncthink") for step in ("grpo", "evaluate", "page")]
    assert moved == [graph.code(step) for step in ("grpo", "evaluate", "page")] and len(set(moved)) == 3
    with open(tmp_path / "asyncthink/training/grpo.py", "a") as file:
        file.write("# mended\n")
    after = [graph.code(step, tmp_path / "asyncthink") for step in ("grpo", "evaluate", "page")]
    assert [old == new for old, new in zip(moved, after, strict=True)] == [False, True, True]


FIRST, SECOND = "1" * 40, "2" * 40


def hub(folder: Path) -> None:
    """The hub's cache as its own client lays it out: a model at two commits, of which the second is the newest."""
    repository = folder / "models--maker--model"
    for seed, commit in enumerate((FIRST, SECOND)):
        language_model.write(random_model(WORDS, seed=seed), WORDS, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(SECOND)


@pytest.mark.slow
def test_a_model_of_the_hub_is_the_one_at_its_commit_and_a_name_without_one_is_refused(tmp_path, monkeypatch):
    checkout = Checkout(tmp_path)
    hub(tmp_path / "hub")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    command = ["pretrain", "--seed=1", "--model=out", "--history=h.jsonl"]
    for start, expected in ((f"maker/model@{FIRST}", 0), ("maker/model", 2)):
        given = merged(PARAMS.to_mapping(), {"model": {"start_from": start}})
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(given))
        code, said = checkout.run(*command)
        assert code == expected, said
    assert said.count("\n") == 1 and "NAME@COMMIT" in said
    weights = load_file(tmp_path / "out/model.safetensors")
    assert all(torch.equal(weights[name], value) for name, value in random_model(WORDS, seed=0).state_dict().items())


@pytest.mark.parametrize(
    ("source", "commit"),
    [
        ("aime-24", "2fe88a2f1091d5048c0f36abc874fb997b3dd99a"),
        (f"aime-24@{FIRST}", FIRST),
        (f"enigmata@{FIRST}", FIRST),
    ],
)
def test_a_data_set_of_the_hub_is_read_at_one_commit(source, commit):
    assert sources.located(source)[2] == commit


@pytest.mark.parametrize("source", ["enigmata", "aime-24@main", "enigmata@" + "1" * 39])
def test_a_data_set_of_the_hub_without_a_commit_is_refused(source):
    with pytest.raises(InputError, match="the 40 digits of one, from https"):
        sources.records(source)
