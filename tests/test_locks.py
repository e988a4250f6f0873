"""Who holds the directory: reading the graph changes nothing, one run at a time, and a killed run is gone on from."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from asyncthink import locks
from asyncthink.errors import InputError
from asyncthink.training import checkpoints
from asyncthink.training.checkpoints import Scratch

SNAKEFILE = """
from asyncthink.workflow import run_lock, machine
machine.activate()
run_lock.guard(workflow)
run_lock.PATIENCE = float(os.environ.get("PATIENCE", 20))
shell.prefix(f"set -euo pipefail; {run_lock.SHELL}")
rule slow:
    output: "slow.txt"
    shell: "python step.py > {output}"
"""
STEP = """
import os, time
from pathlib import Path
from asyncthink.workflow import run_lock
if not os.environ.get("STUBBORN"):
    run_lock.end_with_run()
Path("started").write_text(str(os.getpid()))
while not Path("go").exists():
    time.sleep(0.05)
print("done")
"""
RUN = ["-m", "snakemake", "--cores", "1", "--rerun-incomplete"]
GOES_ON = "The last run here was killed; going on from what it left."
READING = (["--dry-run"], ["--summary"], ["--report", "report.html"], ["--list-rules"], ["--dag"])


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "step.py").write_text(STEP)
    (tmp_path / "params.yaml").touch()
    yield tmp_path
    (tmp_path / "go").touch()


@contextmanager
def started(project, command=RUN, **environment):
    """A run that is in the middle of its one step; gives the run and the step's process id."""
    (project / "started").unlink(missing_ok=True)
    run = subprocess.Popen(
        [sys.executable, *command],
        cwd=project,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: (project / "started").exists() and (project / "started").read_text())
        yield run, int((project / "started").read_text())
    finally:
        run.kill()
        run.wait()


