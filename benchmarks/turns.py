"""Steps of a training by this package and by commit c844dab, in turns, on the same inputs from the same weights."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from asyncthink.files import write_json, write_json_lines
from asyncthink.models import language_model, word_tokenizer
from asyncthink.synthesis import demonstration, documents
from asyncthink.training import sft
from benchmarks import earlier, replay

CHILD = Path(__file__).with_name("training_steps.py")
ITEMS, DEMONSTRATIONS, DOCUMENTS = 64, 2048, 2000
FIRST = 2  # steps before the clock counts: what is compiled, is compiled


@dataclass(frozen=True)
class Turn:
    """What a step took and found."""

    seconds: float
    loss: float
    grad_norm: float


@contextmanager
def prepared() -> Iterator[Path]:
    """A folder with the inputs of every training, which either package can read, and a model with random weights."""
    given = replay.nano()
    with TemporaryDirectory() as name:
        folder = Path(name)
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
        (folder / "params.yaml").write_bytes(Path(earlier.ROOT / "params.yaml").read_bytes())
        yield folder


def taken(step: str, folder: Path, count: int) -> tuple[list[Turn], list[Turn]]:
    """So many steps of each side after the first few: ours, theirs. Loss and gradient of every step were compared."""
    here = {**os.environ, "PYTHONPATH": str(earlier.ROOT / "src")}
    environments = [here, earlier.environment()]
    sides = [_started(step, folder, FIRST + count, one) for one in environments]
    try:
        pairs = [[_next(side) for side in sides] for _ in range(FIRST + count)]
    finally:
        for side in sides:
            side.kill()
            side.wait()
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


def _started(step: str, folder: Path, steps: int, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    # -P: a neighbour of the child is called like a package that TRL looks for
    command = [sys.executable, "-P", str(CHILD), step, str(folder), str(steps)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=dict(environment), text=True, **pipes)


def _next(side: subprocess.Popen[str]) -> Turn:
    assert side.stdin and side.stdout
    side.stdin.write("\n")
    side.stdin.flush()
    line = side.stdout.readline()
    if not line:
        raise ChildProcessError(f"{' '.join(map(str, side.args))} ended; run it by hand to see why")
    return Turn(**json.loads(line))
