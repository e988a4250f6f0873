"""Engines: the one small interface between thinking and whatever decodes tokens.

An engine knows tokens and nothing of the protocol. It is token-in, token-out: text that was decoded is never encoded
again, so a trace is trained on exactly the ids that were sampled.

    local               a torch model of our own; feed, cache: what it is fed, and its keys and values
    forward_pass        any causal model's step; qwen3: Qwen3's own; compiled_step: a small one's, compiled
    vllm, vllm_here     vLLM over HTTP, and in this process; vllm_dialect: what both are asked
    text_server         any OpenAI-compatible server; server, replies: how one is asked, and what it says
    scripted            says what it was told to say
    vocabulary          text to tokens and back; context_window: the room that is left; reasoning: where it ends
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from asyncthink.engines.vocabulary import Vocabulary

Result = TypeVar("Result")
FULL = "full"
Watcher = Callable[[tuple[Any, ...], int], None]  # called with (trace, token) for each token as it comes


@dataclass(frozen=True)
class Request:
    """One continuation of one trace.

    trace      names the trace for as long as it lives; an engine may keep its key/value cache under this name,
               so no two traces that live at the same time have the same name
    ids        the whole context so far: the prompt and everything decoded or injected since
    stops      texts that end the continuation; the stop is part of the returned ids
    max_tokens at most so many tokens are decoded, at least 1
    seed       together with the context decides every sampled token; no global state
    """

    trace: tuple[Any, ...]
    ids: tuple[int, ...]
    stops: tuple[str, ...]
    max_tokens: int
    seed: int
    temperature: float


@dataclass(frozen=True)
class Completion:
    """ids and logprobs (at the request's temperature; 0.0 each when greedy) of the decoded tokens, equal in length.

    stop is the stop text that ended it, "eos" for the model's own end of sequence, None when max_tokens ran out, or
    FULL where the engine's context holds no more of this trace; then there may be no token at all.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    stop: str | None


@dataclass(frozen=True)
class Identity:
    """What records say of the engine that made them; the same seeds give the same bytes on an equal one at most.

    exact is False where token ids and log-probabilities are not those that were sampled.
    """

    name: str
    version: str | None
    exact: bool = True

    @property
    def repeats_whole_runs(self) -> bool:
        """Equal seeds give equal bytes, of a whole run only: traces that are decoded side by side round together."""
        return self.name == "local"


class Engine(Protocol):
    """All that is asked of an engine. One that inherits from it says how it completes a request and what it is.

    vocabulary text to tokens and back
    watch      where it is set, it is called with (trace, token) for each token as it comes
    steps      forward passes so far, where the engine makes them itself
    root       where the weights are from, where a server says so
    """

    vocabulary: "Vocabulary"
    watch: Watcher | None = None
    steps: int = 0
    root: str | None = None

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens added."""
        return self.vocabulary.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens and tags included."""
        return self.vocabulary.decode(ids)

    @abstractmethod
    async def complete(self, request: Request) -> Completion:
        """Decode until a stop, the end of sequence, max_tokens, or the end of the engine's context."""

    @abstractmethod
    def identity(self) -> Identity:
        """What records say of it."""

    def release(self, trace: tuple[Any, ...]) -> None:
        """The trace has ended; whatever is kept for it may go."""
        return None

    async def __aenter__(self) -> Self:
        """A run begins: from here on the weights stand still."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """The run has ended; nothing of its traces is kept."""
        return None


def run(
    engine: Engine, coroutines: Iterable[Coroutine[Any, Any, Result]], ended: Callable[[Result], None] | None = None
) -> list[Result]:
    """One run of an engine: drive many coroutines side by side to their ends; results in the order given.

    `ended` is called with each result as it comes. The first error ends the run and is raised.
    """
    coroutines = list(coroutines)

    async def watched(coroutine: Coroutine[Any, Any, Result]) -> Result:
        result = await coroutine
        if ended is not None:
            ended(result)
        return result

    async def together() -> list[Result]:
        async with engine, asyncio.TaskGroup() as group:
            tasks = [group.create_task(watched(coroutine)) for coroutine in coroutines]
        return [task.result() for task in tasks]

    try:
        return asyncio.run(together())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        for coroutine in coroutines:  # where the engine could not begin, none was awaited
            coroutine.close()
