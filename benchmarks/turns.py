"""Steps of a training by this package and by commit c844dab, in turns, on the same inputs from the same weights."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncthink.files import write_json, write_json_lines
from asyncthink.models import language_model, word_tokenizer
from asyncthink.synthesis import demonstration, documents
from asyncthink.training import sft
from benchmarks import earlier, replay
from benchmarks.record import ROOT

CHILD = Path(__file__).with_name("training_steps.py")
ITEMS, DEMONSTRATIONS, DOCUMENTS = 64, 2048, 2000
SHOWN = 2000  # letters of what a child said before it ended
FIRST = 2  # steps before the clock counts: what is compiled, is compiled


@dataclass(frozen=True)
class Turn:
    """What a step took and found."""

    seconds: float
    loss: float
    grad_norm: float


class Side:
    """A child process that takes a step whenever it is told to; what it says besides goes into a log."""

    def __init__(self, words: list[str], environment: dict[str, str], log: Path) -> None:
        # -P: a neighbour of the child is called like a package that TRL looks for
        command = [sys.executable, "-P", *words]
        self.log = log
        with open(log, "wb") as output:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": output}
            self._process = subprocess.Popen(command, env=environment, text=True, **pipes)

    def step(self) -> Turn:
        """The next one; ChildProcessError, with what the child said last, where it has ended."""
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            said = self.log.read_text(encoding="utf-8", errors="replace")[-SHOWN:]
            raise ChildProcessError(f"{' '.join(map(str, self._process.args))} ended; it said last:\n{said}")
        return Turn(**json.loads(line))

    def end(self) -> None:
        """Whatever it is doing."""
        self._process.kill()
        self._process.wait()


@contextmanager
def prepared() -> Iterator[Path]:
    """A folder with the earlier commit, and with the inputs of every training."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        earlier.checkout(folder / "earlier")
        write_inputs(folder)
        yield folder


def write_inputs(folder: Path) -> None:
    """What either package can read, and a model with random weights."""
    given = replay.nano()
    tokenizer = word_tokenizer.build(given.puzzles)
    language_model.write(language_model.build(given.model, tokenizer, 0), tokenizer, folder / "start")
    written = replay.demonstrations(given, DEMONSTRATIONS, ITEMS)
    demonstration.write(folder / "demonstrations.jsonl", written)
    rows = sft.rows(written, tokenizer, given.thinking)
    write_json_lines(folder / "rows.jsonl", map(asdict, rows))
    items = list({one.item["id"]: one.item for one in written}.values())
    write_json_lines(folder / "items.jsonl", items)
    corpus = documents.documents(documents.Settings(given.puzzles, given.pretrain), given.seed)
    write_json_lines(folder / "documents.jsonl", (one._asdict() for one in islice(corpus, DOCUMENTS)))
    write_json(folder / "settings.json", asdict(given))
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())


def taken(step: str, folder: Path, count: int) -> tuple[list[Turn], list[Turn]]:
    """So many steps of each side after the first few: ours, theirs. Loss and gradient of every step were compared."""
    here = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    environments = {"this": here, "earlier": earlier.environment(folder / "earlier")}
    arguments = [step, str(folder), str(FIRST + count)]
    sides = [Side([str(CHILD), *arguments], own, folder / f"{step}-{name}.log") for name, own in environments.items()]
    try:
        pairs = [[side.step() for side in sides] for _ in range(FIRST + count)]
    finally:
        for side in sides:
            side.end()
    for number, (own, other) in enumerate(pairs):
        assert alike(own, other), f"step {number} of {step}: {own} is not {other}"
    ours, theirs = zip(*pairs[FIRST:], strict=True)
    return list(ours), list(theirs)


def alike(own: Turn, other: Turn) -> bool:
    """To what rounding makes of a few updates."""
    return all(
        abs(a - b) <= 1e-3 + 1e-2 * abs(b) for a, b in ((own.loss, other.loss), (own.grad_norm, other.grad_norm))
    )


def seconds(turns: Sequence[Turn]) -> list[float]:
    """Of each."""
    return [turn.seconds for turn in turns]
