"""What record and adopt refuse, and what a dry run is read as."""

import subprocess
import sys

import pytest

from asyncthink.ledger import jobs_by_rule


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


def test_the_job_table_of_a_dry_run_is_read():
    table = (
        "Job stats:\njob      count\n-----  -------\nall          1\ngrpo         4\ntables       1\ntotal        6\n"
    )
    assert jobs_by_rule(table + "\n" + table) == {"grpo": 4, "tables": 1}
    assert jobs_by_rule("Nothing to be done (all requested files are present and up to date).\n") == {}
