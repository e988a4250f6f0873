"""Latency on the wall at a load of 1, 8 and 64 episodes, beside a runtime with a barrier, on identical traces.

With the barrier the organizer stops at each Fork until all its workers are back, as runtimes do in which a call returns
its result. A careful barrier stands beside it: Forks that directly follow one another start side by side. Load n means
that n episodes are under way at any time; each that ends makes room for the next. The clock is this process's processor
time: one thread does all the work, so on a quiet machine it is the time on the wall, and on a busy one it still is.
"""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from asyncthink import engines
from asyncthink.engines import Completion, Request
from asyncthink.engines.local import Local
from asyncthink.episode import Episode
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.thinking import THINKING
from benchmarks import record, replay, timing

LOADS = {1: 12, 8: 32, 64: 128}  # load -> episodes of a turn
REPEATS = 3
QUANTILES = (50, 95)
NOTE = "on a CPU a decoding step takes longer the more rows it has, so a full batch wins little by waiting less"


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
            if self.stops(request.trace):
                await asyncio.gather(*working)
            return await super().complete(request)
        task = asyncio.ensure_future(super().complete(request))
        working.add(task)
        try:
            return await task
        finally:
            working.discard(task)

    def stops(self, trace: tuple[Any, ...]) -> bool:
        """Whether the organizer waits before it goes on."""
        return True


class CarefulBarrier(Barrier):
    """The same, where Forks that directly follow one another start side by side."""

    def stops(self, trace: tuple[Any, ...]) -> bool:
        return not self.upcoming(trace)[0].startswith("<FORK-")


@dataclass(frozen=True)
class Peer:
    """The other scheduler, and what is asked for against it."""

    engine: type[Barrier]
    name: str
    goal: str


PEERS = (
    Peer(Barrier, "a barrier at each Fork, identical traces", "≥ 1.3 times faster"),
    Peer(CarefulBarrier, "a barrier after Forks in a row, identical traces", ""),
)


def measure() -> list[record.Row]:
    """p50 and p95 of latency for each load and each of the two barriers."""
    given = replay.nano()
    written = replay.demonstrations(given, max(LOADS.values()), 32)
    model, tokenizer = replay.random_model(given)
    local = Local(model, tokenizer)
    rows = []
    for load, episodes in LOADS.items():
        turns: dict[type[replay.Replay], list[list[float]]] = defaultdict(list)
        for _ in range(REPEATS):
            for kind in (replay.Replay, *(peer.engine for peer in PEERS)):
                turns[kind].append(latencies(kind(local, replay.by_episode(written)), given, written[:episodes], load))
        rows += [
            _row(load, quantile, peer, turns[replay.Replay], turns[peer.engine])
            for peer in PEERS
            for quantile in QUANTILES
        ]
    rows += [_steps(local, given, written[: LOADS[1]], peer) for peer in PEERS]
    return rows


def _steps(local: Local, given: Any, written: list[Demonstration], peer: Peer) -> record.Row:
    """Decoding steps of episodes one at a time: their latency where a step takes the same whatever its rows."""
    counts = []
    for kind in (replay.Replay, peer.engine):
        before = local.steps
        latencies(kind(local, replay.by_episode(written)), given, written, 1)
        counts.append((local.steps - before) / len(written))
    return {
        "what": "decoding steps of a fork-join episode, load 1",
        "against": peer.name,
        "goal": peer.goal,
        "ratio": counts[1] / counts[0],
        "unit": "steps an episode",
        "ours": counts[:1],
        "theirs": counts[1:],
        "checked": "every word of every agent of every episode",
    }


def latencies(engine: replay.Replay, given: Any, written: list[Demonstration], load: int) -> list[float]:
    """Seconds from the start of each episode to its end; and every episode said what it was told to say."""
    settings = replay.unlimited(given.thinking)
    waiting = iter(range(len(written)))
    seconds: list[float] = []

    async def client() -> None:
        for number in waiting:
            start = time.process_time()
            item = written[number].item
            one = await THINKING["asynchronous"](engine, "countdown", item, settings, {}, ("barrier", number))
            seconds.append(time.process_time() - start)
            assert said(one) == dict(replay.traces_of(written[number])), f"episode {number} said something else"

    engines.run(engine, [client() for _ in range(load)])
    return seconds


def said(episode: Episode) -> dict[str, list[str]]:
    """The words of each agent."""
    return {
        trace.role if trace.fork is None else f"worker-{trace.fork}": trace.own_text.split() for trace in episode.traces
    }


def _row(load: int, quantile: int, peer: Peer, ours: list[list[float]], theirs: list[list[float]]) -> record.Row:
    own, other = ([float(np.percentile(turn, quantile)) for turn in turns] for turns in (ours, theirs))
    return {
        "what": f"latency of a fork-join episode, load {load}, p{quantile}",
        "against": peer.name,
        "goal": peer.goal,
        "ratio": timing.ratio(other, own),
        "unit": "s an episode",
        "ours": own,
        "theirs": other,
        "checked": "every word of every agent of every episode",
        "note": NOTE,
    }


if __name__ == "__main__":
    record.main(measure)
