"""Copies of this checkout in which tests run commands as a person would."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MOVING = "asyncthink_priced"  # at smoke scale no other organizer earns, and so no other one's weights move
LEFT_OUT = (
    "metrics/reference/",
    "metrics/attempts/",
    "data/README.md",
    "data/.gitignore",
    "data/sources/",
    "results/times/",
)


def of_arms(raw, arms):
    """The parameters, as a mapping, of some arms alone: neither a variant nor a test set names another."""
    raw["arms"] = {arm: keys for arm, keys in raw["arms"].items() if arm in arms}
    for entry in (*raw["evaluate"]["variants"].values(), *filter(None, raw["test_sets"].values())):
        entry["arms"] = [arm for arm in entry["arms"] if arm in arms]
    raw["evaluate"]["variants"] = {name: keys for name, keys in raw["evaluate"]["variants"].items() if keys["arms"]}
    return raw


class Project:
    """A checkout of its own, in which the package's commands, Snakemake and DVC are run as a person would."""

    def __init__(self, directory, **environment):
        self.directory = directory
        activated = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        own = {"PATH": activated, "PYTHONPATH": str(directory / "src"), "OMP_NUM_THREADS": "1"}
        self.environment = {**os.environ, **own, **environment}

    @classmethod
    def laid_out(cls, directory, scale, **environment):
        """A copy of this checkout at another scale, without what git ignores."""
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, directory / name)
        project = cls(directory, **environment)
        project.run("git", "init", "--quiet")
        project.run("asyncthink", "scale", scale)
        return project

    def run(self, *command, check=True):
        program = command if command[0] == "git" else (sys.executable, "-m", *command)
        done = subprocess.run(
            program, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=1500
        )
        assert done.returncode == 0 or not check, (done.stdout + done.stderr)[-6000:]
        return done.stdout + done.stderr

    @contextmanager
    def started(self, *command, output):
        """A command that runs beside the test; it does not outlive it."""
        words = [sys.executable, "-m", *command]
        run = subprocess.Popen(words, cwd=self.directory, env=self.environment, stdout=output, stderr=output)
        try:
            yield run
        finally:
            run.kill()
            run.wait()

    def commit(self, message):
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "--quiet", "--message", message)

    def with_value(self, key, value):
        """params.yaml with one value changed."""
        raw = yaml.safe_load((self.directory / "params.yaml").read_text(encoding="utf-8"))
        section, _, name = key.partition(".")
        raw[section] = {**raw[section], name: value} if name else value
        return json.dumps(raw)

    def made(self):
        """Every data set, model, record, table and figure, by path; not what was committed, nor what jobs took."""
        found = {}
        for folder in ("data", "results", "metrics", "figures"):
            for path in (self.directory / folder).rglob("*"):
                name = path.relative_to(self.directory).as_posix()
                if path.is_file() and path.name != ".snakemake_timestamp" and not name.startswith(LEFT_OUT):
                    found[name] = path.read_bytes()
        return found
