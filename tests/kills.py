"""Runs that are killed with SIGKILL at chosen moments and then given the same command again.

A phase of a step is a function that the step calls; a moment lies a given time into a given call of it. What ends the
process is tests/killing/sitecustomize.py, inside the process itself, so that a moment falls where it is meant to.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from checkout import Project

from asyncthink.workflow import graph

HOOK = Path(__file__).parent / "killing"


class Phase(NamedTuple):
    """A function that a step calls: module:name, how often a smoke run calls it at least, about how long each time."""

    function: str
    calls: int
    seconds: float


LOCK = Phase("dvc.utils.serialize._yaml:_dump", 12, 0.2)  # before it the file is empty, after it not all is on disk
SAVING = Phase("asyncthink.training.resumption:Resumable._save_checkpoint", 1, 0.1)
PUBLISHING = Phase("asyncthink.training.checkpoints:publish", 1, 0.05)
UPDATING = Phase("asyncthink.training.weighted_loss:WeightedLoss.compute_loss", 5, 0.1)
WRITING = {kind: Phase(f"asyncthink.files:write_{kind}", 1, 0.02) for kind in ("json_lines", "text", "json")}
PHASES = {
    "puzzles": {"writing": WRITING["json_lines"]._replace(calls=3)},
    "items": {"writing": WRITING["json_lines"]},
    "synthesize": {"writing": Phase("asyncthink.synthesis.demonstration:write", 1, 0.3)},
    "filter": {
        "judging": Phase("asyncthink.synthesis.format_filter:reason", 60, 0.001),
        "writing": WRITING["json_lines"]._replace(calls=2),
    },
    "pretrain": {"updating": UPDATING, "saving": SAVING._replace(calls=2), "publishing": PUBLISHING},
    "sft": {"updating": UPDATING, "saving": SAVING, "publishing": PUBLISHING},
    "grpo": {
        "sampling": Phase("asyncthink.training.episode_trainer:sample", 3, 1.0),
        "updating": Phase("asyncthink.training.episode_trainer:EpisodeTrainer._compute_loss", 3, 0.1),
        "saving": SAVING._replace(calls=2),
        "publishing": PUBLISHING,
    },
    "evaluate": {
        "decoding": Phase("asyncthink.evaluation.evaluate:run", 1, 1.0),
        "writing": Phase("asyncthink.evaluation.episode_chunks:append", 1, 0.02),
    },
    "measure": {"measuring": Phase("asyncthink.evaluation.measure:metrics_file", 1, 0.1)},
    "tables": {"writing": WRITING["text"]._replace(calls=8)},
    "claims": {"writing": WRITING["json"]},
    "case_studies": {"writing": WRITING["text"]},
    "figures": {"drawing": Phase("papermill.execute:execute_notebook", 1, 6.0)},
    "report": {"writing": WRITING["text"]},
    "page": {"writing": WRITING["text"]},
    "record": {"looking": Phase("subprocess:run", 1, 3.0), "writing dvc.lock": LOCK._replace(calls=1)},
    "dvc": {"writing dvc.lock": LOCK},
}
ANYWHERE = Phase("asyncthink.cli:main", 1, 8.0)  # of a step of the package: while it imports, mostly
COMMANDS = {
    "figures": ["papermill"],
    ("record", "writing dvc.lock"): ["dvc", "--wait-for-lock", "commit"],
    "dvc": ["dvc", "repro"],
}
VICTIMS = ("step", "group", "driver")


@dataclass(frozen=True)
class Moment:
    """When a run dies, and who: the step's process, all processes of the run, or the driver alone."""

    step: str
    phase: str
    call: int = 1
    delay: float = 0.0
    victim: str = "group"

    def plan(self, note: Path) -> dict:
        """The moment as the hook reads it."""
        function = (PHASES[self.step] | {"anywhere": ANYWHERE})[self.phase].function
        command = COMMANDS.get((self.step, self.phase)) or COMMANDS.get(self.step) or ["asyncthink", self.step]
        return {"command": command, "function": function, "note": str(note), **asdict(self)}


def run(project: Project, command: Sequence[str], moments: Sequence[Moment], notes: Path) -> tuple[int, str]:
    """Run a command until it ends or is killed; its exit code (below 0: the signal) and what it said.

    The n-th moment's note is NOTES/n: it stands there once the moment has come, and then the moment counts no more.
    """
    notes.mkdir(parents=True, exist_ok=True)
    plans = [moment.plan(notes / str(number)) for number, moment in enumerate(moments)]
    paths = os.pathsep.join([project.environment["PYTHONPATH"], str(HOOK)])
    environment = {**project.environment, "PYTHONPATH": paths, "ASYNCTHINK_KILLS": json.dumps(plans)}
    # A file, for what outlives the driver would hold a pipe open.
    with open(notes / "output", "w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=project.directory,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        output.seek(0)
        return done.returncode, output.read()


def struck(moments: Sequence[Moment], notes: Path) -> list[int]:
    """The numbers of the moments that have come."""
    return [number for number in range(len(moments)) if (notes / str(number)).exists()]


@dataclass(frozen=True)
class Attempt:
    """One time that a command was given: the moments that came, its exit code, what it said."""

    came: list[int]
    code: int
    said: str
    mended: bool

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if self.mended:
            return "dvc.lock removed by hand"
        return "killed again" if self.came else "ended by itself"


def repeated(project: Project, command: Sequence[str], moments: Sequence[Moment], notes: Path) -> Iterator[Attempt]:
    """Give a command again and again until it ends by itself."""
    code = None
    while code != 0:
        before = struck(moments, notes)
        code, said = run(project, command, moments, notes)
        came = [number for number in struck(moments, notes) if number not in before]
        mended = bool(code) and not came and mend(project, said)
        assert not code or came or mended, f"{' '.join(command)} ended with {code}: {said[-4000:]}"
        yield Attempt(came, code, said, mended)


def mend(project: Project, said: str) -> bool:
    """Remove dvc.lock, as the README says, if that is what DVC cannot read."""
    if not re.search("dvc.lock' (is invalid|validation failed)", said):
        return False
    (project.directory / "dvc.lock").unlink()
    return True


def leaf_commands(project: Project) -> list[list[str]]:
    """Every step's own command as Snakemake would give it, without the place of its log, in an order that works."""
    told = Project(project.directory, ASYNCTHINK_DETAILS="1")
    said = told.run("snakemake", "--dry-run", "--forceall", "--nolock", "--printshellcmds")
    lines = re.findall(r"^Shell command: python -m (.*) > (\S+) 2>&1$", said, re.MULTILINE)
    for _, log in lines:
        (project.directory / log).parent.mkdir(parents=True, exist_ok=True)
    order = list(graph.READS)
    return sorted((shlex.split(line) for line, _ in lines), key=lambda words: order.index(step_of(words)))


def step_of(words: Sequence[str]) -> str:
    """The step that a leaf command is of."""
    return "figures" if words[0] == "papermill" else words[1]
