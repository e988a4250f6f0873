"""Replay with everything looked up before the clock runs, where the runtime's own share is what is measured."""

from dataclasses import replace
from typing import Any

from asyncthink import engines
from asyncthink.engines import Completion, Request
from asyncthink.engines.local import Local
from asyncthink.episode import Episode
from asyncthink.settings import Thinking
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.thinking import THINKING
from benchmarks import replay

Stretch = tuple[tuple[int, ...], tuple[float, ...], str]  # ids, no log-probabilities, the stop


class Said(replay.Replay):
    """Episode n says demonstration n; each may be said once."""

    def __init__(self, local: Local, written: list[Demonstration]) -> None:
        super().__init__(local, replay.by_episode(written))
        self._coming: dict[tuple[int, str], list[Stretch]] = {}
        for number, one in enumerate(written):
            self._coming[number, "organizer"] = [self._stretch(text) for text in replay.stretches(one.organizer)][::-1]
            for i, text in one.workers.items():
                self._coming[number, f"worker-{i}"] = [self._stretch(text)]

    def _stretch(self, text: str) -> Stretch:
        ids = tuple(self.encode(text))
        return ids, (0.0,) * len(ids), text.split()[-1]

    async def complete(self, request: Request) -> Completion:
        """The next stretch of the trace, after as many tokens were decoded."""
        ids, logprobs, stop = self._coming[request.trace[-2:]].pop()
        known, decoded = self._decoded.get(request.trace, (0, ()))
        context = (*decoded, *request.ids[known:])
        done = await self.local.complete(replace(request, ids=context, stops=replay.NEVER, max_tokens=len(ids)))
        self._decoded[request.trace] = len(request.ids) + len(ids), (*context, *done.ids)
        return Completion(ids, logprobs, stop)


def episodes(engine: Said, written: list[Demonstration], thinking: Thinking) -> list[Episode]:
    """All of them side by side."""
    think, settings = THINKING["asynchronous"], replay.unlimited(thinking)
    runs: list[Any] = [
        think(engine, "countdown", one.item, settings, {}, ("said", number)) for number, one in enumerate(written)
    ]
    return engines.run(engine, runs)
