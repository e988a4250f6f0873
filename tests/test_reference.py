"""The committed reference: seeds run one by one, on several machines, merged; verdicts that can be derived again."""

import json
import shutil
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from recorded_experiment import experiment, judged

from asyncthink import cli, params
from asyncthink.commands.claims import read_evidence
from asyncthink.commands.reference import recorded
from asyncthink.evaluation import claims, evidence
from asyncthink.reporting import claims_table

ROOT = Path(__file__).parents[1]


def machine(folder, seed, metrics=None):
    """A checkout in which one seed of the experiment was run; its committed reference is that of another one."""
    found = experiment()
    for path in (*found.evaluations, *found.histories, *found.filters):
        if path.stem in (str(seed), "asyncthink"):
            target = folder / path.relative_to(found.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    if metrics is not None:
        shutil.copytree(metrics / "reference", folder / "metrics" / "reference")
    given = replace(found.params, seeds=[seed])
    (folder / "params.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(given.to_mapping()))))
    (folder / "README.md").write_text(f"{claims_table.BEGIN}\n{claims_table.END}\n")
    return folder


def test_seeds_that_were_run_on_two_machines_are_merged(tmp_path, monkeypatch, capsys):
    first = machine(tmp_path / "first", 1)
    monkeypatch.chdir(first)
    assert cli.main(["reference"]) == 0
    second = machine(tmp_path / "second", 2, first / "metrics")
    monkeypatch.chdir(second)
    assert cli.main(["reference"]) == 0
    assert "now holds seeds 1, 2" in capsys.readouterr().out
    found = experiment()
    at_once = claims.ledger(evidence.read(found.evaluations, found.histories, found.filters), "nano")
    assert judged(claims.read("metrics/reference/nano.json")) == judged(at_once)
    assert "24 test items of countdown, seeds 1, 2" in (second / "README.md").read_text()


def test_a_seed_of_other_parameters_is_refused_and_the_reference_stays(tmp_path, monkeypatch, capsys):
    first = machine(tmp_path / "first", 1)
    monkeypatch.chdir(first)
    assert cli.main(["reference"]) == 0
    second = machine(tmp_path / "second", 2, first / "metrics")
    path = second / "metrics/evaluate/countdown/asyncthink/2.json"
    path.write_text(path.read_text().replace('"worker_budget": 60', '"worker_budget": 61'))
    monkeypatch.chdir(second)
    assert cli.main(["reference"]) == 2
    assert "seed 2 was evaluated with other parameters than seed 1" in capsys.readouterr().err
    assert recorded(second / "metrics/reference/nano") == recorded(first / "metrics/reference/nano")


def test_without_a_run_there_is_nothing_to_keep(tmp_path, monkeypatch, capsys):
    shutil.rmtree(machine(tmp_path, 1) / "metrics/grpo")
    shutil.rmtree(tmp_path / "metrics/pretrain")
    shutil.rmtree(tmp_path / "metrics/sft")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["reference"]) == 2
    assert "holds no whole run of params.yaml; run `snakemake --cores all` first" in capsys.readouterr().err


@pytest.mark.parametrize("ledger", sorted((ROOT / "metrics/reference").glob("*.json")), ids=lambda path: path.stem)
def test_every_verdict_of_the_committed_reference_follows_from_its_recorded_metrics(ledger):
    told = claims.read(ledger)
    again = Namespace(records=ledger.with_suffix(""), evaluations=[], histories=[], filters=[])
    found = read_evidence(again, params.read(ROOT / "params.yaml"))
    assert judged(claims.ledger(found, ledger.stem)) == judged(told)
