"""Scratch states that are whole or not there, and results put in place file by file.

A long step keeps its states under `work/STEP/FINGERPRINT/checkpoint-N/`. The fingerprint covers the step's parameters,
the contents of its inputs, its code and the libraries that compute, so a changed number or a mended line starts afresh
and an equal run goes on. A state is complete once its `DONE` file stands in it: that is written last and holds the
content hash of every other file, so a state that was cut off while it was being saved, or damaged later, is never read.
Only files under `work/` are ever unpickled.
"""

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from asyncthink import locks
from asyncthink.errors import InputError
from asyncthink.files import replacing, sha256, write_json
from asyncthink.models import kernels, language_model
from asyncthink.training import attention

PATIENCE = 300.0  # seconds for another writer to end: a cluster may send a job anew before the old one is gone
DONE = "DONE"
KEPT = 2
WEIGHTS = "model.safetensors"
TEMPLATES = ("chat_template.jinja", "additional_chat_templates/*.jinja")  # files that not every tokenizer has
LIBRARIES = ("accelerate", "math-verify", "numpy", "torch", "transformers", "trl")  # which compute what is kept


def fingerprint(step: str, config: Mapping[str, Any], inputs: Sequence[Path], code: str) -> str:
    """What a step's result depends on, as 16 hex digits. An input is a file, or a folder of files; `code` is a hash."""
    contents = [hashes(path) for path in inputs]
    own = {
        "kernels": kernels.used(),
        "attention": attention.asked(),
        "bfloat16": language_model.multiplies_in_bfloat16(),
    }
    libraries = {name: version(name) for name in LIBRARIES} | own
    text = json.dumps([step, dict(config), contents, code, libraries], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hashes(path: Path) -> dict[str, str]:
    """The content hash of a file, or of every file in a folder, by name."""
    if path.is_file():
        return {path.name: sha256(path)}
    return {file.relative_to(path).as_posix(): sha256(file) for file in _files(path)}


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such file; run the step that makes it (snakemake {folder})")
    return sorted(file for file in folder.rglob("*") if file.is_file())


@dataclass(frozen=True)
class Scratch:
    """The states of one step with one fingerprint."""

    folder: Path

    @classmethod
    def of(cls, step: str, config: Mapping[str, Any], inputs: Sequence[Path], code: str) -> "Scratch":
        """The scratch folder that a step's parameters, inputs and code lead to."""
        return cls(Path("work") / step / fingerprint(step, config, inputs, code))

    @contextmanager
    def held(self, first: bool = True) -> Iterator[None]:
        """The one writer of these states; of processes that train together, the first one for all.

        Another writer is waited for, PATIENCE seconds; then it is named by InputError.
        """
        path = self.folder.with_suffix(".lock")
        lock = locks.acquire(path, PATIENCE) if first else None
        try:
            yield
        finally:
            if lock:
                path.unlink(missing_ok=True)
                lock.release()

    def state(self, number: int) -> Path:
        """Where the state after training step `number` lies."""
        return self.folder / f"checkpoint-{number}"

    def newest(self) -> Path | None:
        """The newest whole state, or None; a damaged one is passed over with a warning."""
        for number in self._numbers():
            state = self.state(number)
            if (state / DONE).is_file():
                flaw = damage(state)
                if flaw is None:
                    return state
                print(f"warning: {state} is damaged ({flaw}); going on from the state before it", file=sys.stderr)
        return None

    def finish(self, number: int) -> None:
        """Mark a state as complete, and drop all but the newest two."""
        state = self.state(number)
        write_json(state / DONE, hashes(state))
        complete = [older for older in self._numbers() if (self.state(older) / DONE).is_file()]
        for older in set(self._numbers()) - set(complete[:KEPT]):
            self.drop(older)

    def drop(self, number: int) -> None:
        """Remove a state, its mark first: a removal that is cut off leaves no state that looks complete."""
        (self.state(number) / DONE).unlink(missing_ok=True)
        shutil.rmtree(self.state(number), ignore_errors=True)

    def remove(self) -> None:
        """Remove everything; the result has been published."""
        for number in self._numbers():
            self.drop(number)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _numbers(self) -> list[int]:
        """The numbers of all states, complete or not, newest first."""
        names = [re.fullmatch(r"checkpoint-(\d+)", path.name) for path in self.folder.glob("checkpoint-*")]
        return sorted((int(name[1]) for name in names if name), reverse=True)


def damage(state: Path) -> str | None:
    """What is wrong with a state that says it is complete, or None."""
    try:
        saved = json.loads((state / DONE).read_text(encoding="utf-8"))
        if not isinstance(saved, dict) or not saved:
            return f"{DONE} is not a table of hashes"
        present = hashes(state)
        wrong = [name for name, digest in saved.items() if present.get(name) != digest]
    except (OSError, ValueError) as error:
        return f"{DONE} cannot be read: {error}"
    return f"{wrong[0]} is not what was saved" if wrong else None


def publish(source: Path, destination: Path) -> None:
    """Put every file of a folder into another, each in one step and the weights last: where they are, all is.

    Chat templates that another model left there go first, or they would be taken for this one's.
    """
    for left in (path for pattern in TEMPLATES for path in destination.glob(pattern)):
        if not (source / left.relative_to(destination)).exists():
            left.unlink(missing_ok=True)
    for file in sorted(_files(source), key=lambda file: (file.name == WEIGHTS, file.name)):
        with replacing(destination / file.relative_to(source)) as temporary:
            shutil.copyfile(file, temporary)
