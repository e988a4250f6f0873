"""kill -9 under Snakemake, by hand and in `record`: the same command goes on, to the same bytes.

Kills under `dvc repro` are in tests/test_smoke.py; benchmarks/soak.py draws many more, in every step.
"""

import shutil

import pytest
from checkout import MOVING, Project
from kills import Moment, leaf_commands, run, struck

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def copy(project, tmp_path_factory):
    """A copy of the smoke run, for steps to be run again in it."""
    directory = tmp_path_factory.mktemp("kills") / "project"
    shutil.copytree(project.directory, directory, symlinks=True)
    return Project(directory)


def killed(project, command, moments, notes):
    """Give a command once for each moment, at which it dies, and then once more; what it says the last time."""
    for number, moment in enumerate(moments):
        code, said = run(project, command, [moment], notes / str(number))
        assert code and struck([moment], notes / str(number)), said[-4000:]
    code, said = run(project, command, [], notes / "last")
    assert code == 0, said[-4000:]
    return said


def without(copy, wanted, *parts):
    """Remove the results whose path has one of these parts."""
    for name in wanted:
        if any(part in name for part in parts):
            (copy.directory / name).unlink()


def test_record_goes_on_though_dvc_lock_was_cut_off(project, copy, tmp_path):
    """All of it is killed while the file is empty, then `record` alone, while DVC writes on.

    First of all: what the other tests make again takes other times, which DVC keeps too.
    """
    moments = [Moment("record", "writing dvc.lock", victim=victim) for victim in ("group", "driver")]
    killed(copy, ["asyncthink", "record"], moments, tmp_path)
    assert (copy.directory / "dvc.lock").read_bytes() == (project.directory / "dvc.lock").read_bytes()
    assert "Data and pipelines are up to date" in copy.run("dvc", "status")


def test_a_training_that_was_killed_by_hand_goes_on_to_the_same_bytes(project, copy, tmp_path):
    """While it samples in step 2, while it updates in step 2 again, while it saves the state after it."""
    moments = [
        Moment("grpo", "sampling", call=2, delay=0.1),
        Moment("grpo", "updating"),
        Moment("grpo", "saving", delay=0.01),
    ]
    wanted = project.made()
    command = next(words for words in leaf_commands(copy) if words[1:2] == ["grpo"] and MOVING in words[2:])
    weights = [f"results/{step}/1/model.safetensors" for step in ("sft/asyncthink", f"grpo/{MOVING}")]
    assert wanted[weights[0]] != wanted[weights[1]]
    without(copy, wanted, f"grpo/{MOVING}/")
    said = killed(copy, command, moments, tmp_path)
    assert "going on from work/" in said
    assert copy.made() == wanted
    assert [path for path in (copy.directory / "work").rglob("*") if path.is_file()] == []


def test_snakemake_goes_on_whoever_was_killed(project, copy, tmp_path):
    """The step alone, the driver alone, or all of them; no lock and no half-written file is in the way."""
    moments = [
        Moment("synthesize", "writing", delay=0.05, victim="driver"),
        Moment("filter", "judging", call=40, victim="step"),
        Moment("filter", "writing", call=2),
    ]
    wanted, target = project.made(), "data/filter/sequential.jsonl"
    without(copy, wanted, "filter/sequential.", "synthesize/sequential.")
    said = killed(copy, ["snakemake", "--cores", "2", "--", target], moments, tmp_path)
    assert "going on from what it left" in said
    assert copy.made() == wanted
