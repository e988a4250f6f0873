"""What a run says while it works: how many jobs are done, how long it has left, and what each job said last."""

import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from asyncthink import progress
from asyncthink.config import params, scales
from asyncthink.config.subject import subject
from asyncthink.engines import Identity
from asyncthink.files import write_json
from asyncthink.workflow import outlook

ROOT = Path(__file__).parents[1]
TITLES = {
    "pretrain 1": ("pretrain", {"seed": "1"}),
    "synthesize asyncthink": ("synthesize", {"arm": "asyncthink"}),
    "grpo asyncthink 1": ("grpo", {"arm": "asyncthink", "seed": "1"}),
    "evaluate asyncthink 1": ("evaluate", {"test_set": "countdown", "arm": "asyncthink", "seed": "1"}),
    "evaluate asyncthink sudoku 1": ("evaluate", {"test_set": "sudoku", "arm": "asyncthink", "seed": "1"}),
}
PLAN = [("puzzles", {}), ("grpo", {"arm": "asyncthink", "seed": "1"}), ("grpo", {"arm": "sequential", "seed": "1"})]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of three jobs on two cores, whose clock the test sets."""
    jobs = [outlook.job_name(rule, wildcards) for rule, wildcards in PLAN]
    clock = Clock()
    known = {"grpo asyncthink": 600.0, "grpo sequential": 400.0}
    monkeypatch.chdir(tmp_path)
    return outlook.Outlook(jobs, known, lanes=2, stream=io.StringIO(), clock=clock), clock


def event(name, **fields):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", (), None)
    vars(record).update(event=name, **fields)
    return record


def begin(told, number):
    rule, wildcards = PLAN[number]
    told.emit(event("job_info", jobid=number, rule_name=rule, wildcards=wildcards))


def test_what_is_left_is_the_estimate_then_what_jobs_say_then_what_they_took(run):
    told, clock = run
    assert told.report() == ""
    stale = progress.file("grpo asyncthink 1")
    write_json(stale, asdict(progress.Note(80, 90, 0.1, 100.0, "of a run that was killed")))
    begin(told, 0)
    assert told.report() == "0 of 3 jobs done, about 8 min left\n  puzzles: running for 0 s"
    clock.now = 12.0
    told.emit(event("job_finished", job_id=0))
    begin(told, 1)
    assert told.report().splitlines()[1] == "  grpo asyncthink 1: running for 0 s"
    line = "1 of 90 steps, 9.00 s each, 13 min 21 s left; reward 0.100"
    write_json(stale, asdict(progress.Note(1, 90, 1 / 9, 801.0, line)))
    assert told.left() == 801.0
    assert told.report().splitlines() == ["1 of 3 jobs done, about 13 min left", f"  grpo asyncthink 1: {line}"]
    clock.now = 1212.0
    told.emit(event("job_finished", job_id=1))
    begin(told, 2)
    clock.now += 300.0
    assert told.left() == 900.0
    clock.now += 1000.0
    assert told.left() == 0.25 * 1300


def test_an_estimate_is_held_to_what_jobs_took():
    durations = outlook.Durations({"sft asyncthink": 100.0, "grpo asyncthink": 1000.0})
    durations.end("sft asyncthink", 250.0)
    durations.end("filter asyncthink", 1.0)
    assert durations.of("grpo asyncthink") == 2500.0
    assert durations.of("filter sequential") == 1.0


def test_a_job_that_failed_is_yet_to_be_done_and_says_nothing_of_how_long_one_takes(run):
    told, clock = run
    begin(told, 1)
    clock.now = 3.0
    told.emit(event("job_error", jobid=1))
    assert told.running == {} and told.left() == (12.0 + 600.0 + 400.0) / 2
    begin(told, 1)
    begin(told, 2)
    told.emit(event("job_finished", job_id=1))
    assert told.report().startswith("1 of 3 jobs done")


@pytest.mark.parametrize("name", ["nano", "paper"])
def test_every_training_and_evaluation_is_estimated_under_the_name_of_its_job(name, tmp_path):
    (tmp_path / "params.yaml").write_text(scales.scaled(ROOT, name))
    given = params.read(tmp_path / "params.yaml")
    known = outlook.estimated(given, "cpu")
    tests = {name: found.arms for name, found in given.test_sets.items() if found}
    tests["countdown"] = [name for name in given.arms if given.arm_params(name).arm.task == "countdown"]
    for test_set, arms in tests.items():
        for arm in arms:
            assert outlook.job_name("evaluate", {"test_set": test_set, "arm": arm, "seed": "1"}) in known
    assert all(seconds > 0 for seconds in known.values())


def test_the_title_that_a_step_gives_itself_is_the_one_that_the_terminal_looks_for(run):
    told, _ = run
    for number, (rule, wildcards) in enumerate(TITLES.values()):
        told.emit(event("job_info", jobid=number, rule_name=rule, wildcards=wildcards))
    assert [job.title for job in told.running.values()] == list(TITLES)
    given = params.read(ROOT / "params.yaml")
    for test_set in ("countdown", "sudoku"):
        about = subject(given, test_set, "test", "asyncthink", 1, [], Identity("local", "float32"))
        assert about.title in TITLES


SNAKEFILE = """
from asyncthink.workflow import run_lock, machine, outlook
from asyncthink.config import params
machine.activate()
run_lock.guard(workflow)
onstart:
    outlook.follow(workflow, params.read("params.yaml"))
