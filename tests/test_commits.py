"""Which commit last changed some files: asked of git."""

import subprocess

import pytest

from asyncthink.evaluation.claims import CLAIMS
from asyncthink.workflow import commits


def git(folder, *arguments):
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *arguments], cwd=folder, check=True)
    told = ["git", "log", "-1", "--format=%h"]
    return subprocess.run(told, cwd=folder, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "rule.py").write_text("1\n")
    (tmp_path / "other.py").write_text("1\n")
    git(tmp_path, "add", "--all")
    return tmp_path


def test_it_is_the_newest_commit_that_changed_one_of_them(checkout):
    first = git(checkout, "commit", "--quiet", "--message", "first")
    (checkout / "other.py").write_text("2\n")
    second = git(checkout, "commit", "--quiet", "--all", "--message", "second")
    assert commits.of_files(checkout / "rule.py") == first
    assert commits.of_files(checkout / "rule.py", checkout / "other.py") == second


def test_what_is_changed_and_not_committed_is_of_no_commit(checkout):
    git(checkout, "commit", "--quiet", "--message", "first")
    (checkout / "rule.py").write_text("2\n")
    assert commits.of_files(checkout / "rule.py") == "uncommitted"


def test_outside_of_a_checkout_nothing_is_known(tmp_path):
    (tmp_path / "rule.py").write_text("1\n")
    assert commits.of_files(tmp_path / "rule.py") is None


def test_every_rule_has_a_commit_of_its_own_module():
    assert set(commits.of_rules().rules) == set(CLAIMS)
