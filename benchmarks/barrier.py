"""Seconds to the answer at a load of 1, 8 and 64 episodes, beside a runtime with a barrier, on identical traces.

With the barrier the organizer stops at each Fork until all its workers are back, as runtimes do in which a call returns
its result. Load n means that n episodes are under way at any time; each that ends makes room for the next. The clock is
this process's processor time: one thread does all the work, so on a quiet machine it is the time on the wall, and on a
busy one it still is.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asyncthink import engines
from asyncthink.engines import Completion, Request
from asyncthink.engines.local import Local
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.thinking import THINKING
from benchmarks import record, replay, timing

LOADS = {1: 12, 8: 32, 64: 128}  # load -> episodes of a turn
REPEATS = 2
QUANTILES = (50, 95)
ALL = (
    ". Every row that is under way is in every step here, so that no order is left to choose and only a step's own time"
    " can be shortened; what was tried at that stands at the RL step"
)
TRIED = {
    1: ALL,
    8: ALL,
    64: ". Tried beside other work: batches of 48 rows, organizers first, p50 1.7 s where the barrier takes"
    " 2.4, but p95 4.8 where it takes 3.7; the oldest episode first in such batches, 2.5 and 3.8; batches without a"
    " limit for both, 2.2 and 3.4 where the barrier takes 2.2 and 3.2",
}
# A latency is of steps, here as everywhere.
NAMES = {"s": "time to the answer of a {}", "steps": "latency of a {}, in decoding steps"}


class Barrier(replay.Replay):
    """The same engine, where an organizer with workers under way waits for all of them."""

    def __init__(self, local: Local, script: replay.Script) -> None:
        super().__init__(local, script)
        self._working: dict[tuple[Any, ...], set[asyncio.Task[Completion]]] = defaultdict(set)

    async def complete(self, request: Request) -> Completion:
        *episode, agent = request.trace
        working = self._working[tuple(episode)]
        if agent == "organizer":
            await asyncio.sleep(0)  # a worker that was just forked gets to its first call
            await asyncio.gather(*working)
            return await super().complete(request)
        task = asyncio.ensure_future(super().complete(request))
        working.add(task)
        try:
            return await task
        finally:
            working.discard(task)


@dataclass(frozen=True)
class Turn:
    """The episodes of a load by one scheduler: seconds and decoding steps to the answer; rows and seconds of a step."""

    seconds: Sequence[float]
    steps: Sequence[int]
    rows: float
    step_seconds: float


def measure() -> list[record.Row]:
    """p50 and p95 of the time to the answer for each load, and p50 of the decoding steps to it."""
    given = replay.nano()
    written = replay.demonstrations(given, max(LOADS.values()), 32)
    model, tokenizer = replay.random_model(given)
    local = Local(model, tokenizer)
    rows = []
    for load, episodes in LOADS.items():
        turns: dict[type[replay.Replay], list[Turn]] = defaultdict(list)
        for _ in range(REPEATS):
            for kind in (replay.Replay, Barrier):
                turns[kind].append(turn(kind(local, replay.by_episode(written)), given, written[:episodes], load))
        rows += _compared(load, turns[replay.Replay], turns[Barrier])
    return rows


def turn(engine: replay.Replay, given: Any, written: list[Demonstration], load: int) -> Turn:
    """Every episode from its start to its end; each said what it was told to say."""
    settings, local = replay.unlimited(given.thinking), engine.local
    waiting = iter(range(len(written)))
    seconds: list[float] = []
    steps: list[int] = []

    async def client() -> None:
        for number in waiting:
            start, before = time.process_time(), local.steps
            item = written[number].item
            one = await THINKING["asynchronous"](engine, "countdown", item, settings, {}, ("barrier", number))
            seconds.append(time.process_time() - start)
            steps.append(local.steps - before)
            replay.compare(one, written[number])

    begin, first, fed = time.process_time(), local.steps, local.fed
    engines.run(engine, [client() for _ in range(load)])
    made = local.steps - first
    return Turn(seconds, steps, (local.fed - fed) / made, (time.process_time() - begin) / made)


def _compared(load: int, ours: list[Turn], theirs: list[Turn]) -> Iterator[record.Row]:
    for quantile in QUANTILES:
        row = _row(load, quantile, "s", *([each.seconds for each in side] for side in (ours, theirs)))
        yield {**row, "goal": "≥ 1.3 times faster", "note": _bound(load, ours, theirs)}
    yield _row(load, QUANTILES[0], "steps", *([each.steps for each in side] for side in (ours, theirs)))


def _row(load: int, quantile: int, unit: str, ours: list[Sequence[float]], theirs: list[Sequence[float]]) -> record.Row:
    own, other = ([float(np.percentile(turn, quantile)) for turn in side] for side in (ours, theirs))
    return {
        "what": NAMES[unit].format(f"fork-join episode, load {load}, p{quantile}"),
        "against": "a barrier at each Fork, identical traces",
        "goal": "",
        "ratio": timing.ratio(other, own),
        "unit": f"{unit} an episode",
        "ours": own,
        "theirs": other,
        "checked": "every word of every agent of every episode",
    }


def _bound(load: int, ours: list[Turn], theirs: list[Turn]) -> str:
    """Why a busy engine gives little: n episodes under way take n over the episodes that a second completes."""
    told = [
        f"{np.median([each.rows for each in side]):.0f} at"
        f" {1e6 * np.median([each.step_seconds / each.rows for each in side]):.0f} µs a row"
        for side in (ours, theirs)
    ]
    return (
        f"rows decoded in a step: {told[0]}, with a barrier {told[1]}; where a row costs the same, as many tokens a"
        " second are decoded, so that by Little's law the mean time to the answer of n episodes under way is the same"
        " whoever waits"
        f"{TRIED.get(load, '')}"
    )


if __name__ == "__main__":
    record.main(measure)
