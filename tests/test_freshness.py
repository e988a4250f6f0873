"""What a stage of dvc.yaml makes again, in a graph of two rules: `number` writes a number, `times` multiplies it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import Project

from asyncthink.errors import InputError
from asyncthink.workflow import dvc_lock, freshness

ROOT = Path(__file__).parents[1]
SNAKEFILE = """
configfile: "params.yaml"
rule all:
    input: expand("results/times/{arm}.txt", arm=config["arms"])
rule number:
    output: "data/number/number.txt"
    params: config["number"]
    shell: "echo {params} > {output}"
rule times:
    input: "data/number/number.txt"
    output: "results/times/{arm}.txt"
    params: lambda wildcards: config["arms"][wildcards.arm]
    shell: "echo {wildcards.arm} >> ran; echo $(( $(cat {input}) * {params} )) > {output}"
"""
STAGES = {
    "number": {"cmd": "asyncthink stage number", "params": ["number"], "outs": [{"data/number": {"persist": True}}]},
    "times": {
        "cmd": "asyncthink stage times",
        "deps": ["data/number"],
        "params": ["arms"],
        "outs": [{"results/times": {"persist": True}}],
    },
    "nothing": {"cmd": "asyncthink stage nothing", "outs": [{"results/nothing": {"persist": True}}]},
}


@pytest.fixture
def project(tmp_path):
    """Both arms made by `dvc repro`, and committed."""
    project = Project(tmp_path / "project", PYTHONPATH=str(ROOT / "src"))
    project.directory.mkdir()
    (project.directory / "Snakefile").write_text(SNAKEFILE)
    (project.directory / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (project.directory / ".gitignore").write_text("/.snakemake\n/ran\n/data\n/results\n")
    set_numbers(project, 5, one=1, two=2)
    project.run("git", "init", "--quiet")
    project.run("dvc", "init", "--quiet")
    project.run("dvc", "repro")
    project.commit("made")
    return project


def set_numbers(project, number, **arms):
    (project.directory / "params.yaml").write_text(yaml.safe_dump({"number": number, "arms": arms}))


def ran(project):
    """The arms that were made since the last look."""
    log = project.directory / "ran"
    arms = sorted(log.read_text().split()) if log.exists() else []
    log.unlink(missing_ok=True)
    return arms


def values(project):
    return {path.stem: int(path.read_text()) for path in (project.directory / "results/times").glob("*.txt")}


def test_a_stage_makes_again_what_changed_and_leaves_the_rest_of_its_rule(project):
    assert ran(project) == ["one", "two"]
    set_numbers(project, 5, one=1, two=3)
    project.run("dvc", "repro")
    assert (ran(project), values(project)) == (["two"], {"one": 5, "two": 15})
    set_numbers(project, 6, one=1, two=3, three=0)
    project.run("dvc", "repro")
    assert (ran(project), values(project)) == (["one", "three", "two"], {"one": 6, "two": 18, "three": 0})
    assert "up to date" in project.run("dvc", "status")
    assert (project.directory / "results/nothing").is_dir()


def test_files_of_another_version_below_a_record_that_fits_are_made_again(project):
    """Snakemake alone would leave them: its record of the run before says what params.yaml says now."""
    set_numbers(project, 5, one=7, two=2)
    project.run("dvc", "repro")
    project.run("git", "checkout", "--quiet", "params.yaml", "dvc.lock")
    project.run("dvc", "checkout", "--quiet")
    assert values(project) == {"one": 5, "two": 10}
    ran(project)
    set_numbers(project, 5, one=7, two=2)
    assert "Nothing to be done" in project.run("snakemake", "--dry-run")
    project.run("dvc", "repro")
    assert (ran(project), values(project)) == (["one"], {"one": 35, "two": 10})


def test_an_input_put_in_place_with_an_old_time_stamp_is_seen(project):
    number = project.directory / "data/number/number.txt"
    number.write_text("8\n")
    os.utime(number, (0, 0))
    assert "Nothing to be done" in project.run("snakemake", "--dry-run")
    project.run("asyncthink", "stage", "times")
    assert values(project) == {"one": 8, "two": 16}


def test_what_a_pull_brought_is_not_taken_for_made_with_a_number_changed_since(project, tmp_path):
    """The clone has the files and no record of Snakemake's; nor is it recorded before it is adopted."""
    clone = Project(tmp_path / "clone", PYTHONPATH=str(ROOT / "src"))
    project.run("git", "clone", "--quiet", ".", str(clone.directory))
    clone.run("dvc", "cache", "dir", "--local", str(project.directory / ".dvc/cache"))
    clone.run("dvc", "checkout", "--quiet")
    for path in (*clone.directory.glob("data/*/*"), *clone.directory.glob("results/*/*")):
        os.utime(path, (10**9, 10**9))  # DVC puts files in place in any order, and Snakemake looks at their times
    refused = clone.run("asyncthink", "record", check=False)
    assert "is not from a run here; if DVC brought it, run `asyncthink adopt`, then record" in refused
    set_numbers(clone, 5, one=1, two=3)
    assert "Nothing to be done" in clone.run("snakemake", "--dry-run")
    clone.run("dvc", "repro")
    assert (ran(clone), values(clone)) == (["one", "two"], {"one": 5, "two": 15})


def test_after_adopt_a_stage_makes_again_only_what_changed(project, tmp_path):
    clone = Project(tmp_path / "clone", PYTHONPATH=str(ROOT / "src"))
    project.run("git", "clone", "--quiet", ".", str(clone.directory))
    clone.run("dvc", "cache", "dir", "--local", str(project.directory / ".dvc/cache"))
    clone.run("dvc", "checkout", "--quiet")
    clone.run("asyncthink", "adopt")
    set_numbers(clone, 5, one=1, two=3)
    clone.run("dvc", "repro")
    assert (ran(clone), values(clone)) == (["two"], {"one": 5, "two": 15})


def test_a_stage_that_dvc_yaml_does_not_have_is_refused(project):
    command = [sys.executable, "-m", "asyncthink", "stage", "divide"]
    done = subprocess.run(command, cwd=project.directory, env=project.environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "asyncthink stage: no stage divide in dvc.yaml; there are nothing, number, times\n"


@pytest.mark.parametrize("end", [KeyboardInterrupt, InputError])
def test_a_record_that_is_interrupted_or_fails_leaves_the_lock_file_as_it_was(tmp_path, monkeypatch, end):
    def cut_off(*command):
        dvc_lock.LOCK.write_text("half")
        raise end

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(freshness, "call", cut_off)
    dvc_lock.LOCK.write_text("whole")
    with pytest.raises(end):
        dvc_lock._commit()
    assert dvc_lock.LOCK.read_text() == "whole"
