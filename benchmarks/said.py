"""Replay with everything looked up before the clock runs, where the runtime's own share is what is measured."""

from time import process_time
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncthink import engines
from asyncthink.engines import Completion, Request
from asyncthink.engines.feed import Feed
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
        await self.decoding(request, len(ids))
        return Completion(ids, logprobs, stop)


class Timed(Local):
    """The local engine, with a clock on its steps, and in them on the model."""

    seconds = model_seconds = 0.0

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(model, tokenizer)
        self._model_step, self.decoder.step = self.decoder.step, self._forward

    def _arrange(self) -> dict[int, list[int]]:
        begin = process_time()
        try:
            return super()._arrange()
        finally:
            self.seconds += process_time() - begin

    def _step(self, earlier: dict[int, list[int]]) -> bool:
        begin = process_time()
        try:
            return super()._step(earlier)
        finally:
            self.seconds += process_time() - begin

    def _forward(self, feed: Feed) -> Tensor:
        begin = process_time()
        try:
            return self._model_step(feed)
        finally:
            self.model_seconds += process_time() - begin


def compare(told: list[Episode], written: list[Demonstration]) -> None:
    """Every agent of every episode said what it was told to say."""
    for one, demonstration in zip(told, written, strict=True):
        replay.compare(one, demonstration)


def episodes(engine: Said, written: list[Demonstration], thinking: Thinking) -> list[Episode]:
    """All of them side by side."""
    think, settings = THINKING["asynchronous"], replay.unlimited(thinking)
    runs: list[Any] = [
        think(engine, "countdown", one.item, settings, {}, ("said", number)) for number, one in enumerate(written)
    ]
    return engines.run(engine, runs)