def until(happens, seconds=60):
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lives(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def called(project, *command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def unlock(project):
    return called(project, "-m", "asyncthink", "unlock")


def killed(project, **environment):
    """A run's driver dies alone; the process id of its step."""
    with started(project, **environment) as (run, step):
        run.send_signal(signal.SIGKILL)
    return step


def held(project):
    """What holds the directory: who, and Snakemake's own locks."""
    own = project / ".snakemake" / "run.lock"
    return own.read_text(), sorted(path.name for path in (project / ".snakemake" / "locks").glob("*"))


def test_reading_the_graph_leaves_a_living_run_alone(project):
    with started(project) as (run, step):
        before = held(project)
        for question in READING:
            called(project, *RUN, *question)
            assert held(project) == before and before[1], question
            assert run.poll() is None and lives(step), question
        (project / "go").touch()
        assert run.wait(timeout=60) == 0


def test_reading_the_graph_leaves_what_a_killed_run_left(project):
    step = killed(project, STUBBORN="1")
    before = held(project)
    for question in READING:
        called(project, *RUN, *question)
        assert held(project) == before and before[1], question
        assert lives(step), question


def test_a_second_run_waits_and_then_names_the_first(project):
    with started(project) as (run, step):
        code, said = called(project, *RUN, PATIENCE="1")
        assert code == 1
        assert f"this directory is held by process {run.pid} on " in said and ", since 20" in said
        assert run.poll() is None and lives(step)
        code, said = unlock(project)
        assert code == 2 and said.count("\n") == 1 and f"held by process {run.pid} on " in said
        (project / "go").touch()
        assert run.wait(timeout=60) == 0


def test_snakemakes_own_unlock_lets_no_second_run_in(project):
    with started(project):
        called(project, *RUN, "--unlock")
        code, said = called(project, *RUN, PATIENCE="1")
        assert code == 1 and "this directory is held by process" in said


def test_after_a_killed_driver_its_step_ends_by_itself_and_the_same_command_goes_on(project):
    step = killed(project)
    until(lambda: not lives(step), seconds=10)
    (project / "go").touch()
    code, said = called(project, *RUN)
    assert code == 0, said
    assert said.count(GOES_ON) == 1
    assert (project / "slow.txt").read_text() == "done\n"


def test_a_step_that_outlived_its_run_is_named_and_has_no_second_writer(project):
    step = killed(project, STUBBORN="1")
    code, said = called(project, *RUN, PATIENCE="1")
    assert code == 1 and "a step of a run that has ended is still at work: process " in said
    assert unlock(project)[0] == 2
    assert lives(step) and (project / "started").read_text() == str(step)
    (project / "go").touch()
    code, said = called(project, *RUN)
    assert code == 0 and GOES_ON in said, said


def test_unlock_frees_what_a_killed_run_left_and_says_so(project):
    step = killed(project)
    until(lambda: not lives(step), seconds=10)
    assert unlock(project) == (0, "freed what a killed run had locked\n")
    assert unlock(project) == (0, "nothing is locked\n")
    (project / "go").touch()
    code, said = called(project, *RUN)
    assert code == 0 and GOES_ON not in said


def test_a_stage_that_a_killed_dvc_left_is_waited_for(project):
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)
    leaf = f"{sys.executable} {' '.join(RUN)} --allowed-rules slow --force -- slow.txt"
    (project / "dvc.yaml").write_text(f"stages:\n  slow:\n    cmd: {leaf}\n    outs: [slow.txt]\n")
    repro = ["-m", "dvc", "repro"]
    with started(project, repro) as (run, step):
        run.send_signal(signal.SIGKILL)
    assert lives(step)
    code, said = called(project, *repro, PATIENCE="0.5")
    assert code != 0 and "this directory is held by process" in said and lives(step)
    (project / "go").touch()
    code, said = called(project, *repro)
    assert code == 0, said


SECOND_WRITER = """
import sys
from pathlib import Path
from asyncthink.training import checkpoints
checkpoints.PATIENCE = float(sys.argv[2])
with checkpoints.Scratch(Path(sys.argv[1])).held():
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(folder, patience):
    return subprocess.Popen(
        [sys.executable, "-c", SECOND_WRITER, str(folder), str(patience)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SLURM_JOB_ID": "55"},
    )


def test_a_second_writer_of_a_scratch_folder_waits_until_the_first_is_dead(tmp_path):
    folder = tmp_path / "grpo" / "abc"
    with writer(folder, 60) as first:
        assert first.stdout.readline() == "writing\n"
        with writer(folder, 60) as second:
            said = second.stderr.readline()
            assert said.startswith(f"{folder} is held by process {first.pid} on ") and ", SLURM job 55, since " in said
            assert second.poll() is None
            first.kill()
            assert second.communicate(timeout=60)[0] == "writing\n"
            assert second.returncode == 0


def test_a_second_writer_gives_up_with_one_line_that_names_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PATIENCE", 0.0)
    folder = tmp_path / "abc"
    with writer(folder, 0) as first:
        assert first.stdout.readline() == "writing\n"
        said = f"abc is held by process {first.pid} on .*wait until it ends"
        with pytest.raises(InputError, match=said), Scratch(folder).held():
            raise AssertionError("two writers")
        first.communicate()
    with Scratch(folder).held():
        assert (tmp_path / "abc.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_holder_that_ends_while_it_is_looked_at_is_named_as_another(tmp_path, monkeypatch):
    def ends(lock, **how):
        raise Timeout(lock.lock_file)

    monkeypatch.setattr(FileLock, "acquire", ends)
    with pytest.raises(InputError, match="abc is held by another process; wait until it ends"):
        locks.acquire(tmp_path / "abc.lock", 0.0)


def test_of_processes_that_train_together_only_the_first_holds_the_folder(tmp_path):
    with Scratch(tmp_path / "abc").held(), Scratch(tmp_path / "abc").held(first=False):
        pass
