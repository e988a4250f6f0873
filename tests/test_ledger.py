"""Who holds the directory after a kill, and what record and adopt refuse."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

SNAKEFILE = """
from asyncthink import ledger
if workflow.is_main_process:
    ledger.take_over()
onstart:
    ledger.sign_lock()
rule slow:
    output: "slow.txt"
    shell: "echo $$ > started; while [ ! -e go ]; do sleep 0.1; done; echo done > {output}"
"""
RUN = [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete"]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    yield tmp_path
    for process in psutil.process_iter(["cwd"]):
        if process.info["cwd"] == str(tmp_path):
            process.kill()


def started(project, command=RUN):
    """A run that is in the middle of its one step; gives the run and the step's process id."""
    (project / "started").unlink(missing_ok=True)
    run = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if (project / "started").exists() and (project / "started").read_text().strip():
            return run, int((project / "started").read_text())
        assert run.poll() is None
        time.sleep(0.1)
    raise AssertionError("the step did not start")


def finish(project):
    (project / "go").touch()
    done = subprocess.run(RUN, cwd=project, capture_output=True, text=True, timeout=60)
    return done, done.stdout + done.stderr


def test_after_a_killed_driver_the_same_command_goes_on_and_ends_what_it_left(project):
    run, step = started(project)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert psutil.pid_exists(step)
    done, said = finish(project)
    assert done.returncode == 0, said
    assert "going on from what it left" in said
    assert (project / "slow.txt").read_text() == "done\n"
    assert not psutil.pid_exists(step)


def test_a_living_run_keeps_its_locks(project):
    run, step = started(project)
    second = subprocess.run(RUN, cwd=project, capture_output=True, text=True, timeout=60)
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout + second.stderr
    assert psutil.pid_exists(step)
    (project / "go").touch()
    assert run.wait(timeout=60) == 0


def test_locks_taken_on_another_machine_stay(project):
    run, _ = started(project)
    run.send_signal(signal.SIGKILL)
    run.wait()
    (project / ".snakemake" / "holder").write_text("elsewhere")
    done, said = finish(project)
    assert done.returncode != 0
    assert "Locked by a run on elsewhere. If it is dead: snakemake --unlock" in said


def test_after_a_killed_dvc_its_stage_is_taken_over(project):
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=project, check=True)
    leaf = f"{' '.join(RUN)} --allowed-rules slow --force -- slow.txt"
    (project / "dvc.yaml").write_text(f"stages:\n  slow:\n    cmd: {leaf}\n    outs: [slow.txt]\n")
    repro = [sys.executable, "-m", "dvc", "repro"]
    run, step = started(project, repro)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    (project / "go").touch()
    again = subprocess.run(repro, cwd=project, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stdout + again.stderr
    assert not psutil.pid_exists(step)


def asyncthink(directory, command):
    return subprocess.run(
        [sys.executable, "-m", "asyncthink", command], cwd=directory, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command, wanted", [("record", "no dvc.yaml here"), ("adopt", "no dvc.lock here")])
def test_outside_the_project_record_and_adopt_say_where_to_run_them(tmp_path, command, wanted):
    done = asyncthink(tmp_path, command)
    assert done.returncode == 2
    assert wanted in done.stderr
    assert len(done.stderr.splitlines()) == 1
