"""What a run says while it works: how many jobs are done, how long it has left, and what each job's log said last."""

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from asyncthink import outlook, params, scales

ROOT = Path(__file__).parents[1]
PLAN = [("puzzles", {}), ("grpo", {"arm": "asyncthink", "seed": "1"}), ("grpo", {"arm": "sequential", "seed": "1"})]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def run(tmp_path):
    """A run of three jobs on two cores, whose clock the test sets."""
    jobs = [outlook.planned(rule, wildcards) for rule, wildcards in PLAN]
    clock = Clock()
    known = {"grpo asyncthink": 600.0, "grpo sequential": 400.0}
    return outlook.Outlook(jobs, known, lanes=2, stream=io.StringIO(), clock=clock), clock, tmp_path


def event(name, **fields):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", (), None)
    vars(record).update(event=name, **fields)
    return record


def begin(told, number, folder, said=""):
    rule, wildcards = PLAN[number]
    log = folder / f"{number}.log"
    log.write_text(said)
    kind = " ".join([rule, *wildcards.values()])
    told.emit(
        event("job_info", jobid=number, rule_name=rule, wildcards=wildcards, rule_msg=f"{kind} ({log})", log=[log])
    )


def test_what_is_left_is_the_estimate_then_what_jobs_say_then_what_they_took(run):
    told, clock, folder = run
    assert told.report() == ""
    begin(told, 0, folder)
    assert told.report() == "0 of 3 jobs done, about 8 min left\n  puzzles: running for 0 s"
    clock.now = 12.0
    told.emit(event("job_finished", job_id=0))
    begin(told, 1, folder, "grpo asyncthink: step 1 of 90, 9.00 s a step, 13 min 21 s left; reward 0.1\n")
    assert told.left() == pytest.approx(801)
    line = "  grpo asyncthink 1: step 1 of 90, 9.00 s a step, 13 min 21 s left; reward 0.1"
    assert told.report().splitlines() == ["1 of 3 jobs done, about 13 min left", line]
    clock.now = 1212.0
    told.emit(event("job_finished", job_id=1))
    begin(told, 2, folder)
    clock.now += 300.0
    assert told.left() == 900.0
    clock.now += 1000.0
    assert told.left() == 0.25 * 1300


def test_an_estimate_is_held_to_what_jobs_took_and_a_job_that_failed_has_ended():
    durations = outlook.Durations({"sft asyncthink": 100.0, "grpo asyncthink": 1000.0})
    durations.end(outlook.Planned("sft", "sft asyncthink"), 250.0)
    durations.end(outlook.Planned("filter", "filter asyncthink"), 1.0)
    assert durations.of(outlook.Planned("grpo", "grpo asyncthink")) == 2500.0
    assert durations.of(outlook.Planned("filter", "filter sequential")) == 1.0
    told = outlook.Outlook([outlook.planned("grpo", {"arm": "asyncthink"})], {}, 1, io.StringIO())
    told.emit(event("job_info", jobid=0, rule_name="grpo", wildcards={"arm": "asyncthink"}, rule_msg=None, log=[]))
    told.emit(event("job_error", jobid=0))
    assert told.running == {}


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("evaluate a 1: 12/24 episodes, 37.0 a second, 8 s left", 8),
        ("2 min 40 s left; reward", 160),
        ("12 items", None),
    ],
)
def test_a_progress_line_says_what_its_job_has_left(line, seconds):
    assert outlook.own_estimate(line) == seconds


@pytest.mark.parametrize("name", ["nano", "paper"])
def test_every_training_and_evaluation_is_estimated_under_the_name_of_its_job(name, tmp_path):
    (tmp_path / "params.yaml").write_text(scales.scaled(ROOT, name))
    given = params.read(tmp_path / "params.yaml")
    known = outlook.estimated(given, "cpu")
    tests = {name: found.arms for name, found in given.test_sets.items() if found}
    tests["countdown"] = [name for name in given.arms if given.arm_params(name).arm.task == "countdown"]
    for test_set, arms in tests.items():
        for arm in arms:
            assert outlook.planned("evaluate", {"test_set": test_set, "arm": arm, "seed": "1"}).kind in known
    assert all(seconds > 0 for seconds in known.values())


def test_a_run_of_the_whole_graph_ends_by_saying_where_to_look_and_one_of_single_files_does_not():
    script = (
        "from types import SimpleNamespace as S; from asyncthink import outlook\n"
        "outlook.farewell(S(dag_settings=S(targets={targets})), {success})"
    )
    for targets, success, wanted in [
        ("set()", True, "results/report/index.html. The episodes, one by one: "),
        ("set()", False, "the same command goes on from there."),
        ("{'data/puzzles/test.jsonl'}", True, ""),
    ]:
        command = [sys.executable, "-c", script.format(targets=targets, success=success)]
        said = subprocess.run(command, capture_output=True, text=True).stderr
        assert wanted in said and bool(said) == bool(wanted)
