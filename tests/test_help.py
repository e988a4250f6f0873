"""What a new user tries first: the example of each command's help, and a command given in another folder."""

import argparse
import importlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recorded_experiment import record, settings

from asyncthink import cli
from asyncthink.config import scales

ROOT = Path(__file__).parents[1]
AFTER_TRAINING = ("pretrain", "sft", "grpo", "evaluate")
REFUSED = {  # before a run, in a folder that git does not know
    "record": "record: no dvc.yaml here",
    "adopt": "adopt: no dvc.lock here",
    "reference": "metrics/evaluate/countdown/asyncthink/1.json",
    "stage": "stage: dvc.yaml: No such file",
    "open": "open: results/report/index.html: no such file; `make reproduce` or `make smoke` makes it",
    "compare": "compare: metrics/evaluate/countdown/parallel/1.json: no such file",
}
MADE = {  # by one example for a later one, where a run would make it
    "work/train.jsonl": "data/puzzles/train.jsonl",
    "work/demonstrations.jsonl": "data/synthesize/asyncthink.jsonl",
    "work/tables": "metrics/tables",
    "work/case_studies.csv": "metrics/tables/case_studies.csv",
}
SMALL = "puzzles: {train: 60, validation: 20, test: 20}\nsynthesize: {demonstrations: 40}\n"
READS_PARAMS = {
    "doctor": [],
    "estimate": [],
    "scale": ["smoke"],
    "stage": ["puzzles"],
    "unlock": [],
    "record": [],
    "adopt": [],
    "reference": [],
    "claims": ["--ledger", "claims.json"],
    "report": ["--tables", "tables", "--ledger", "claims.json", "--report", "report.html"],
    "think": ["--model", "model", "--numbers", "1", "--target", "1", "--params", "params.yaml"],  # asked for by name
    "case_studies": ["--table", "case_studies.csv"],
    "items": ["--item-set", "sudoku", "--items", "sudoku.jsonl"],
}


def example(name: str) -> str:
    return importlib.import_module(f"asyncthink.cli.{name.replace('-', '_')}").EXAMPLE


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder laid out for a small run, with the committed reference and an arm's recorded episodes."""
    folder = tmp_path_factory.mktemp("project")
    scales.lay_out(ROOT, folder, scales.merge((ROOT / "params.yaml").read_text(), SMALL))
    for committed in ("metrics/reference", "docs/nano"):
        shutil.copytree(ROOT / committed, folder / committed)
    episodes, _ = record(settings(items=8), "asyncthink", 1, folder / "results/evaluate/countdown")
    assert episodes
    return folder


def tried(name: str, folder: Path) -> subprocess.CompletedProcess:
    """The example as a shell runs it, this source first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "src")}
    command = ["bash", "-c", example(name)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_of_every_command_explains_each_flag(name):
    parser = argparse.ArgumentParser()
    cli.described(name, parser)
    assert [action.dest for action in parser._actions if not action.help] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_help_of_every_command_shows_its_example(name, capsys):
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    assert capsys.readouterr().out.endswith(f"example:\n  {example(name)}\n")


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name not in {*AFTER_TRAINING, *REFUSED}])
def test_an_example_that_needs_no_trained_model_works(name, project):
    done = tried(name, project)
    assert done.returncode == 0, done.stderr
    for written, place in MADE.items():
        if (made := project / written).is_dir():
            shutil.copytree(made, project / place, dirs_exist_ok=True)
        elif made.exists():
            (project / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, project / place)


@pytest.mark.parametrize("name", REFUSED)
def test_an_example_that_comes_too_early_says_what_is_missing(name, project):
    done = tried(name, project)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert REFUSED[name] in done.stderr


@pytest.mark.parametrize("name", AFTER_TRAINING)
def test_an_example_that_needs_a_trained_model_names_the_files_of_the_graph(name, monkeypatch):
    seen = []
    command = importlib.import_module(f"asyncthink.cli.{name}")
    monkeypatch.setattr(command, "run", seen.append)
    program, *arguments = shlex.split(example(name).replace("\\\n", ""))
    assert (program, cli.main(arguments)) == ("asyncthink", 0)
    for value in map(str, vars(seen[0]).values()):
        assert not value.startswith(("results/", "data/")) or value in GRAPH


GRAPH = {  # what the graph makes of arm asyncthink at seed 1
    *("data/puzzles/train.jsonl", "data/puzzles/test.jsonl", "data/filter/asyncthink.jsonl"),
    *("results/pretrain/1", "results/sft/asyncthink/1", "results/grpo/asyncthink/1"),
}


@pytest.mark.parametrize("name", READS_PARAMS)
def test_a_command_given_outside_the_project_says_so(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main([name, *READS_PARAMS[name]]) == 2
    said = f"asyncthink {name}: no params.yaml here; run this in the root of the project\n"
    assert capsys.readouterr().err == said
    assert list(tmp_path.iterdir()) == []


def test_a_command_given_in_a_folder_of_the_project_says_where_the_root_is(tmp_path, monkeypatch, capsys):
    (tmp_path / "params.yaml").touch()
    (tmp_path / "data/items").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "data/items")
    assert cli.main(["estimate"]) == 2
    assert capsys.readouterr().err.endswith(f"run this in the root of the project: cd {tmp_path}\n")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_flag_that_is_none_is_refused_in_one_line(name, capsys):
    assert cli.main([name, "--helq"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"asyncthink {name}: ") and line.endswith(f"; see `asyncthink {name} --help`")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "asyncthink: the following arguments are required: COMMAND; see `asyncthink --help`"),
        (["evalute"], "asyncthink: no command 'evalute'; did you mean evaluate?; see `asyncthink --help`"),
        (
            ["estimate", "--devise=cpu"],
            "asyncthink estimate: unrecognized argument --devise; did you mean --device?;"
            " see `asyncthink estimate --help`",
        ),
        (["stage", "puzzles", "x"], "asyncthink stage: unrecognized argument x; see `asyncthink stage --help`"),
        (
            ["open", "reprot"],
            "asyncthink open: argument page: invalid choice: 'reprot' (choose from 'report', 'episodes');"
            " see `asyncthink open --help`",
        ),
    ],
)
def test_what_is_mistyped_is_named_in_one_line_with_what_was_meant(words, said, capsys):
    assert cli.main(words) == 2
    assert capsys.readouterr() == ("", f"{said}\n")


def test_a_step_has_one_thread_unless_it_is_told_otherwise(monkeypatch):
    """As in the graph: how many cores a machine has decides no rounding."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with pytest.raises(SystemExit):
        cli.main(["sft", "--help"])
    assert os.environ["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    with pytest.raises(SystemExit):
        cli.main(["sft", "--help"])
    assert os.environ["OMP_NUM_THREADS"] == "8"
