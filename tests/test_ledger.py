"""What record and adopt refuse outside of the project."""

import subprocess
import sys

import pytest


def asyncthink(directory, command):
    return subprocess.run(
        [sys.executable, "-m", "asyncthink", command], cwd=directory, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command, wanted", [("record", "no dvc.yaml here"), ("adopt", "no dvc.lock here")])
def test_record_and_adopt_say_which_ledger_is_missing(tmp_path, command, wanted):
    (tmp_path / "params.yaml").touch()
    done = asyncthink(tmp_path, command)
    assert done.returncode == 2
    assert wanted in done.stderr
    assert len(done.stderr.splitlines()) == 1
