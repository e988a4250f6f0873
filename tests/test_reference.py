"""The committed reference: whole runs of one commit, merged seed by seed; verdicts that can be derived again."""

import json
import shutil
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from recorded_experiment import experiment, judged

from asyncthink import cli
from asyncthink.cli.claims import read_evidence
from asyncthink.config import params
from asyncthink.evaluation import claims, evidence
from asyncthink.evaluation import ledger as ledgers
from asyncthink.files import sha256
from asyncthink.reporting import case_table, claims_table, plots, tables
from asyncthink.workflow import records
from asyncthink.workflow.provenance import read_manifest

ROOT = Path(__file__).parents[1]
# A graph in which `evaluate` has nothing to do as long as its code is older than what it made.
SNAKEFILE = """
rule all:
    input: "metrics/made"

rule evaluate:
    input: "code.py"
    output: "metrics/made"
    shell: "touch {output}"
"""


def settings(seed):
    """The experiment's own parameters, with the steps that its histories have, and its one test set."""
    given = experiment().params
    return replace(given, seeds=(seed,), grpo=replace(given.grpo, steps=60), test_sets={})


def git(folder, *words):
    identity = ("-c", "user.name=x", "-c", "user.email=x@x")
    return subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of that graph, with Snakemake's record of it."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "code.py").write_text("1\n")
    subprocess.run([sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all"], cwd=folder, check=True)
    return folder


@pytest.fixture
def first(run, tmp_path, monkeypatch):
    """A checkout of one commit in which the first seed of the experiment was run."""
    folder = shutil.copytree(run, tmp_path / "first")
    (folder / ".gitignore").write_text(".snakemake/\nmetrics/made\n")
    (folder / "README.md").write_text(f"{claims_table.BEGIN}\n{claims_table.END}\n")
    ran(folder, 1)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    monkeypatch.chdir(folder)
    return folder


def ran(folder, seed):
    """What a run of one seed leaves, and the params.yaml that it was of."""
    found, given = experiment(), settings(seed)
    (folder / "params.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(given.to_mapping())), sort_keys=False))
    for name in records.of(given).all:
        target = folder / "metrics" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = found.folder / "metrics" / name
        corpus = found.filters[0].read_text()
        text = source.read_text() if source.exists() else corpus.replace('"arm": "asyncthink"', f'"arm": "{name.stem}"')
        target.write_text(text)
    (folder / "metrics/made").touch()


def another(first, seed):
    """A clone of the same commit on another machine, with the reference as it stands, in which another seed was run."""
    folder = first.parent / f"seed-{seed}"
    git(first, "clone", "--quiet", ".", str(folder))
    for name in ("metrics/reference", ".snakemake"):
        shutil.copytree(first / name, folder / name)
    ran(folder, seed)
    return folder


def refused(capsys, *command):
    assert cli.main(list(command) or ["reference"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_seeds_that_were_run_on_two_machines_at_one_commit_are_merged(first, monkeypatch, capsys):
    assert cli.main(["reference"]) == 0
    second = another(first, 2)
    monkeypatch.chdir(second)
    assert cli.main(["reference"]) == 0
    assert "now holds seeds 1, 2" in capsys.readouterr().out
    found = experiment()
    at_once = claims.ledger(evidence.read(found.evaluations, found.histories, found.filters), "nano")
    assert judged(ledgers.read("metrics/reference/nano.json")) == judged(at_once)
    assert "24 test items of countdown, seeds 1, 2" in (second / "README.md").read_text()
    manifest = read_manifest(Path("metrics/reference/nano"))
    assert manifest.commits == [git(first, "rev-parse", "HEAD").strip()]
    assert manifest.seeds == (1, 2) and manifest.params["grpo"]["steps"] == 60 and len(manifest.code["grpo"]) == 64
    assert cli.main(["reference"]) == 0


def altered(name, old, new):
    def alter(folder):
        path = folder / "metrics" / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return alter


def removed(name):
    return lambda folder: (folder / "metrics" / name).unlink()


OURS = "evaluate/countdown/asyncthink/1.json"
NOT_WHOLE = {
    "an evaluation is missing": (removed("evaluate/countdown/parallel/1.json"), "parallel/1.json is missing"),
    "a history is missing": (removed("pretrain/1.jsonl"), "pretrain/1.jsonl is missing"),
    "a filter file is missing": (removed("filter/sequential.json"), "filter/sequential.json is missing"),
    "another budget": (
        altered(OURS, '"worker_budget": 60', '"worker_budget": 61'),
        "evaluations.headline.thinking.worker_budget (61 and 60)",
    ),
    "another arm's file": (altered(OURS, '"arm": "asyncthink"', '"arm": "no_rl"'), 'arm ("no_rl" and "asyncthink")'),
    "another seed's file": (altered(OURS, '"seed": 1', '"seed": 2'), "seed (2 and 1)"),
    "another scale": (altered(OURS, '"scale": "nano"', '"scale": "small"'), 'scale ("small" and "nano")'),
    "another engine": (altered(OURS, '"name": "scripted"', '"name": "text"'), "decoded by different engines"),
    "an inexact engine": (altered(OURS, '"exact": true', '"exact": false'), "decoded by different engines"),
    "a history cut off": (
        lambda folder: (folder / "metrics/grpo/sequential/1.jsonl").write_text('{"step": 1}\n'),
        "number of steps (1 and 60)",
    ),
}


@pytest.mark.parametrize("case", NOT_WHOLE)
def test_what_is_not_one_whole_run_is_refused_in_a_line_that_names_it(first, capsys, case):
    alter, said = NOT_WHOLE[case]
    alter(first)
    assert said in refused(capsys)
    assert not (first / "metrics/reference").exists()


def test_a_run_of_changed_code_is_refused_until_it_is_committed_and_run_again(first, capsys):
    (first / "code.py").write_text("2\n")
    assert "code.py is not as commit" in refused(capsys)
    git(first, "commit", "--quiet", "--all", "--message", "mended")
    assert "evaluate: not up to date" in refused(capsys)
    subprocess.run(["touch", "metrics/made"], check=True)
    assert cli.main(["reference"]) == 0


def test_what_snakemake_has_no_record_of_is_refused(first, capsys):
    shutil.rmtree(".snakemake")
    (first / "code.py").write_text("2\n")
    git(first, "commit", "--quiet", "--all", "--message", "mended")
    subprocess.run(["touch", "-d", "1 day ago", "code.py"], check=True)
    assert "metrics/made is not from a run here; if DVC brought it, run `asyncthink adopt`" in refused(capsys)


def test_a_folder_that_is_no_git_checkout_is_refused(first, capsys):
    shutil.rmtree(first / ".git")
    assert "git rev-parse failed" in refused(capsys)


def other_commit(folder):
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "second")


TOKENS = params.read(ROOT / "params.yaml").pretrain.tokens


def other_parameters(folder):
    altered("../params.yaml", f"tokens: {TOKENS}\n", f"tokens: {TOKENS + 1}\n")(folder)


def touched_record(folder):
    altered("reference/nano/grpo/sequential/1.jsonl", '"step": 1,', '"step": 7,')(folder)


def no_manifest(folder):
    (folder / "metrics/reference/nano/manifest.json").unlink()


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (other_commit, "a reference is of one commit; run its seeds 1 here too"),
        (other_parameters, f"of other parameters than this run: pretrain.tokens ({TOKENS} and {TOKENS + 1})"),
        (touched_record, "grpo/sequential/1.jsonl: not what manifest.json says"),
        (no_manifest, "so nothing says what made the records beside it"),
    ],
)
def test_a_run_does_not_join_a_reference_of_something_else_which_stays_as_it_is(
    first, monkeypatch, capsys, alter, said
):
    assert cli.main(["reference"]) == 0
    second = another(first, 2)
    monkeypatch.chdir(second)
    alter(second)
    before = contents(second / "metrics/reference")
    assert said in refused(capsys)
    assert contents(second / "metrics/reference") == before


def test_a_reference_has_a_report_without_a_run_and_names_no_page_of_episodes(first, capsys):
    (first / "metrics/tables").mkdir()
    (first / "metrics/tables/case_studies.csv").write_text(tables.text(case_table.frame([], "nano")))
    assert cli.main(["reference"]) == 0
    report = ["report", "--reference", "metrics/reference/nano", "--report", "work/reference/index.html"]
    assert " ".join(report) in (ROOT / "Makefile").read_text()
    assert cli.main(report) == 0
    text = (first / "work/reference/index.html").read_text()
    assert "episodes.html" not in text and text.count("<svg") >= len(plots.FIGURES) - 2
    capsys.readouterr()
    shutil.rmtree(first / "metrics/reference/nano")
    assert "no reference there" in refused(capsys, *report)
    report[2] += ".json"
    assert "nano.json: a file; the reference is the folder of the same name" in refused(capsys, *report)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


REFERENCES = sorted((ROOT / "metrics/reference").glob("*.json"))


@pytest.mark.parametrize("ledger", REFERENCES, ids=lambda path: path.stem)
def test_every_verdict_of_the_committed_reference_follows_from_its_recorded_metrics(ledger):
    told = ledgers.read(ledger)
    again = Namespace(records=ledger.with_suffix(""), evaluations=[], histories=[], filters=[])
    found = read_evidence(again, params.read(ROOT / "params.yaml"))
    assert judged(claims.ledger(found, ledger.stem)) == judged(told)


@pytest.mark.parametrize("ledger", REFERENCES, ids=lambda path: path.stem)
def test_the_committed_reference_is_whole_and_what_its_manifest_says(ledger):
    folder, manifest = ledger.with_suffix(""), read_manifest(ledger.with_suffix(""))
    assert {name: sha256(folder / name) for name in manifest.records} == {
        name: record.sha256 for name, record in manifest.records.items()
    }
    found = records.lying_in(folder)
    names = {path.relative_to(folder).as_posix() for path in found.all}
    assert names == set(manifest.records) and found.seeds == manifest.seeds