onsuccess:
    outlook.farewell(workflow, success=True)
onerror:
    outlook.farewell(workflow, success=False)
rule report:
    output: "results/report/index.html"
    input: "1.txt", "2.txt"
    shell: "touch {output}"
rule slow:
    output: "{seed}.txt"
    log: "{seed}.log"
    shell: "touch {wildcards.seed}; [ -e go ] || python -c 'import time; time.sleep(60)' > {log} 2>&1; touch {output}"
"""
RUN = [sys.executable, "-m", "snakemake", "--cores", "2", "--rerun-incomplete", "--show-failed-logs"]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def test_an_interrupted_run_ends_in_two_lines_and_the_same_command_goes_on(project):
    with open(project / "said", "w") as said:
        run = subprocess.Popen(RUN, cwd=project, stdout=said, stderr=said, start_new_session=True)
        while not ((project / "1").exists() and (project / "2").exists()):
            assert run.poll() is None
            time.sleep(0.1)
        time.sleep(1)
        before = (project / "said").stat().st_size
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(timeout=60) != 0
    assert (project / "said").read_text()[before:].splitlines() == [
        "Interrupted; waiting for the steps at work to stop.",
        "Finished steps are kept, and so are the states of trainings and evaluations; the same command goes on.",
    ]
    assert last_line_of_a_run(project) == f"Done. The report: {project}/results/report/index.html"


def last_line_of_a_run(project, *words):
    (project / "go").touch()
    done = subprocess.run([*RUN, *words], cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [("--until", "slow"), ("1.txt",)])
def test_a_run_of_a_part_of_the_graph_names_no_report(project, words):
    assert "report" not in last_line_of_a_run(project, *words)


def test_a_run_that_fails_says_that_the_same_command_goes_on(project):
    (project / "go").touch()
    (project / "Snakefile").write_text(SNAKEFILE.replace("; touch {output}", "; false"))
    done = subprocess.run(RUN, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("the same command goes on from there.")


def test_an_interrupted_command_says_so_in_one_line():
    words = [sys.executable, "-m", "asyncthink", "grade", "--task", "countdown"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        run.stdin.write('{"item": {"numbers": [1, 2], "target": 3, "required": 1}, "answer": "1+2"}\n')
        run.stdin.flush()
        time.sleep(3)
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=60) == 130
        assert run.stderr.read() == "asyncthink grade: interrupted\n"
