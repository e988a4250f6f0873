"""Demonstrations said again by an engine that really decodes: identical traces, at the cost of a model.

A model that was not trained never forks, and one that was is no part of a clean clone. So the text of each call comes
from a demonstration of the solver teacher, and beside it the local engine decodes as many tokens with random weights.
It keeps the context that it decoded itself, so that its cache works as it does for real.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from asyncthink.config import params
from asyncthink.engines import Completion, Request
from asyncthink.engines.local import Local
from asyncthink.episode import Episode
from asyncthink.models import language_model, word_tokenizer
from asyncthink.settings import Thinking
from asyncthink.synthesis import solver_teacher
from asyncthink.synthesis.assignment import Assignment
from asyncthink.synthesis.demonstration import Demonstration
from asyncthink.tasks import countdown_puzzles

NEVER = ("no such text",)
Script = Callable[[tuple[Any, ...]], Demonstration]  # of an episode's seeds


def nano() -> params.Params:
    """What the repository ships."""
    return params.read(Path(__file__).parents[1] / "params.yaml")


def random_model(given: params.Params) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Nano's architecture with random weights, and a tokenizer without an end of sequence, so that rows are as long
    as they are asked to be."""
    torch.set_num_threads(1)
    tokenizer = word_tokenizer.build(given.puzzles)
    model = language_model.build(given.model, tokenizer, 0).eval()
    tokenizer.eos_token = None
    model.config.eos_token_id = model.generation_config.eos_token_id = None
    return model, tokenizer


def demonstrations(given: params.Params, count: int, items: int) -> list[Demonstration]:
    """Of asynchronous thinking, over so many items in turn."""
    sizes = replace(given.puzzles, train=items, validation=items, test=items)
    drawn = countdown_puzzles.generate(sizes, given.seed)["train"]
    synthesize = replace(given.synthesize, demonstrations=count)
    assignment = Assignment("asynchronous", given.seed, synthesize, given.thinking)
    return list(solver_teacher.demonstrate(assignment, drawn))


def unlimited(thinking: Thinking) -> Thinking:
    """Budgets that no demonstration meets: the texts decide how long a trace is."""
    return replace(thinking, organizer_budget=4096, worker_budget=4096, latency_budget=None)


class Replay:
    """An engine that says demonstrations: each call a stretch up to the next tag that the runtime acts on."""

    def __init__(self, local: Local, script: Script) -> None:
        self.local, self.script, self.vocabulary = local, script, local.vocabulary
        self.encode, self.decode = local.encode, local.decode
        self._stretches: dict[tuple[Any, ...], deque[str]] = {}
        self._decoded: dict[tuple[Any, ...], tuple[int, tuple[int, ...]]] = {}  # length of the context said, decoded
        self.tokens = 0  # that were really decoded

    async def __aenter__(self) -> "Replay":
        await self.local.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.local.__aexit__(*error)
        self._stretches.clear()
        self._decoded.clear()

    def release(self, trace: tuple[Any, ...]) -> None:
        self.local.release(trace)
        self._stretches.pop(trace, None)
        self._decoded.pop(trace, None)

    async def complete(self, request: Request) -> Completion:
        """The next stretch of the trace's text, after as many tokens were decoded."""
        text = self.upcoming(request.trace).popleft()
        ids = tuple(self.encode(text))
        await self.decoding(request, len(ids))
        return Completion(ids, (0.0,) * len(ids), text.split()[-1])

    async def decoding(self, request: Request, count: int) -> None:
        """Let the local engine decode so many tokens of the trace, after those that it decoded before."""
        known, decoded = self._decoded.get(request.trace, (0, ()))
        context = (*decoded, *request.ids[known:])  # what a Join injected comes after what was decoded
        done = await self.local.complete(replace(request, ids=context, stops=NEVER, max_tokens=count))
        assert len(done.ids) == count, f"{len(done.ids)} tokens were decoded where {count} are said"
        self.tokens += count
        self._decoded[request.trace] = len(request.ids) + count, (*context, *done.ids)

    def upcoming(self, trace: tuple[Any, ...]) -> deque[str]:
        """What the trace has yet to say."""
        if trace not in self._stretches:
            *episode, agent = trace
            demonstration = self.script(tuple(episode))
            text = demonstration.organizer if agent == "organizer" else demonstration.workers[_number(agent)]
            self._stretches[trace] = deque(stretches(text) if agent == "organizer" else [text])
        return self._stretches[trace]


def stretches(text: str) -> Iterator[str]:
    """An organizer's text, cut after each `</FORK-i>`, `<JOIN-i>` and `</ANSWER>`."""
    words: list[str] = []
    for word in text.split():
        words.append(word)
        if word.startswith(("</FORK-", "<JOIN-", "</ANSWER")):
            yield " ".join(words)
            words = []


def _number(agent: str) -> int:
    return int(agent.removeprefix("worker-"))


def by_episode(written: list[Demonstration]) -> Script:
    """Episode n says demonstration n, whatever else is in its seeds."""
    return lambda seeds: written[seeds[-1] % len(written)]


def compare(episode: Episode, written: Demonstration) -> None:
    """Every agent said its part of the demonstration, word for word, and nobody else said anything."""
    parts = {None: written.organizer, **written.workers}
    said = {trace.fork: trace.own_text.split() for trace in episode.traces}
    assert said == {fork: text.split() for fork, text in parts.items()}, f"an episode of {written.item} said otherwise"
